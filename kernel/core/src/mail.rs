// SPDX-License-Identifier: Apache-2.0
//! A hart's traffic with the others: the rings, the doorbell, and what is done
//! with each operation that arrives. Handlers take no locks and do not send
//! (law handlers-take-no-object-locks).

use skimmer_abi::{inspect::bump, trace::Event};
use skimmer_sync::{
    irq::IrqOff,
    mailbox::{Doorbell, Mailbox},
};

use crate::{
    hart::{FIRST_SPACE, Hart},
    ids::{HartIndex, ThreadId},
    list::List,
    machine::Machine,
    port::Full,
    remote::{Inbound, Op, RING_SLOTS, hart_at},
    sched::Blocked,
    thread::Why,
};

impl<M: Machine> Hart<M> {
    /// Blocks the current thread until `target`'s ring has space. None if it
    /// has space already.
    pub fn wait_for_space(&mut self, irq: &IrqOff, target: HartIndex) -> Option<Blocked<'_, M>> {
        if !self.lines.outbound.get_mut(target.index())?.as_mut()?.starve() {
            return None;
        }
        bump(&self.inspect.ring_waits);
        let slot = self.current.slot().index();
        self.space_waiters.get_mut(target.index())?.push_back(&mut self.threads, slot);
        Some(self.block(irq, Why::Space(target)))
    }

    /// Takes what other harts have sent. The order is the protocol: clear the
    /// doorbell, take the flag, drain. A few are taken from each source that
    /// has some, so that neither a busy source nor many of them can hold the
    /// hart for long (law bounded-off-time); what is left rings again.
    pub fn answer_doorbell(&mut self, irq: &IrqOff) {
        let mailboxes = self.lines.mailboxes;
        let Some(mailbox) = mailboxes.get(self.index.index()) else { return };
        if cfg!(feature = "bug-lost-doorbell") {
            mailbox.take_pending();
            widen();
            self.machine.clear_doorbell();
        } else {
            self.machine.clear_doorbell();
            widen();
            mailbox.take_pending();
        }
        let mut taken = 0;
        mailbox.take_sources(|source| taken += self.drain(irq, source));
        mailbox.take_space(|target| self.wake_space_waiters(irq, target));
        bump(&self.inspect.doorbells_taken);
        self.note(irq, Event::DoorbellTaken, taken, 0);
    }

    /// Whether something has been sent that was not taken yet. Only tests ask:
    /// what ends an idle hart's sleep is the doorbell.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        self.lines.mailboxes.get(self.index.index()).is_some_and(|m| m.is_pending())
    }

    /// How much that hart has sent that was not taken yet. Only tests ask.
    #[must_use]
    pub fn mail_from(&self, source: HartIndex) -> u32 {
        let line = self.lines.inbound.get(source.index());
        line.and_then(Option::as_ref).map_or(0, Inbound::waiting)
    }

    /// Puts `op` into the ring to `target`, and rings unless a doorbell is in
    /// flight already.
    pub(crate) fn send_remote(
        &mut self,
        irq: &IrqOff,
        target: HartIndex,
        op: Op<M>,
    ) -> Result<(), Full<Op<M>>> {
        let line = self.lines.outbound.get_mut(target.index()).and_then(Option::as_mut);
        let Some(line) = line else { unreachable!("there is a ring to every other hart") };
        line.push(op).map_err(|value| Full { target, value })?;
        self.post(irq, target, |mailbox, from| mailbox.post(from));
        Ok(())
    }

    #[inline]
    pub(crate) fn ask(
        &mut self,
        irq: &IrqOff,
        target: HartIndex,
        op: Op<M>,
    ) -> Result<(), Full<()>> {
        let line = self.lines.outbound.get_mut(target.index()).and_then(Option::as_mut);
        let Some(line) = line else { unreachable!("there is a ring to every other hart") };
        if line.push(op).is_err() {
            return Err(Full { target, value: () });
        }
        self.post(irq, target, |mailbox, from| mailbox.post(from));
        Ok(())
    }

    fn post(
        &self,
        irq: &IrqOff,
        target: HartIndex,
        say: impl FnOnce(&Mailbox, HartIndex) -> Doorbell,
    ) {
        let Some(mailbox) = self.lines.mailboxes.get(target.index()) else {
            return;
        };
        if say(mailbox, self.index) == Doorbell::Ring {
            bump(&self.inspect.doorbells);
            self.note(irq, Event::DoorbellSent, u32::from(target.get()), 0);
            self.machine.ring_doorbell(target);
        }
    }

    #[inline]
    fn drain(&mut self, irq: &IrqOff, source: HartIndex) -> u32 {
        let quota = quota(self.lines.mailboxes.len());
        let mut taken = 0;
        while taken < quota
            && let Some(op) = self.inbound(source).pop()
        {
            taken += 1;
            bump(&self.inspect.remote_ops);
            self.perform(irq, op);
        }
        let line = self.inbound(source);
        // What comes once the ring was found empty is posted after that, and rings.
        let (is_starved, has_more) = (line.take_starved(), taken == quota && line.has_more());
        if has_more {
            self.post(irq, self.index, |mailbox, _| mailbox.post(source));
        }
        if is_starved {
            self.post(irq, source, |mailbox, from| mailbox.post_space(from));
        }
        taken
    }

    #[inline]
    fn inbound(&mut self, source: HartIndex) -> &mut Inbound<M> {
        match self.lines.inbound.get_mut(source.index()).and_then(Option::as_mut) {
            Some(line) => line,
            None => unreachable!("only other harts mark themselves in a mailbox"),
        }
    }

    #[inline]
    fn perform(&mut self, irq: &IrqOff, op: Op<M>) {
        match op {
            Op::EndWait(id, number) => self.end_wait(irq, id, number, None),
            Op::EndWaitAt(id, number, urgency) => self.end_wait(irq, id, number, Some(urgency)),
            op => self.perform_other(irq, op),
        }
    }

    /// What comes with no message between programs, as a rule.
    #[inline(never)]
    fn perform_other(&mut self, irq: &IrqOff, op: Op<M>) {
        match op {
            // These cannot be full: the thread is ours, or nobody's.
            Op::Schedule(id) => {
                #[cfg(feature = "bug-stale-message")]
                let id = self.occupant(id);
                drop(self.schedule(irq, id));
            }
            Op::Condemn(id, urgency) => drop(self.condemn(irq, id, urgency)),
            Op::SetPriority(id, priority) => drop(self.set_priority(irq, id, priority)),
            Op::EndWait(..) | Op::EndWaitAt(..) => unreachable!("these are not left over"),
            Op::Received(id, number) => self.begin_reply_clock(irq, id, number),
            Op::Boost(id, channel, urgency) => self.raise(irq, id, channel, urgency),
            Op::Detached(id, connection) => self.hear_of_detach(irq, id, connection),
            Op::Send(to, body) => self.deliver_request(irq, to, body),
            Op::Reply(body) => self.deliver_reply(irq, body),
            Op::Abort(note) => self.deliver_abort(irq, note),
        }
    }

    /// The named bug: whoever has the place of a thread now.
    #[cfg(feature = "bug-stale-message")]
    fn occupant(&mut self, id: ThreadId) -> ThreadId {
        let slot = self.threads.entry_mut(id.slot().index()).map(|(slot, _)| slot);
        slot.map_or(id, |slot| ThreadId::new(self.index, slot))
    }

    #[cold]
    fn wake_space_waiters(&mut self, irq: &IrqOff, target: HartIndex) {
        let Some(waiters) = self.space_waiters.get_mut(target.index()) else {
            return;
        };
        let mut woken = *waiters;
        *waiters = List::new(FIRST_SPACE + target.get());
        while let Some(slot) = woken.pop(&mut self.threads) {
            if let Some((slot, _)) = self.threads.entry_mut(slot) {
                self.make_ready(irq, ThreadId::new(self.index, slot), Why::Space(target));
            }
        }
    }

    /// Every hart of the machine, this one included.
    pub fn harts(&self) -> impl Iterator<Item = HartIndex> + use<M> {
        (0..self.lines.mailboxes.len()).map(hart_at)
    }
}

/// Between the two steps of which the named bug exchanges the order: nothing,
/// or a delay that must do no harm where the order is right.
fn widen() {
    if cfg!(feature = "delay-lost-doorbell") {
        (0..1000).for_each(|_| core::hint::spin_loop());
    }
}

/// Operations that one doorbell brings at the most, over all sources.
const AT_ONCE: usize = 64;

/// Operations that are taken from each source at a time.
fn quota(harts: usize) -> u32 {
    (AT_ONCE / harts.max(1)).clamp(1, RING_SLOTS) as u32
}
