// SPDX-License-Identifier: Apache-2.0
//! Channels: their table and stock, the queue of one, and the message port that each is.

use super::{
    Mutant,
    files::{CHANNEL, CHANNEL_PORT, CHANNELS, QUEUE, STOCK},
};

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a stale name of a channel finds the next occupant",
        file: CHANNELS,
        good: "if !slot.is_of(id) || !is_found(slot.state) {",
        bad: "if !is_found(slot.state) {",
        test: ("channels", "a_table_is_what_the_model_is"),
        says: "left == right",
    },
    Mutant {
        name: "a stale name destroys the next occupant",
        file: CHANNEL,
        good: "self.is_of(id) && self.state == State::Live",
        bad: "id.index() != u32::MAX && self.state == State::Live",
        test: ("channels", "a_table_is_what_the_model_is"),
        says: "left == right",
    },
    Mutant {
        name: "a freed slot keeps its generation",
        file: CHANNELS,
        good: "slot.generation = next;",
        bad: "",
        test: ("channels", "a_freed_slot_is_used_at_once_under_another_name"),
        says: "names.insert(id)",
    },
    Mutant {
        name: "a destroy forgets who was not answered",
        file: CHANNEL,
        good: "*Which::ALL.iter().find(",
        bad: "*Which::ALL[..2].iter().find(",
        test: ("channels", "a_destroy_wakes_everybody_in_order"),
        says: "left == right",
    },
    Mutant {
        name: "a channel that had waiters is never freed",
        file: CHANNELS,
        good: "sections.masked(|irq| self.finish_end(irq, id));
    }

    /// The named bug",
        bad: "let _ = Self::finish_end;
    }

    /// The named bug",
        test: ("channels", "a_destroy_wakes_everybody_in_order"),
        says: "left == right",
    },
    Mutant {
        name: "the end of an old wait ends the thread's next",
        file: CHANNEL,
        good: "&& waiter.number == wait.number",
        bad: "",
        test: ("channels", "a_thread_waits_at_one_place_and_leaves_it_once"),
        says: "left == right",
    },
    Mutant {
        name: "a new priority leaves a waiter where it stands",
        file: QUEUE,
        good: "self.push(links, node, level);\n        }",
        bad: "self.push(links, node, Priority::IDLE);\n        }",
        test: ("channel_queue", "priority_then_arrival"),
        says: "left == right",
    },
    Mutant {
        name: "each waiter is a level of its own",
        file: QUEUE,
        good: "lead.level <= level",
        bad: "lead.level < level",
        test: ("channel_queue", "the_longest_way_is_one_step_for_each_level"),
        says: "steps",
    },
    Mutant {
        name: "a process has more channels than it may",
        file: STOCK,
        good: "room.limit.min(room.slots + BATCH)",
        bad: "room.slots + BATCH",
        test: ("channels", "the_limit_is_eagain_and_changes_nothing"),
        says: "left == right",
    },
    Mutant {
        name: "a table that is emptied leaves those who wait",
        file: CHANNELS,
        good: "self.start_end(irq, id)) != Ok(Ended::Freed) {",
        bad: "self.start_end(irq, id)).is_err() {",
        test: ("channels", "a_table_that_is_emptied_wakes_all_and_is_used_again"),
        says: "waits.is_empty()",
    },
    Mutant {
        name: "all harts share one stock of channels",
        file: CHANNELS,
        good: "self.stocks.get(irq.hart().index())",
        bad: "self.stocks.get(irq.hart().index() / 100)",
        test: ("channel_harts", "eight_harts_do_not_meet"),
        says: "a scoped thread panicked",
    },
    Mutant {
        name: "who has a message at a channel sends another",
        file: CHANNEL_PORT,
        good: "if self.current_thread().is_message_away {",
        bad: "if false {",
        test: ("channel_ports", "a_thread_has_one_message_away_and_waits_for_nothing_else"),
        says: "left == right",
    },
    Mutant {
        name: "a channel's receiver forgets that it waits",
        file: CHANNEL_PORT,
        good: "room.stands = Some(wait);",
        bad: "",
        test: ("channel_ports", "order::round_trip"),
        says: "left over",
    },
    Mutant {
        name: "a look into a channel waits",
        file: CHANNEL_PORT,
        good: "if wants == Wants::WhatIsThere && channel.is_empty(Which::Send) {",
        bad: "if false {",
        test: ("channel_ports", "order::get_does_not_wait"),
        says: "left == right",
    },
    Mutant {
        name: "a message that a server has is taken back",
        file: CHANNEL_PORT,
        good: "if waiter.queue == Which::Send {",
        bad: "if true {",
        test: ("channel_ports", "aborts::after_taken"),
        says: "the reply is another client's or message's",
    },
    Mutant {
        name: "the next message counts as asked back",
        file: CHANNEL_PORT,
        good: "client.asked_back == client.number",
        bad: "client.asked_back != 0",
        test: ("channel_ports", "aborts::after_taken"),
        says: "that was about an earlier one",
    },
    Mutant {
        name: "who is to end waits for its answer",
        file: CHANNEL_PORT,
        good: "Err(error) => Some(error),",
        bad: "Err(_) => None,",
        test: ("channel_ports", "ends::sender_gone_before_taken"),
        says: "they are buried",
    },
];
