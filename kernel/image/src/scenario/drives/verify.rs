// SPDX-License-Identifier: Apache-2.0
//! `nvme-verify`: a worker for each queue pair, on a hart of its own, reads and
//! verifies all blocks that were asked for, writes a region, flushes, and reads
//! the region again. The host looks at the disk afterwards.
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
    ist::{LOOKS, PATIENCE, PRIORITY},
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
    let mut disks = usable(line, drives);
    let place = Place::chosen(line);
    let windows = windows(&mut disks, line.rounds);
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
fn windows(disks: &mut [Disk], most: Option<u64>) -> Vec<(Range<u64>, Range<u64>)> {
    let mut left = most;
    let mut to_go = disks.len() as u64;
    let mut windows = Vec::new();
    for disk in disks {
        let blocks = disk.drive.namespaces()[0].blocks;
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
}

impl Served {
    /// Makes the workers, each on its hart with a queue pair.
    fn new(mut disk: Disk, seed: u64, read: Range<u64>, write: Range<u64>) -> Self {
        let Parts { controller, queues, .. } = disk.drive.parts();
        let job = Job {
            machine: *controller.machine(),
            namespace: controller.namespaces()[0],
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
        Self { drive: disk.drive, workers, slots, tallies }
    }

    /// Messages that making the workers took.
    fn messages(&self) -> u64 {
        self.workers.len() as u64
    }

    /// Sends every worker the same, and waits for all answers: whether all are
    /// done.
    fn tell(&self, kind: u64, argument: u64) -> bool {
        let send = |worker: &ThreadId| {
            lwkt::send(*worker, lwkt::message([kind, argument, 0, 0, 0, 0, 0, 0]))
        };
        let sent: Vec<_> = self.workers.iter().map(send).collect();
        let mut is_done = true;
        for ticket in sent {
            is_done &= lwkt::wait(ticket).words()[0] == 1;
        }
        is_done
    }

    /// All queue pairs, from where their workers have put them.
    fn collect(&mut self) {
        let taken = self.slots.iter().filter_map(|slot| masked(|irq| slot.lock(irq).take()));
        self.drive.parts().queues.extend(taken);
    }

    /// The controller is attended to with all queue pairs in hand: whether it is
    /// well.
    fn attend(&mut self) -> bool {
        self.tell(HAND_OVER, 0);
        self.collect();
        let Parts { controller, queues, .. } = self.drive.parts();
        let is_well = controller.attend(queues).is_ok();
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
        sum.drives = 1;
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
                    errors += self.serve(&interrupt, phase);
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

    /// One phase: the errors.
    fn serve(&mut self, interrupt: &Interrupt, phase: u64) -> u64 {
        let (mut quiet, mut errors) = (0, 0);
        let mut is_done = self.tell(BEGIN, phase);
        while !is_done {
            match interrupt.wait(Some(time::now() + time::ticks_per_second() / LOOKS)) {
                Ok(()) => {
                    quiet = 0;
                    is_done = self.look(true);
                }
                Err(Errno::ETIMEDOUT) => {
                    quiet += 1;
                    if quiet % PATIENCE == 0 {
                        errors += self.attend();
                        is_done = self.look(false);
                    }
                }
                Err(_) => return errors,
            }
        }
        errors
    }

    /// Has all workers look, with the level down.
    fn look(&mut self, by_interrupt: bool) -> bool {
        for served in &mut self.served {
            served.drive.parts().controller.mask_interrupts(1);
        }
        let is_done = self.tell(LOOK, u64::from(by_interrupt));
        for served in &mut self.served {
            served.drive.parts().controller.unmask_interrupts(1);
        }
        is_done
    }

    fn tell(&mut self, kind: u64, argument: u64) -> bool {
        self.messages += self.served.iter().map(|served| served.workers.len() as u64).sum::<u64>();
        let mut is_done = true;
        for served in &self.served {
            is_done &= served.tell(kind, argument);
        }
        is_done
    }

    /// The drives that do not recover.
    fn attend(&mut self) -> u64 {
        self.messages +=
            2 * self.served.iter().map(|served| served.workers.len() as u64).sum::<u64>();
        let ill = self.served.iter_mut().map(Served::attend).filter(|is_well| !is_well).count();
        ill as u64 * failed("a drive recovers", ill == 0)
    }
}
