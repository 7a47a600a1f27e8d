// SPDX-License-Identifier: Apache-2.0
//! Who is alive, and who kills them.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use skimmer_rt::process::{ExitStatus, ProcessId};
use skimmer_rt::random::Random;
use skimmer_rt::report::Check;
use skimmer_rt::{Errno, Lock};

use super::sleeper::Sleeper;
use super::wrong;

/// The longest pause between two deaths.
const PAUSE: u64 = 30_000_000;

/// Of so many deaths one is a client's.
const CLIENTS: u64 = 12;

/// A process that is alive, or was a moment ago.
#[derive(Clone, Copy, Debug)]
struct Alive {
    id: ProcessId,
    is_killed: bool,
}

/// All processes of one kind, by their places.
pub(super) struct Family(Lock<Vec<Option<Alive>>>);

impl Family {
    pub(super) fn of(count: u64) -> Self {
        Self(Lock::new(alloc::vec![None; count as usize]))
    }

    /// One is there from now on.
    pub(super) fn born(&self, place: u64, id: ProcessId) {
        self.0.lock()[place as usize] = Some(Alive { id, is_killed: false });
    }

    /// It is not any more. Whether it ended as it may.
    pub(super) fn ended(&self, place: u64, how: ExitStatus) -> bool {
        let was = self.0.lock()[place as usize].take();
        match how {
            ExitStatus::Exited(0) => true,
            ExitStatus::Killed => was.is_some_and(|was| was.is_killed),
            _ => false,
        }
    }

    /// Kills that one, if it is there.
    pub(super) fn kill(&self, place: u64) {
        let mut all = self.0.lock();
        let Some(Some(one)) = all.get_mut(place as usize) else { return };
        one.is_killed = true;
        let id = one.id;
        drop(all);
        // It may be waited for at this moment.
        let came = id.kill();
        if !matches!(came, Ok(()) | Err(Errno::ESRCH)) {
            wrong(Check::ResultAllowed, format_args!("to kill: {came:?}"));
        }
    }

    fn count(&self) -> u64 {
        self.0.lock().len() as u64
    }
}

/// Kills some of them, until it is over.
pub(super) fn reap(servers: &Family, clients: &Family, is_over: &AtomicBool, seed: u64) {
    let mut random = Random::new(!seed);
    let sleeper = match Sleeper::new() {
        Ok(sleeper) => sleeper,
        Err(errno) => return wrong(Check::ResultAllowed, format_args!("a channel: {errno}")),
    };
    while !is_over.load(Ordering::Relaxed) {
        sleeper.sleep(random.below(PAUSE));
        let family = if random.below(CLIENTS) == 0 { clients } else { servers };
        family.kill(random.below(family.count()));
    }
}
