// SPDX-License-Identifier: Apache-2.0
//! System calls: numbers, and what passes through memory.
//!
//! A program puts the number into a7, up to six arguments into a0 to a5, and
//! executes `ecall`. a0 comes back: 0 or more is the result, less than 0 the
//! negative of an [`Errno`]. All other registers are as they were. A number
//! that is not here is `ENOSYS`.
//!
//! [`Errno`]: crate::errno::Errno

use serde::{Deserialize, Serialize};

use crate::check::Check;

/// Declares the calls once: the enum, and the way back from a number.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// A system call. `→` says what a0 is when it succeeds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u64)]
        pub enum Call {
            $($(#[$doc])* $name = $number,)*
        }

        impl Call {
            /// Every call.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The call of that number.
            #[inline]
            #[must_use]
            pub const fn from_number(number: u64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

calls! {
    /// Does nothing. → 0. For measuring what a call costs.
    Nop = 0,
    /// Writes text to the kernel's debug console: (address, length). → bytes.
    /// EFAULT. Text that is no UTF-8 is shown as far as it is.
    DebugWrite = 1,
    /// The time since boot. → nanoseconds.
    Clock = 2,
    /// Lets equals run. → 0.
    Yield = 3,
    /// What a workload vouches for: (address of [`Report`]). → 0. The kernel's
    /// scenario adds up what all processes report, wrapping. EFAULT.
    Report = 4,
    /// What something costs, for `cargo xtask bench`: (address of [`Figure`]).
    /// → 0. Goes to the host as a record. EFAULT, EINVAL (the name).
    Figure = 5,
    /// What the kernel has counted since boot: (address of [`Counts`]). → 1;
    /// 0 from a kernel that was not built to count (feature `bench`), and all
    /// of it is 0 then. EFAULT.
    Counts = 6,
    /// Starts a program of the boot package: (address of [`Spawn`]). → pid.
    /// EFAULT, ENOENT (no such program), ENOEXEC (it is no program), EINVAL
    /// (priority, text), EAGAIN, ENOMEM.
    ProcessSpawn = 8,
    /// Ends the calling process, with all that come from it: (status). Does not
    /// return.
    ProcessExit = 9,
    /// Waits until a child has ended: (pid, address of [`Exit`]). → 0. A child
    /// is waited for once, and its pid is nobody's afterwards. ESRCH (no child
    /// of that pid), EBUSY (someone waits for it already), EFAULT.
    ProcessWait = 10,
    /// Ends a process from outside: (pid), itself or one that comes from it, with
    /// all that come from that one. → 0. ESRCH, EPERM (another's).
    ProcessKill = 11,
    /// Who calls. → pid.
    ProcessSelf = 12,
    /// What the calling process holds: (address of [`Holdings`]). → 0. EFAULT.
    ProcessHoldings = 13,
    /// A new thread of the calling process: (address of [`NewThread`]). → tid.
    /// EFAULT, EINVAL, EAGAIN, ENOMEM.
    ThreadCreate = 16,
    /// Ends the calling thread: (status). Does not return. The last thread
    /// ends its process with status 0.
    ThreadExit = 17,
    /// Waits until a thread of the process has ended: (tid, address of an
    /// `i64` for its status, or 0). → 0. ESRCH, EINVAL (detached), EBUSY
    /// (joined already), EDEADLK (itself), EFAULT.
    ThreadJoin = 18,
    /// Nobody will join the thread: (tid). → 0. ESRCH, EINVAL (detached).
    ThreadDetach = 19,
    /// Ends a thread of the process: (tid; −1 for all but the caller). → 0.
    /// ESRCH.
    ThreadDestroy = 20,
    /// Who calls. → tid.
    ThreadSelf = 21,
    /// A thread's priority: (tid; 0 for the caller). → priority. ESRCH.
    PriorityGet = 24,
    /// Sets it: (tid; 0 for the caller, priority). → 0. ESRCH, EINVAL (not
    /// from 1 to the process's highest).
    PrioritySet = 25,
    /// A new channel: (flags). → chid. EINVAL, EAGAIN, ENOMEM.
    ChannelCreate = 32,
    /// Destroys a channel of the calling process: (chid). → 0. EINVAL.
    ChannelDestroy = 33,
    /// Zeroed memory: (length, 1 for writable or 0). → address. EINVAL,
    /// EAGAIN (the limit of the process), ENOMEM.
    MemoryMap = 40,
    /// Gives memory back that `MemoryMap` gave: (address, length). → 0.
    /// EINVAL.
    MemoryUnmap = 41,
}

/// What [`Call::ProcessSpawn`] is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Spawn {
    /// Address of the program's name in the boot package.
    pub name: u64,
    /// Bytes of it.
    pub name_length: u64,
    /// Address of the arguments: each ends with a NUL. The program's name is
    /// none of them.
    pub arguments: u64,
    /// Bytes of them.
    pub arguments_length: u64,
    /// Address of the environment: texts `KEY=value`, each ends with a NUL.
    pub environment: u64,
    /// Bytes of it.
    pub environment_length: u64,
    /// Priority of the first thread, and the highest that the process may
    /// have; 0 for the caller's. Not above the caller's highest.
    pub priority: u64,
    /// The hart of the first thread plus one; 0 for whatever the kernel likes.
    pub hart: u64,
}

/// How a process ended, from [`Call::ProcessWait`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Exit {
    /// One of [`ended`].
    pub how: u64,
    /// The status that it gave; or `scause` of its fault.
    pub status: i64,
    /// The address that it failed at (`stval`), else 0.
    pub address: u64,
    /// The instruction that failed (`sepc`), else 0.
    pub pc: u64,
}

/// Values of [`Exit::how`].
pub mod ended {
    /// It said so itself.
    pub const EXITED: u64 = 0;
    /// A fault ended it.
    pub const FAULTED: u64 = 1;
    /// Somebody killed it.
    pub const KILLED: u64 = 2;
}

/// What a workload vouches for, to [`Call::Report`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Report {
    /// Units of work that it verified.
    pub verified: u64,
    /// Checks that failed.
    pub errors: u64,
    /// A digest of what it did, the same for the same seed.
    pub digest: u64,
    /// The number of the first [`Check`] that failed, if it is one with a name;
    /// 0 for none.
    pub failed: u64,
}

impl Report {
    /// Counts a check that has a name, if it failed.
    pub const fn check(&mut self, check: Check, holds: bool) {
        if !holds {
            self.add(&Self { verified: 0, errors: 1, digest: 0, failed: check as u64 });
        }
    }

    /// Adds what somebody else vouches for, wrapping.
    pub const fn add(&mut self, other: &Self) {
        self.verified = self.verified.wrapping_add(other.verified);
        self.errors = self.errors.wrapping_add(other.errors);
        self.digest = self.digest.wrapping_add(other.digest);
        if self.failed == 0 {
            self.failed = other.failed;
        }
    }
}

/// The longest name of a figure, in bytes.
pub const MOST_FIGURE_NAME: u64 = 64;

/// What something costs, to [`Call::Figure`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Figure {
    /// Address of its name.
    pub name: u64,
    /// Bytes of it, at most [`MOST_FIGURE_NAME`].
    pub name_length: u64,
    /// How many operations were measured.
    pub operations: u64,
    /// Instructions that they took together.
    pub instructions: u64,
    /// 1 if `counts` was counted, else 0.
    pub is_counted: u64,
    /// What the kernel counted meanwhile.
    pub counts: Counts,
}

