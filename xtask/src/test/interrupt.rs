// SPDX-License-Identifier: Apache-2.0
//! The host tool itself is ended in the middle of a boot, politely and not:
//! no emulator may be left behind.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::process::find_program;

/// Name and signal.
pub const CASES: &[(&str, Signal)] = &[
    ("interrupted-leaves-nothing", Signal::INT),
    ("terminated-leaves-nothing", Signal::TERM),
    ("killed-leaves-nothing", Signal::KILL),
];

/// How long the emulator may take to appear, and to go.
const LIMIT: Duration = Duration::from_secs(30);

/// How often we look.
const STEP: Duration = Duration::from_millis(50);

/// Starts a run that would hang, ends it by `signal`, and sees its emulator
/// go.
///
/// # Errors
/// When it stays, or never came.
pub fn leaves_nothing(signal: Signal, qemu: &Path) -> Result<String> {
    if signal == Signal::KILL && find_program("setpriv").is_none() {
        bail!("there is no setpriv here, without which a killed host tool leaves QEMU behind");
    }
    let mut run = Command::new(std::env::current_exe()?);
    run.args(["run", "--scenario", "hang", "--no-install", "--qemu"]).arg(qemu);
    let mut run = run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let result = end_and_look(&mut run, signal);
    // Whatever the result is, nothing of ours stays.
    let _ = run.kill();
    let _ = run.wait();
    result
}

fn end_and_look(run: &mut Child, signal: Signal) -> Result<String> {
    let emulator = within(LIMIT, || emulator_of(run.id())).context("no emulator was started")?;
    // Let it come far enough to be in the middle of the boot.
    std::thread::sleep(Duration::from_millis(500));
    let id = i32::try_from(run.id()).ok().and_then(Pid::from_raw).context("no process id")?;
    kill_process(id, signal)?;
    within(LIMIT, || run.try_wait().ok().flatten()).context("the host tool does not end")?;
    within(LIMIT, || (!runs(emulator)).then_some(())).context("QEMU was left behind")?;
    Ok("no QEMU is left".to_owned())
}

fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(STEP);
    }
    None
}

/// The child of process `parent` that is an emulator.
fn emulator_of(parent: u32) -> Option<u32> {
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let (name, state, its_parent) = stat(id)?;
        (its_parent == parent && state != "Z" && name.starts_with("qemu")).then_some(id)
    })
}

fn runs(id: u32) -> bool {
    stat(id).is_some_and(|(_, state, _)| state != "Z")
}

/// Name, state and parent of a process.
fn stat(id: u32) -> Option<(String, String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let mut fields = rest.split_whitespace();
    Some((name, fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
