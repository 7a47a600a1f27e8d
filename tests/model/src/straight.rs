// SPDX-License-Identifier: Apache-2.0
//! A message that goes the short way (`skimmer_core::straight`) while another hart ends the
//! channel, or the server's wait: client and server live on hart 0, and each wait ends
//! once. The rings are not in it: what hart 1 tells comes when all is done.

use skimmer_abi::{errno::Errno, inspect::HartInspect, trace::Ring};
use skimmer_core::{
    channel::{
        ChannelFlags, ChannelId, Guest, Outcome, Waiters, Which, Woken,
        rendezvous::{Carrier, Fault, Got, Wake},
        table::ChannelTable,
    },
    hart::Hart,
    ids::{HartIndex, Priority, ThreadId},
    machine::{Machine, Sections},
    remote::wire,
    straight::Baggage,
    thread::{NewThread, State, Why},
    user::UserBytes,
    waiting::Waiting,
};
use skimmer_sync::irq::IrqOff;

use crate::explore::{Depth, harts, holds};

/// A machine on which all who are blocked are parked.
struct Parked;

impl Machine for Parked {
    type Context = u8;
    type Saved = u8;
    type Space = ();

    fn saved(context: &u8) -> u8 {
        *context
    }

    fn condemn(_: &u8) {
        unreachable!("no model runs programs");
    }

    fn is_parked(_: &u8) -> bool {
        true
    }

    fn pass(_: &IrqOff, _: UserBytes, _: &u8, _: UserBytes) -> bool {
        true
    }

    fn give(_: &IrqOff, _: UserBytes, _: &u8, _: UserBytes) -> bool {
        true
    }

    fn ring_doorbell(&self, _: HartIndex) {
        unreachable!("hart 0 is told by nobody");
    }

    fn clear_doorbell(&self) {}

    fn now(&self) -> u64 {
        0
    }

    fn set_timer(&self, _: Option<u64>) {}

    fn time_slice(&self) -> u64 {
        1
    }
}

/// Nobody copies the usual way.
struct Nobody;

impl Carrier for Nobody {
    fn give(&mut self, _: UserBytes, _: u64, _: UserBytes) -> Result<(), Fault> {
        unreachable!("it goes the short way");
    }

    fn fetch(&mut self, _: u64, _: UserBytes, _: UserBytes) -> Result<(), Fault> {
        unreachable!("it goes the short way");
    }

    fn can_wake(&mut self, _: ThreadId) -> Result<(), HartIndex> {
        Ok(())
    }

    fn is_connected(&mut self, _: u64, _: u64) -> bool {
        true
    }
}

#[derive(Clone, Copy)]
struct Here(u16);

impl Sections for Here {
    fn masked<R>(&self, work: impl FnOnce(&IrqOff) -> R) -> R {
        // SAFETY: one loom thread plays the hart.
        let irq = unsafe { IrqOff::assume(HartIndex::new(self.0)) };
        work(&irq)
    }
}

/// What hart 1 does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rival {
    Destroy,
    /// The server's first wait.
    End,
}

struct Home {
    hart: Hart<Parked>,
    table: &'static ChannelTable,
    waiters: &'static Waiters,
    id: ChannelId,
    client: ThreadId,
    server: ThreadId,
}

const PRIORITY: Priority = Priority::new(2);

fn adopt(hart: &mut Hart<Parked>, waiters: &Waiters, context: u8) -> ThreadId {
    let new = NewThread { name: "thread", priority: PRIORITY, family: None, context };
    let Ok(id) = hart.adopt(new) else { panic!("no memory") };
    assert!(waiters.enrol(id).is_ok());
    id
}

impl Home {
    /// The server waits, and the client runs.
    fn new() -> Self {
        let Ok(table) = ChannelTable::new(2, 2) else { panic!("no memory") };
        let Ok(waiters) = Waiters::new(1) else { panic!("no memory") };
        let (table, waiters): (&'static ChannelTable, &'static Waiters) =
            (Box::leak(Box::new(table)), Box::leak(Box::new(waiters)));
        let Ok(id) = table.create(&Here(0), ChannelFlags::NONE) else { panic!("no channel") };
        let inspect: &'static HartInspect = Box::leak(Box::default());
        let trace = Ring::new(&inspect.trace_count, &[]);
        let Some(lines) = wire(1).ok().and_then(|it| it.into_iter().next()) else {
            panic!("no memory")
        };
        let boot = NewThread { name: "idle", priority: PRIORITY, family: None, context: 0 };
        let Ok(mut hart) = Hart::new(HartIndex::new(0), Parked, inspect, trace, lines, boot) else {
            panic!("no memory")
        };
        let [server, client] = [1, 2].map(|context| adopt(&mut hart, waiters, context));
        let mut home = Self { hart, table, waiters, id, client, server };
        Here(0).masked(|irq| {
            let hart = &mut home.hart;
            for thread in [server, client] {
                assert!(hart.schedule(irq, thread).is_ok());
            }
            let _to_server = hart.preempt(irq);
            assert_eq!(hart.current(), server);
            let visitor = hart.visitor(waiters);
            let guest = Guest { record: visitor.record, ..Guest::bare(server, PRIORITY) };
            let got = table
                .with(irq, waiters, id, |channel| channel.receive(&guest, PRIORITY, &mut Nobody));
            let Ok(Ok(Got::Waiting(wait, urgency))) = got else { panic!("nobody sends yet") };
            hart.serve(irq, Some(id), urgency);
            let waiting = Waiting::new(table, wait, None);
            let _to_client = hart.wait_at_channel(irq, Which::Receive, waiting, None).switch(irq);
            assert_eq!(hart.current(), client);
            hart.visitor(waiters);
        });
        home
    }

