// SPDX-License-Identifier: Apache-2.0
//! What is kept of a boot that went wrong: the state of every hart through
//! the debugger's stub and the monitor, and a panic with its addresses turned
//! into functions, files and lines. Gathering never decides: a debugger that
//! fails leaves a note instead of its output, and the verdict stands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::gdb;
use crate::inspect::HartCounters;
use crate::process;
use crate::qemu::qmp::Qmp;
use crate::record::PanicInfo;
use crate::symbols::{Place, Symbols};

/// How long the debugger may take (64 harts take a few seconds).
const DEBUGGER_LIMIT: Duration = Duration::from_secs(90);

/// The deepest backtrace that the debugger follows.
const DEEPEST: u32 = 40;

/// Files of a boot's directory.
pub mod file {
    /// Everything the guest printed.
    pub const CONSOLE: &str = "console.log";
    /// QEMU's command line.
    pub const QEMU: &str = "qemu-command.txt";
    /// How to see it again.
    pub const REPRODUCE: &str = "reproduce.txt";
    /// Registers and backtrace of every hart, by the debugger.
    pub const DEBUGGER: &str = "harts-gdb.txt";
    /// Registers of every hart, by the monitor.
    pub const MONITOR: &str = "harts-monitor.txt";
    /// The counters of every hart.
    pub const COUNTERS: &str = "counters.txt";
    /// A panic in full.
    pub const PANIC: &str = "panic.txt";
    /// Wrong blocks of test disks.
    pub const DISKS: &str = "disks.txt";
    /// Programs' faults in full.
    pub const FAULTS: &str = "faults.txt";
    /// What QEMU said on its standard error.
    pub const QEMU_ERRORS: &str = "qemu-errors.txt";
}

/// What the debugger is told, for the kernel at `elf` behind `socket`.
fn debugger(gdb: &Path, elf: &Path, socket: &Path) -> Command {
    let mut command = Command::new(gdb);
    command.args(["-nx", "-batch"]);
    let [script, attach] = gdb::attach(socket);
    for line in [
        "set pagination off".to_owned(),
        "set confirm off".to_owned(),
        "set width 0".to_owned(),
        script,
        attach,
        "info threads".to_owned(),
        format!("thread apply all -s backtrace {DEEPEST}"),
        "thread apply all -s info registers".to_owned(),
        "thread apply all -s info registers scause sepc stval sstatus sie sip satp".to_owned(),
        "disconnect".to_owned(),
    ] {
        command.arg("-ex").arg(line);
    }
    command.arg(elf);
    command
}

/// The command that attaches a debugger by hand.
#[must_use]
pub fn attach_line(gdb: &Path, elf: &Path, socket: &Path) -> String {
    let mut command = Command::new(gdb);
    command.arg(elf);
    for line in gdb::attach(socket) {
        command.arg("-ex").arg(line);
    }
    process::line(&command)
}

/// Saves the state of every hart of a machine that still runs into `dir`.
/// The machine is left stopped. Gives the files written.
pub fn save_harts(
    dir: &Path,
    gdb: &Path,
    elf: &Path,
    socket: &Path,
    qmp: Option<&mut Qmp>,
) -> Vec<PathBuf> {
    let mut saved = Vec::new();
    let mut save = |name: &str, text: &str| {
        let path = dir.join(name);
        match std::fs::write(&path, text) {
            Ok(()) => saved.push(path),
            Err(error) => eprintln!("cannot save {}: {error}", path.display()),
        }
    };
    if let Some(qmp) = qmp {
        // A stop that fails shows in what the debugger then says.
        let _ = qmp.execute("stop", None);
        match qmp.monitor("info registers -a") {
            Ok(text) => save(file::MONITOR, &text),
            Err(error) => save(file::MONITOR, &format!("the monitor failed: {error:#}\n")),
        }
    }
    let text = match process::output_within(&debugger(gdb, elf, socket), DEBUGGER_LIMIT) {
        Ok(Some(output)) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            said + &String::from_utf8_lossy(&output.stderr)
        }
        Ok(None) => format!("the debugger took longer than {} s\n", DEBUGGER_LIMIT.as_secs()),
        Err(error) => format!("the debugger failed: {error:#}\n"),
    };
    save(file::DEBUGGER, &text);
    saved.extend(gdb::save(dir, gdb, elf, socket));
    saved
}

