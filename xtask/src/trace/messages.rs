// SPDX-License-Identifier: Apache-2.0
//! Which records of programs' messages belong together. Pure: rings in, pairs out.
//!
//! A message's id names one wait of one thread, so records pair by it: where it was
//! sent with where it was received, and where it was answered with the turn in which
//! its client goes on. Each is written by the hart that does it, right after it has
//! told the other; so the other's record may bear an earlier time. An effect is
//! shown no earlier than its cause ([`in_order`]).

use std::collections::HashMap;

use skimmer_abi::trace::{Event, Reason, Record};

use super::rings::Ring;

/// Where a message's id has its client's hart and slot, and how those are split.
const PLACE_BITS: u32 = 30;
const SLOT_BITS: u32 = 20;

/// A record: its ring, and its place there.
pub type Place = (usize, usize);

/// The arrows of messages: where they begin and end.
#[derive(Debug, Default)]
pub struct Arrows {
    /// From being sent to being received; by the place of either.
    handed: Pairs,
    /// From the answer to the client's next turn.
    answered: Pairs,
    /// Turns of servers that got their hart with a message, and no record of that: where
    /// it was sent.
    straight: HashMap<Place, Place>,
}

#[derive(Debug, Default)]
struct Pairs {
    begins: HashMap<Place, usize>,
    ends: HashMap<Place, (usize, Place)>,
}

impl Pairs {
    fn add(&mut self, begin: Place, end: Place) {
        let number = self.ends.len();
        // Nobody goes on twice because of one answer.
        if !self.ends.contains_key(&end) {
            self.begins.insert(begin, number);
            self.ends.insert(end, (number, begin));
        }
    }
}

/// Home and slot of the client of a message.
const fn client(message: u64) -> u64 {
    message & ((1 << PLACE_BITS) - 1)
}

/// Home and slot of a thread.
const fn place_of(thread: u64) -> u64 {
    thread & u32::MAX as u64
}

const fn is(record: &Record, event: Event) -> bool {
    record.event == event as u8
}

/// The records of an event, each with where it is.
fn all(rings: &[Ring], event: Event) -> impl Iterator<Item = (Place, &Record)> {
    rings.iter().enumerate().flat_map(move |(ring, each)| {
        let of = move |(place, record)| ((ring, place), record);
        each.records.iter().enumerate().map(of).filter(move |(_, record)| is(record, event))
    })
}

impl Arrows {
    /// Those of which both ends are in the rings.
    #[must_use]
    pub fn of(rings: &[Ring]) -> Self {
        let mut arrows = Self::default();
        let sent: HashMap<u64, Place> =
            all(rings, Event::MsgSend).map(|(place, record)| (record.b, place)).collect();
        for (place, record) in all(rings, Event::MsgReceive) {
            if let Some(from) = sent.get(&record.b) {
                arrows.handed.add(*from, place);
            }
        }
        for from in sent.values() {
            if !arrows.handed.begins.contains_key(from)
                && let Some(turn) = handed(rings, *from)
            {
                arrows.handed.add(*from, turn);
                arrows.straight.insert(turn, *from);
            }
        }
        let turns = turns(rings);
        for (place, record) in all(rings, Event::MsgReply) {
            let its = turns.get(&client(record.b)).map_or(&[][..], Vec::as_slice);
            let home = its.first().map_or(0, |(ring, _)| *ring);
            let next = match sent.get(&record.b) {
                // Who has sent is blocked: its next turn is because of the answer.
                Some(sent) => its.iter().find(|turn| *turn > sent),
                // That was overwritten.
                None => its.iter().find(|turn| rings[home].records[turn.1].time >= record.time),
            };
            if let Some(turn) = next {
                arrows.answered.add(place, *turn);
            }
        }
        arrows
    }

    /// Of a turn that a server got with a message: where that was sent.
    #[must_use]
    pub fn straight(&self, turn: Place) -> Option<Place> {
        self.straight.get(&turn).copied()
    }

    /// How many such turns there are.
    #[must_use]
    pub fn count_straight(&self) -> u64 {
        self.straight.len() as u64
    }

