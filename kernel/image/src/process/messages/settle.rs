// SPDX-License-Identifier: Apache-2.0
//! What happens to a wait from outside: its connection goes, its thread is to end, its
//! time is up, its priority changes.

use skimmer_arch::irq::masked;
use skimmer_core::{
    channel::{
        Woken,
        connection::ConnectionId,
        rendezvous::{Boost, Wake},
    },
    waiting::{Unsettled, Waiting},
};

use super::wake;
use crate::{
    lwkt,
    process::{Process, channels::waiters},
};

/// Tells every thread of a process that a connection is gone.
pub(in crate::process) fn tell_detached(process: &Process, id: ConnectionId) {
    let mut from = Some(0);
    while let Some(place) = from {
        let (next, thread) = process.threads(|threads| threads.living(place));
        if let Some(thread) = thread {
            lwkt::tell(|hart, irq| hart.tell_detached(irq, thread, id));
        }
        from = next;
    }
}

/// Does to a wait what a handler left to do: ends it, or moves it.
pub(crate) fn settle(unsettled: &Unsettled) {
    let Unsettled { waiting: Waiting { table, wait, .. }, ending, priority, .. } = *unsettled;
    let moved = masked(|irq| {
        table.with_waits(irq, waiters(), wait.channel, |channel| {
            let queue = channel.queue_of(wait)?;
            if let Some(error) = ending.filter(|_| unsettled.ends_in(queue)) {
                return channel.end(wait, error).map(Settled::Ended);
            }
            channel.set_priority(wait, priority);
            channel.boost_for(queue, priority).map(Settled::Boost)
        })
    });
    match moved.flatten() {
        Some(Settled::Ended(woken)) => {
            wake(&Wake::from(woken));
        }
        Some(Settled::Boost(boost)) => lwkt::tell(|hart, irq| hart.boost(irq, &boost)),
        None => {}
    }
}

enum Settled {
    Ended(Woken),
    Boost(Boost),
}
