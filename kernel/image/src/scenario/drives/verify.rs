// SPDX-License-Identifier: Apache-2.0
//! `nvme-verify`: a worker for each queue pair, on a hart of its own, reads and
//! verifies all blocks that were asked for, writes a region, flushes, and reads
//! the region again. Where something was read wrong nothing is written. The host
//! looks at the disk afterwards.
//!
//! One interrupt service thread for each source, on one hart, masks the drives'
//! interrupts (NVM Express Base 2.0, section 3.1.3.3), has every worker look, and
//! unmasks: the level is down before the source is unmasked, and comes up again if
//! a completion came too late for the look.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use skimmer_abi::{
    errno::Errno,
    random::mix,
    record::{DiskWritten, Record},
};
use skimmer_arch::{console, irq::masked, time};
use skimmer_core::{cmdline::CommandLine, ids::ThreadId};
use skimmer_sync::once::Once;

use super::{
    super::{Report, announce, spawn},
    Disk, Heard, Place, Tally, failed, forever,
    ist::{GRACE, LOOKS, PATIENCE, PRIORITY},
    required, usable,
    worker::{BEGIN, END, HAND_OVER, Job, LOOK, Phase, Slot, TAKE_BACK, WRITTEN, Worker},
};
use crate::{
    interrupts::Interrupt,
    lwkt,
    nvme::{Drive, Parts, Queue},
    smp,
};

/// Of the workers: below the interrupt service thread.
const WORKER_PRIORITY: u8 = 120;

/// A region to write is so many times smaller than the disk, and has at the most
/// so many blocks.
const REGION: (u64, u64) = (8, 8192);

/// The scenario.
pub(in crate::scenario) fn run(line: &CommandLine<'_>, drives: Vec<Drive>) -> Report {
    let disks = usable(line, drives);
    let place = Place::chosen(line);
    let windows = windows(&disks, line.rounds);
    let asked: u64 = windows.iter().map(|(read, _)| read.end).sum();
    announce(line, 1, asked);
    let before = Heard::on(place.hart());
    let mut sum = required(Tally::new());
    let mut messages = 0;
    let mut sources: Vec<(u32, Vec<Served>)> = Vec::new();
    let mut written = Vec::new();
    for (disk, (read, write)) in disks.into_iter().zip(windows) {
        let (first, count) = (write.start, write.end - write.start);
        written.push(DiskWritten { drive: disk.number, first, count, generation: WRITTEN });
        let source = disk.source;
        let served = Served::new(disk, mix(line.seed), read, write);
        messages += served.messages();
        match sources.iter_mut().find(|(other, _)| *other == source) {
            Some((_, all)) => all.push(served),
            None => sources.push((source, alloc::vec![served])),
        }
    }
    // Each service thread is given a home, and tells its end.
    messages += 2 * sources.len() as u64;
    let tellings = serve_all(sources, place.service);
    for telling in tellings {
        if let Some((tally, told)) = telling.get() {
            sum.add(tally);
            messages += told;
        }
    }
    for told in written.into_iter().filter(|told| told.count > 0 && sum.errors == 0) {
        console::send(Record::DiskWritten(told));
    }
    let interrupts = Heard::on(place.hart()).since(&before, place.hart());
    Report {
        verified: sum.blocks - sum.written,
        errors: sum.errors,
        messages: Some(messages),
        interrupts: Some(interrupts),
        drives: Some(sum.told()),
        ..Report::default()
    }
}

/// What is to be read and what written, of each disk: at the most so many blocks
/// in all are read, of each disk about as many.
fn windows(disks: &[Disk], most: Option<u64>) -> Vec<(Range<u64>, Range<u64>)> {
    let mut left = most;
    let mut to_go = disks.len() as u64;
    let mut windows = Vec::new();
    for disk in disks {
        let blocks = disk.span.blocks();
        let read = left.map_or(blocks, |left| left.div_ceil(to_go).min(blocks));
        left = left.map(|left| left - read);
        to_go -= 1;
        let (part, most) = REGION;
        let start = blocks / 2;
        windows.push((0..read, start..start + (blocks / part).min(most)));
    }
    windows
}

/// What came of a service thread's disks, and the messages that it sent.
type Telling = Once<(Tally, u64)>;