/// What the kernel counts over all harts, from [`Call::Counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Counts {
    /// `sfence.vma` instructions.
    pub fences: u64,
    /// Writes to satp.
    pub satp_writes: u64,
    /// Locks that were taken.
    pub locks: u64,
    /// Of those, how many were not free at once.
    pub lock_waits: u64,
    /// Doorbells that were rung.
    pub doorbells: u64,
    /// Steps of the counter `instret` in calls of firmware.
    pub firmware: u64,
}

/// What a process holds, from [`Call::ProcessHoldings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Holdings {
    /// Threads that have not ended.
    pub threads: u64,
    /// Channels.
    pub channels: u64,
    /// Channels that it ever created.
    pub channels_created: u64,
    /// Channels that it ever destroyed.
    pub channels_destroyed: u64,
    /// Frames of memory, page tables included.
    pub frames: u64,
}

/// What [`Call::ThreadCreate`] is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NewThread {
    /// Where it begins, with `argument` in a0.
    pub entry: u64,
    /// What it finds in a0.
    pub argument: u64,
    /// Bytes of stack, which the kernel maps with a guard page below; 0 for
    /// [`USUAL_STACK`].
    pub stack: u64,
    /// Its priority; 0 for the caller's.
    pub priority: u64,
    /// Its hart plus one; 0 for whatever the kernel likes.
    pub hart: u64,
}

/// Bytes of stack of a thread that does not say.
pub const USUAL_STACK: u64 = 64 * 1024;

/// What a program's first thread finds in a0: the address of this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Start {
    /// Where the program was placed: what is added to its link addresses.
    pub bias: u64,
    /// Address of the arguments: each ends with a NUL.
    pub arguments: u64,
    /// Bytes of them.
    pub arguments_length: u64,
    /// Address of the environment: each ends with a NUL.
    pub environment: u64,
    /// Bytes of it.
    pub environment_length: u64,
    /// Harts of the machine that threads can be put on.
    pub harts: u64,
}

const _: () = assert!(size_of::<Spawn>() == 64);
const _: () = assert!(size_of::<Exit>() == 32);
const _: () = assert!(size_of::<Report>() == 32);
const _: () = assert!(size_of::<Counts>() == 48);
const _: () = assert!(size_of::<Figure>() == 88);
const _: () = assert!(size_of::<Holdings>() == 40);
const _: () = assert!(size_of::<NewThread>() == 40);
const _: () = assert!(size_of::<Start>() == 48);
const _: () = assert!(core::mem::offset_of!(Spawn, hart) == 56);
const _: () = assert!(core::mem::offset_of!(Start, harts) == 40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_calls() {
        for &call in Call::ALL {
            assert_eq!(Call::from_number(call as u64), Some(call));
        }
        assert_eq!(Call::from_number(7), None);
        assert_eq!(Call::from_number(u64::MAX), None);
    }
}
