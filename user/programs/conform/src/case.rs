// SPDX-License-Identifier: Apache-2.0
//! What a case is, how it is tried, and how the host is told of it.

use alloc::format;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use skimmer_rt::process::{ExitStatus, Program};
use skimmer_rt::{Result, report, thread, time};

use crate::NAME;
use crate::scene::Scene;

/// How long a case may take, in guest time. The slowest takes a tenth.
const PATIENCE: Duration = Duration::from_secs(8);

/// Priority of the processes that try cases, and the most that their threads have.
pub(crate) const HIGHEST: u8 = 100;

/// Status of a process whose case held.
const HOLDS: i64 = 0;
/// Status of one whose case did not, and has been told.
const FAILS: i64 = 3;

/// A statement of the specification.
#[derive(Debug)]
pub(crate) struct Case {
    /// Its name; the first part is the room's.
    pub(crate) name: &'static str,
    /// Where the specification makes it.
    pub(crate) clause: &'static str,
    /// A change of the kernel, by hand, that would break it. For people.
    #[expect(dead_code, reason = "the host reads it here and in docs/conform.md")]
    pub(crate) mutation: &'static str,
    /// Whether it is tried on two harts, too.
    pub(crate) is_twofold: bool,
    run: fn(&mut Scene) -> Result<()>,
}

/// A case that needs one hart only.
pub(crate) const fn one(
    name: &'static str,
    clause: &'static str,
    mutation: &'static str,
    run: fn(&mut Scene) -> Result<()>,
) -> Case {
    Case { name, clause, mutation, is_twofold: false, run }
}

/// A case that is tried with everybody on one hart, and with a hart between them.
pub(crate) const fn both(
    name: &'static str,
    clause: &'static str,
    mutation: &'static str,
    run: fn(&mut Scene) -> Result<()>,
) -> Case {
    Case { name, clause, mutation, is_twofold: true, run }
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Holds,
    Fails,
}

/// Tries a case in this process, tells of it, and ends.
pub(crate) fn tried(case: &Case, is_apart: bool) {
    let mut scene = Scene::new(is_apart);
    let ran = (case.run)(&mut scene);
    if let Err(errno) = ran {
        scene.fail(&format!("could not go on: {errno}"));
    }
    let (seen, count) = scene.outcome();
    let seen = seen.as_deref();
    tell(case, is_apart, seen, count);
    let status = if seen.is_none() { HOLDS } else { FAILS };
    skimmer_rt::process::exit(status)
}

/// Tries a case in a process of its own. Who looks after it is the least urgent of
/// all: it does something only where nobody else has anything to do.
pub(crate) fn in_a_process(case: &Case, is_apart: bool) -> Outcome {
    let place = if is_apart { "apart" } else { "together" };
    let child =
        Program::new(NAME).args(["case", case.name, place]).priority(HIGHEST).hart(0).spawn();
    let Ok(child) = child else { return lost(case, is_apart, "its process cannot be made") };
    let id = child.id();
    let has_ended = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&has_ended);
    let waiter = thread::Builder::new().hart(0).priority(HIGHEST).spawn(move || {
        let ended = child.wait();
        says.store(true, Ordering::Release);
        ended
    });
    let Ok(waiter) = waiter else { return lost(case, is_apart, "nobody can wait for it") };
    let since = time::now();
    let own = thread::set_priority(1);
    while !has_ended.load(Ordering::Acquire) {
        if time::now() - since > PATIENCE {
            // It may just have ended.
            let _ = id.kill();
        }
        thread::yield_now();
    }
    let own = own.and_then(|()| thread::set_priority(HIGHEST));
    match waiter.join() {
        Ok(Ok(ExitStatus::Exited(HOLDS))) if own.is_ok() => Outcome::Holds,
        Ok(Ok(ExitStatus::Exited(FAILS))) => Outcome::Fails,
        Ok(Ok(ExitStatus::Killed)) => lost(case, is_apart, "it came to no end"),
        other => lost(case, is_apart, &format!("its process: {other:?}")),
    }
}

/// Tells of a case that could not tell of itself.
fn lost(case: &Case, is_apart: bool, why: &str) -> Outcome {
    tell(case, is_apart, Some(why), 0);
    Outcome::Fails
}

/// Tells the host what became of a case.
fn tell(case: &Case, is_apart: bool, seen: Option<&str>, count: u64) {
    let Case { name, clause, .. } = *case;
    let told = report::Case { name, clause, seen, is_apart, count, beside: 0 };
    // A record that is missing fails the boot.
    let _ = told.tell();
}
