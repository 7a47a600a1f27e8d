// SPDX-License-Identifier: Apache-2.0
//! Messages between programs, and the waits for them.

use super::{
    Mutant,
    files::{CHANNEL, HANDOVER, RENDEZVOUS, TRANSFER, WAITING},
};

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a stale answer finds the client's next message",
        file: CHANNEL,
        good: "cfg!(feature = \"bug-reply-twice\") || message.is_of(waiter.number)",
        bad: "true",
        test: ("rendezvous", "cases::a_message_is_answered_once"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "a message is answered before it is received",
        file: CHANNEL,
        good: "(is_of && waiter.queue == Which::Reply).then_some(",
        bad: "is_of.then_some(",
        test: ("rendezvous", "cases::a_message_that_was_not_received_has_no_answer"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "who gives up puts its client behind its equals",
        file: TRANSFER,
        good: "channel.shift_back(self.peer, self.from);",
        bad: "channel.shift(self.peer, self.from);",
        test: (
            "rendezvous",
            "cases::clients_queue_by_priority_then_arrival_whatever_happens_to_them",
        ),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "a new priority in a long copy is no new arrival",
        file: CHANNEL,
        good: "waiter.arrival = arrival;
        }",
        bad: "let _ = arrival;
        }",
        test: (
            "rendezvous",
            "cases::who_is_given_back_with_another_priority_stands_behind_its_equals",
        ),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "who is given back rouses nobody",
        file: RENDEZVOUS,
        good: "if self.is_empty(Which::Send) {
            return Ok(None);",
        bad: "if !self.is_empty(Which::Send) {
            return Ok(None);",
        test: ("rendezvous", "cases::a_long_copy_leaves_its_peer_to_nobody_else"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "who is roused is no more urgent for it",
        file: RENDEZVOUS,
        good: "Ok(Some(Wake { urgency, ..self.wake(&server, Outcome::Again) }))",
        bad: "Ok(urgency.map(|_| self.wake(&server, Outcome::Again)))",
        test: ("rendezvous", "cases::who_is_to_look_again_is_as_urgent_as_whom_it_is_to_find"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "who sends overtakes whom somebody gave back",
        file: RENDEZVOUS,
        good: ".filter(|_| is_first)",
        bad: ".filter(|_| is_first || client.priority < Priority::MAX)",
        test: ("rendezvous", "cases::who_sends_does_not_overtake_whom_somebody_gave_back"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "a server keeps its own priority",
        file: RENDEZVOUS,
        good: "self.inherit(server.thread, client.priority);
        let wake",
        bad: "self.inherit(server.thread, server.priority);
        let wake",
        test: ("rendezvous", "cases::a_server_takes_on_its_clients_priority_up_and_down"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "a long copy undoes a boost",
        file: RENDEZVOUS,
        good: "priority.max(queued)",
        bad: "priority.min(queued)",
        test: ("rendezvous", "cases::a_long_copy_does_not_undo_a_boost"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "a server that waits counts as urgent as it was",
        file: RENDEZVOUS,
        good: "Ok(Got::Waiting(wait, self.serves(server.thread, base)))",
        bad: "Ok(Got::Waiting(wait, Some(Urgency { priority: base, since: Moment::default() })))",
        test: ("rendezvous", "cases::a_server_whose_wait_ended_is_made_urgent_again"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "a server is made urgent once",
        file: RENDEZVOUS,
        good: "(so_far < priority).then_some(",
        bad: "(so_far < priority && so_far.level() < 6).then_some(",
        test: ("rendezvous", "cases::a_server_takes_on_its_clients_priority_up_and_down"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "a wake undoes what was decided later",
        file: HANDOVER,
        good: "news.filter(|news| news.since.is_after(self.urgent_since))",
        bad: "news",
        test: ("waiting", "a_boost_that_comes_before_the_wake_is_not_lost"),
        says: "left == right",
    },
    Mutant {
        name: "a boost counts however late it comes",
        file: WAITING,
        good: "|| !since.is_after(thread.urgent_since)",
        bad: "",
        test: ("waiting", "a_boost_that_comes_too_late_makes_nobody_urgent"),
        says: "nobody waits for it",
    },
    Mutant {
        name: "a part is copied whoever waits there now",
        file: TRANSFER,
        good: "let node = channel.find(self.peer)?;",
        bad: "let node = channel.owned.waiters.of(self.peer.thread)?;
        channel.owned.get(node)?;",
        test: ("rendezvous", "cases::nothing_is_copied_after_the_wait_has_ended"),
        says: "rendezvous/cases.rs",
    },
    Mutant {
        name: "a timeout in a long copy counts in no state",
        file: CHANNEL,
        good: "if waiter.queue == Which::Copying { waiter.stood } else { waiter.queue }",
        bad: "waiter.queue",
        test: ("waiting", "a_timeout_that_comes_in_a_long_copy_is_not_lost"),
        says: "it sleeps beyond its timeout",
    },
    Mutant {
        name: "a timeout takes the place of a detach",
        file: WAITING,
        good: "Errno::ETIMEDOUT => 0,",
        bad: "Errno::ETIMEDOUT => 2,",
        test: ("waiting", "a_timeout_that_does_not_count_does_not_undo_a_detach"),
        says: "waiting.rs",
    },
];
