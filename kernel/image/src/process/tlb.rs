// SPDX-License-Identifier: Apache-2.0
//! Making harts forget what they hold of an address space: a message to the
//! service thread of each, and the caller sleeps until all have answered (law
//! remote-waits-yield).

use alloc::vec::Vec;

use skimmer_arch::{cpu, paging::UserSpace};
use skimmer_core::{
    ids::HartIndex,
    message::InFlight,
    space::shootdown::{Forgotten, Request, Shootdown, Stale, Told, Transport, What},
};

use crate::{lwkt, smp};

/// Sees to it that no hart holds what was taken back.
pub(super) fn forget<W: What>(space: &'static UserSpace, stale: Stale<W>) -> Forgotten<W> {
    let mut messages = Messages { space, sent: Vec::new(), done_here: None };
    Shootdown::begin(stale, space.active()).run(&mut messages)
}

struct Messages {
    space: &'static UserSpace,
    sent: Vec<(HartIndex, InFlight)>,
    done_here: Option<HartIndex>,
}

impl Transport for Messages {
    fn tell(&mut self, hart: HartIndex, request: Request) -> Told {
        // Threads do not move, so this hart stays this one.
        if hart == cpu::this_hart() {
            self.space.forget(request.scope);
            self.done_here = Some(hart);
            return Told::Sent;
        }
        if self.sent.try_reserve(1).is_err() && !self.sent.is_empty() {
            return Told::Later;
        }
        let message = lwkt::Message::new(lwkt::Payload::Forget(self.space, request.scope));
        #[cfg(feature = "bug-shootdown")]
        let told = match request.scope {
            skimmer_core::space::shootdown::Scope::Pages(_) => cpu::this_hart(),
            skimmer_core::space::shootdown::Scope::Everything => hart,
        };
        #[cfg(not(feature = "bug-shootdown"))]
        let told = hart;
        self.sent.push((hart, lwkt::send(smp::service_of(told), message)));
        Told::Sent
    }

    fn wait(&mut self) -> HartIndex {
        if let Some(hart) = self.done_here.take() {
            return hart;
        }
        let Some((hart, ticket)) = self.sent.pop() else {
            unreachable!("nobody waits before somebody was told")
        };
        let _ = lwkt::wait(ticket);
        hart
    }
}
