// SPDX-License-Identifier: Apache-2.0
//! A connection goes and another comes in its entry, while a thread on another hart looks
//! one of them up without a lock: what it finds, and finds still there after that, leads
//! where that connection led, in every word.

use skimmer_core::{
    channel::{
        ChannelId,
        connection::{ConnectionId, Connections, Directory, Target},
    },
    machine::Sections as _,
};

use crate::{
    explore::{Depth, Kept, fails, harts, holds},
    rendezvous::Here,
};

/// Servers, by the connection that leads there.
static SERVERS: [u64; 2] = [70, 71];

fn target(which: usize) -> Target<u64> {
    let word = which as u64;
    let Some(channel) = ChannelId::from_register((word + 1) << 32 | word) else { panic!("a name") };
    Target { server: &SERVERS[which], pid: 10 + word, channel, scoid: 20 + word }
}

/// Which connection is looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The one that goes.
    Old,
    /// The one that comes.
    New,
}

/// How a thread looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// And looks again whether it is there.
    Twice,
    /// A wrong way.
    Once,
}

fn changes(which: Which, look: Look) {
    let connections = Kept::new(Connections::<u64>::new());
    let mut directory = Directory::new();
    assert!(directory.grow(&connections, 0).is_ok());
    let Some(old) = directory.attach(&Here(1), &connections, 0, &target(0)) else {
        panic!("no room")
    };
    // The next generation at the same index.
    let new = ConnectionId::from_register(old.to_register() + (1 << 32));
    let (id, expected) = if which == Which::Old { (old, target(0)) } else { (new, target(1)) };
    harts([
        Box::new(|| {
            Here(0).masked(|irq| {
                let Some((found, sight)) = connections.look(irq, id) else { return };
                if look == Look::Once || sight.is_current() {
                    let words = |it: &Target<u64>| (*it.server, it.pid, it.channel, it.scoid);
                    assert_eq!(words(&found), words(&expected), "it leads elsewhere");
                }
            });
        }),
        Box::new(|| {
            assert!(directory.detach(&Here(1), &connections, old).is_some());
            assert_eq!(directory.attach(&Here(1), &connections, 0, &target(1)), Some(new));
        }),
    ]);
}

pub(crate) fn old_name() {
    changes(Which::Old, Look::Twice);
}

pub(crate) fn new_name() {
    changes(Which::New, Look::Twice);
}

#[test]
fn connections_lead_where_they_led() {
    holds("connections: looked up as it goes", Depth::Whole, old_name);
    holds("connections: looked up as it comes", Depth::Whole, new_name);
}

#[test]
fn connections_looked_at_once() {
    let once = || changes(Which::Old, Look::Once);
    fails("connections: looked at once", "it leads elsewhere", Depth::Whole, once);
}
