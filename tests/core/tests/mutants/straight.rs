// SPDX-License-Identifier: Apache-2.0
//! The short way of a message and of its answer.

use super::{
    Mutant,
    files::{AFAR, HANDOVER, SHARES, STRAIGHT, STRAIGHT_AT, WAITING},
};

pub(crate) const MUTANTS: &[Mutant] = &[
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
        good: "            || !is_connected(irq, client.owner, client.coid)
        {",
        bad: "            || !{
                let _unheard = is_connected(irq, client.owner, client.coid);
                true
            }
        {",
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
    Mutant {
        name: "an answer alone leaves no slice to an equal",
        file: STRAIGHT,
        good: "        self.set_slice_of(irq, mine, own_family, queued);
",
        bad: "        let _unused = (mine, own_family, queued);
",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "slice",
    },
    Mutant {
        name: "an answer alone goes to who is more urgent",
        file: STRAIGHT,
        good: "highest.max(Some(priority)) <= Some(mine)",
        bad: "highest <= Some(mine)",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "usual",
    },
    Mutant {
        name: "a wait alone keeps the client's priority",
        file: STRAIGHT,
        good: "        leaving.priority = me.base;
",
        bad: "",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "usual",
    },
    Mutant {
        name: "a message to another hart says not how urgent the server is",
        file: AFAR,
        good: "Op::EndWaitAt(server.thread, server.number, urgency)",
        bad: "{
            let _unused = urgency;
            Op::EndWait(server.thread, server.number)
        }",
        test: ("straight", "it_is_what_the_usual_way_does"),
        says: "usual",
    },
];
