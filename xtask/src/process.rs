// SPDX-License-Identifier: Apache-2.0
//! Child processes that never outlive their purpose.
//!
//! State: the list of process groups that run now and the interrupt flag.
//! Invariant: a child started through [`Group`] is in the list from its start
//! until it was waited for, is killed when its `Group` is dropped, when the
//! user interrupts, and (where `setpriv` exists) when this process dies.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

static RUNNING: Mutex<Vec<i32>> = Mutex::new(Vec::new());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static INTERRUPTS: AtomicU32 = AtomicU32::new(0);
static LEFT_TO_CHILD: AtomicBool = AtomicBool::new(false);

/// Exit status of a shell command that was interrupted.
const INTERRUPT_STATUS: i32 = 130;

/// How often a child with a time limit is looked at.
const WAIT_STEP: Duration = Duration::from_millis(20);

/// Makes Ctrl-C (and a request to terminate) end all children. The first one
/// lets the caller tidy up and report; the second leaves at once.
///
/// # Errors
/// When the handler cannot be installed.
pub fn end_children_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        if LEFT_TO_CHILD.load(Ordering::SeqCst) {
            return;
        }
        stop();
        if INTERRUPTS.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(INTERRUPT_STATUS);
        }
    })
    .context("cannot catch Ctrl-C")
}

/// From here on Ctrl-C is for a child at the same terminal: a debugger.
pub fn leave_interrupts_to_child() {
    LEFT_TO_CHILD.store(true, Ordering::SeqCst);
}

/// Ends all children and asks the caller to tidy up and report.
pub fn stop() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    for &group in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        kill_group(group);
    }
}

/// Whether the user asked to stop.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// An error when the user asked to stop.
///
/// # Errors
/// Exactly then.
pub fn check_interrupt() -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    Ok(())
}

fn kill_group(id: i32) {
    if let Some(pid) = Pid::from_raw(id) {
        // The group may be gone already; then there is nothing to end.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// A child in a process group of its own, ended when dropped.
#[derive(Debug)]
pub struct Group {
    child: Child,
    done: bool,
}

impl Group {
    /// Starts `command` in a new group. It also dies with the calling
    /// *thread* where `setpriv` exists, so that thread must wait for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &Command) -> Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let mut command = die_with_parent(command);
        command.process_group(0);
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        check_interrupt()?;
        let child = command.spawn().with_context(|| format!("cannot start {}", line(&command)))?;
        running.push(id_of(&child));
        Ok(Self { child, done: false })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child, to take its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The status, if it has ended.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.forget();
        }
        Ok(status)
    }

    /// Ends the whole group and waits for it.
    pub fn kill(&mut self) {
        if !self.done {
            kill_group(id_of(&self.child));
            // After a kill the wait ends; there is nobody to tell otherwise.
            let _ = self.child.wait();
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.done = true;
        let id = id_of(&self.child);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|&g| g != id);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn id_of(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap_or(0)
}

/// The same command behind `setpriv --pdeathsig KILL`, where that exists.
fn die_with_parent(command: &Command) -> Command {
    static SETPRIV: OnceLock<Option<PathBuf>> = OnceLock::new();
    let wrapper = SETPRIV.get_or_init(|| find_program("setpriv"));
    let mut wrapped = behind(wrapper.as_deref(), &["--pdeathsig", "KILL", "--"], command);
    wrapped.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    wrapped
}

/// The same command, in what time others leave, where `nice` exists.
#[must_use]
pub fn gently(command: &Command) -> Command {
    behind(find_program("nice").as_deref(), &["-n", "19"], command)
}

/// The same command behind another that starts it, if there is one.
fn behind(wrapper: Option<&Path>, options: &[&str], command: &Command) -> Command {
    let mut wrapped = match wrapper {
        Some(wrapper) => {
            let mut wrapped = Command::new(wrapper);
            wrapped.args(options).arg(command.get_program());
            wrapped
        }
        None => Command::new(command.get_program()),
    };
    wrapped.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    wrapped
}

/// The first `name` on the search path (or `name` itself if it has a slash).
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let runs = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(runs);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(runs)
}

/// What `command` prints on its standard output, trimmed; an error that
/// carries its standard error when it fails.
///
/// # Errors
/// When it cannot be started or fails.
pub fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", line(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs `command` with our own standard output and error.
///
/// # Errors
/// When it cannot be started, fails, or the user interrupts.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    check_interrupt()?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs `command` to its end or for `limit`, its output captured. `None` when
/// it had to be ended.
///
/// # Errors
/// When it cannot be started or the system cannot say how it ended.
pub fn output_within(command: &Command, limit: Duration) -> Result<Option<Output>> {
    let mut group = Group::start(command)?;
    let (stdout, stderr) = (group.child().stdout.take(), group.child().stderr.take());
    let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                // A pipe that breaks ends the text; what came before counts.
                let _ = pipe.read_to_end(&mut bytes);
            }
            bytes
        })
    };
    let out = read(stdout.map(|p| Box::new(p) as Box<_>));
    let err = read(stderr.map(|p| Box::new(p) as Box<_>));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = group.try_wait()? {
            break Some(status);
        }
        if start.elapsed() >= limit {
            group.kill();
            break None;
        }
        std::thread::sleep(WAIT_STEP);
    };
    let (stdout, stderr) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    Ok(status.map(|status| Output { status, stdout, stderr }))
}

/// A command as one would type it.
#[must_use]
pub fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `word` as a shell needs it.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./,:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_keeps_words_whole() {
        assert_eq!(quote("a-b=c/d"), "a-b=c/d");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_group_dies_when_dropped() {
        let mut sleep = Command::new("sleep");
        sleep.arg("1000");
        let group = Group::start(&sleep).expect("sleep starts");
        let pid = Pid::from_raw(i32::try_from(group.id()).expect("fits")).expect("not zero");
        drop(group);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn output_is_cut_off_at_the_limit() {
        let mut sleep = Command::new("sleep");
        sleep.arg("1000");
        let none = output_within(&sleep, Duration::from_millis(50)).expect("sleep starts");
        assert!(none.is_none());
        let mut echo = Command::new("echo");
        echo.arg("hello");
        let output = output_within(&echo, Duration::from_secs(10)).expect("echo starts");
        assert_eq!(output.expect("ends").stdout, b"hello\n");
    }
}
