// SPDX-License-Identifier: Apache-2.0
//! What works, or says exactly why not: calls that end threads and processes,
//! through the typed interface. A way's status is the number of its first check
//! that failed, 0 if none did.

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use alloc::string::ToString as _;

use skimmer_abi::call::{Call, Exit};
use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::process::{self, ExitStatus, ProcessId, Program};
use skimmer_rt::report::{Report, report};
use skimmer_rt::thread::{self, JoinHandle};
use skimmer_rt::{Errno, Lock, Result, env, println, raw};

use crate::{NAME, PARENT};

/// What is checked, in order. An error that nobody expects fails the next check.
fn first_wrong(checks: impl FnOnce(&mut dyn FnMut(bool)) -> Result<()>) -> i64 {
    let (mut count, mut wrong) = (0, 0);
    let result = checks(&mut |holds| {
        count += 1;
        if !holds && wrong == 0 {
            wrong = count;
        }
    });
    if let Err(errno) = result {
        println!("faults: after check {count}: {errno}");
        return if wrong == 0 { count + 1 } else { wrong };
    }
    wrong
}

/// A thread that goes on until it is destroyed, on the last hart.
fn endless() -> Result<JoinHandle<()>> {
    thread::Builder::new().hart(env::harts() - 1).spawn(|| {
        loop {
            thread::yield_now();
        }
    })
}

/// Threads end with a status, are destroyed, joined and detached by their names.
pub(crate) fn threads() -> i64 {
    first_wrong(|check| {
        // SAFETY: nothing is on its stack.
        let exits: JoinHandle<()> = thread::spawn(|| unsafe { thread::exit(-7) })?;
        let name = exits.into_id();
        check(name.join() == Ok(-7));
        check(name.join() == Err(Errno::ESRCH));
        check(name.detach() == Err(Errno::ESRCH));
        // SAFETY: it is no more.
        check(unsafe { name.destroy() } == Err(Errno::ESRCH));
        check(thread::spawn(|| ())?.into_id().join() == Ok(0));
        check(thread::id()?.join() == Err(Errno::EDEADLK));

        let one = endless()?;
        check(one.id().set_priority(3).is_ok() && one.id().priority() == Ok(3));
        // SAFETY: nothing is on its stack, and it holds nothing.
        unsafe { one.id().destroy() }?;
        check(one.join() == Err(Errno::ECANCELED));

        let detached = endless()?.into_id();
        check(detached.detach().is_ok());
        check(detached.detach() == Err(Errno::EINVAL));
        check(detached.join() == Err(Errno::EINVAL));

        let two = [endless()?, endless()?];
        // SAFETY: as above, of all of them.
        unsafe { thread::destroy_others() }?;
        check(two.map(JoinHandle::join) == [Err(Errno::ECANCELED); 2]);
        while process::holdings()?.threads > 1 {
            thread::yield_now();
        }
        check(detached.priority() == Err(Errno::ESRCH));
        // And there is room for more.
        check(thread::spawn(|| 5)?.join() == Ok(5));
        Ok(())
    })
}

/// One of many destroys all others and then ends: the process ends with 0.
pub(crate) fn last_of_all() -> i64 {
    let Ok(_other) = endless() else { return 2 };
    let last: Result<JoinHandle<()>> = thread::spawn(|| {
        // SAFETY: nobody uses what is on their stacks; they hold nothing.
        let _ = unsafe { thread::destroy_others() };
        // SAFETY: nothing is on this one.
        unsafe { thread::exit(9) }
    });
    let _ = last.map(JoinHandle::join);
    3
}

/// A child, and what comes from it, can be killed by name; others cannot. Only a
/// child can be waited for, and once.
pub(crate) fn processes() -> i64 {
    first_wrong(|check| {
        let parent = env::var(PARENT).and_then(|number| number.parse().ok());
        let parent = ProcessId::from_number(parent.unwrap_or(0));
        check(parent.kill() == Err(Errno::EPERM));
        check(ProcessId::from_number(0).kill() == Err(Errno::ESRCH));

        let child = Program::new(NAME).arg("neighbour").spawn()?;
        let name = ProcessId::from_number(child.id().number());
        check(name.kill().is_ok());
        check(child.wait() == Ok(ExitStatus::Killed));
        check(name.kill() == Err(Errno::ESRCH));
        // Of those that are there, one is our parent's child and one the kernel's.
        for no_child in [name, process::id()?, parent] {
            check(wait_for(no_child) == Err(Errno::ESRCH));
        }

        let refused = |program: Program| program.spawn().map(|child| child.id());
        check(refused(Program::new("nobody")) == Err(Errno::ENOENT));
        check(refused(Program::new(NAME).hart(env::harts())) == Err(Errno::EINVAL));
        check(refused(Program::new(NAME).priority(255)) == Err(Errno::EPERM));
        Ok(())
    })
}

