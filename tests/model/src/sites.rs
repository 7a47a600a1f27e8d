// SPDX-License-Identifier: Apache-2.0
//! Every named ordering, weakened in turn: the model that relies on it fails.

use loom::thread;
use skimmer_sync::order::{Site, weaken};

use crate::{
    active, connections,
    doorbell::{Answer, two_senders},
    explore::{ASLEEP, Depth, RACE, fails},
    lock, locked, once, ring, rounds, segments,
    target::Fences,
    wake,
};

/// The model that relies on `site`, and how it fails without.
fn relies_on(site: Site) -> (fn(), &'static str) {
    let doorbell: fn() = || two_senders(Answer::Right, Fences::ALL);
    let starve: fn() = || ring::space_or_notice(ring::Take::AfterPop);
    match site {
        Site::RingPublish | Site::RingSee | Site::RingFree | Site::RingReuse => {
            (ring::wraps_around, RACE)
        }
        Site::StarvedSet | Site::StarvedTake => (starve, "nobody will wake"),
        Site::SourceSet | Site::SourceTake => (doorbell, "doorbell down, ring not empty"),
        Site::PendingSet | Site::PendingTake => (doorbell, "doorbell down, ring not empty"),
        Site::LockTake | Site::LockRelease => (|| lock::counts(1), RACE),
        Site::OnceSet | Site::OnceGet => (once::one_wins, RACE),
        Site::ActiveEnter | Site::ActiveLook => (active::enters, RACE),
        Site::ActiveLeave => (active::leaves, RACE),
        Site::SegmentSet | Site::SegmentGet => (segments::grows, RACE),
        Site::RoundBegin | Site::RoundSee => (rounds::frees_late, RACE),
        Site::RoundPass | Site::RoundLook => (rounds::frees_late, RACE),
        Site::CellClaim | Site::CellRelease => (|| locked::changes_hands(1), RACE),
        Site::RefSet | Site::RefGet | Site::ConnectionWrite | Site::ConnectionRead => {
            (connections::old_name, "it leads elsewhere")
        }
        Site::ConnectionShow | Site::ConnectionFind => {
            (connections::new_name, "it leads elsewhere")
        }
    }
}

/// How threads that block and wake (`wake`) fail without `site`. The lock,
/// the set-once cell and the set of active harts have no part in that.
fn threads_rely_on(site: Site) -> Option<&'static str> {
    match site {
        Site::RingPublish | Site::RingSee | Site::RingFree | Site::RingReuse => Some(RACE),
        Site::StarvedSet | Site::StarvedTake => Some(ASLEEP),
        Site::SourceSet | Site::SourceTake => Some(ASLEEP),
        Site::PendingSet | Site::PendingTake => Some(ASLEEP),
        Site::LockTake | Site::LockRelease | Site::OnceSet | Site::OnceGet => None,
        Site::ActiveEnter | Site::ActiveLeave | Site::ActiveLook => None,
        Site::SegmentSet | Site::SegmentGet | Site::CellClaim | Site::CellRelease => None,
        Site::RoundBegin | Site::RoundSee | Site::RoundPass | Site::RoundLook => None,
        Site::RefSet | Site::RefGet | Site::ConnectionWrite | Site::ConnectionRead => None,
        Site::ConnectionShow | Site::ConnectionFind => None,
    }
}

/// That these models hold with nothing weakened, their own tests show.
#[test]
fn every_site_is_needed() {
    for &site in Site::ALL {
        let (model, words) = relies_on(site);
        weaken::with(site, || {
            fails(&format!("without {site:?}"), words, Depth::Whole, model);
        });
    }
}

/// The same through whole harts: policy, ring, mailbox, doorbell and `wfi`.
#[test]
fn every_site_is_needed_by_threads() {
    let models: [(_, fn()); 2] = [("wake", wake::stopped_thread), ("calls", wake::full_rings)];
    for &site in Site::ALL {
        let Some(words) = threads_rely_on(site) else { continue };
        for (name, model) in models {
            weaken::with(site, || {
                let name = format!("{name}: without {site:?}");
                fails(&name, words, Depth::Preemptions(2), model);
            });
        }
    }
}

/// The weakening reaches the harts of a model (loom runs them on the thread
/// that explores), one site only, and ends.
#[test]
fn weakening_reaches_model_harts() {
    let ordering = || {
        let orderings = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = std::sync::Arc::clone(&orderings);
        loom::model(move || {
            let seen = std::sync::Arc::clone(&seen);
            let hart = thread::spawn(move || {
                let mut seen = seen.lock().expect("no other holder");
                seen.push((Site::RingSee.ordering(), Site::RingReuse.ordering()));
            });
            assert!(hart.join().is_ok());
        });
        orderings.lock().expect("no other holder").pop()
    };
    use std::sync::atomic::Ordering::{Acquire, Relaxed};
    assert_eq!(weaken::with(Site::RingSee, ordering), Some((Relaxed, Acquire)));
    assert_eq!(ordering(), Some((Acquire, Acquire)));
}
