// SPDX-License-Identifier: Apache-2.0
//! This process, and others made from programs of the boot package.

use alloc::string::String;
use core::fmt;

pub use skimmer_abi::call::Holdings;
use skimmer_abi::call::{Call, Exit, Spawn, ended};

use crate::{Errno, Result, raw};

/// Status of a process in which something panicked.
pub const PANICKED: i64 = 101;

/// The kernel's name of a process. When the process is gone and waited for it
/// is refused, and never means the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(u64);

impl ProcessId {
    /// The number itself, as the calls have it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The name with that number, which need not be anybody's: one that another
    /// process told, for example.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Ends a process from outside, with all that come from it: this one, or one
    /// that comes from it, however far down. Only its parent can wait for it.
    ///
    /// # Errors
    /// ESRCH (there is none of that name, or it has ended), EPERM (it does not
    /// come from this process).
    ///
    /// ```no_run
    /// use skimmer_rt::Errno;
    /// use skimmer_rt::process::{ExitStatus, Program};
    ///
    /// # fn main() -> skimmer_rt::Result<()> {
    /// let child = Program::new("hello").spawn()?;
    /// let name = child.id();
    /// // It may be faster.
    /// assert!(matches!(name.kill(), Ok(()) | Err(Errno::ESRCH)));
    /// assert!(matches!(child.wait()?, ExitStatus::Killed | ExitStatus::Exited(_)));
    /// assert_eq!(name.kill(), Err(Errno::ESRCH));
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill(self) -> Result<()> {
        // SAFETY: what is left of this process if it is meant uses no memory of
        // it; others have their own.
        unsafe { raw::answer(Call::ProcessKill, [self.0]) }.map(|_| ())
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What `main` may return: it says how the process ends.
pub trait Ending {
    /// The exit status: 0 is good.
    fn status(self) -> i64;
}

impl Ending for () {
    fn status(self) -> i64 {
        0
    }
}

impl Ending for i32 {
    fn status(self) -> i64 {
        i64::from(self)
    }
}

impl<E: fmt::Display> Ending for core::result::Result<(), E> {
    fn status(self) -> i64 {
        match self {
            Ok(()) => 0,
            Err(error) => {
                crate::eprint_line(format_args!("error: {error}"));
                1
            }
        }
    }
}

/// A program about to be started: what it is given.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    /// Each ends with a NUL.
    arguments: String,
    /// Each ends with a NUL.
    environment: String,
    priority: u8,
    hart: u64,
    /// Something of it cannot be said to the kernel.
    is_bad: bool,
}

impl Program {
    /// The program of that name in the boot package, without arguments, at the
    /// priority of its creator, on a hart that the kernel chooses.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            arguments: String::new(),
            environment: String::new(),
            priority: 0,
            hart: 0,
            is_bad: false,
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.is_bad |= argument.contains('\0');
        self.arguments.extend([argument, "\0"]);
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<'a>(self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// With one more variable in its environment. Nothing of the creator's
    /// environment goes with it by itself.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.is_bad |= name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
        self.environment.extend([name, "=", value, "\0"]);
        self
    }

    /// With that priority for its first thread, and as the highest that it may
    /// have: from 1 to the creator's highest.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// With its first thread on that hart: 0 to
    /// [`env::harts`](crate::env::harts), less one.
    #[must_use]
    pub fn hart(mut self, hart: u64) -> Self {
        self.hart = hart.saturating_add(1);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// ENOENT (no such program), ENOEXEC (it is no program that can run),
    /// EPERM (priority), EINVAL (hart, a NUL in a text, a variable
    /// without a name), EAGAIN (a limit), ENOMEM.
    pub fn spawn(&self) -> Result<Child> {
        if self.is_bad {
            return Err(Errno::EINVAL);
        }
        let told = Spawn {
            name: raw::address(self.name.as_ptr()),
            name_length: self.name.len() as u64,
            arguments: raw::address(self.arguments.as_ptr()),
            arguments_length: self.arguments.len() as u64,
            environment: raw::address(self.environment.as_ptr()),
            environment_length: self.environment.len() as u64,
            priority: u64::from(self.priority),
            hart: self.hart,
        };
        // SAFETY: the kernel reads the texts, which live until it is back.
        let pid = unsafe { raw::answer(Call::ProcessSpawn, [raw::address(&told)]) }?;
        Ok(Child { id: ProcessId(pid) })
    }
}

/// A process that this one started. Dropping it leaves the process alone; what
/// the kernel keeps of it until somebody waits then stays until we end. When we
/// end, it ends too, if it has not yet.
#[derive(Debug)]
#[must_use = "a child is waited for, or kept by the kernel for ever"]
pub struct Child {
    id: ProcessId,
}

impl Child {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> ProcessId {
        self.id
    }

