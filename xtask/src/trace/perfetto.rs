// SPDX-License-Identifier: Apache-2.0
//! A trace for the Perfetto viewer. Pure: rings in, bytes out.
//!
//! Each hart has a track with a slice for each turn of a thread, marks for
//! traps, timers, doorbells, wakes and messages, and a counter of the requests
//! that wait at its threads. An arrow leads from a wake to the thread's next
//! turn, and from a message of the kernel's threads over its receiver's next turn
//! to its reply and the sender's next turn. A message of programs has two arrows:
//! from where it is sent to where it is received, and from the answer to the
//! client's next turn ([`super::messages`]).

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};
use skimmer_abi::errno::Errno;
use skimmer_abi::trace::{Event, Record};

use super::messages::{Arrows, Place, in_order};
use super::rings::Ring;
use super::wire::{Message, Value, fields};

/// Field numbers of the viewer's schema, by message.
mod field {
    pub(super) const TRACE_PACKET: u32 = 1;
    pub(super) mod packet {
        pub(in super::super) const TIMESTAMP: u32 = 8;
        pub(in super::super) const SEQUENCE: u32 = 10;
        pub(in super::super) const EVENT: u32 = 11;
        pub(in super::super) const TRACK: u32 = 60;
    }
    pub(super) mod track {
        pub(in super::super) const UUID: u32 = 1;
        pub(in super::super) const NAME: u32 = 2;
        pub(in super::super) const PARENT: u32 = 5;
        pub(in super::super) const COUNTER: u32 = 8;
    }
    pub(super) mod event {
        pub(in super::super) const KIND: u32 = 9;
        pub(in super::super) const TRACK: u32 = 11;
        pub(in super::super) const CATEGORY: u32 = 22;
        pub(in super::super) const NAME: u32 = 23;
        pub(in super::super) const COUNT: u32 = 30;
        pub(in super::super) const FLOW: u32 = 47;
        pub(in super::super) const FLOW_END: u32 = 48;
    }
}

/// Kinds of a track event.
const SLICE_BEGIN: u64 = 1;
const SLICE_END: u64 = 2;
const INSTANT: u64 = 3;
const COUNTER: u64 = 4;

/// All packets are of one writer.
const SEQUENCE: u64 = 1;

/// Tracks: everything, then two for each hart.
const ROOT_TRACK: u64 = 1;
const FIRST_TRACK: u64 = 2;

/// Where a thread's word has its hart and its slot.
const SLOT_BITS: u32 = 20;
const HART_BITS: u32 = 12;

/// Names of the categories, by which events are counted.
pub mod category {
    /// Turns of threads.
    pub const THREAD: &str = "thread";
    /// Messages sent.
    pub const SEND: &str = "send";
    /// Messages replied to.
    pub const REPLY: &str = "reply";
    /// Threads made ready.
    pub const WAKE: &str = "wake";
    /// Messages that programs sent.
    pub const MSG_SEND: &str = "message sent";
    /// Messages that programs received.
    pub const MSG_RECEIVE: &str = "message received";
    /// Messages that programs answered.
    pub const MSG_REPLY: &str = "message answered";
    /// Priorities that threads got because of messages.
    pub const BOOST: &str = "boost";
    /// Waits at channels that ended without a message or an answer.
    pub const UNBLOCK: &str = "unblock";
    /// Everything else.
    pub const HART: &str = "hart";
}

/// The hart that a thread belongs to, by index.
const fn home(thread: u64) -> u64 {
    thread >> SLOT_BITS & ((1 << HART_BITS) - 1)
}

/// A thread in words: hart and slot; slot 0 is where a hart idles.
fn thread_name(thread: u64) -> String {
    match (home(thread), thread & ((1 << SLOT_BITS) - 1)) {
        (hart, 0) => format!("idle {hart}"),
        (hart, slot) => format!("thread {hart}.{slot}"),
    }
}