    fn baggage(&self) -> Baggage {
        let (out, into) = (UserBytes::NONE, UserBytes::NONE);
        Baggage { table: self.table, owner: 0, tid: 0, coid: 1, out, into }
    }

    /// The client sends, the server answers and waits. How many of both went the short way.
    fn call(&mut self) -> u64 {
        let baggage = self.baggage();
        let Self { ref mut hart, table, waiters, id, client, server } = *self;
        let sent = Here(0).masked(|irq| {
            let sent =
                table.with(irq, waiters, id, |channel| hart.send_straight(irq, channel, &baggage));
            sent.ok().flatten().map(|(passed, receipt)| (passed.into_switch(), receipt.id))
        });
        let Some((_, message)) = sent else {
            assert_eq!(hart.current(), client, "nothing was done");
            return 0;
        };
        assert_eq!(hart.current(), server);
        let answered = Here(0).masked(|irq| {
            let answered = table.with(irq, waiters, id, |channel| {
                hart.answer_straight(irq, channel, message, &baggage, |_, _, _| true)
            });
            answered.ok().flatten().map(|passed| passed.into_switch()).is_some()
        });
        assert_eq!(hart.current(), if answered { client } else { server });
        1 + u64::from(answered)
    }

    /// Who is blocked at the channel, as hart 0 sees it.
    fn blocked(&self) -> Vec<ThreadId> {
        let is_blocked = |id: &ThreadId| {
            self.hart.thread(*id).map(|it| it.state()) == Some(State::Blocked(Why::Channel))
        };
        [self.client, self.server].into_iter().filter(is_blocked).collect()
    }
}

fn call_beside(rival: Rival) {
    let mut home = Home::new();
    let Home { table, waiters, id, server, client, .. } = home;
    let first = Here(0).masked(|irq| {
        table.with(irq, waiters, id, |channel| channel.first(Which::Receive).map(|it| it.0))
    });
    let Ok(Some(first)) = first else { panic!("the server waits") };
    let (mut went, mut woken) = (0, Vec::<Woken>::new());
    harts([
        Box::new(|| went = home.call()),
        Box::new(|| match rival {
            Rival::Destroy => {
                assert!(table.destroy(&Here(1), waiters, id, |one| woken.push(one)).is_ok());
            }
            Rival::End => {
                let ended = Here(1).masked(|irq| {
                    table.with_waits(irq, waiters, id, |it| it.end(first, Errno::EINTR))
                });
                woken.extend(ended.flatten());
            }
        }),
    ]);
    let expected = match (rival, went) {
        (_, 0) | (Rival::Destroy, 2) => vec![server],
        (Rival::Destroy, 1) => vec![client],
        (Rival::End, 2) => vec![],
        _ => panic!("the answer went nowhere, and nobody was in its way"),
    };
    assert_eq!(woken.iter().map(|it| it.wait.thread).collect::<Vec<_>>(), expected);
    let waits = home.blocked();
    assert_eq!(waits, if rival == Rival::End { vec![server] } else { expected });
    for one in woken {
        Here(0).masked(|irq| assert!(home.hart.wake(irq, &Wake::from(one)).is_ok()));
        assert!(home.blocked().is_empty(), "told of a wait that was over");
        assert_eq!(waiters.outcome(one.wait.thread), Some(Outcome::Failed(one.error)));
    }
    let left = home.blocked();
    let is_left = rival == Rival::End && went == 2;
    assert_eq!(left, if is_left { vec![server] } else { vec![] }, "a wait has no end");
}

#[test]
fn a_message_on_the_short_way_meets_the_end_of_its_channel() {
    holds("straight, destroy", Depth::Whole, || call_beside(Rival::Destroy));
}

#[test]
fn a_message_on_the_short_way_meets_the_end_of_its_server() {
    holds("straight, end", Depth::Whole, || call_beside(Rival::End));
}