/// The counters of every hart as a table.
#[must_use]
pub fn counters_table(harts: &[HartCounters]) -> String {
    let mut text = format!(
        "{:>4} {:>6} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11} {:>10}\n",
        "hart",
        "online",
        "switches",
        "ring ops",
        "work",
        "sends",
        "replies",
        "doorbells",
        "preemptions",
        "timers"
    );
    for hart in harts {
        let HartCounters { hartid, online, switches, remote_ops, work, sends, replies, .. } = hart;
        let HartCounters { doorbells, preemptions, timers, .. } = hart;
        let online = if *online { "yes" } else { "no" };
        let _ = writeln!(
            text,
            "{hartid:>4} {online:>6} {switches:>10} {remote_ops:>10} {work:>10} {sends:>10} \
             {replies:>10} {doorbells:>10} {preemptions:>11} {timers:>10}"
        );
    }
    text
}

/// A panic for people.
#[must_use]
pub fn panic_report(panic: &PanicInfo, symbols: Option<&Symbols>) -> String {
    let mut text = format!("panic on hart {}: {}\n", panic.hartid, panic.message);
    if !panic.file.is_empty() {
        let _ = writeln!(text, "  at {}:{}", panic.file, panic.line);
    }
    if let Some(scause) = panic.scause {
        let _ = writeln!(
            text,
            "  trap: {} (scause {scause:#x}), stval {:#x}",
            cause_in_words(scause),
            panic.stval
        );
    }
    let at = |address, call: bool| match symbols {
        Some(symbols) if call => symbols.caller_places(address),
        Some(symbols) => symbols.places(address),
        None => vec![],
    };
    add_frame(&mut text, 0, panic.pc, &at(panic.pc, panic.scause.is_none()));
    // An assertion's own place is its first return address.
    let known = usize::from(panic.frames.first() == Some(&panic.pc));
    for (number, &address) in (1..).zip(panic.frames.iter().skip(known)) {
        add_frame(&mut text, number, address, &at(address, true));
    }
    text
}

/// Adds a line for an address of a backtrace, and one for each call that was
/// inlined there.
pub(crate) fn add_frame(text: &mut String, number: usize, address: u64, places: &[Place]) {
    let mut lines = places.iter().map(|place| match &place.at {
        Some(at) => format!("{} at {at}", place.function),
        None => place.function.clone(),
    });
    let first = lines.next().unwrap_or_else(|| "?".to_owned());
    let _ = writeln!(text, "  {number:>2}: {address:#018x}  {first}");
    for line in lines {
        let _ = writeln!(text, "      {:18}  inlined in {line}", "");
    }
}

/// What a trap's cause means.
pub(crate) const fn cause_in_words(scause: u64) -> &'static str {
    if scause >> 63 != 0 {
        return "interrupt";
    }
    match scause {
        0 => "instruction address misaligned",
        1 => "instruction access fault",
        2 => "illegal instruction",
        3 => "breakpoint",
        4 => "load address misaligned",
        5 => "load access fault",
        6 => "store address misaligned",
        7 => "store access fault",
        8 => "call from user mode",
        9 => "call from supervisor mode",
        12 => "instruction page fault",
        13 => "load page fault",
        15 => "store page fault",
        _ => "unknown cause",
    }
}

/// Writes `text` to `name` in `dir`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_without_symbols_still_shows_its_addresses() {
        let panic = PanicInfo {
            hartid: 3,
            message: "the run queue is cyclic".to_owned(),
            file: "kernel/core/src/runq.rs".to_owned(),
            line: 12,
            scause: Some(13),
            pc: 0x8020_0000,
            stval: 0x10,
            frames: vec![0x8020_1000, 0x8020_2000],
        };
        let text = panic_report(&panic, None);
        for part in ["hart 3", "cyclic", "runq.rs:12", "load page fault", "80201000", "80202000"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