/// Waits for a process by its name.
fn wait_for(id: ProcessId) -> Result<()> {
    let mut exit = Exit::default();
    let call = [id.number(), raw::address(&raw mut exit)];
    // SAFETY: the kernel writes an `Exit` there, which is ours.
    unsafe { raw::answer(Call::ProcessWait, call) }.map(|_| ())
}

/// Ends this process from within, as if from outside.
pub(crate) fn kill_oneself() -> i64 {
    let _ = process::id().and_then(ProcessId::kill);
    1
}

/// The variable that says where the one that makes threads says that it does.
const HERALD: &str = "HERALD";

/// So many threads are condemned before the one that makes others.
const BEFORE: u64 = 64;

/// Kills processes of which a thread makes others, on another hart.
pub(crate) fn kill_who_makes_threads() -> i64 {
    first_wrong(|check| {
        let herald = Channel::create(ChannelFlags::NONE)?;
        for _ in 0..8 {
            let number = herald.id().number().to_string();
            let child = Program::new(NAME).arg("makes-threads").env(HERALD, &number);
            let child = child.env(PARENT, &process::id()?.to_string()).spawn()?;
            herald.receive(&mut [])?.reply(0, &[])?;
            child.kill()?;
            check(child.wait() == Ok(ExitStatus::Killed));
        }
        Ok(())
    })
}

/// Makes threads until it is killed, and never hears why it could not.
pub(crate) fn makes_threads() -> i64 {
    let number = |name| env::var(name).and_then(|number| number.parse().ok()).unwrap_or(0);
    first_wrong(|_| {
        for _ in 0..BEFORE {
            thread::spawn(|| {
                let nobody = Channel::create(ChannelFlags::NONE);
                nobody.and_then(|nobody| nobody.receive(&mut []).map(drop))
            })?;
        }
        let makes = thread::Builder::new().hart(env::harts() - 1).spawn(move || {
            let herald = Connection::attach(number(PARENT), number(HERALD))?;
            herald.send(&[], &mut [])?;
            loop {
                let made = thread::spawn(|| ()).and_then(JoinHandle::join);
                if made.is_err() {
                    report(&Report { errors: 1, ..Report::default() })?;
                }
            }
        })?;
        makes.join()?
    })
}

/// Of two flags a process has one channel each, until that is destroyed.
pub(crate) fn channels() -> i64 {
    first_wrong(|check| {
        for flag in [ChannelFlags::THREAD_DEATH, ChannelFlags::COID_DISCONNECT] {
            let only = Channel::create(flag)?;
            let both = Channel::create(flag.with(ChannelFlags::UNBLOCK));
            check(both.is_err_and(|errno| errno == Errno::EBUSY));
            check(Channel::create(ChannelFlags::UNBLOCK).is_ok());
            only.destroy()?;
            check(Channel::create(flag).is_ok());
        }
        let name = Channel::create(ChannelFlags::NONE)?.into_id();
        check(name.destroy().is_ok() && name.destroy() == Err(Errno::EINVAL));
        Ok(())
    })
}

/// Who waits for a lock gets it, though a thread of its priority never rests.
pub(crate) fn lock_beside_spinners() -> i64 {
    static LOCK: Lock<()> = Lock::new(());
    static IS_HELD: AtomicBool = AtomicBool::new(false);
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    /// More than a waiter tries before it does anything about the holder.
    const TURNS: u32 = 24;
    first_wrong(|check| {
        let spins = thread::spawn(|| {
            while !IS_OVER.load(SeqCst) {
                core::hint::spin_loop();
            }
        })?;
        let holds = thread::spawn(|| {
            let held = LOCK.lock();
            IS_HELD.store(true, SeqCst);
            (0..TURNS).for_each(|_| thread::yield_now());
            drop(held);
        })?;
        while !IS_HELD.load(SeqCst) {
            thread::yield_now();
        }
        let before = thread::priority()?;
        drop(LOCK.lock());
        IS_OVER.store(true, SeqCst);
        check(thread::priority()? == before);
        holds.join()?;
        spins.join()
    })
}

/// Who waits for a lock at its holder's priority, and is made urgent meanwhile, does not
/// keep the holder from its hart; and stays urgent.
pub(crate) fn lock_of_one_made_urgent() -> i64 {
    static LOCK: Lock<()> = Lock::new(());
    first_wrong(|check| {
        let own = thread::priority()?;
        let at = |priority| thread::Builder::new().hart(env::harts() - 1).priority(priority);
        let [low, middle, high] = [own - 30, own - 20, own - 10];
        let holds = at(low).spawn(move || {
            let held = LOCK.lock();
            let waits = at(middle).spawn(|| {
                drop(LOCK.lock());
                thread::priority()
            })?;
            while waits.priority()? != low {
                thread::yield_now();
            }
            waits.set_priority(high)?;
            drop(held);
            waits.join()?
        })?;
        check(holds.join()? == Ok(high));
        Ok(())
    })
}
