// SPDX-License-Identifier: Apache-2.0
//! The doorbell: two harts send to one. Whatever was sent is taken, or the
//! doorbell is up; and at most one doorbell is in flight.

use skimmer_sync::{
    irq::HartIndex,
    spsc::{Consumer, Ring},
};

use crate::{
    explore::{Depth, Kept, fails, harts, holds},
    target::{Fences, Target},
};

/// In which order the target answers.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// Clear the doorbell, take the flag, take the marks and drain.
    Right,
    /// Take the flag, clear the doorbell, drain.
    FlagFirst,
    /// Clear the doorbell, drain, take the flag.
    DrainFirst,
    /// As `Right`, but only if a look at the flag finds it set.
    LookFirst,
}

/// Two senders in different words of the mailbox.
const FROM: [HartIndex; 2] = [HartIndex::new(0), HartIndex::new(64)];

type Ends<'r> = [Consumer<'r, u32, 2>; 2];

impl Answer {
    /// Answers once. Gives how many values were taken.
    fn answer(self, target: &Target, inbound: &mut Ends<'_>) -> usize {
        let mut taken = 0;
        let mut drain = || {
            target.mailbox.take_sources(|source| {
                let ring = FROM.iter().position(|from| *from == source);
                let ring = &mut inbound[ring.expect("only senders set marks")];
                taken += core::iter::from_fn(|| ring.pop()).count();
            });
        };
        match self {
            Self::LookFirst if !target.mailbox.is_pending() => {}
            Self::Right | Self::LookFirst => {
                target.clear();
                target.mailbox.take_pending();
                drain();
            }
            Self::FlagFirst => {
                target.mailbox.take_pending();
                target.clear();
                drain();
            }
            Self::DrainFirst => {
                target.clear();
                drain();
                target.mailbox.take_pending();
            }
        }
        taken
    }
}

/// The target looks when its doorbell is up, as the handler does.
pub(crate) fn two_senders(answer: Answer, fences: Fences) {
    let target = Target::new(fences);
    let (mut near, mut far) = (Kept::new(Ring::new()), Kept::new(Ring::new()));
    let ((mut near, near_end), (mut far, far_end)) = (near.split(), far.split());
    let mut inbound = [near_end, far_end];
    let mut taken = 0;
    harts([
        Box::new(|| target.send(FROM[0], &mut near, 7)),
        Box::new(|| target.send(FROM[1], &mut far, 8)),
        Box::new(|| {
            for _ in 0..2 {
                if target.is_rung() {
                    taken += answer.answer(&target, &mut inbound);
                }
            }
        }),
    ]);
    while target.is_rung() {
        taken += answer.answer(&target, &mut inbound);
    }
    assert!(taken == 2, "doorbell down, ring not empty");
    assert!(!target.mailbox.is_pending(), "doorbell down, flag up: nobody will ring again");
    assert!(target.most_in_flight() == 1, "at most one doorbell in flight");
}

/// The target looks whenever it likes, as a hart that polls does. It may take
/// what a doorbell still on its way tells of, so that one comes for nothing;
/// that one must go away when it is answered.
fn polled(answer: Answer) {
    let target = Target::new(Fences::ALL);
    let (mut near, mut far) = (Kept::new(Ring::new()), Kept::new(Ring::new()));
    let ((mut near, near_end), (_, far_end)) = (near.split(), far.split());
    let mut inbound = [near_end, far_end];
    let mut taken = 0;
    harts([
        Box::new(|| (0..2).for_each(|value| target.send(FROM[0], &mut near, value))),
        Box::new(|| taken += answer.answer(&target, &mut inbound)),
    ]);
    if target.is_rung() {
        taken += answer.answer(&target, &mut inbound);
    }
    assert!(taken == 2, "doorbell down, ring not empty");
    assert!(!target.is_rung(), "nothing was sent since, and the doorbell stays up");
}

#[test]
fn doorbell_two_senders() {
    holds("doorbell: two senders", Depth::Whole, || two_senders(Answer::Right, Fences::ALL));
}

#[test]
fn doorbell_polled() {
    holds("doorbell: polled", Depth::Whole, || polled(Answer::Right));
}

#[test]
fn doorbell_flag_taken_first() {
    fails("doorbell: flag taken before it is cleared", "doorbell down", Depth::Whole, || {
        two_senders(Answer::FlagFirst, Fences::ALL);
    });
}

#[test]
fn doorbell_drained_first() {
    fails("doorbell: ring checked before the flag", "doorbell down", Depth::Whole, || {
        two_senders(Answer::DrainFirst, Fences::ALL);
    });
}

#[test]
fn doorbell_looked_at_flag_first() {
    fails("doorbell: flag looked at first", "doorbell stays up", Depth::Whole, || {
        polled(Answer::LookFirst);
    });
}

#[test]
fn doorbell_no_fence_before_ring() {
    fails("doorbell: no fence before it rings", "doorbell", Depth::Whole, || {
        two_senders(Answer::Right, Fences { before_ring: false, ..Fences::ALL });
    });
}

#[test]
fn doorbell_no_fence_after_clear() {
    fails("doorbell: no fence after it is cleared", "doorbell", Depth::Whole, || {
        two_senders(Answer::Right, Fences { after_clear: false, ..Fences::ALL });
    });
}
