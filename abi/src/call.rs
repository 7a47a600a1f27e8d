// SPDX-License-Identifier: Apache-2.0
//! System calls: numbers, and what passes through memory.
//!
//! A program puts the number into a7, up to seven arguments into a0 to a6, and
//! executes `ecall`. a0 comes back: 0 or more is the result, less than 0 the
//! negative of an [`Errno`]. All other registers are as they were. A number
//! that is not here is `ENOSYS`.
//!
//! Calls whose name begins with `Msg` keep less: of the registers that a
//! function may change (ra, a0 to a7, t0 to t6) none is as it was, and a1 and a2
//! are results, too, where it says so.
//!
//! [`Errno`]: crate::errno::Errno

mod structures;
mod words;

pub use structures::{
    Counts, Exit, Figure, Holdings, MOST_FIGURE_NAME, MOST_VERDICT_TEXT, MsgInfo, NewThread,
    Report, Spawn, Start, USUAL_STACK, Verdict, ended,
};

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
    /// EFAULT, EINVAL (more than 64 KiB). Text that is no UTF-8 is shown as far
    /// as it is.
    DebugWrite = 1,
    /// The time since boot. → nanoseconds.
    Clock = 2,
    /// Lets equals run. → 0.
    Yield = 3,
    /// What a workload vouches for: (address of [`Report`]). → 0. The kernel's
    /// scenario adds up what all processes report, wrapping. EFAULT.
    Report = 4,
    /// What something costs, for `cargo xtask bench`: (address of [`Figure`]).
    /// → 0. Goes to the host as a record. EFAULT, EINVAL (the name is too long,
    /// or no UTF-8).
    Figure = 5,
    /// What the kernel has counted since boot: (address of [`Counts`]). → 1;
    /// 0 from a kernel that was not built to count (feature `bench`), and all
    /// of it is 0 then. EFAULT.
    Counts = 6,
    /// What became of a case that a program has tried: (address of [`Verdict`]).
    /// → 0. Goes to the host as a record. EFAULT, EINVAL (a text is too long, or
    /// no UTF-8).
    Verdict = 7,
    /// Starts a program of the boot package: (address of [`Spawn`]). → pid.
    /// EFAULT, ENOENT (no such program), ENOEXEC (it is no program), EINVAL
    /// (hart; a text that is too long, no UTF-8 or without its NUL), EPERM (a
    /// priority above the caller's highest), EAGAIN (a limit of the family or of the new process), ENOMEM.
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
    /// EFAULT, EINVAL (priority, hart), EPERM (a priority above the process's
    /// highest), EAGAIN (a limit of the process), ENOMEM, ESRCH (the caller or its process is
    /// to end).
    ThreadCreate = 16,
    /// Ends the calling thread: (status). Does not return. The last thread
    /// ends its process with status 0.
    ThreadExit = 17,
    /// Waits until a thread of the process has ended: (tid, address of an
    /// `i64` for its status, or 0). → 0. ESRCH, EINVAL (detached), EBUSY
    /// (joined already), EDEADLK (itself), EFAULT.
    ThreadJoin = 18,
    /// Nobody will join the thread: (tid). → 0. Who joins it already is told
    /// EINVAL. ESRCH, EINVAL (detached).
    ThreadDetach = 19,
    /// Ends a thread of the process: (tid; −1 for all but the caller). → 0.
    /// ESRCH.
    ThreadDestroy = 20,
    /// Who calls. → tid.
    ThreadSelf = 21,
    /// A thread's priority: (tid; 0 for the caller). → priority. ESRCH, ENOMEM
    /// (its hart is asked by a message).
    PriorityGet = 24,
    /// Sets it: (tid; 0 for the caller, priority). → 0. ESRCH, EINVAL (not
    /// from 1 to 255), EPERM (above the process's highest). The caller goes
    /// behind its new equals.
    PrioritySet = 25,
    /// A new channel: ([`ChannelFlags`]). → chid. EINVAL (a flag that means
    /// nothing), EBUSY (another channel of the process has a flag that only one
    /// may have), EAGAIN (the limit of the process, or memory is out).
    ///
    /// [`ChannelFlags`]: crate::channel::ChannelFlags
    ChannelCreate = 32,
    /// Destroys a channel of the calling process: (chid). → 0. EINVAL.
    ChannelDestroy = 33,
    /// A connection to a channel: (node, which is 0; pid, 0 for the caller's own;
    /// chid; the least index, [`SIDE_CHANNEL`] for one outside of the numbers of
    /// files; flags, which are 0 or 1 for `COF_CLOEXEC`). → coid. ESRCH (no such process or channel), EINVAL
    /// (flags, index), EPERM (a private channel of another process), ENXIO (the server is ending),
    /// EMFILE (no index is left), EAGAIN (a limit of the process, or memory is out), ENOREMOTE (node).
    ///
    /// [`SIDE_CHANNEL`]: crate::message::SIDE_CHANNEL
    ConnectAttach = 34,
    /// Gives a connection up: (coid). → 0. Threads that are blocked on it are told
    /// EBADF. EINVAL.
    ConnectDetach = 35,
    /// Zeroed memory: (length, 1 for writable or 0). → address. EINVAL (no
    /// length, or neither 1 nor 0), EAGAIN (a limit of the process), ENOMEM.
    MemoryMap = 40,
    /// Gives memory back that `MemoryMap` gave, whatever of it is there: (address,
    /// length). → 0. EINVAL (not whole pages, or some are others'), EAGAIN (more
    /// pieces than the process may have), ENOMEM.
    MemoryUnmap = 41,
    /// Sends a message and waits for the answer: (coid; address and length of the
    /// message; address and length of the place for the answer). → the status that
    /// the server gave, any number; a1 is 0, or the number of the [`Errno`] that is
    /// then in a0 too. EBADF (no such connection, its channel is gone, or it was
    /// detached meanwhile), EFAULT, ESRVRFAULT, ESRCH (the server died, or
    /// destroyed the channel), EINTR, ETIMEDOUT, ENXIO, EOVERFLOW, and what the server
    /// says with [`Self::MsgError`].
    ///
    /// [`Errno`]: crate::errno::Errno
    MsgSend = 48,
    /// Waits for a message: (chid, −1 to leave the last channel; address and length
    /// of the place for it; address of a [`MsgInfo`], or 0). → rcvid; a1 is how many
    /// bytes were copied, a2 how many the client has sent. ESRCH (no such channel,
    /// or it was destroyed), EFAULT, EINTR, ETIMEDOUT, EOVERFLOW.
    MsgReceive = 49,
    /// Answers a message: (rcvid, status, address and length of the answer). → 0.
    /// ESRCH (nobody waits for that), EFAULT and ESRVRFAULT (the client's place, and the server's answer
    /// cannot be reached; the client was told the same), EOVERFLOW.
    MsgReply = 50,
    /// Answers a message and waits for the next: (rcvid, status, address and length
    /// of the answer, chid, address and length of the place for the next). → as
    /// [`Self::MsgReceive`]. When it fails a1 is 1 if that was the answer, and
    /// nothing was received; 2 if the answer was given.
    MsgReplyReceive = 51,
    /// Lets a client's call fail: (rcvid, the number of an error; 0 lets it
    /// succeed with status 0, and that of ERESTART makes it send again). → 0. ESRCH, EINVAL (no error of ours).
    MsgError = 52,
    /// Who has sent a message: (rcvid, address of a [`MsgInfo`]). → 0. ESRCH,
    /// EFAULT.
    MsgInfo = 53,
    /// Ends the next call of the calling thread when it has waited for so long:
    /// (clock, 2; the states in which it counts, of [`crate::message::states`];
    /// nanoseconds; 1 if these are since boot, else 0). → 0. That call is told
    /// ETIMEDOUT. Whichever call comes next, the timeout is gone after it. EINVAL.
    TimerTimeout = 56,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_calls() {
        for &call in Call::ALL {
            assert_eq!(Call::from_number(call as u64), Some(call));
        }
        assert_eq!(Call::from_number(63), None);
        assert_eq!(Call::from_number(u64::MAX), None);
    }
}
