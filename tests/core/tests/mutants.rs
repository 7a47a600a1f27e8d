// SPDX-License-Identifier: Apache-2.0
//! The tests can fail: copies of the kernel that are broken on purpose, each
//! in a few characters, and for each the test that catches it and what it
//! says. What was seen is in MUTATIONS.md.
//!
//! Takes a build for each, so it runs when it is asked for:
//! `cargo test -p skimmer-core-tests --test mutants -- --ignored --nocapture`,
//! with `MUTANTS_OF` only those of a file, or those that a test binary catches.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// One broken copy.
struct Mutant {
    name: &'static str,
    file: &'static str,
    /// Stands in the file once.
    good: &'static str,
    bad: &'static str,
    /// The test binary and the test that catch it.
    test: (&'static str, &'static str),
    /// What that test says.
    says: &'static str,
}

const CHANNEL: &str = "kernel/core/src/channel/slot.rs";
const CHANNEL_PORT: &str = "kernel/core/src/channel/port.rs";
const CHANNELS: &str = "kernel/core/src/channel/table.rs";
const DEADLINES: &str = "kernel/core/src/deadlines.rs";
const HANDOVER: &str = "kernel/core/src/handover.rs";
const HART: &str = "kernel/core/src/hart.rs";
const INTERRUPT: &str = "kernel/core/src/interrupt.rs";
const LIST: &str = "kernel/core/src/list.rs";
const MAIL: &str = "kernel/core/src/mail.rs";
const PORT: &str = "kernel/core/src/thread_port.rs";
const QUEUE: &str = "kernel/core/src/channel/queue.rs";
const RENDEZVOUS: &str = "kernel/core/src/channel/rendezvous.rs";
const RUNQ: &str = "kernel/core/src/runq.rs";
const SCHED: &str = "kernel/core/src/sched.rs";
const SHARES: &str = "kernel/core/src/shares.rs";
const STOCK: &str = "kernel/core/src/channel/stock.rs";
const STRAIGHT: &str = "kernel/core/src/straight.rs";
const STRAIGHT_AT: &str = "kernel/core/src/channel/straight.rs";
const TABLE: &str = "kernel/core/src/table.rs";
const WAITING: &str = "kernel/core/src/waiting.rs";

