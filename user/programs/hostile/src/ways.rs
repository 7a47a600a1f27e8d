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

/// What each member tries: how often it was refused; none if it was told
/// something that it must not be told.
type Way = fn() -> Option<u32>;

const WAYS: [(&str, Way); 8] = [
    ("threads", threads),
    ("channels", channels),
    ("memory", memory),
    ("pieces", pieces),
    ("processes", processes),
    ("kills", kills),
    ("nonsense", nonsense),
    ("yields", yields),
];

/// How many there are.
pub(crate) const COUNT: u64 = WAYS.len() as u64;

/// How a member is told its way.
const NUMBERS: [&str; WAYS.len()] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// Members at a time.
const MEMBERS: usize = 16;

/// How often a member asks after it was refused.
const AGAIN: u32 = 200;

/// What a member ends with that was told something it must not be told.
const BAD: i64 = 3;

/// What one ends with that was not refused.
const UNREFUSED: i64 = 4;

/// Starts members for ever; the oldest goes for each that comes.
pub(crate) fn family() -> i64 {
    let mut members: [Option<Child>; MEMBERS] = [const { None }; MEMBERS];
    let mut turn = 0;
    loop {
        let place = turn % MEMBERS;
        if let Some(old) = members[place].take() {
            let _ = old.kill();
            match old.wait() {
                Ok(ExitStatus::Killed | ExitStatus::Exited(0 | PANICKED)) => {}
                other => {
                    skimmer_rt::println!("{}: {other:?}", WAYS[turn % WAYS.len()].0);
                    let _ = report(&Report { errors: 1, ..Report::default() });
                }
            }
        }
        let member = Program::new(NAME).args(["child", "way", NUMBERS[turn % WAYS.len()]]);
        let hart = turn as u64 % env::harts();
        members[place] = member.hart(hart).spawn().ok();
        thread::yield_now();
        turn += 1;
    }
}

/// What one member does.
pub(crate) fn go(way: u64) -> i64 {
    let way = usize::try_from(way).unwrap_or(0) % WAYS.len();
    match WAYS[way].1() {
        None => BAD,
        Some(0) => UNREFUSED,
        Some(_) => {
            let _ = report(&Report { verified: 1, ..Report::default() });
            0
        }
    }
}

/// Goes each way once, with nobody beside it. In how many of them it was refused,
/// and told nothing else.
pub(crate) fn each() -> u64 {
    let mut refused = 0;
    for (number, (name, _)) in WAYS.iter().enumerate() {
        let member = Program::new(NAME).args(["child", "way", NUMBERS[number]]);
        let end = member.spawn().and_then(Child::wait);
        if end == Ok(ExitStatus::Exited(0)) {
            refused += 1;
        } else {
            skimmer_rt::println!("{name}: {end:?}");
        }
    }
    refused
}

/// Asks until it is refused, and then some more.
fn exhaust(mut ask: impl FnMut() -> Result<(), Errno>) -> Option<u32> {
    let mut refused = 0;
    while refused < AGAIN {
        match ask() {
            Ok(()) => {}
            Err(Errno::EAGAIN | Errno::ENOMEM) => refused += 1,
            Err(_) => return None,
        }
    }
    Some(refused)
}

fn threads() -> Option<u32> {
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

fn channels() -> Option<u32> {
    exhaust(|| Channel::create(ChannelFlags::NONE).map(core::mem::forget))
}

fn memory() -> Option<u32> {
    let mut length = 1_usize << 46;
    while length >= PAGE {
        match Mapping::new(length) {
            Ok(mapping) => core::mem::forget(mapping),
            Err(Errno::EAGAIN | Errno::ENOMEM | Errno::EINVAL) => length /= 2,
            Err(_) => return None,
        }
    }
    exhaust(|| Mapping::new(PAGE).map(core::mem::forget))
}

fn pieces() -> Option<u32> {
    exhaust(|| Mapping::new(1).map(core::mem::forget))
}

/// Starts members that do the same.
fn processes() -> Option<u32> {
    let member = Program::new(NAME).args(["child", "way", "4"]);
    exhaust(|| member.spawn().map(core::mem::forget))
}

/// Tries to end what is not its own.
fn kills() -> Option<u32> {
    let own = id().ok()?;
    let kill = |pid: u64| {
        // SAFETY: the call touches no memory.
        #[expect(unsafe_code, reason = "names that the kernel never gave us")]
        unsafe {
            raw::answer(Call::ProcessKill, [pid])
        }
    };
    // Slot and generation, as the kernel has them.
    let pids = (0..64_u64).flat_map(|slot| (1..64_u64).map(move |round| round << 24 | slot));
    let others = pids.filter(|pid| *pid != own.number());
    let mut refused = 0;
    for pid in others.chain([0, u64::MAX]) {
        match kill(pid) {
            // There is such a process, our parent for one.
            Err(Errno::EPERM) => refused += 1,
            Err(Errno::ESRCH) => {}
            _ => return None,
        }
    }
    Some(refused)
}

/// Lengths and places that cannot be; a line that looks like the kernel's word.
fn nonsense() -> Option<u32> {
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
    let rounds = (0..AGAIN).take_while(|_| huge.into_iter().all(is_refused)).count();
    (rounds == AGAIN as usize).then_some(AGAIN)
}

fn yields() -> Option<u32> {
    for _ in 0..AGAIN * 50 {
        thread::yield_now();
    }
    (thread::set_priority(255) == Err(Errno::EPERM)).then_some(1)
}