/// The trace file of a machine whose clock ticks every `tick` nanoseconds.
#[must_use]
pub fn export(rings: &[Ring], tick: u64) -> Vec<u8> {
    let messages = Arrows::of(rings);
    let order = in_order(rings, &messages);
    let (handed, answered) = messages.counts();
    let mut writer = Writer { arrows: handed + answered, ..Writer::default() };
    writer.tracks(rings);
    let start = order.first().map_or(0, |(_, time)| *time);
    for (index, ring) in rings.iter().enumerate() {
        if let Some(first) = ring.records.first() {
            writer.begin(index, (first.time - start) * tick, first.thread, None);
        }
    }
    for ((index, place), time) in &order {
        let record = &rings[*index].records[*place];
        let ends = Ends::of(&messages, (*index, *place));
        let time = (time - start) * tick;
        match messages.straight((*index, *place)) {
            None => writer.record(*index, time, record, ends),
            Some((ring, sent)) => {
                let message = &rings[ring].records[sent];
                writer.record(*index, time, record, Ends { begins: None, ends: None });
                let receives = Record { event: Event::MsgReceive as u8, ..*message };
                writer.record(*index, time, &receives, ends);
            }
        }
    }
    let end = order.last().map_or(0, |(_, time)| (time - start) * tick);
    for (index, _) in rings.iter().enumerate().filter(|(_, ring)| !ring.records.is_empty()) {
        writer.event(index, end, SLICE_END, Message::default());
    }
    writer.trace.into_bytes()
}

/// The arrows of programs' messages that begin and end at a record.
#[derive(Clone, Copy, Debug)]
struct Ends {
    begins: Option<u64>,
    ends: Option<u64>,
}

impl Ends {
    fn of(messages: &Arrows, place: Place) -> Self {
        Self { begins: messages.begins(place), ends: messages.ends(place) }
    }

    fn mark(self, mut mark: Message) -> Message {
        if let Some(arrow) = self.begins {
            mark = mark.fixed(field::event::FLOW, arrow);
        }
        if let Some(arrow) = self.ends {
            mark = mark.fixed(field::event::FLOW_END, arrow);
        }
        mark
    }
}

/// The trace so far, and the arrows that have not arrived.
#[derive(Default)]
struct Writer {
    trace: Message,
    arrows: u64,
    /// Arrows that lead to a thread's next turn, and whether they end there.
    to_turn: HashMap<u64, Vec<(u64, bool)>>,
    /// The arrow of each message under way, by sender and number.
    messages: HashMap<(u64, u32), u64>,
    /// Requests that wait, by hart.
    waiting: HashMap<u64, u64>,
}

impl Writer {
    fn packet(&mut self, packet: &Message) {
        let trace = std::mem::take(&mut self.trace);
        self.trace = trace.message(field::TRACE_PACKET, packet);
    }

    fn tracks(&mut self, rings: &[Ring]) {
        use field::track::{COUNTER, NAME, PARENT, UUID};
        let mut tracks = vec![Message::default().number(UUID, ROOT_TRACK).text(NAME, "Skimmer")];
        for (index, ring) in rings.iter().enumerate() {
            let named = |uuid, name: String| {
                Message::default().number(UUID, uuid).number(PARENT, ROOT_TRACK).text(NAME, &name)
            };
            tracks.push(named(turns(index), format!("hart {}", ring.hartid)));
            let counter =
                named(requests(index as u64), format!("requests at hart {}", ring.hartid));
            tracks.push(counter.message(COUNTER, &Message::default()));
        }
        for track in tracks {
            let packet = Message::default().number(field::packet::SEQUENCE, SEQUENCE);
            self.packet(&packet.message(field::packet::TRACK, &track));
        }
    }

    fn event(&mut self, hart: usize, time: u64, kind: u64, rest: Message) {
        self.event_on(turns(hart), time, rest.number(field::event::KIND, kind));
    }

    fn event_on(&mut self, track: u64, time: u64, event: Message) {
        let packet = Message::default()
            .number(field::packet::TIMESTAMP, time)
            .number(field::packet::SEQUENCE, SEQUENCE)
            .message(field::packet::EVENT, &event.number(field::event::TRACK, track));
        self.packet(&packet);
    }

