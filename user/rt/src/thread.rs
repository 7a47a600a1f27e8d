// SPDX-License-Identifier: Apache-2.0
//! Threads of this process.

use alloc::boxed::Box;
use alloc::sync::Arc;

use skimmer_abi::call::{Call, NewThread};

use crate::{Errno, Lock, Result, raw};

/// The kernel's name of a thread of this process. When the thread is gone it is
/// refused, and never means the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(u64);

impl ThreadId {
    /// The number itself, as the calls have it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Waits until the thread has ended. Its status: what it gave to [`exit`],
    /// or 0. Afterwards its name is nobody's.
    ///
    /// # Errors
    /// ESRCH (nobody of that name), EINVAL (detached), EBUSY (somebody else
    /// joins it), EDEADLK (the caller).
    ///
    /// ```no_run
    /// use skimmer_rt::thread;
    ///
    /// # fn main() -> skimmer_rt::Result<()> {
    /// let name = thread::spawn(|| ())?.into_id();
    /// assert_eq!(name.join()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(self) -> Result<i64> {
        let mut status = 0_i64;
        // SAFETY: the kernel writes an `i64` there, which is ours.
        unsafe { raw::answer(Call::ThreadJoin, [self.0, raw::address(&raw mut status)]) }?;
        Ok(status)
    }

    /// Nobody will join the thread. Who joins it already gets EINVAL.
    ///
    /// # Errors
    /// ESRCH (nobody of that name), EINVAL (detached already).
    pub fn detach(self) -> Result<()> {
        // SAFETY: the call touches no memory.
        unsafe { raw::answer(Call::ThreadDetach, [self.0]) }.map(|_| ())
    }

    /// Ends the thread as soon as it runs no call of the kernel. Its status is 0.
    /// It must still be joined, unless it is detached. If it is the caller, this
    /// does not return; if it is the last, the process ends.
    ///
    /// # Errors
    /// ESRCH: nobody of that name, or it has ended.
    ///
    /// # Safety
    /// The thread's values are not dropped and its stack goes. So nobody may
    /// count on a value on that stack, or on its being dropped before the stack
    /// goes. What the thread holds it keeps: if it has a [`Lock`], the heap's for
    /// one, whoever wants that waits for ever.
    ///
    /// ```no_run
    /// use skimmer_rt::{Errno, thread};
    ///
    /// # fn main() -> skimmer_rt::Result<()> {
    /// let other = thread::spawn(|| loop {
    ///     thread::yield_now();
    /// })?;
    /// // SAFETY: it has nothing on its stack, and holds nothing.
    /// unsafe { other.id().destroy() }?;
    /// assert_eq!(other.join(), Err::<(), _>(Errno::ECANCELED));
    /// # Ok(())
    /// # }
    /// ```
    pub unsafe fn destroy(self) -> Result<()> {
        // SAFETY: our caller answers for the thread's stack.
        unsafe { raw::answer(Call::ThreadDestroy, [self.0]) }.map(|_| ())
    }

    /// The thread's priority.
    ///
    /// # Errors
    /// ESRCH (nobody of that name, or it has ended), ENOMEM.
    pub fn priority(self) -> Result<u8> {
        priority_of(self.0)
    }

    /// Sets the thread's priority: from 1 to the highest of the process.
    ///
    /// # Errors
    /// ESRCH (nobody of that name, or it has ended), EINVAL (0), EPERM (above the
    /// process's highest).
    pub fn set_priority(self, priority: u8) -> Result<()> {
        set_priority_of(self.0, priority)
    }
}

/// A thread about to be: what it shall be like.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    stack: u64,
    priority: u8,
    hart: u64,
}

impl Builder {
    /// A thread with the usual stack (64 KiB), the priority of its creator, on
    /// a hart that the kernel chooses.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With so many bytes of stack, rounded up to pages. Below it lies what is
    /// never mapped: an overflow ends the process.
    #[must_use]
    pub fn stack(mut self, bytes: usize) -> Self {
        self.stack = bytes as u64;
        self
    }

