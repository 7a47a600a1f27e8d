// SPDX-License-Identifier: Apache-2.0
//! What harts tell each other, and messages of threads' own ports.

use super::{
    Mutant,
    files::{HART, MAIL, PORT, SCHED, TABLE},
};

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "an IPIQ message is lost",
        file: MAIL,
        good: "self.perform(irq, op);",
        bad: "if self.inspect.remote_ops.load(core::sync::atomic::Ordering::Relaxed) % 64 != 0 {
                self.perform(irq, op);
            }",
        test: ("traffic", "rings_that_are_full_both_ways_drain"),
        says: "lost or overtaken",
    },
    Mutant {
        name: "a reply goes to the wrong client",
        file: PORT,
        good: "let (to, sequence) = (body.value.from, body.value.sequence);",
        bad: "let neighbour = ThreadId::from_word(body.value.from.to_word() ^ 1);
        let (to, sequence) = (
            self.live_thread(neighbour).map_or(body.value.from, |_| neighbour),
            body.value.sequence,
        );",
        test: ("thread_ports", "order::right_client"),
        says: "the reply is another client's or message's",
    },
    Mutant {
        name: "a reply goes to the wrong message of its client",
        file: PORT,
        good: "replies.remove_first(|body| body.sequence == ticket.sequence)",
        bad: "replies.remove_first(|_| true)",
        test: ("thread_ports", "order::replies_in_any_order"),
        says: "the reply is another client's or message's",
    },
    Mutant {
        name: "a reply wakes whoever waits for another",
        file: SCHED,
        good: "if thread.state != State::Blocked(why) {",
        bad: "if !matches!(thread.state, State::Blocked(_)) {",
        test: ("traffic", "rings_that_are_full_both_ways_drain"),
        says: "equals wait, and the timer is not set",
    },
    Mutant {
        name: "nobody is told of space in a ring",
        file: MAIL,
        good: "(line.take_starved(), ",
        bad: "(false, ",
        test: ("thread_ports", "full::of_requests"),
        says: "left over",
    },
    Mutant {
        name: "one of those who wait for space is told",
        file: MAIL,
        good: "while let Some(slot) = woken.pop(&mut self.threads) {",
        bad: "if let Some(slot) = woken.pop(&mut self.threads) {",
        test: ("traffic", "all_who_wait_for_space_get_it"),
        says: "left over",
    },
    Mutant {
        name: "the doorbell is not rung",
        file: MAIL,
        good: "if say(mailbox, self.index) == Doorbell::Ring {",
        bad: "if say(mailbox, self.index) != Doorbell::Ring {",
        test: ("thread_ports", "order::round_trip"),
        says: "has mail and was not rung",
    },
    Mutant {
        name: "the doorbell is left ringing",
        file: MAIL,
        good: "self.machine.clear_doorbell();
            widen();",
        bad: "if self.has_mail() {
                self.machine.clear_doorbell();
            }",
        test: ("traffic", "one_doorbell_until_it_is_answered"),
        says: "doorbell ringing",
    },
    Mutant {
        name: "a stale name finds the next occupant",
        file: TABLE,
        good: "let slot = self.slot_mut(id.index())?;
        if slot.generation == id.generation() { slot.object.as_mut() } else { None }",
        bad: "self.slot_mut(id.index())?.object.as_mut()",
        test: ("traffic", "a_stale_name_does_nothing"),
        says: "left == right",
    },
    Mutant {
        name: "an exit forgets who waits at the port",
        file: SCHED,
        good: "self.orphans.append(&mut requests);",
        bad: "drop(requests);",
        test: ("thread_ports", "ends::gone_with_queue"),
        says: "a request was left behind",
    },
    Mutant {
        name: "a thread that has exited still gets mail",
        file: HART,
        good: ".filter(|thread| thread.state != State::Dead)",
        bad: "",
        test: ("thread_ports", "ends::gone_at_any_time"),
        says: "",
    },
    Mutant {
        name: "an abort request is about any message of its sender",
        file: PORT,
        good: "note.from == from && note.sequence == sequence",
        bad: "note.from == from",
        test: ("thread_ports", "aborts::one_of_many"),
        says: "left == right",
    },
    Mutant {
        name: "an abort request for a message that was taken is dropped",
        file: PORT,
        good: "let Some(stale) = thread.port.keep_abort(note) {",
        bad: "let Some(stale) = Some(note) {",
        test: ("thread_ports", "aborts::after_taken"),
        says: "is_aborted",
    },
];