    /// A thread's turn begins: the arrows to it arrive.
    fn begin(&mut self, hart: usize, time: u64, thread: u64, answer: Option<u64>) {
        let mut slice = named(category::THREAD, &thread_name(thread));
        for (arrow, ends) in self.to_turn.remove(&thread).unwrap_or_default() {
            let kind = if ends { field::event::FLOW_END } else { field::event::FLOW };
            slice = slice.fixed(kind, arrow);
        }
        if let Some(arrow) = answer {
            slice = slice.fixed(field::event::FLOW_END, arrow);
        }
        self.event(hart, time, SLICE_BEGIN, slice);
    }

    fn record(&mut self, hart: usize, time: u64, record: &Record, ends: Ends) {
        let Record { thread, event, a, b, .. } = *record;
        let mut mark = |name: &str| self.event(hart, time, INSTANT, named(category::HART, name));
        match Event::from_number(event) {
            Some(Event::Switch) => {
                self.event(hart, time, SLICE_END, Message::default());
                self.begin(hart, time, b, ends.ends);
            }
            Some(Event::WakeLocal) => self.wake(hart, time, b, "wake"),
            Some(Event::WakeRemote) => self.wake(hart, time, b, "wake on another hart"),
            Some(Event::DoorbellSent) => mark(&format!("rings doorbell of {a}")),
            Some(Event::DoorbellTaken) => mark(&format!("doorbell: {a} operation(s)")),
            Some(Event::TrapEnter) => mark(&format!("trap {a:#x}")),
            Some(Event::TrapExit) => mark("trap returns"),
            Some(Event::Timer) => mark("timer"),
            Some(Event::InterruptClaim) => mark(&format!("interrupt of source {a}")),
            Some(Event::InterruptPost) => self.wake(hart, time, b, "interrupt"),
            Some(Event::InterruptUnmask) => mark(&format!("unmasks source {a}")),
            Some(Event::PortSend) => self.send(hart, time, thread, b, a),
            Some(Event::PortReply) => self.reply(hart, time, b, a),
            Some(event) => {
                if let Some((category, name)) = message(event, a, b) {
                    self.event(hart, time, INSTANT, ends.mark(named(category, &name)));
                }
            }
            None => mark(&format!("event {event}")),
        }
    }

    fn new_arrow(&mut self) -> u64 {
        self.arrows += 1;
        self.arrows
    }

    fn wake(&mut self, hart: usize, time: u64, thread: u64, how: &str) {
        let arrow = self.new_arrow();
        self.to_turn.entry(thread).or_default().push((arrow, true));
        let mark = named(category::WAKE, &format!("{how}: {}", thread_name(thread)));
        self.event(hart, time, INSTANT, mark.fixed(field::event::FLOW, arrow));
    }

    fn send(&mut self, hart: usize, time: u64, from: u64, to: u64, number: u32) {
        let arrow = self.new_arrow();
        self.messages.insert((from, number), arrow);
        self.to_turn.entry(to).or_default().push((arrow, false));
        let mark = named(category::SEND, &format!("send {number} to {}", thread_name(to)));
        self.event(hart, time, INSTANT, mark.fixed(field::event::FLOW, arrow));
        *self.waiting.entry(home(to)).or_default() += 1;
        self.count(time, home(to));
    }

    fn reply(&mut self, hart: usize, time: u64, to: u64, number: u32) {
        let mut mark = named(category::REPLY, &format!("reply {number} to {}", thread_name(to)));
        if let Some(arrow) = self.messages.remove(&(to, number)) {
            mark = mark.fixed(field::event::FLOW, arrow);
            self.to_turn.entry(to).or_default().push((arrow, true));
            // The sending of other messages was overwritten: they never counted.
            let waiting = self.waiting.entry(hart as u64).or_default();
            *waiting = waiting.saturating_sub(1);
        }
        self.event(hart, time, INSTANT, mark);
        self.count(time, hart as u64);
    }

    fn count(&mut self, time: u64, hart: u64) {
        let count = self.waiting.get(&hart).copied().unwrap_or_default();
        let event = Message::default().number(field::event::COUNT, count);
        self.event_on(requests(hart), time, event.number(field::event::KIND, COUNTER));
    }
}