/// Has the threads run on the hart of that service thread, and waits for them.
fn serve_all(sources: Vec<(u32, Vec<Served>)>, service: ThreadId) -> &'static [Telling] {
    let tellings: &'static [Telling] = Box::leak(sources.iter().map(|_| Once::new()).collect());
    let collector = lwkt::current();
    for ((source, served), telling) in sources.into_iter().zip(tellings) {
        let ist = Ist { source, served, messages: 0 };
        let thread = spawn(service, "nvme-ist", PRIORITY, move || {
            let _ = telling.set(Box::new(ist.run()));
            let _ = lwkt::call(collector, lwkt::message([0; 8]));
        });
        lwkt::schedule(thread);
    }
    for _ in tellings {
        lwkt::reply(lwkt::receive(), 0);
    }
    tellings
}

/// A disk and its workers.
struct Served {
    drive: Drive,
    workers: Vec<ThreadId>,
    slots: &'static [Slot],
    tallies: &'static [Once<Tally>],
    /// Completions of which no interrupt has told.
    missed: u64,
}

/// What workers answer, all together.
#[derive(Clone, Copy, Debug)]
struct Answer {
    is_done: bool,
    errors: u64,
}

impl Answer {
    const NONE: Self = Self { is_done: true, errors: 0 };

    fn add(&mut self, other: Self) {
        self.is_done &= other.is_done;
        self.errors += other.errors;
    }
}

impl Served {
    /// Makes the workers, each on its hart with a queue pair.
    fn new(mut disk: Disk, seed: u64, read: Range<u64>, write: Range<u64>) -> Self {
        let Parts { controller, queues, .. } = disk.drive.parts();
        let job = Job {
            machine: *controller.machine(),
            span: disk.span,
            disk_seed: disk.seed,
            seed,
            read,
            write,
            workers: queues.len() as u64,
        };
        let queues: Vec<Queue> = core::mem::take(queues);
        let slots: &'static [Slot] =
            forever(queues.iter().map(|_| Slot::new(None)).collect::<Vec<_>>());
        let tallies: &'static [Once<Tally>] =
            forever(queues.iter().map(|_| Once::new()).collect::<Vec<_>>());
        let places = slots.iter().zip(tallies).zip(smp::services());
        let workers = queues.into_iter().zip(places).zip(0..).map(
            |((queue, ((slot, tally), service)), number)| {
                let worker = Worker::new(job.clone(), number, queue, slot);
                let run = move || worker.run(tally);
                let thread = spawn(*service, "nvme-worker", WORKER_PRIORITY, run);
                lwkt::schedule(thread);
                thread
            },
        );
        let workers = workers.collect();
        Self { drive: disk.drive, workers, slots, tallies, missed: 0 }
    }

    /// Messages that making the workers took.
    fn messages(&self) -> u64 {
        self.workers.len() as u64
    }

    /// Sends every worker the same, and waits for all answers.
    fn tell(&self, kind: u64, argument: u64) -> Answer {
        let send = |worker: &ThreadId| {
            lwkt::send(*worker, lwkt::message([kind, argument, 0, 0, 0, 0, 0, 0]))
        };
        let sent: Vec<_> = self.workers.iter().map(send).collect();
        let mut sum = Answer::NONE;
        for ticket in sent {
            let [is_done, errors, ..] = lwkt::wait(ticket).words();
            sum.add(Answer { is_done: is_done == 1, errors });
        }
        sum
    }

    /// All queue pairs, from where their workers have put them.
    fn collect(&mut self) {
        let taken = self.slots.iter().filter_map(|slot| masked(|irq| slot.lock(irq).take()));
        self.drive.parts().queues.extend(taken);
    }

    /// Has all queue pairs handed over: whether there are new completions.
    fn take_over(&mut self) -> bool {
        self.tell(HAND_OVER, 0);
        self.collect();
        self.drive.parts().queues.iter().any(|queue| queue.has_news())
    }

