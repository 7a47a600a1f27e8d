// SPDX-License-Identifier: Apache-2.0
//! Block and wake: a hart with nothing to do sleeps in `wfi`, and never through
//! work.

use skimmer_sync::{
    irq::HartIndex,
    spsc::{Consumer, Ring},
};

use crate::{
    explore::{ASLEEP, Depth, Kept, fails, harts, holds},
    target::{Fences, Target},
};

/// How the idle loop goes to sleep.
#[derive(Clone, Copy)]
enum Sleep {
    /// Masked from the look at the flag until `wfi` returns.
    Masked,
    /// Interrupts are open between the look and `wfi`, and a doorbell is
    /// answered there.
    Open,
}

const FROM: [HartIndex; 2] = [HartIndex::new(0), HartIndex::new(64)];

fn answer(target: &Target, inbound: &mut [Consumer<'_, u32, 2>; 2]) -> usize {
    let mut woken = 0;
    target.clear();
    target.mailbox.take_pending();
    target.mailbox.take_sources(|source| {
        let ring = &mut inbound[usize::from(source == FROM[1])];
        woken += core::iter::from_fn(|| ring.pop()).count();
    });
    woken
}

/// Two harts each wake one thread; the target idles until both have run.
fn idles(sleep: Sleep, fences: Fences) {
    let target = Target::new(fences);
    let (mut near, mut far) = (Kept::new(Ring::new()), Kept::new(Ring::new()));
    let ((mut near, near_end), (mut far, far_end)) = (near.split(), far.split());
    let mut inbound = [near_end, far_end];
    harts([
        Box::new(|| target.send(FROM[0], &mut near, 1)),
        Box::new(|| target.send(FROM[1], &mut far, 2)),
        Box::new(|| {
            let (mut ready, mut ran) = (0, 0);
            while ran < 2 {
                ready += answer(&target, &mut inbound);
                let sleeps = ready == 0 && !target.mailbox.is_pending();
                if matches!(sleep, Sleep::Open) && target.is_rung() {
                    ready += answer(&target, &mut inbound);
                }
                if sleeps {
                    target.wfi();
                }
                ran += core::mem::take(&mut ready);
            }
        }),
    ]);
}

#[test]
fn idle_never_sleeps_through_work() {
    holds("idle: never sleeps through work", Depth::Preemptions(3), || {
        idles(Sleep::Masked, Fences::ALL);
    });
}

#[test]
fn idle_open_before_wfi() {
    fails("idle: interrupts open before wfi", ASLEEP, Depth::Preemptions(3), || {
        idles(Sleep::Open, Fences::ALL);
    });
}

#[test]
fn idle_no_fence_after_clear() {
    let fences = Fences { after_clear: false, ..Fences::ALL };
    fails(
        "idle: no fence after the doorbell is cleared",
        ASLEEP,
        Depth::Preemptions(3),
        move || {
            idles(Sleep::Masked, fences);
        },
    );
}