/// What is said of an event of programs' messages, and its category.
fn message(event: Event, a: u32, b: u64) -> Option<(&'static str, String)> {
    Some(match event {
        Event::MsgSend => (category::MSG_SEND, format!("sends {b:#x} to channel {a}")),
        Event::MsgReceive => (category::MSG_RECEIVE, format!("receives {b:#x} at channel {a}")),
        Event::MsgReply => (category::MSG_REPLY, format!("answers {b:#x} of channel {a}")),
        Event::Boost => (category::BOOST, format!("priority {a} to {}", thread_name(b))),
        Event::Unblock => {
            let error = Errno::from_status(-i64::from(a));
            let error = error.map_or_else(|| format!("error {a}"), |error| format!("{error:?}"));
            (category::UNBLOCK, format!("ends the wait of {}: {error}", thread_name(b)))
        }
        _ => return None,
    })
}

fn named(category: &str, name: &str) -> Message {
    Message::default().text(field::event::CATEGORY, category).text(field::event::NAME, name)
}

/// The track of a hart's turns.
const fn turns(hart: usize) -> u64 {
    FIRST_TRACK + 2 * hart as u64
}

/// The track of the requests that wait at a hart.
const fn requests(hart: u64) -> u64 {
    FIRST_TRACK + 2 * hart + 1
}

/// What a trace file holds, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tracks of harts.
    pub harts: u64,
    /// Switches: turns of threads, without the first of each hart.
    pub switches: u64,
    /// Messages sent.
    pub sends: u64,
    /// Messages replied to.
    pub replies: u64,
    /// Threads made ready.
    pub wakes: u64,
    /// Ends of arrows.
    pub arrows: u64,
    /// Messages of programs.
    pub messages: Messages,
}

/// What there is of programs' messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
    /// Answered.
    pub answered: u64,
    /// Arrows from where one was sent to where it was received.
    pub handed: u64,
    /// Arrows from an answer to the client's next turn.
    pub woken: u64,
    /// Priorities that were given because of one.
    pub boosts: u64,
    /// Waits that ended without one.
    pub unblocks: u64,
}

/// Counts what is in the rings: what their trace file must hold. (But for
/// arrows, which depend on what is still there of both ends.)
#[must_use]
pub fn expected(rings: &[Ring]) -> Counts {
    let count = |event: Event| {
        let of = |ring: &Ring| ring.records.iter().filter(|r| r.event == event as u8).count();
        rings.iter().map(of).sum::<usize>() as u64
    };
    Counts {
        harts: rings.len() as u64,
        switches: count(Event::Switch),
        sends: count(Event::PortSend),
        replies: count(Event::PortReply),
        wakes: count(Event::WakeLocal) + count(Event::WakeRemote) + count(Event::InterruptPost),
        arrows: 0,
        messages: {
            let arrows = Arrows::of(rings);
            let (handed, woken) = arrows.counts();
            Messages {
                sent: count(Event::MsgSend),
                received: count(Event::MsgReceive) + arrows.count_straight(),
                answered: count(Event::MsgReply),
                handed,
                woken,
                boosts: count(Event::Boost),
                unblocks: count(Event::Unblock),
            }
        },
    }
}

/// Reads a trace file back.
///
/// # Errors
/// When it is none, or a slice or an arrow ends that never began.
pub fn parse(bytes: &[u8]) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut open: HashMap<u64, u64> = HashMap::new();
    let mut arrows = HashMap::new();
    let mut begun = 0;
    for (_, packet) in fields(bytes)? {
        let Value::Bytes(packet) = packet else { bail!("a packet is a message") };
        for (number, value) in fields(packet)? {
            let Value::Bytes(value) = value else { continue };
            if number == u64::from(field::packet::EVENT) {
                begun += parse_event(value, &mut counts, &mut open)?;
                parse_arrows(value, &mut counts, &mut arrows)?;
            } else if number == u64::from(field::packet::TRACK) {
                let counter = u64::from(field::track::COUNTER);
                let parent = u64::from(field::track::PARENT);
                let has = fields(value)?;
                let is_hart =
                    has.iter().any(|f| f.0 == parent) && has.iter().all(|f| f.0 != counter);
                counts.harts += u64::from(is_hart);
            }
        }
    }
    if open.values().any(|open| *open != 0) {
        bail!("a slice does not end");
    }
    // Each hart's first turn began without a switch.
    counts.switches = begun - open.len() as u64;
    Ok(counts)
}