const MUTANTS: &[Mutant] = &[
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
        name: "the run queue drops an entry",
        file: LIST,
        good: "last => links.link(last).behind = slot,",
        bad: "_ => {}",
        test: ("runq", "does_what_a_sorted_map_does"),
        says: "left == right",
    },
    Mutant {
        name: "the run queue hides the rest of a level",
        file: RUNQ,
        good: "if self.levels[number].first().is_some() {",
        bad: "if false {",
        test: ("scheduler", "the_most_urgent_runs_and_equals_take_turns"),
        says: "equals wait, and the timer is not set",
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
        name: "who is preempted goes behind its equals",
        file: SCHED,
        good: "self.runq.push_front(irq, &mut self.threads, slot, priority);",
        bad: "self.runq.push_back(irq, &mut self.threads, slot, priority);",
        test: ("scheduler", "who_loses_the_hart_stays_first_among_its_equals"),
        says: "before 2",
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
    Mutant {
        name: "equals do not take turns",
        file: SCHED,
        good: "if self.runq.highest(irq)? < priority {",
        bad: "if self.runq.highest(irq)? <= priority {",
        test: ("scheduler", "the_most_urgent_runs_and_equals_take_turns"),
        says: "left == right",
    },
    Mutant {
        name: "a new priority counts from the next wake only",
        file: SCHED,
        good: "self.runq.push_back(irq, &mut self.threads, slot, priority);
        }
        self.preempt_wanted = true;
    }",
        bad: "self.runq.push_back(irq, &mut self.threads, slot, Priority::IDLE);
        }
        self.preempt_wanted = true;
    }",
        test: ("scheduler", "a_new_priority_counts_at_once"),
        says: "someone more urgent than",
    },
    Mutant {
        name: "a wake preempts nobody",
        file: SCHED,
        good: "self.preempt_wanted = true;
        match family {",
        bad: "match family {",
        test: ("preemption", "a_doorbell_preempts_as_its_handler_returns"),
        says: "someone more urgent than",
    },
    Mutant {
        name: "a new priority preempts nobody",
        file: SCHED,
        good: "self.preempt_wanted = true;
    }",
        bad: "}",
        test: ("preemption", "a_new_priority_from_elsewhere_preempts"),
        says: "someone more urgent than",
    },
    Mutant {
        name: "a sleeper wakes a tick early",
        file: DEADLINES,
        good: "first.time <= now",
        bad: "first.time <= now + 1",
        test: ("time", "nobody_wakes_before_the_deadline"),
        says: "left == right",
    },
    Mutant {
        name: "sleepers wake in any order",
        file: DEADLINES,
        good: "if self.heap[parent] <= self.heap[place] {",
        bad: "if self.heap[parent].slot <= self.heap[place].slot {",
        test: ("time", "sleepers_wake_in_the_order_of_their_deadlines"),
        says: "`left == right` failed",
    },
    Mutant {
        name: "a deadline counts from the next slice only",
        file: SCHED,
        good: "(Some(slice), Some(first)) => Some(slice.min(first)),",
        bad: "(Some(slice), Some(_)) => Some(slice),",
        test: ("time", "a_deadline_within_the_slice_is_not_missed"),
        says: "is after a deadline",
    },
    Mutant {
        name: "a slice outlives the need for it",
        file: SCHED,
        good: "            self.slice_end = None;
        } else",
        bad: "        } else",
        test: ("time", "a_slice_ends_with_the_need_for_it"),
        says: "a slice of its own",
    },
    Mutant {
        name: "no ticks for equals",
        file: SCHED,
        good: "let next = self.first_deadline(self.slice_end);",
        bad: "let next = self.first_deadline(None);",
        test: ("time", "equals_share_by_slices"),
        says: "the timer is not set",
    },
    Mutant {
        name: "a timer that is set stays, though it is too late",
        file: SCHED,
        good: "self.armed.is_none_or(|armed| next < armed)",
        bad: "self.armed.is_none_or(|armed| next < armed && false)",
        test: ("time", "a_deadline_within_the_slice_is_not_missed"),
        says: "is after a deadline",
    },
    Mutant {
        name: "a slice that is over keeps the timer firing",
        file: SCHED,
        good: ".filter(|&end| end > now)",
        bad: "",
        test: ("preemption", "a_slice_that_ends_in_a_critical_section_is_acted_on_at_its_end"),
        says: "timer due",
    },
    Mutant {
        name: "every interrupt ends the slice",
        file: SCHED,
        good: "if self.is_slice_over() { self.give_way",
        bad: "if true { self.give_way",
        test: ("time", "equals_share_by_slices"),
        says: "left == right",
    },
    Mutant {
        name: "a preemption is a new slice",
        file: SCHED,
        good: "self.slice_end = left.map(|left| self.machine.now().saturating_add(left));",
        bad: "self.slice_end = left.and(None);",
        test: ("time", "a_preemption_is_no_new_slice"),
        says: "each its turn",
    },
    Mutant {
        name: "a slice that was stolen is not made up for",
        file: SCHED,
        good: "if left > 0 && self.is_slice_over() {",
        bad: "if false {",
        test: ("stolen", "equals_run_however_much_is_stolen"),
        says: "1 slices: [0, 0,",
    },
    Mutant {
        name: "a slice that was stolen is given again, no longer than before",
        file: SCHED,
        good: ".saturating_mul(2)",
        bad: ".saturating_sub(late)",
        test: ("stolen", "equals_run_however_much_is_stolen"),
        says: "1 slices: [0, 0,",
    },
    Mutant {
        name: "what is stolen as a timer fires is not made up for",
        file: SCHED,
        good: "if let Some(end) = slice {",
        bad: "if let (Some(end), true) = (slice, false) {",
        test: ("stolen", "what_is_stolen_in_the_middle_of_a_slice_is_made_up_for"),
        says: "left == right",
    },
    Mutant {
        name: "a slice that was had is drawn out",
        file: SCHED,
        good: "if left > 0 && self.is_slice_over() {",
        bad: "if self.is_slice_over() {",
        test: ("preemption", "the_laws_hold_whatever_threads_do"),
        says: "the timer is set to",
    },
    Mutant {
        name: "each of a crowd has a whole slice",
        file: SHARES,
        good: "Some(parts) => (slice / u64::from(parts)).max(1),",
        bad: "Some(_) => slice,",
        test: ("families", "a_crowd_gets_no_more_than_one"),
        says: "33 %",
    },
    Mutant {
        name: "a crowd is forgotten as soon as it sleeps",
        file: SHARES,
        good: "share.turns.max(share.crowd - share.crowd.div_ceil(4))",
        bad: "share.turns",
        test: ("families", "a_crowd_that_comes_in_a_body_gets_little_more"),
        says: "[",
    },
    Mutant {
        name: "a crowd is never forgotten",
        file: SHARES,
        good: "share.turns.max(share.crowd - share.crowd.div_ceil(4))",
        bad: "share.turns.max(share.crowd)",
        test: ("families", "a_crowd_that_has_gone_does_not_count"),
        says: "[",
    },
    Mutant {
        name: "a family inherits the crowd of the one before",
        file: SHARES,
        good: "if share.family != Some(family) {",
        bad: "if share.family.is_none() {",
        test: ("families", "the_next_family_of_a_number_begins_anew"),
        says: "a whole slice",
    },
    Mutant {
        name: "who blocks leaves nothing to whom it woke",
        file: SHARES,
        good: "self.runq.remove(irq, &mut self.threads, slot);",
        bad: "return;",
        test: ("families", "who_hands_over_in_the_family_loses_no_turn"),
        says: "[",
    },
    Mutant {
        name: "who blocks leaves nothing to the next that is woken",
        file: SHARES,
        good: "share.left = left;
            return;",
        bad: "return;",
        test: ("families", "who_waits_for_someone_urgent_loses_no_turn"),
        says: "[",
    },
    Mutant {
        name: "what is left is left again and again",
        file: SHARES,
        good: "let left = core::mem::take(&mut share.left);",
        bad: "let left = share.left;",
        test: ("families", "what_is_left_is_used_once"),
        says: "left == right",
    },
    Mutant {
        name: "a switch is written down when it is done",
        file: SCHED,
        good: "self.note(irq, Event::Switch, reason as u32, new.to_word());
        self.current = new;",
        bad: "self.current = new;
        self.note(irq, Event::Switch, reason as u32, new.to_word());",
        test: ("trace", "the_switches_tell_who_ran"),
        says: "names who did not run",
    },
    Mutant {
        name: "a yield is written down as a block",
        file: SCHED,
        good: "Reason::Yielded",
        bad: "Reason::Blocked",
        test: ("trace", "each_switch_gives_its_reason"),
        says: "left == right",
    },
    Mutant {
        name: "every wake is written down",
        file: SCHED,
        good: "self.queue_ready(irq, id, family, priority);
        true",
        bad: "self.note(irq, Event::WakeLocal, 0, id.to_word());
        self.queue_ready(irq, id, family, priority);
        true",
        test: ("trace", "a_local_round_trip_writes_four_records"),
        says: "client at",
    },
    Mutant {
        name: "a deadline outlives the wait for an interrupt",
        file: INTERRUPT,
        good: "self.deadlines.clear(id.slot().index());",
        bad: "",
        test: ("interrupts", "a_deadline_is_gone_with_its_wait"),
        says: "the next wait has none",
    },
    Mutant {
        name: "an interrupt is taken twice",
        file: INTERRUPT,
        good: "if core::mem::take(&mut attachment.is_pending) {",
        bad: "if attachment.is_pending {",
        test: ("interrupts", "one_that_comes_before_the_wait_is_kept_and_the_source_stays_masked"),
        says: "a flag, not a count",
    },
    Mutant {
        name: "an interrupt of any source wakes the thread",
        file: INTERRUPT,
        good: ".filter(|attachment| attachment.source == source)",
        bad: "",
        test: ("interrupts", "what_is_not_its_own_wakes_nobody"),
        says: "neither another source nor a wake",
    },
    Mutant {
        name: "the condemned wait on for their interrupt",
        file: SCHED,
        good: "self.end_interrupt_wait(irq, id);",
        bad: "",
        test: ("interrupts", "the_condemned_do_not_wait_on"),
        says: "left == right",
    },
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
        file: RENDEZVOUS,
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
        file: RENDEZVOUS,
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
    Mutant {
        name: "the short way goes to who is not parked",
        file: STRAIGHT,
        good: "most < Some(me.priority) && thread.is_parked_in(server.number)",
        bad: "most < Some(me.priority)",
        test: ("straight", "refused::what_a_message_finds_in_its_way_stays_as_it_was"),
        says: "was not in the way",
    },
    Mutant {
        name: "the short way passes an equal that is ready",
        file: STRAIGHT,
        good: "most < Some(thread.priority)",
        bad: "most <= Some(thread.priority)",
        test: ("straight", "refused::what_an_answer_finds_in_its_way_stays_as_it_was"),
        says: "Equal was not in the way",
    },
    Mutant {
        name: "the short way passes an equal that the server would wait behind",
        file: STRAIGHT,
        good: "most < Some(me.priority)",
        bad: "most <= Some(me.priority)",
        test: ("straight", "refused::what_a_message_finds_in_its_way_stays_as_it_was"),
        says: "Equal was not in the way",
    },
    Mutant {
        name: "the short way answers on a connection that is gone",
        file: STRAIGHT,
        good: "!is_connected(irq, client.owner, client.coid)",
        bad: "!{
                let _unheard = is_connected(irq, client.owner, client.coid);
                true
            }",
        test: ("straight", "refused::what_an_answer_finds_in_its_way_stays_as_it_was"),
        says: "Detached was not in the way",
    },
    Mutant {
        name: "who has a timeout rests",
        file: WAITING,
        good: "timeout.is_some() || me.is_condemned",
        bad: "me.is_condemned",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "who rests is blocked",
    },
    Mutant {
        name: "who is about to be told something rests",
        file: WAITING,
        good: "            thread.disturb();
",
        bad: "            let _unheard = thread;
",
        test: ("straight", "refused::what_a_message_finds_in_its_way_stays_as_it_was"),
        says: "who rests is blocked",
    },
    Mutant {
        name: "the short way keeps a turn for itself",
        file: HANDOVER,
        good: "            self.take_over_turn();
",
        bad: "",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "usual",
    },
    Mutant {
        name: "the short way forgets when a server was made urgent",
        file: STRAIGHT,
        good: "(leaving.serves, leaving.urgent_since) = (Some(wait.channel), since);",
        bad: "leaving.serves = since.is_after(since).then_some(wait.channel).or(Some(wait.channel));",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "usual",
    },
    Mutant {
        name: "a server is as urgent as its last client after the short way",
        file: STRAIGHT,
        good: "        leaving.priority = me.base;
",
        bad: "",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "usual",
    },
    Mutant {
        name: "the short way leaves the heir of a family as it was",
        file: HANDOVER,
        good: "self.shares.pass_by(family, thread);",
        bad: "let _unheard = family;",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "heir",
    },
    Mutant {
        name: "the short way overlooks what was left of a turn",
        file: SHARES,
        good: "left.is_some() && !self.shares.has_left(family)",
        bad: "{
            let _unheard = self.shares.has_left(family);
            left.is_some()
        }",
        test: ("straight", "refused::what_a_message_finds_in_its_way_stays_as_it_was"),
        says: "Left was not in the way",
    },
    Mutant {
        name: "a server is not as urgent as whom the short way brought",
        file: STRAIGHT_AT,
        good: "self.slot.server = Some((server, priority));",
        bad: "let _unheard = (server, priority);",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "usual",
    },
    Mutant {
        name: "the short way keeps the record of a server",
        file: STRAIGHT_AT,
        good: "        self.owned.give_up(server);
",
        bad: "",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "",
    },
    Mutant {
        name: "the short way makes a server of fixed priority urgent",
        file: STRAIGHT_AT,
        good: "self.is_empty(Which::Send) && !self.slot.flags.has(ChannelFlags::FIXED_PRIORITY)",
        bad: "self.is_empty(Which::Send) && !self.slot.flags.has(ChannelFlags::NONE)",
        test: ("straight", "refused::what_a_message_finds_in_its_way_stays_as_it_was"),
        says: "Fixed was not in the way",
    },
    Mutant {
        name: "the short way overtakes who is queued",
        file: STRAIGHT_AT,
        good: "self.is_empty(Which::Send) && !self",
        bad: "!self",
        test: ("straight", "refused::what_a_message_finds_in_its_way_stays_as_it_was"),
        says: "Queued was not in the way",
    },
    Mutant {
        name: "who is woken straight came into the queue long ago",
        file: HANDOVER,
        good: "        self.queued = turn;
",
        bad: "        let _unheard = turn;
",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "queued",
    },
    Mutant {
        name: "a timeout is not heard of where a server is woken straight",
        file: HANDOVER,
        good: "if me.timeout.is_some() {",
        bad: "if false {",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "armed",
    },
    Mutant {
        name: "who is to end is woken straight",
        file: HANDOVER,
        good: "            && self.link.queue().is_none()
",
        bad: "",
        test: ("straight", "refused::what_a_message_finds_in_its_way_stays_as_it_was"),
        says: "NewPriority was not in the way",
    },
    Mutant {
        name: "who has a timeout is woken straight",
        file: HANDOVER,
        good: "            && self.timeout.is_none()
",
        bad: "",
        test: ("straight", "refused::what_a_message_finds_in_its_way_stays_as_it_was"),
        says: "Timed was not in the way",
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("space for the copy");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("a readable directory");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("space for the copy");
        }
    }
}

