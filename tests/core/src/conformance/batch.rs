// SPDX-License-Identifier: Apache-2.0
//! Several messages on their way at once: of one sender, or each of its own.

use skimmer_core::{ids::ThreadId, message::Words};

use super::{LEVEL, PortUnderTest, Stage};
use crate::{script::Me, seed::Seed};

/// Messages that are sent in this order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The hart that they are sent from.
    pub hart: usize,
    /// What is sent.
    pub requests: Vec<Words>,
    /// In which order the replies are claimed, if one sender has all.
    pub claims: Vec<usize>,
    /// Which are asked back when all are sent.
    pub aborts: Vec<usize>,
    /// Whether the senders stop once they have sent.
    pub stops: bool,
}

impl Batch {
    /// These, claimed in the order in which they are sent.
    #[must_use]
    pub fn new(hart: usize, requests: Vec<Words>) -> Self {
        let claims = (0..requests.len()).collect();
        Self { hart, requests, claims, aborts: Vec::new(), stops: false }
    }

    /// Sends them, from now on, and has `check` look at each reply. Who does; of several,
    /// each has sent, or waits until it can, before the next comes, and only `harts` run
    /// meanwhile.
    pub fn send<P: PortUnderTest>(
        self,
        (stage, harts): (&Stage<'_>, &[usize]),
        seed: &mut Seed,
        to: P::Address,
        check: impl Fn(&P::Replied, Words) + Clone + 'static,
    ) -> Vec<ThreadId> {
        let hart = self.hart;
        let spawn = |batch: Self| {
            let check = check.clone();
            let play = |me: Me| async move { batch.play::<P>(&me, to, check).await };
            stage.world.spawn(hart, "client", LEVEL, play)
        };
        if P::HAS_MANY_AWAY {
            return vec![spawn(self)];
        }
        let one = |(place, &request)| Self {
            hart,
            requests: vec![request],
            claims: vec![0],
            aborts: if self.aborts.contains(&place) { vec![0] } else { Vec::new() },
            stops: self.stops,
        };
        let each: Vec<_> = self.requests.iter().enumerate().map(one).collect();
        let spawn_and_run = |batch| {
            let id = spawn(batch);
            stage.world.settle_some(seed, harts);
            id
        };
        each.into_iter().map(spawn_and_run).collect()
    }

    async fn play<P: PortUnderTest>(
        self,
        me: &Me,
        to: P::Address,
        check: impl Fn(&P::Replied, Words),
    ) {
        let mut tickets = Vec::new();
        for &request in &self.requests {
            tickets.push(Some(me.send::<P>(to, P::message(request)).await));
        }
        if self.stops {
            me.stop().await;
        }
        for place in self.aborts {
            let ticket = tickets[place].as_ref().expect("claimed later");
            me.abort::<P>(ticket, P::note()).await;
        }
        for place in self.claims {
            let ticket = tickets[place].take().expect("claimed once");
            check(&me.wait_reply::<P>(ticket).await, self.requests[place]);
        }
    }
}
