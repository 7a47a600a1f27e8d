// SPDX-License-Identifier: Apache-2.0
//! Making harts forget what they hold of an address space: a message to the
//! service thread of each, and the caller sleeps until all have answered (law
//! remote-waits-yield).

use alloc::vec::Vec;

use skimmer_abi::errno::Errno;
use skimmer_arch::{cpu, paging::UserSpace};
use skimmer_core::{
    ids::HartIndex,
    message::InFlight,
    space::shootdown::{Forgotten, Request, Scope, Shootdown, Stale, Told, Transport, What},
};

use crate::{lwkt, smp};

/// The message that a shootdown needs when memory is out. Had before the
/// entries change.
///
/// # Errors
/// ENOMEM.
pub(super) fn spare() -> Result<lwkt::Message, Errno> {
    lwkt::Message::try_new(lwkt::Payload::Words([0; 8])).map_err(|_| Errno::ENOMEM)
}

/// Sees to it that no hart holds what was taken back. Gives the message back.
pub(super) fn forget<W: What>(
    space: &'static UserSpace,
    stale: Stale<W>,
    spare: lwkt::Message,
) -> (Forgotten<W>, Option<lwkt::Message>) {
    let spare = Some(spare);
    let mut messages =
        Messages { space, spare, with_spare: None, sent: Vec::new(), done_here: None };
    let forgotten = Shootdown::begin(stale, space.active()).run(&mut messages);
    (forgotten, messages.spare)
}

struct Messages {
    space: &'static UserSpace,
    /// None while it is on its way.
    spare: Option<lwkt::Message>,
    /// Where it is then.
    with_spare: Option<(HartIndex, InFlight)>,
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
        let payload = lwkt::Payload::Forget(self.space, request.scope);
        if let Some(mut message) = self.spare.take() {
            message.set_payload(payload);
            let service = smp::service_of(told(hart, request.scope));
            self.with_spare = Some((hart, lwkt::send(service, message)));
            return Told::Sent;
        }
        // From here on an answer is missing: that of the spare one.
        if self.sent.try_reserve(1).is_err() {
            return Told::Later;
        }
        let Ok(message) = lwkt::Message::try_new(payload) else { return Told::Later };
        self.sent.push((hart, lwkt::send(smp::service_of(told(hart, request.scope)), message)));
        Told::Sent
    }

    fn wait(&mut self) -> HartIndex {
        if let Some(hart) = self.done_here.take() {
            return hart;
        }
        if let Some((hart, ticket)) = self.with_spare.take() {
            self.spare = Some(lwkt::wait(ticket).into_idle());
            return hart;
        }
        let Some((hart, ticket)) = self.sent.pop() else {
            unreachable!("nobody waits before somebody was told")
        };
        let _ = lwkt::wait(ticket);
        hart
    }
}

/// Whom a request for `hart` goes to: that hart, but for the named bug, which
/// tells itself what the others are to forget of a space that lives.
fn told(hart: HartIndex, scope: Scope) -> HartIndex {
    match scope {
        Scope::Pages(_) if cfg!(feature = "bug-shootdown") => cpu::this_hart(),
        _ => hart,
    }
}