    /// With that priority: from 1 to the highest of the process.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// On that hart: 0 to [`env::harts`](crate::env::harts), less one. It stays
    /// there.
    #[must_use]
    pub fn hart(mut self, hart: u64) -> Self {
        self.hart = hart.saturating_add(1);
        self
    }

    /// Makes it, with `body` to run.
    ///
    /// # Errors
    /// EINVAL (hart), EPERM (priority), EAGAIN (the limit of the
    /// process), ENOMEM.
    pub fn spawn<T, F>(self, body: F) -> Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let result = Arc::new(Lock::new(None));
        let theirs = Arc::clone(&result);
        let body: Body = Box::new(move || *theirs.lock() = Some(body()));
        let body = Box::into_raw(Box::new(body));
        let entry: extern "C" fn(*mut Body) -> ! = run;
        let new = NewThread {
            entry: (entry as *const ()).expose_provenance() as u64,
            argument: body.expose_provenance() as u64,
            stack: self.stack,
            priority: u64::from(self.priority),
            hart: self.hart,
        };
        // SAFETY: the thread begins at `run` with what it takes over: the body
        // is `Send`, and nobody else has it.
        let answer = unsafe { raw::answer(Call::ThreadCreate, [raw::address(&new)]) };
        match answer {
            Ok(id) => Ok(JoinHandle { id: ThreadId(id), result: Some(result) }),
            Err(errno) => {
                // SAFETY: there is no thread, so the body is ours again.
                drop(unsafe { Box::from_raw(body) });
                Err(errno)
            }
        }
    }
}

/// What a thread runs.
type Body = Box<dyn FnOnce() + Send>;

/// Where a thread begins.
extern "C" fn run(body: *mut Body) -> ! {
    // SAFETY: `spawn` gave it to this thread only.
    let body = unsafe { Box::from_raw(body) };
    body();
    // SAFETY: the body has returned, and nothing of this frame has a destructor
    // left to run.
    unsafe { exit(0) }
}

/// Makes a thread; see [`Builder::spawn`].
///
/// # Errors
/// EAGAIN (the limit of the process), ENOMEM.
pub fn spawn<T, F>(body: F) -> Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(body)
}

/// A thread that somebody may wait for. When this is dropped the thread goes on
/// by itself, detached, and what its body returns is dropped.
#[derive(Debug)]
pub struct JoinHandle<T> {
    id: ThreadId,
    /// Until it is joined.
    result: Option<Arc<Lock<Option<T>>>>,
}

impl<T> JoinHandle<T> {
    /// The thread's name.
    #[must_use]
    pub const fn id(&self) -> ThreadId {
        self.id
    }

    /// Waits until the thread has ended. What its body returned.
    ///
    /// # Errors
    /// ECANCELED: it ended before its body did. EDEADLK: it is the caller. ESRCH,
    /// EINVAL, EBUSY: it was joined or detached by its name.
    pub fn join(mut self) -> Result<T> {
        // SAFETY: address 0 asks for no status, so the call touches no memory.
        unsafe { raw::answer(Call::ThreadJoin, [self.id.0, 0]) }?;
        let result = self.result.take().and_then(Arc::into_inner);
        result.and_then(Lock::into_inner).ok_or(Errno::ECANCELED)
    }

    /// Leaves the thread to its name: it must be joined, or detached, by that.
    /// What its body returns is dropped.
    #[must_use]
    pub fn into_id(mut self) -> ThreadId {
        self.result = None;
        self.id
    }

    /// The thread's priority.
    ///
    /// # Errors
    /// ESRCH (it has ended), ENOMEM.
    pub fn priority(&self) -> Result<u8> {
        self.id.priority()
    }

    /// Sets the thread's priority: from 1 to the highest of the process.
    ///
    /// # Errors
    /// ESRCH (it has ended), EINVAL (0), EPERM (above the process's highest).
    pub fn set_priority(&self, priority: u8) -> Result<()> {
        self.id.set_priority(priority)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if self.result.is_some() {
            // A thread that is gone needs no detaching.
            let _ = self.id.detach();
        }
    }
}