    /// Waits until it has ended. How it did.
    ///
    /// # Errors
    /// None is known for a child that nobody else waits for.
    pub fn wait(self) -> Result<ExitStatus> {
        let mut exit = Exit::default();
        // SAFETY: the kernel writes an `Exit` there, which is ours.
        unsafe { raw::answer(Call::ProcessWait, [self.id.0, raw::address(&raw mut exit)]) }?;
        Ok(exit.into())
    }

    /// Ends it from outside. It must still be waited for.
    ///
    /// # Errors
    /// ESRCH: it has ended already.
    pub fn kill(&self) -> Result<()> {
        self.id.kill()
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It said so itself, with this status: 0 is good.
    Exited(i64),
    /// A fault ended it.
    Faulted {
        /// `scause`: 2 illegal instruction, 12, 13 and 15 page faults of
        /// instruction, load and store.
        cause: u64,
        /// The address that it failed at (`stval`).
        address: u64,
        /// The instruction that failed (`sepc`).
        pc: u64,
    },
    /// Somebody killed it.
    Killed,
    /// In a way that this library does not know.
    Other(u64),
}

impl From<Exit> for ExitStatus {
    fn from(exit: Exit) -> Self {
        match exit.how {
            ended::EXITED => Self::Exited(exit.status),
            ended::FAULTED => Self::Faulted {
                cause: exit.status.cast_unsigned(),
                address: exit.address,
                pc: exit.pc,
            },
            ended::KILLED => Self::Killed,
            how => Self::Other(how),
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with {status}"),
            Self::Faulted { cause, address, pc } => {
                write!(f, "failed with cause {cause} at {pc:#x}, address {address:#x}")
            }
            Self::Killed => write!(f, "was killed"),
            Self::Other(how) => write!(f, "ended in an unknown way ({how})"),
        }
    }
}

/// Ends this process, all its threads with it. Values are not dropped; the
/// kernel takes everything back.
pub fn exit(status: i64) -> ! {
    loop {
        // SAFETY: nothing of this process is used again. It comes back only
        // from a kernel that does not know the call.
        let _ = unsafe { raw::answer(Call::ProcessExit, [status.cast_unsigned()]) };
    }
}

/// This process's name.
///
/// # Errors
/// None is known.
pub fn id() -> Result<ProcessId> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::ProcessSelf, []) }.map(ProcessId)
}

/// What this process holds, and what it ever created.
///
/// # Errors
/// None is known.
pub fn holdings() -> Result<Holdings> {
    let mut holdings = Holdings::default();
    // SAFETY: the kernel writes a `Holdings` there, which is ours.
    unsafe { raw::answer(Call::ProcessHoldings, [raw::address(&raw mut holdings)]) }?;
    Ok(holdings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_with_nuls() {
        let program = Program::new("p").arg("a").args(["", "b c"]).env("K", "v=w").env("E", "");
        assert_eq!(program.arguments, "a\0\0b c\0");
        assert_eq!(program.environment, "K=v=w\0E=\0");
        assert_eq!(program.spawn().map(|_| ()), Err(Errno::ENOSYS));
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        let plain = Program::new("p");
        for bad in [plain.clone().arg("a\0b"), plain.clone().env("", "v"), plain.env("a=b", "v")] {
            assert_eq!(bad.spawn().map(|_| ()), Err(Errno::EINVAL));
        }
    }

    #[test]
    fn endings() {
        assert_eq!(().status(), 0);
        assert_eq!((-3).status(), -3);
        assert_eq!(Ok::<(), Errno>(()).status(), 0);
        assert_eq!(Err::<(), Errno>(Errno::EINVAL).status(), 1);
        let exit = Exit { how: ended::FAULTED, status: 13, address: 8, pc: 4 };
        assert_eq!(ExitStatus::from(exit), ExitStatus::Faulted { cause: 13, address: 8, pc: 4 });
        assert_eq!(ExitStatus::from(Exit { how: 9, ..exit }), ExitStatus::Other(9));
    }
}
