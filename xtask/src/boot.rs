// SPDX-License-Identifier: Apache-2.0
//! One boot from start to verdict.
//!
//! State: the emulator, its console, its monitor, the watchdog. Invariant:
//! whatever happens, the emulator is gone at the end and exactly one
//! [`Verdict`] says how it went; nothing is ever tried again.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use skimmer_abi::exit::ExitStatus;
use skimmer_abi::inspect::ROOT_SYMBOL;

use crate::cli::BootArgs;
use crate::console::{Console, Line, Text};
use crate::disk::{self, Checked, Disk, Drive};
use crate::evidence::{self, file};
use crate::faults::{self, Programs};
use crate::image::u_boot::UBoot;
use crate::inspect::{self, HartCounters};
use crate::process;
use crate::programs;
use crate::qemu::{Qemu, qmp::Qmp};
use crate::ram::{Memory, Ram};
use crate::record::Record;
use crate::setup::Tools;
use crate::spec::{Machine, Workload};
use crate::symbols;
use crate::trace::rings::{self, Ring};
use crate::verdict::{self, Ending, Expected, Seen, Verdict};
use crate::watchdog::{Hang, Progress, SAMPLE_EVERY, Sample, Watchdog};

/// How long the loop waits for the console before it looks around.
const TURN: Duration = Duration::from_millis(20);

/// How long the rest of the console may take once the emulator has gone.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// How long a machine that cannot exit is listened to after its outcome: what
/// goes wrong in its last steps would be told then.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// A boot to be made.
#[derive(Clone, Debug)]
pub struct Boot<'a> {
    /// The machine.
    pub machine: Machine,
    /// The kernel.
    pub elf: &'a Path,
    /// Who starts it, if that is not the firmware.
    pub u_boot: Option<UBoot>,
    /// The debugger, for evidence.
    pub gdb: &'a Path,
    /// What the guest is asked.
    pub workload: Workload,
    /// Where its files go; made if it is not there.
    pub dir: &'a Path,
    /// The backstop: how long a boot in parallel may get nothing done; slower
    /// schedules have more.
    pub timeout: Duration,
    /// Wait for a debugger: no watchdog, no backstop.
    pub wait: bool,
    /// The command that does the same again.
    pub reproduce: String,
}

impl<'a> Boot<'a> {
    /// The one that is asked for, without a boot package.
    #[must_use]
    pub fn of(args: &BootArgs, tools: &'a Tools, elf: &'a Path, dir: &'a Path) -> Self {
        let seed = args.workload.seed;
        Self {
            machine: args.machine.machine(tools, seed),
            elf,
            u_boot: None,
            gdb: &tools.gdb,
            workload: args.workload.workload(seed),
            dir,
            timeout: args.machine.timeout(),
            wait: false,
            reproduce: args.run_line(),
        }
    }

    /// The same, with the package if it runs a program (programs that are built
    /// later do not change it), and the images of its disks at hand.
    ///
    /// # Errors
    /// When they cannot be built or made, or there is no program of that name.
    pub fn packed(mut self, tools: &Tools) -> Result<Self> {
        std::fs::create_dir_all(self.dir)
            .with_context(|| format!("cannot make {}", self.dir.display()))?;
        disk::prepare(&self.machine.disks)?;
        self.machine.initrd = programs::for_boot(&tools.compiler, &self.workload, self.dir)?;
        Ok(self)
    }

    /// The guest's command line.
    #[must_use]
    pub fn bootargs(&self) -> String {
        self.workload.bootargs() + &disk::bootargs(&self.machine.disks)
    }

    /// Starts the emulator.
    fn start(&self, ram: Option<&Ram>, drives: &[Drive]) -> Result<Qemu> {
        if let Some(u_boot) = &self.u_boot {
            let machine = u_boot.machine(&self.machine);
            return Qemu::start(&machine, &u_boot.program, "", ram, drives, self.wait);
        }
        Qemu::start(&self.machine, self.elf, &self.bootargs(), ram, drives, self.wait)
    }

    /// Makes it where nobody looks on, and where it has to pass.
    ///
    /// # Errors
    /// As [`boot`], or says why it did not pass.
    pub fn passed(&self) -> Result<Booted> {
        let booted = boot(self, &mut |_| {})?;
        let problem = booted.verdict.problems.first();
        ensure!(problem.is_none(), "{}", problem.map(ToString::to_string).unwrap_or_default());
        Ok(booted)
    }
}

