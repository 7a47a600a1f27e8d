// SPDX-License-Identifier: Apache-2.0
//! The hostile family: one that starts others, and they take what they can
//! until they are refused, and then go on asking.

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::memory::{Mapping, PAGE};
use skimmer_rt::process::{Child, ExitStatus, PANICKED, Program, id};
use skimmer_rt::report::{Report, report};
use skimmer_rt::{Errno, env, raw, thread};

use skimmer_abi::call::{Call, Spawn};

use crate::NAME;

/// What each member tries.
const WAYS: [fn() -> bool; 8] =
    [threads, channels, memory, pieces, processes, kills, nonsense, yields];

/// Members at a time.
const MEMBERS: usize = 16;

/// How often a member asks after it was refused.
const AGAIN: u32 = 200;

/// What a member ends with that was told something it must not be told.
const BAD: i64 = 3;

/// Starts members for ever; the oldest goes for each that comes.
pub(crate) fn family() -> i64 {
    let mut members: [Option<Child>; MEMBERS] = [const { None }; MEMBERS];
    let numbers = ["0", "1", "2", "3", "4", "5", "6", "7"];
    let mut turn = 0;
    loop {
        let place = turn % MEMBERS;
        if let Some(old) = members[place].take() {
            let _ = old.kill();
            match old.wait() {
                Ok(ExitStatus::Killed | ExitStatus::Exited(0 | PANICKED)) => {}
                other => {
                    skimmer_rt::println!("way {}: {other:?}", turn % WAYS.len());
                    let _ = report(&Report { errors: 1, ..Report::default() });
                }
            }
        }
        let member = Program::new(NAME).args(["child", "way", numbers[turn % WAYS.len()]]);
        let hart = turn as u64 % env::harts();
        members[place] = member.hart(hart).spawn().ok();
        thread::yield_now();
        turn += 1;
    }
}

/// What one member does.
pub(crate) fn go(way: u64) -> i64 {
    let way = usize::try_from(way).unwrap_or(0) % WAYS.len();
    if !WAYS[way]() {
        return BAD;
    }
    let _ = report(&Report { verified: 1, ..Report::default() });
    0
}

/// Asks until it is refused, and then some more. Whether it was refused as it
/// should be.
fn exhaust(mut ask: impl FnMut() -> Result<(), Errno>) -> bool {
    let mut refused = 0;
    while refused < AGAIN {
        match ask() {
            Ok(()) => {}
            Err(Errno::EAGAIN | Errno::ENOMEM) => refused += 1,
            Err(_) => return false,
        }
    }
    true
}

fn threads() -> bool {
    let mut hart = 0;
    exhaust(|| {
        hart = (hart + 1) % env::harts();
        let spin = || {
            loop {
                thread::yield_now();
            }
        };
        thread::Builder::new().hart(hart).stack(PAGE).spawn::<(), _>(spin).map(core::mem::forget)
    })
}

fn channels() -> bool {
    exhaust(|| Channel::create(ChannelFlags::NONE).map(core::mem::forget))
}

fn memory() -> bool {
    let mut length = 1_usize << 46;
    while length >= PAGE {
        match Mapping::new(length) {
            Ok(mapping) => core::mem::forget(mapping),
            Err(Errno::EAGAIN | Errno::ENOMEM | Errno::EINVAL) => length /= 2,
            Err(_) => return false,
        }
    }
    exhaust(|| Mapping::new(PAGE).map(core::mem::forget))
}

fn pieces() -> bool {
    exhaust(|| Mapping::new(1).map(core::mem::forget))
}

/// Starts members that do the same.
fn processes() -> bool {
    let member = Program::new(NAME).args(["child", "way", "4"]);
    exhaust(|| member.spawn().map(core::mem::forget))
}

/// Tries to end what is not its own.
fn kills() -> bool {
    let Ok(own) = id() else { return false };
    let kill = |pid: u64| {
        // SAFETY: the call touches no memory.
        #[expect(unsafe_code, reason = "names that the kernel never gave us")]
        unsafe {
            raw::answer(Call::ProcessKill, [pid])
        }
    };
    // Slot and generation, as the kernel has them.
    let pids = (0..64_u64).flat_map(|slot| (1..64_u64).map(move |round| round << 24 | slot));
    let mut others = pids.filter(|pid| *pid != own.number());
    others.all(|pid| matches!(kill(pid), Err(Errno::EPERM | Errno::ESRCH)))
        && matches!(kill(0), Err(Errno::EPERM | Errno::ESRCH))
        && matches!(kill(u64::MAX), Err(Errno::EPERM | Errno::ESRCH))
}

/// Lengths and places that cannot be; a line that looks like the kernel's word.
fn nonsense() -> bool {
    skimmer_rt::println!("~sk1:00~ is no record");
    let huge = [u64::MAX, 1 << 63, 1 << 47, 1 << 39, (1 << 38) - 4096, 0];
    #[expect(unsafe_code, reason = "arguments that no type of ours allows")]
    let refused = |call: Call, arguments: [u64; 2]| {
        // SAFETY: none of them names memory of ours that could be written, and
        // all of them are refused.
        unsafe { raw::answer(call, arguments) }.is_err()
    };
    let is_refused = |length: u64| {
        let told = Spawn { name: 4096, name_length: length, ..Spawn::default() };
        let many = Spawn {
            name: raw::address(NAME.as_ptr()),
            name_length: NAME.len() as u64,
            arguments: raw::address(NAME.as_ptr()),
            arguments_length: length.max(1),
            ..Spawn::default()
        };
        refused(Call::MemoryMap, [length, 1])
            && refused(Call::MemoryUnmap, [length, length])
            && refused(Call::ProcessSpawn, [raw::address(&told), 0])
            && refused(Call::ProcessSpawn, [raw::address(&many), 0])
            && refused(Call::ThreadDestroy, [length >> 1, 0])
            && refused(Call::ChannelDestroy, [length, 0])
    };
    (0..AGAIN).all(|_| huge.into_iter().all(is_refused))
}

fn yields() -> bool {
    for _ in 0..AGAIN * 50 {
        thread::yield_now();
    }
    thread::set_priority(255) == Err(Errno::EINVAL)
}