/// The calling thread's name.
///
/// # Errors
/// None is known.
pub fn id() -> Result<ThreadId> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::ThreadSelf, []) }.map(ThreadId)
}

/// Who calls, for a lock: its tid, which is kept in `tp`, where nothing else is:
/// there is no thread-local storage. Never 0. A thread asks for it when it first
/// takes a lock, and makes no call before.
#[inline]
pub(crate) fn tag() -> u64 {
    let tag = kept_tag();
    if tag == 0 { keep_tag() } else { tag }
}

#[cfg(target_arch = "riscv64")]
#[inline]
fn kept_tag() -> u64 {
    let tag: u64;
    // SAFETY: reads a register, which the kernel zeroes at a thread's birth.
    unsafe { core::arch::asm!("mv {}, tp", out(reg) tag, options(nomem, nostack)) };
    tag
}

#[cfg(not(target_arch = "riscv64"))]
const fn kept_tag() -> u64 {
    1
}

#[cold]
fn keep_tag() -> u64 {
    // A name that nobody has, if ours is not to be had.
    let tag = id().map_or(1, |ThreadId(tid)| tid);
    #[cfg(target_arch = "riscv64")]
    // SAFETY: compiled code of a program neither reads nor writes tp.
    unsafe {
        core::arch::asm!("mv tp, {}", in(reg) tag, options(nomem, nostack));
    };
    tag
}

/// Lets threads of the same priority on this hart run. Those below do not.
pub fn yield_now() {
    // SAFETY: the call touches no memory. It knows no error.
    let _ = unsafe { raw::answer(Call::Yield, []) };
}

/// The calling thread's priority: 1 is the lowest, 255 the highest.
///
/// # Errors
/// None is known.
pub fn priority() -> Result<u8> {
    priority_of(0)
}

/// Sets the calling thread's priority: from 1 to the highest of the process.
///
/// # Errors
/// EINVAL: 0. EPERM: above the process's highest.
pub fn set_priority(priority: u8) -> Result<()> {
    set_priority_of(0, priority)
}

pub(crate) fn priority_of(thread: u64) -> Result<u8> {
    // SAFETY: the call touches no memory.
    let priority = unsafe { raw::answer(Call::PriorityGet, [thread]) }?;
    Ok(u8::try_from(priority).unwrap_or(u8::MAX))
}

fn set_priority_of(thread: u64, priority: u8) -> Result<()> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::PrioritySet, [thread, u64::from(priority)]) }.map(|_| ())
}

/// Ends the calling thread with a status for [`ThreadId::join`]. If it is the
/// last, the process ends, with status 0.
///
/// # Safety
/// Its values are not dropped and its stack goes. So nobody may count on a value
/// on that stack, or on its being dropped before the stack goes.
///
/// ```no_run
/// use skimmer_rt::thread;
///
/// # fn main() -> skimmer_rt::Result<()> {
/// // SAFETY: there is nothing on its stack.
/// let name = thread::spawn(|| unsafe { thread::exit(7) })?.into_id();
/// assert_eq!(name.join()?, 7);
/// # Ok(())
/// # }
/// ```
pub unsafe fn exit(status: i64) -> ! {
    loop {
        // SAFETY: our caller answers for the stack. It comes back only from a
        // kernel that does not know the call.
        let _ = unsafe { raw::answer(Call::ThreadExit, [status.cast_unsigned()]) };
    }
}

/// Ends every thread of the process but the caller; see [`ThreadId::destroy`].
///
/// # Errors
/// None is known.
///
/// # Safety
/// As [`ThreadId::destroy`], for each of them.
pub unsafe fn destroy_others() -> Result<()> {
    // SAFETY: our caller answers for their stacks.
    unsafe { raw::answer(Call::ThreadDestroy, [u64::MAX]) }.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_cannot_be_made_gives_its_body_back() {
        let body = Arc::new(());
        let theirs = Arc::clone(&body);
        let refused = Builder::new().hart(u64::MAX).spawn(move || drop(theirs));
        assert_eq!(refused.map(|_| ()), Err(Errno::ENOSYS));
        assert_eq!(Arc::strong_count(&body), 1);
    }
}