/// The workspace, as far as these tests need it.
fn copy_workspace(to: &Path) {
    let _none = fs::remove_dir_all(to);
    let members = ["abi", "kernel/core", "kernel/sync", "tests/core"];
    for member in members {
        copy(&root().join(member), &to.join(member));
    }
    fs::copy(root().join("Cargo.lock"), to.join("Cargo.lock")).expect("a lock file");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let (_, rest) = manifest.split_once("[workspace.package]").expect("a workspace");
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[workspace.package]{rest}"
    );
    fs::write(to.join("Cargo.toml"), manifest).expect("space for the copy");
}

/// Runs one test of the copy: whether it passed, and what was said.
fn run(copy: &Path, (binary, test): (&str, &str)) -> (bool, String) {
    let log = copy.join("log");
    let out = fs::File::create(&log).expect("space for the log");
    let mut cargo = Command::new(env!("CARGO"))
        .args(["test", "--offline", "-p", "skimmer-core-tests", "--test", binary, "--"])
        .args(["--exact", test])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", copy.with_extension("target"))
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stderr(out.try_clone().expect("a file"))
        .stdout(out)
        .spawn()
        .expect("cargo runs");
    let begun = Instant::now();
    let passed = loop {
        if let Some(status) = cargo.try_wait().expect("our child") {
            break status.success();
        }
        if begun.elapsed() > Duration::from_secs(180) {
            cargo.kill().expect("our child");
            cargo.wait().expect("our child");
            break false;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let said = String::from_utf8_lossy(&fs::read(&log).expect("the log")).into_owned();
    assert!(said.contains("running 1 test"), "{binary} {test} did not run:\n{said}");
    (passed, said)
}

/// The line of a log that says what went wrong.
fn complaint(said: &str) -> &str {
    let at = said.lines().skip_while(|line| !line.contains("panicked at"));
    at.skip(1).find(|line| !line.is_empty()).unwrap_or("(killed)")
}

/// What is to be broken was not rewritten since: this takes no build, and runs with the
/// other tests.
#[test]
fn every_mutant_has_its_place() {
    let has_place = |Mutant { file, good, .. }: &Mutant| {
        let source = fs::read_to_string(root().join(file)).expect("a source file");
        source.matches(good).count() == 1
    };
    let gone: Vec<&str> = MUTANTS.iter().filter(|it| !has_place(it)).map(|it| it.name).collect();
    assert!(gone.is_empty(), "not once in its file: {gone:#?}");
}

#[test]
#[ignore = "a build for each mutant: minutes"]
fn every_mutant_is_caught() {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    copy_workspace(&copy);
    let mut missed = Vec::new();
    let only = std::env::var("MUTANTS_OF").unwrap_or_default();
    let mutants = || MUTANTS.iter().filter(|it| it.file.contains(&only) || it.test.0 == only);
    for mutant in mutants() {
        let (passed, said) = run(&copy, mutant.test);
        assert!(passed, "{} fails without a mutant:\n{said}", mutant.test.1);
    }
    for mutant in mutants() {
        let file = copy.join(mutant.file);
        let source = fs::read_to_string(&file).expect("a source file");
        assert_eq!(source.matches(mutant.good).count(), 1, "{}: `{}`", mutant.name, mutant.good);
        fs::write(&file, source.replace(mutant.good, mutant.bad)).expect("space for the copy");
        let (passed, said) = run(&copy, mutant.test);
        fs::write(&file, source).expect("space for the copy");
        let (binary, test) = mutant.test;
        println!("| {} | `{binary}` `{test}` | `{}` |", mutant.name, complaint(&said));
        if passed || !said.contains(mutant.says) {
            missed.push((mutant.name, said));
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}