    /// How many lead from where a message was sent to where it was received, and
    /// from an answer to the client's next turn.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.handed.ends.len() as u64, self.answered.ends.len() as u64)
    }

    /// The number of the arrow that begins at that record, from 1 on.
    #[must_use]
    pub fn begins(&self, place: Place) -> Option<u64> {
        let handed = self.handed.begins.get(&place).map(|number| *number as u64 + 1);
        let answered = || self.answered.begins.get(&place).map(|number| self.past(*number));
        handed.or_else(answered)
    }

    /// The number of the arrow that ends there.
    #[must_use]
    pub fn ends(&self, place: Place) -> Option<u64> {
        let handed = self.handed.ends.get(&place).map(|(number, _)| *number as u64 + 1);
        let answered = || self.answered.ends.get(&place).map(|(number, _)| self.past(*number));
        handed.or_else(answered)
    }

    fn past(&self, answered: usize) -> u64 {
        (self.handed.ends.len() + answered) as u64 + 1
    }

    /// What must have happened before that record.
    fn cause(&self, place: Place) -> Option<Place> {
        let of = |pairs: &Pairs| pairs.ends.get(&place).map(|(_, from)| *from);
        of(&self.handed).or_else(|| of(&self.answered))
    }
}

/// The turn of the server to which the client that has sent there gave its hart: it
/// writes no record of its own.
fn handed(rings: &[Ring], (ring, sent): Place) -> Option<Place> {
    let mut behind = rings.get(ring)?.records.iter().enumerate().skip(sent + 1);
    let (place, next) = behind.find(|(_, record)| !is(record, Event::Boost))?;
    (is(next, Event::Switch) && next.a == Reason::Handed as u32).then_some((ring, place))
}

/// Where threads get their home hart, by thread, in the order in which they do.
fn turns(rings: &[Ring]) -> HashMap<u64, Vec<Place>> {
    let mut turns: HashMap<u64, Vec<Place>> = HashMap::new();
    for (place, record) in all(rings, Event::Switch) {
        // Rings are in the order of harts, and a thread runs at home.
        if place_of(record.b) >> SLOT_BITS == place.0 as u64 {
            turns.entry(place_of(record.b)).or_default().push(place);
        }
    }
    turns
}