/// A boot that was made.
#[derive(Clone, Debug)]
pub struct Booted {
    /// How it went.
    pub verdict: Verdict,
    /// How it ended.
    pub ending: Ending,
    /// What the guest told.
    pub records: Vec<Record>,
    /// What it said to people, with its place among the records.
    pub texts: Vec<Text>,
    /// Wall-clock time.
    pub took: Duration,
    /// The counters of the last sample.
    pub harts: Vec<HartCounters>,
    /// What the trace rings hold in the end; none where the guest's memory
    /// cannot be read any more.
    pub rings: Vec<Ring>,
    /// What was found on the disks that the guest could write.
    pub disks: Vec<Checked>,
    /// Evidence files that were written.
    pub evidence: Vec<PathBuf>,
}

/// What a boot tells while it runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// The emulator runs, as this process.
    Started(u32),
    /// The emulator runs and a debugger may attach with this command.
    Waiting(&'a str),
    /// A console line.
    Line(&'a Line),
    /// The workload has begun, and this is what the harts have counted.
    Counted(&'a [HartCounters]),
}

/// Makes a boot; `show` sees what happens as it happens.
///
/// # Errors
/// When the boot could not be made at all (no directory, no emulator). What
/// goes wrong in a boot is its verdict, not an error.
pub fn boot(spec: &Boot<'_>, show: &mut dyn FnMut(Event<'_>)) -> Result<Booted> {
    std::fs::create_dir_all(spec.dir)
        .with_context(|| format!("cannot make {}", spec.dir.display()))?;
    let root = symbols::physical_address(spec.elf, ROOT_SYMBOL)?;
    let ram = Ram::create(&spec.machine, spec.dir)?;
    let drives = Drive::attach(&spec.machine.disks, spec.dir)?;
    let mut qemu = spec.start(ram.as_ref(), &drives)?;
    evidence::write(spec.dir, file::QEMU, &format!("{}\n", qemu.command()))?;
    evidence::write(spec.dir, file::REPRODUCE, &format!("{}\n", spec.reproduce))?;
    show(Event::Started(qemu.id()));
    if spec.wait {
        show(Event::Waiting(&evidence::attach_line(spec.gdb, spec.elf, &qemu.gdb_socket())));
    }
    let pipe = qemu.take_console().context("the emulator has no console")?;
    let log = File::create(spec.dir.join(file::CONSOLE))?;
    let mut run = Running {
        spec,
        input: read_in_background(pipe),
        log,
        console: Console::default(),
        qemu,
        qmp: None,
        drives,
        ram,
        root,
        watchdog: Watchdog::new(spec.machine.schedule.patience()),
        start: Instant::now(),
        sampled: Instant::now(),
        done: None,
        moved: Instant::now(),
        harts: Vec::new(),
        told: None,
        evidence: Vec::new(),
    };
    let ending = run.until_it_ends(show)?;
    run.finish(ending, show)
}

/// Reads the console on a thread of its own, so that a guest that prints
/// nothing does not stop the clock.
fn read_in_background(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A boot under way.
struct Running<'a> {
    spec: &'a Boot<'a>,
    input: Receiver<Vec<u8>>,
    log: File,
    console: Console,
    qemu: Qemu,
    qmp: Option<Qmp>,
    /// Their images are there until the verdict.
    drives: Vec<Drive>,
    /// The guest's memory, if it is in a file.
    ram: Option<Ram>,
    root: Option<u64>,
    watchdog: Watchdog,
    start: Instant,
    sampled: Instant,
    /// What was done when it was last looked at, and when that last changed.
    done: Option<Progress>,
    moved: Instant,
    harts: Vec<HartCounters>,
    /// When a machine without an exit device told its end.
    told: Option<Instant>,
    evidence: Vec<PathBuf>,
}

impl Running<'_> {
    fn until_it_ends(&mut self, show: &mut dyn FnMut(Event<'_>)) -> Result<Ending> {
        loop {
            match self.input.recv_timeout(TURN) {
                Ok(bytes) => self.take_in(&bytes, show)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TURN),
            }
            if process::interrupted() {
                return Ok(Ending::Interrupted);
            }
            if let Some(status) = self.qemu.try_wait()? {
                self.drain(show)?;
                return Ok(self.how_it_exited(status));
            }
            if self.is_over() {
                return Ok(Ending::EndedAfterOutcome);
            }
            if self.qmp.is_none() {
                self.qmp = self.qemu.connect();
            }
            if self.spec.wait {
                continue;
            }
            if let Some(ending) = self.look(show)? {
                self.save_harts();
                return Ok(ending);
            }
        }
    }

    /// What stands on the console when the emulator has gone.
    fn drain(&mut self, show: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        while let Ok(bytes) = self.input.recv_timeout(DRAIN_LIMIT) {
            self.take_in(&bytes, show)?;
        }
        Ok(())
    }

    fn take_in(&mut self, bytes: &[u8], show: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        self.log.write_all(bytes).context("cannot write the console log")?;
        for line in self.console.push(bytes) {
            self.take_line(&line, show);
        }
        Ok(())
    }

    fn take_line(&mut self, line: &Line, show: &mut dyn FnMut(Event<'_>)) {
        let is_panic = matches!(line, Line::Record(record) if matches!(**record, Record::Panic(_)));
        if is_panic && self.evidence.is_empty() {
            self.catch_panic();
        }
        show(Event::Line(line));
    }

    /// A panicking guest ends itself soon: stop it before it does, save its
    /// harts, and let it go on to its exit status.
    fn catch_panic(&mut self) {
        if self.qmp.is_none() {
            self.qmp = self.qemu.connect();
        }
        let Some(qmp) = &mut self.qmp else { return };
        if qmp.execute("stop", None).is_err() {
            return;
        }
        self.save_harts();
        if let Some(qmp) = &mut self.qmp {
            // If it cannot go on, the backstop ends it.
            let _ = qmp.execute("cont", None);
        }
    }

    fn save_harts(&mut self) {
        let spec = self.spec;
        let socket = self.qemu.gdb_socket();
        let saved = evidence::save_harts(spec.dir, spec.gdb, spec.elf, &socket, self.qmp.as_mut());
        self.evidence.extend(saved);
        self.sampled = Instant::now();
    }

    /// Whether a machine without an exit device told its end a while ago.
    fn is_over(&mut self) -> bool {
        let ends =
            |r: &Record| matches!(r, Record::End(_) | Record::Panic(_) | Record::BadInput { .. });
        if self.spec.machine.has_exit_device() || !self.console.records.iter().any(ends) {
            return false;
        }
        self.told.get_or_insert_with(Instant::now).elapsed() >= AFTERWARDS
    }

    fn how_it_exited(&self, status: std::process::ExitStatus) -> Ending {
        use std::os::unix::process::ExitStatusExt as _;
        if process::interrupted() {
            return Ending::Interrupted;
        }
        match (status.code(), status.signal()) {
            (Some(code), _) => {
                let guests = ExitStatus::from_code(code).is_some();
                if self.console.bytes == 0 && !guests {
                    // `finish` fills in what it said.
                    Ending::QemuFailed(String::new())
                } else {
                    Ending::Exited(code)
                }
            }
            (None, signal) => Ending::Signalled(signal.unwrap_or(0)),
        }
    }

    /// Samples the guest when it is time; `Some` when it must be ended.
    fn look(&mut self, show: &mut dyn FnMut(Event<'_>)) -> Result<Option<Ending>> {
        let limit = self.spec.timeout.saturating_mul(self.spec.machine.schedule.patience());
        if self.moved.elapsed() >= limit {
            let seconds = limit.as_secs();
            // A workload that has begun, and of which the guest still tells,
            // stands still; of another nothing is known.
            let is_known = self.work().is_some() && !self.harts.is_empty();
            let stalled = Ending::Hang(Hang::Stalled { seconds });
            return Ok(Some(if is_known { stalled } else { Ending::Timeout(seconds) }));
        }
        let elapsed = self.sampled.elapsed();
        if elapsed < SAMPLE_EVERY {
            return Ok(None);
        }
        self.sampled = Instant::now();
        let progress = self.progress();
        let Some(cpu) = inspect::cpu_time(self.qemu.id()) else { return Ok(None) };
        let work = self.work();
        if work.is_some() && matches!(progress, Progress::Guest(_)) {
            show(Event::Counted(&self.harts));
        }
        // What the scenario gets done puts the backstop off; before it has
        // begun, whatever the guest does.
        let done = work.map_or(progress, Progress::Guest);
        if self.done.replace(done) != Some(done) {
            self.moved = Instant::now();
        }
        Ok(self.watchdog.observe(Sample { progress, work, cpu, elapsed }).map(Ending::Hang))
    }

    fn progress(&mut self) -> Progress {
        if self.count() {
            Progress::Guest(inspect::sum(&self.harts))
        } else {
            Progress::Console(self.console.bytes)
        }
    }

    /// What the scenario has done of its work, once it has begun.
    fn work(&self) -> Option<u64> {
        let has_begun = self.console.records.iter().any(|r| matches!(r, Record::Start { .. }));
        has_begun.then(|| self.harts.iter().map(|hart| hart.work).sum())
    }

    /// Reads the guest's counters: out of its memory's file, or through the
    /// monitor. Whether it has published them.
    fn count(&mut self) -> bool {
        let memory: Option<&mut dyn Memory> = match (&mut self.ram, &mut self.qmp) {
            (Some(ram), _) => Some(ram),
            (None, Some(qmp)) => Some(qmp),
            (None, None) => None,
        };
        let counters = memory.zip(self.root).map(|(memory, root)| inspect::counters(memory, root));
        match counters {
            Some(Ok(Some(harts))) => {
                self.harts = harts;
                true
            }
            _ => false,
        }
    }

    /// The trace rings of a machine that has ended.
    fn rings(&mut self) -> Vec<Ring> {
        if self.ram.is_none() || !self.count() {
            return Vec::new();
        }
        let Some(ram) = &mut self.ram else { return Vec::new() };
        // A kernel that died may have left anything there.
        rings::read(ram, &self.harts).unwrap_or_default()
    }

    fn finish(mut self, mut ending: Ending, show: &mut dyn FnMut(Event<'_>)) -> Result<Booted> {
        let took = self.start.elapsed();
        self.qemu.kill();
        self.drain(show)?;
        let rings = self.rings();
        if let Some(line) = self.console.finish() {
            self.take_line(&line, show);
        }
        let said = self.qemu.errors();
        if !said.is_empty() {
            evidence::write(self.spec.dir, file::QEMU_ERRORS, &format!("{said}\n"))?;
        }
        if let Ending::QemuFailed(text) = &mut ending {
            *text = if said.is_empty() { "it ended without a word".to_owned() } else { said };
        }
        let (disks, problems) = Drive::verify_all(&self.drives, &self.console.records);
        let verdict = self.judge(&ending, &problems);
        self.save_disks(&disks)?;
        self.save_faults()?;
        self.save_rest(&verdict)?;
        Ok(Booted {
            verdict,
            ending,
            records: self.console.records,
            texts: self.console.texts,
            took,
            harts: self.harts,
            rings,
            disks,
            evidence: self.evidence,
        })
    }

    fn judge(&self, ending: &Ending, disks: &[String]) -> Verdict {
        let Boot { machine, workload, .. } = self.spec;
        let expected = Expected {
            scenario: workload.scenario,
            rounds: workload.rounds(),
            work: workload.work(),
            disks: machine.disks.iter().map(Disk::layout).collect(),
            specs: machine.disks.iter().map(|disk| disk.spec.clone()).collect(),
            harts: machine.expected_harts(),
            exit_checked: machine.has_exit_device(),
            seed: workload.seed,
        };
        let Console { records, texts, damaged, bytes, gaps, .. } = &self.console;
        let silent = *bytes == 0;
        let seen = Seen { records, texts, damaged: *damaged, silent, gaps, disks, ending };
        verdict::judge(&expected, &seen)
    }

    /// The images themselves are not kept.
    fn save_disks(&mut self, disks: &[Checked]) -> Result<()> {
        let text: String = disks.iter().map(Checked::report).collect();
        if !text.is_empty() {
            self.evidence.push(evidence::write(self.spec.dir, file::DISKS, &text)?);
        }
        Ok(())
    }

    /// Programs may die in a boot that passes, too.
    fn save_faults(&mut self) -> Result<()> {
        let mut programs = Programs::of(self.spec.machine.initrd.as_deref());
        let mut text = String::new();
        for record in &self.console.records {
            if let Record::Fault(fault) = record {
                text += &faults::report(fault, programs.symbols(&fault.program));
            }
        }
        if !text.is_empty() {
            self.evidence.push(evidence::write(self.spec.dir, file::FAULTS, &text)?);
        }
        Ok(())
    }

    fn save_rest(&mut self, verdict: &Verdict) -> Result<()> {
        if verdict.passed() {
            return Ok(());
        }
        let dir = self.spec.dir;
        if !self.harts.is_empty() {
            let table = evidence::counters_table(&self.harts);
            self.evidence.push(evidence::write(dir, file::COUNTERS, &table)?);
        }
        let symbols = symbols::Symbols::load(self.spec.elf).ok();
        let reports: Vec<String> = self
            .console
            .records
            .iter()
            .filter_map(|r| if let Record::Panic(panic) = r { Some(panic) } else { None })
            .map(|panic| evidence::panic_report(panic, symbols.as_ref()))
            .collect();
        if !reports.is_empty() {
            self.evidence.push(evidence::write(dir, file::PANIC, &reports.join("\n"))?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