/// Counts an event; gives 1 for a slice that begins.
fn parse_event(bytes: &[u8], counts: &mut Counts, open: &mut HashMap<u64, u64>) -> Result<u64> {
    let fields = fields(bytes)?;
    let number = |wanted: u32| {
        fields.iter().find_map(|f| match f {
            (field, Value::Number(value)) if *field == u64::from(wanted) => Some(*value),
            _ => None,
        })
    };
    match category_of(&fields) {
        category::SEND => counts.sends += 1,
        category::REPLY => counts.replies += 1,
        category::WAKE => counts.wakes += 1,
        category::MSG_SEND => counts.messages.sent += 1,
        category::MSG_RECEIVE => counts.messages.received += 1,
        category::MSG_REPLY => counts.messages.answered += 1,
        category::BOOST => counts.messages.boosts += 1,
        category::UNBLOCK => counts.messages.unblocks += 1,
        _ => {}
    }
    let track = open.entry(number(field::event::TRACK).unwrap_or_default());
    match number(field::event::KIND) {
        Some(SLICE_BEGIN) => {
            *track.or_default() += 1;
            Ok(1)
        }
        Some(SLICE_END) => match track.or_default() {
            0 => bail!("a slice ends that never began"),
            open => {
                *open -= 1;
                Ok(0)
            }
        },
        _ => Ok(0),
    }
}

fn category_of<'a>(fields: &[(u64, Value<'a>)]) -> &'a str {
    let found = fields.iter().find_map(|field| match field {
        (number, Value::Bytes(name)) if *number == u64::from(field::event::CATEGORY) => Some(*name),
        _ => None,
    });
    found.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
}

