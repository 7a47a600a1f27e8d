// SPDX-License-Identifier: Apache-2.0
//! The short way of a message does what the usual way does, or nothing.
//!
//! The same random scripts run in two worlds side by side, in one of which no thread is
//! ever parked, and after each step all is compared that decides what will happen next:
//! every thread, the run queue, turns of families, timers, channels, what calls have
//! returned. And what keeps a message from going the short way changes nothing.

#[path = "straight/refused.rs"]
mod refused;
#[path = "straight/twins.rs"]
mod twins;

use crate::twins::{Twins, Ways};

fn run(seeds: std::ops::Range<u64>) -> Ways {
    let mut sum = Ways::default();
    for seed in seeds {
        sum.add(Twins::new(seed).run());
    }
    sum
}

#[test]
fn it_is_what_the_usual_way_does() {
    let ways = run(0..300);
    eprintln!("{ways:?}");
    assert!(ways.sent > 500 && ways.answered > 500 && ways.in_a_turn > 50, "{ways:?}");
    assert!(ways.replied > 200 && ways.waited > 500, "{ways:?}");
    assert!(ways.afar.iter().all(|&it| it > 100), "{ways:?}");
}
