// SPDX-License-Identifier: Apache-2.0
//! Two harts fill each other's rings at once. A thread that finds the ring
//! full waits; its hart goes on draining, so both end and nothing is lost.

use skimmer_sync::{
    irq::HartIndex,
    spsc::{Consumer, Producer, Ring},
};

use crate::{
    explore::{ASLEEP, Depth, Kept, fails, harts, holds},
    target::{Fences, Target},
};

/// What a hart does while its outbound ring is full.
#[derive(Clone, Copy)]
enum Waiting {
    /// Goes on draining what comes in.
    Drains,
    /// Looks for the word that there is space, and at nothing else.
    Insists,
}

/// One of the two harts.
struct Side<'m> {
    me: HartIndex,
    mail: &'m Target,
    other: &'m Target,
    outbound: Producer<'m, u32, 1>,
    inbound: Consumer<'m, u32, 1>,
    sent: u32,
    taken: u32,
    waits: bool,
}

impl Side<'_> {
    /// Sends `count` values and takes `count`.
    fn run(mut self, count: u32, waiting: Waiting) {
        loop {
            while self.sent < count && !self.waits {
                self.send();
            }
            self.mail.clear();
            self.mail.mailbox.take_pending();
            if !self.waits || matches!(waiting, Waiting::Drains) {
                self.drain();
            }
            let waits = &mut self.waits;
            self.mail.mailbox.take_space(|_| *waits = false);
            if self.sent == count && self.taken == count {
                break;
            }
            if (self.waits || self.sent == count) && !self.mail.mailbox.is_pending() {
                self.mail.wfi();
            }
        }
    }

    fn send(&mut self) {
        match self.outbound.push(self.sent) {
            Ok(()) => {
                self.sent += 1;
                self.other.ring(self.other.mailbox.post(self.me));
            }
            Err(_) => self.waits = self.outbound.starve(),
        }
    }

    fn drain(&mut self) {
        let (inbound, taken) = (&mut self.inbound, &mut self.taken);
        let mut space = false;
        self.mail.mailbox.take_sources(|_| {
            while let Some(value) = inbound.pop() {
                assert_eq!(value, *taken, "lost, doubled or out of order");
                *taken += 1;
            }
            space = inbound.take_starved();
        });
        if space {
            self.other.ring(self.other.mailbox.post_space(self.me));
        }
    }
}

fn cross(count: u32, waiting: Waiting) {
    let (one, two) = (Target::new(Fences::ALL), Target::new(Fences::ALL));
    let (mut to_two, mut to_one) = (Kept::new(Ring::new()), Kept::new(Ring::new()));
    let ((out_one, in_two), (out_two, in_one)) = (to_two.split(), to_one.split());
    let side = |me, mail, other, outbound, inbound| Side {
        me: HartIndex::new(me),
        mail,
        other,
        outbound,
        inbound,
        sent: 0,
        taken: 0,
        waits: false,
    };
    let first = side(0, &one, &two, out_one, in_one);
    let second = side(1, &two, &one, out_two, in_two);
    harts([Box::new(|| first.run(count, waiting)), Box::new(|| second.run(count, waiting))]);
}

#[test]
fn crossing_both_end() {
    holds("crossing: two harts fill each other's rings", Depth::Preemptions(3), || {
        cross(2, Waiting::Drains);
    });
}

#[test]
fn crossing_insists() {
    fails("crossing: waits without draining", ASLEEP, Depth::Preemptions(3), || {
        cross(2, Waiting::Insists);
    });
}