/// Follows the arrows of an event; `arrows` has the category where each began.
fn parse_arrows(
    bytes: &[u8],
    counts: &mut Counts,
    arrows: &mut HashMap<u64, String>,
) -> Result<()> {
    let fields = fields(bytes)?;
    let here = category_of(&fields);
    for (field, value) in &fields {
        let Value::Number(arrow) = *value else { continue };
        if *field == u64::from(field::event::FLOW) {
            arrows.entry(arrow).or_insert_with(|| here.to_owned());
        } else if *field == u64::from(field::event::FLOW_END) {
            let from = arrows.remove(&arrow).context("an arrow ends that never began")?;
            counts.arrows += 1;
            let due = match &*from {
                category::MSG_SEND => {
                    counts.messages.handed += 1;
                    category::MSG_RECEIVE
                }
                category::MSG_REPLY => {
                    counts.messages.woken += 1;
                    category::THREAD
                }
                _ => category::THREAD,
            };
            ensure!(here == due, "an arrow leads from `{from}` to `{here}`");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::rings::tests::record;
    use super::*;

    /// Thread `slot` of hart `hart`.
    const fn thread(hart: u64, slot: u64) -> u64 {
        hart << SLOT_BITS | slot
    }

    fn rings() -> Vec<Ring> {
        let (client, server) = (thread(0, 3), thread(1, 4));
        let ring =
            |hartid, records: Vec<Record>| Ring { hartid, written: records.len() as u64, records };
        vec![
            ring(
                7,
                vec![
                    record(10, client, Event::PortSend, 1, server),
                    record(11, client, Event::DoorbellSent, 1, 0),
                    record(12, client, Event::Switch, 0, thread(0, 0)),
                    record(30, thread(0, 0), Event::Switch, 0, client),
                ],
            ),
            ring(
                8,
                vec![
                    record(13, thread(1, 0), Event::DoorbellTaken, 1, 0),
                    record(14, thread(1, 0), Event::Switch, 1, server),
                    record(20, server, Event::PortReply, 1, client),
                ],
            ),
        ]
    }

    #[test]
    fn what_is_exported_is_read_back() {
        let counts = parse(&export(&rings(), 100)).expect("reads");
        assert_eq!(Counts { arrows: 0, ..counts }, expected(&rings()));
        assert_eq!((counts.switches, counts.sends, counts.replies, counts.harts), (3, 1, 1, 2));
        assert_eq!(counts.arrows, 1, "the message's arrow ends where its sender goes on");
    }

    #[test]
    fn an_interrupt_leads_to_its_threads_turn() {
        let (idle, ist) = (thread(0, 0), thread(0, 5));
        let records = vec![
            record(1, ist, Event::InterruptUnmask, 11, 0),
            record(2, ist, Event::Switch, 0, idle),
            record(3, idle, Event::InterruptClaim, 11, 0),
            record(4, idle, Event::InterruptPost, 11, ist),
            record(5, idle, Event::Switch, 1, ist),
        ];
        let rings = [Ring { hartid: 0, written: 5, records }];
        let counts = parse(&export(&rings, 100)).expect("reads");
        assert_eq!(Counts { arrows: 0, ..counts }, expected(&rings));
        assert_eq!((counts.wakes, counts.arrows, counts.switches), (1, 1, 2));
    }

    #[test]
    fn a_cut_file_is_refused() {
        let bytes = export(&rings(), 100);
        assert!(parse(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(parse(&export(&[], 100)).expect("empty"), Counts::default());
    }

    #[test]
    fn a_message_has_an_arrow_to_its_receiver_and_one_back() {
        let (client, server, idle) = (thread(0, 3), thread(1, 4), thread(0, 0));
        let (message, other) = (1 << 30 | client, 2 << 30 | client);
        let ring = |records: Vec<Record>| Ring { hartid: 0, written: 9, records };
        let rings = [
            ring(vec![
                record(10, client, Event::MsgSend, 2, message),
                record(11, client, Event::Switch, 0, idle),
                record(30, idle, Event::Switch, 0, client),
                record(31, client, Event::MsgSend, 2, other),
            ]),
            ring(vec![
                record(12, server, Event::Boost, 9, server),
                record(13, server, Event::MsgReceive, 2, message),
                record(20, server, Event::MsgReply, 2, message),
                record(40, server, Event::Unblock, Errno::ETIMEDOUT as u32, client),
            ]),
        ];
        let bytes = export(&rings, 100);
        let counts = parse(&bytes).expect("reads");
        assert_eq!(Counts { arrows: 0, ..counts }, expected(&rings));
        let due = Messages {
            sent: 2,
            received: 1,
            answered: 1,
            handed: 1,
            woken: 1,
            boosts: 1,
            unblocks: 1,
        };
        assert_eq!((counts.messages, counts.arrows), (due, 2));
        let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        for text in ["priority 9 to thread 1.4", "ends the wait of thread 0.3: ETIMEDOUT"] {
            assert!(has(text), "{text}");
        }
    }

    #[test]
    fn an_arrow_that_goes_astray_is_refused() {
        let event = |kind: u32, category: &str| {
            let event = named(category, "").fixed(kind, 1).number(field::event::KIND, INSTANT);
            let packet = Message::default().message(field::packet::EVENT, &event);
            Message::default().message(field::TRACE_PACKET, &packet).into_bytes()
        };
        let begins = event(field::event::FLOW, category::MSG_SEND);
        let ends = |category| event(field::event::FLOW_END, category);
        assert!(parse(&[begins.clone(), ends(category::MSG_RECEIVE)].concat()).is_ok());
        assert!(parse(&[begins, ends(category::THREAD)].concat()).is_err());
        assert!(parse(&ends(category::MSG_RECEIVE)).is_err());
    }

    #[test]
    fn merging_keeps_each_harts_order() {
        let order = in_order(&rings(), &Arrows::of(&rings()));
        let times: Vec<u64> = order.iter().map(|(_, time)| *time).collect();
        assert_eq!(times, [10, 11, 12, 13, 14, 20, 30]);
        assert_eq!(thread_name(thread(2, 0)), "idle 2");
        assert_eq!(thread_name(thread(2, 5) | 9 << 32), "thread 2.5");
    }
}