/// The records of all rings in the order of their times, each with the time at which
/// it is shown: records of one ring keep their order, and none comes before what has
/// caused it.
#[must_use]
pub fn in_order(rings: &[Ring], arrows: &Arrows) -> Vec<(Place, u64)> {
    let mut next = vec![0; rings.len()];
    let mut order = Vec::new();
    let mut now = 0;
    loop {
        let heads = || {
            let head = |(ring, each): (usize, &Ring)| {
                Some(((ring, next[ring]), each.records.get(next[ring])?.time))
            };
            rings.iter().enumerate().filter_map(head)
        };
        let is_due =
            |(place, _): &(Place, u64)| arrows.cause(*place).is_none_or(|(r, p)| p < next[r]);
        let first = heads().filter(is_due).min_by_key(|(_, time)| *time);
        // Records that wait for each other are damaged: then by time alone.
        let Some((place, time)) = first.or_else(|| heads().min_by_key(|(_, time)| *time)) else {
            return order;
        };
        now = time.max(now);
        order.push((place, now));
        next[place.0] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::rings::tests::record;
    use super::*;

    /// A message of the thread in slot 3 of hart 0.
    const MESSAGE: u64 = 7 << PLACE_BITS | 3;
    const CLIENT: u64 = 1 << 32 | 3;
    const SERVER: u64 = 1 << 32 | 1 << SLOT_BITS | 4;
    const IDLE: u64 = 1 << 32;

    fn rings(of: Vec<Vec<Record>>) -> Vec<Ring> {
        let ring = |(hartid, records): (u64, Vec<Record>)| Ring {
            hartid,
            written: records.len() as u64,
            records,
        };
        (0..).zip(of).map(ring).collect()
    }

    /// The server was faster than the clock of the client: its records are older.
    fn crossing() -> Vec<Ring> {
        rings(vec![
            vec![
                record(10, CLIENT, Event::MsgSend, 0, MESSAGE),
                record(10, CLIENT, Event::Switch, 0, IDLE),
                record(20, IDLE, Event::Switch, 0, CLIENT),
                record(30, CLIENT, Event::Switch, 1, IDLE),
                record(40, IDLE, Event::Switch, 1, CLIENT),
            ],
            vec![
                record(9, SERVER, Event::MsgReceive, 0, MESSAGE),
                record(21, SERVER, Event::MsgReply, 0, MESSAGE),
            ],
        ])
    }

    #[test]
    fn records_pair_by_the_message() {
        let arrows = Arrows::of(&crossing());
        assert_eq!(arrows.counts(), (1, 1));
        assert_eq!((arrows.begins((0, 0)), arrows.ends((1, 0))), (Some(1), Some(1)));
        assert_eq!((arrows.begins((1, 1)), arrows.ends((0, 2))), (Some(2), Some(2)));
        assert_eq!((arrows.ends((0, 4)), arrows.begins((0, 1))), (None, None));
    }

    #[test]
    fn who_gets_the_hart_with_a_message_has_received_it() {
        let mut records = vec![
            record(10, CLIENT, Event::MsgSend, 0, MESSAGE),
            record(11, CLIENT, Event::Boost, 9, SERVER),
            record(12, CLIENT, Event::Switch, Reason::Handed as u32, SERVER),
        ];
        let arrows = Arrows::of(&rings(vec![records.clone()]));
        assert_eq!((arrows.counts(), arrows.count_straight()), ((1, 0), 1));
        assert_eq!((arrows.ends((0, 2)), arrows.straight((0, 2))), (Some(1), Some((0, 0))));
        // Who was not given it, but runs next, may not have.
        records[2].a = Reason::Blocked as u32;
        let arrows = Arrows::of(&rings(vec![records.clone()]));
        assert_eq!((arrows.counts(), arrows.count_straight()), ((0, 0), 0));
        // Who says so itself is believed.
        records[2].a = Reason::Handed as u32;
        records.push(record(13, SERVER, Event::MsgReceive, 0, MESSAGE));
        let arrows = Arrows::of(&rings(vec![records]));
        assert_eq!((arrows.counts(), arrows.count_straight()), ((1, 0), 0));
        assert_eq!(arrows.ends((0, 3)), Some(1));
    }

    #[test]
    fn an_effect_does_not_come_before_its_cause() {
        let rings = crossing();
        let order = in_order(&rings, &Arrows::of(&rings));
        let due = [
            ((0, 0), 10),
            ((1, 0), 10),
            ((0, 1), 10),
            ((1, 1), 21),
            ((0, 2), 21),
            ((0, 3), 30),
            ((0, 4), 40),
        ];
        assert_eq!(order, due);
    }

    #[test]
    fn what_was_overwritten_has_no_arrow() {
        let mut rings = crossing();
        rings[0].records.drain(..2);
        let arrows = Arrows::of(&rings);
        // The turn after the answer, by the clock: it cannot be told better.
        assert_eq!((arrows.counts(), arrows.ends((0, 2))), ((0, 1), Some(1)));
        rings[0].records.clear();
        assert_eq!(Arrows::of(&rings).counts(), (0, 0));
        assert_eq!(in_order(&rings, &Arrows::of(&rings)).len(), 2);
    }

    #[test]
    fn damaged_rings_are_shown_by_time() {
        // Each is received before it is sent, behind the other.
        let other = MESSAGE + (1 << PLACE_BITS);
        let rings = rings(vec![
            vec![
                record(1, CLIENT, Event::MsgReceive, 0, MESSAGE),
                record(2, CLIENT, Event::MsgSend, 0, other),
            ],
            vec![
                record(3, SERVER, Event::MsgReceive, 0, other),
                record(4, SERVER, Event::MsgSend, 0, MESSAGE),
            ],
        ]);
        let order = in_order(&rings, &Arrows::of(&rings));
        let places: Vec<Place> = order.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }
}