    /// The controller is attended to with all queue pairs in hand, if that is to
    /// be, and they go back: whether it is well.
    fn hand_back(&mut self, is_attended: bool) -> bool {
        let Parts { controller, queues, .. } = self.drive.parts();
        let attended = is_attended.then(|| controller.attend(queues));
        let is_well = !matches!(attended, Some(Err(_)));
        if let Some(Ok(attended)) = attended {
            self.missed += attended.found as u64;
        }
        for (queue, slot) in queues.drain(..).zip(self.slots) {
            masked(|irq| *slot.lock(irq) = Some(queue));
        }
        self.tell(TAKE_BACK, 0);
        is_well
    }

    /// Ends the workers and turns the drive off: what came of it.
    fn finish(mut self) -> Tally {
        self.tell(END, 0);
        self.collect();
        let mut sum = required(Tally::new());
        self.tallies.iter().filter_map(Once::get).for_each(|tally| sum.add(tally));
        (sum.drives, sum.missed) = (1, self.missed);
        sum.close(self.drive);
        sum
    }
}

struct Ist {
    source: u32,
    served: Vec<Served>,
    messages: u64,
}

impl Ist {
    /// What came of it, and the messages that it took.
    fn run(mut self) -> (Tally, u64) {
        let mut errors = 0;
        match Interrupt::attach(self.source) {
            Ok(interrupt) => {
                for phase in 0..Phase::ALL.len() as u64 {
                    let (failed, wrong) = self.serve(&interrupt, phase);
                    errors += failed;
                    // What was read wrong nobody writes over.
                    if failed + wrong > 0 {
                        break;
                    }
                }
            }
            Err(_) => errors = failed("a drive's source can be attached", false),
        }
        let mut sum = required(Tally::new());
        sum.errors = errors;
        for served in core::mem::take(&mut self.served) {
            self.messages += served.workers.len() as u64;
            sum.add(&served.finish());
        }
        (sum, self.messages)
    }

    /// One phase: the errors, and those that the workers know of.
    fn serve(&mut self, interrupt: &Interrupt, phase: u64) -> (u64, u64) {
        let (mut quiet, mut errors) = (0, 0);
        let mut answer = self.tell(BEGIN, phase);
        while !answer.is_done {
            match interrupt.wait(Some(time::now() + time::ticks_per_second() / LOOKS)) {
                Ok(()) => {
                    quiet = 0;
                    answer = self.look(true);
                }
                Err(Errno::ETIMEDOUT) => {
                    quiet += 1;
                    if quiet % PATIENCE == 0 {
                        let (failed, is_late) = self.attend(interrupt);
                        errors += failed;
                        answer = self.look(is_late);
                    }
                }
                Err(_) => return (errors + failed("a source stays", false), answer.errors),
            }
        }
        (errors, answer.errors)
    }

    /// Has all workers look, with the level down.
    fn look(&mut self, by_interrupt: bool) -> Answer {
        for served in &mut self.served {
            served.drive.parts().controller.mask_interrupts(1);
        }
        let answer = self.tell(LOOK, u64::from(by_interrupt));
        for served in &mut self.served {
            served.drive.parts().controller.unmask_interrupts(1);
        }
        answer
    }

    fn tell(&mut self, kind: u64, argument: u64) -> Answer {
        self.messages += self.served.iter().map(|served| served.workers.len() as u64).sum::<u64>();
        let mut sum = Answer::NONE;
        for served in &self.served {
            sum.add(served.tell(kind, argument));
        }
        sum
    }

    /// Nothing was heard for long. Completions that are there now have some time
    /// for their interrupt to come; if it does not, the drives are attended to. The
    /// drives that do not recover, and whether an interrupt came.
    fn attend(&mut self, interrupt: &Interrupt) -> (u64, bool) {
        self.messages +=
            2 * self.served.iter().map(|served| served.workers.len() as u64).sum::<u64>();
        // All of them hand over, whatever the first has.
        let news = self.served.iter_mut().map(Served::take_over).filter(|has_news| *has_news);
        let has_news = news.count() > 0;
        let grace = || Some(time::now() + time::ticks_per_second() / GRACE);
        let is_late = has_news && interrupt.wait(grace()).is_ok();
        let well = self.served.iter_mut().map(|served| served.hand_back(!is_late));
        let ill = well.filter(|is_well| !is_well).count();
        (ill as u64 * failed("a drive recovers", ill == 0), is_late)
    }
}
