// SPDX-License-Identifier: Apache-2.0
//! Single cases, each for what it says.

use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{
        ChannelFlags, Guest, MessageId, Outcome, Wait, Which,
        rendezvous::{
            AT_ONCE, AT_ONCE_ACROSS, Answer, Boost, Fault, Got, Message, Obstacle, Sent, Wake,
        },
        transfer::{Progress, Transfer},
    },
    ids::{HartIndex, Priority, ThreadId},
    user::UserBytes,
};

use crate::kernel::{Kernel, Place, name};

const SHORT: UserBytes = UserBytes::new(0, 100);
const LONG: UserBytes = UserBytes::new(0, 2 * AT_ONCE + 1);
const BASE: Priority = Priority::new(5);

fn bench(flags: ChannelFlags) -> (Kernel, Place) {
    let kernel = Kernel::new();
    let place = kernel.create(0, flags);
    (kernel, place)
}

fn guest(kernel: &Kernel, thread: usize, level: u8, bytes: UserBytes) -> Guest {
    let priority = Priority::new(level);
    let (owner, coid) = (thread as u64, 1);
    let record = kernel.waiters.of(name(thread));
    let guest = Guest::bare(name(thread), priority);
    Guest { record, owner, out: bytes, into: bytes, coid, ..guest }
}

fn send(
    kernel: &mut Kernel,
    at: Place,
    thread: usize,
    level: u8,
    out: UserBytes,
) -> Result<Sent, Obstacle> {
    let guest = guest(kernel, thread, level, out);
    kernel.with(thread, at, |channel, by| channel.send(&guest, by)).unwrap()
}

fn queued(
    kernel: &mut Kernel,
    at: Place,
    thread: usize,
    level: u8,
    out: UserBytes,
) -> (Wait, Option<Boost>) {
    match send(kernel, at, thread, level, out) {
        Ok(Sent::Queued(wait, boost)) => (wait, boost),
        other => panic!("{other:?}"),
    }
}

fn receive(
    kernel: &mut Kernel,
    at: Place,
    thread: usize,
    into: UserBytes,
) -> Result<Got, Obstacle> {
    let guest = guest(kernel, thread, 5, into);
    kernel.with(thread, at, |channel, by| channel.receive(&guest, BASE, by)).unwrap()
}

fn received(kernel: &mut Kernel, at: Place, thread: usize) -> (MessageId, Message) {
    match receive(kernel, at, thread, SHORT) {
        Ok(Got::Message(receipt, message)) => (receipt.id, message),
        other => panic!("{other:?}"),
    }
}

fn waiting(kernel: &mut Kernel, at: Place, thread: usize, into: UserBytes) -> Wait {
    match receive(kernel, at, thread, into) {
        Ok(Got::Waiting(wait, _)) => wait,
        other => panic!("{other:?}"),
    }
}

fn long<R>(begun: Result<R, Obstacle>) -> Transfer {
    match begun {
        Err(Obstacle::Long(transfer)) => transfer,
        _ => panic!("it is long"),
    }
}

fn answer(
    kernel: &mut Kernel,
    at: Place,
    thread: usize,
    id: MessageId,
) -> Result<(Wake, Option<Errno>), Obstacle> {
    let answer = Answer::Bytes(7, SHORT);
    kernel.with(thread, at, |channel, by| channel.answer(id, &answer, by)).unwrap()
}

fn part(kernel: &mut Kernel, at: Place, thread: usize, transfer: &mut Transfer) -> Progress {
    kernel.with(thread, at, |channel, by| transfer.go_on(channel, LONG, by)).unwrap()
}

/// Whom it wakes, in order.
fn give_up(kernel: &mut Kernel, at: Place, thread: usize, transfer: &Transfer) -> Vec<Wake> {
    kernel.with(thread, at, |channel, _| transfer.give_up(channel)).unwrap();
    std::iter::from_fn(|| rouse(kernel, at, thread).unwrap()).collect()
}

fn rouse(kernel: &mut Kernel, at: Place, thread: usize) -> Result<Option<Wake>, HartIndex> {
    kernel.with(thread, at, |channel, by| channel.rouse(by)).unwrap()
}

/// Whose wait a wake is about.
const fn of(wake: &Wake) -> (ThreadId, u64) {
    (wake.thread, wake.number)
}

const fn named(wait: Wait) -> (ThreadId, u64) {
    (wait.thread, wait.number)
}

fn order(kernel: &Kernel, at: Place) -> Vec<(Wait, Which)> {
    kernel.destroy(at).unwrap().into_iter().map(|one| (one.wait, one.queue)).collect()
}

#[test]
fn a_message_is_answered_once() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let (wait, _) = queued(&mut kernel, at, 1, 9, SHORT);
    let (id, _) = received(&mut kernel, at, 0);
    assert_eq!(id, MessageId::of(wait));
    let (wake, error) = answer(&mut kernel, at, 0, id).unwrap();
    assert_eq!((of(&wake), error), (named(wait), None));
    assert_eq!(kernel.outcome(1), Some(Outcome::Answered(7)));
    for _ in 0..2 {
        let again = answer(&mut kernel, at, 0, id).unwrap_err();
        assert!(matches!(again, Obstacle::Failed(Errno::ESRCH)), "{again:?}");
        // Nor is it the next message of the same client.
        if kernel.queue_of(at, wait).is_none() && kernel.first(at, Which::Send).is_none() {
            queued(&mut kernel, at, 1, 9, SHORT);
        }
    }
    let (next, _) = received(&mut kernel, at, 0);
    assert_ne!(next, id);
    assert!(answer(&mut kernel, at, 0, id).is_err() && answer(&mut kernel, at, 0, next).is_ok());
}

#[test]
fn a_message_that_was_not_received_has_no_answer() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let (wait, _) = queued(&mut kernel, at, 1, 9, SHORT);
    let guessed = answer(&mut kernel, at, 0, MessageId::of(wait)).unwrap_err();
    assert!(matches!(guessed, Obstacle::Failed(Errno::ESRCH)), "{guessed:?}");
    assert_eq!(kernel.queue_of(at, wait), Some(Which::Send));
}

#[test]
fn a_message_is_of_one_process_and_one_channel() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let (sibling, foreign) =
        (kernel.create(0, ChannelFlags::NONE), kernel.create(1, ChannelFlags::NONE));
    assert_eq!(at.1, foreign.1, "by name they are the same");
    queued(&mut kernel, at, 1, 9, SHORT);
    let (id, _) = received(&mut kernel, at, 0);
    for other in [sibling, foreign] {
        let refused = answer(&mut kernel, other, 0, id).unwrap_err();
        assert!(matches!(refused, Obstacle::Failed(Errno::ESRCH)), "{refused:?}");
    }
    assert!(answer(&mut kernel, at, 3, id).is_ok(), "any thread of the process");
}

#[test]
fn lengths_are_cut_and_never_overrun() {
    for (sent, room) in [(0, 0), (0, 50), (50, 0), (50, 50), (50, 20), (20, 50), (AT_ONCE, AT_ONCE)]
    {
        let (mut kernel, at) = bench(ChannelFlags::NONE);
        queued(&mut kernel, at, 1, 9, UserBytes::new(0, sent));
        let before = kernel.machine.memories.clone();
        match receive(&mut kernel, at, 0, UserBytes::new(0, room)).unwrap() {
            Got::Message(receipt, _) => {
                assert_eq!((receipt.copied, receipt.sent), (sent.min(room), sent));
            }
            Got::Waiting(..) => panic!("somebody has sent"),
        }
        let mut after = before;
        let (out, into) = (UserBytes::new(0, sent), UserBytes::new(0, room));
        after.copy(0, (1, out), (0, into)).unwrap();
        assert!(after == kernel.machine.memories, "{sent} {room}");
    }
}

#[test]
fn less_is_copied_at_once_where_words_lie_across_words() {
    let places = [
        (0, 0, AT_ONCE, false),
        (3, 11, AT_ONCE, false),
        (3, 11, AT_ONCE + 1, true),
        (0, 3, AT_ONCE_ACROSS, false),
        (0, 3, AT_ONCE_ACROSS + 1, true),
    ];
    for (out, into, bytes, is_long) in places {
        let (out, into) = (UserBytes::new(out, bytes), UserBytes::new(into, bytes));
        let (mut kernel, at) = bench(ChannelFlags::NONE);
        queued(&mut kernel, at, 1, 9, out);
        let before = kernel.machine.memories.clone();
        let got = receive(&mut kernel, at, 0, into);
        assert_eq!(matches!(got, Err(Obstacle::Long(_))), is_long, "{out:?} {into:?}");
        if !is_long {
            let mut after = before;
            after.copy(0, (1, out), (0, into)).unwrap();
            assert!(after == kernel.machine.memories, "{out:?} {into:?}");
        }
    }
}

#[test]
fn a_fault_is_known_for_whose_it_is() {
    // Each of the three calls, each memory.
    let pages = [(0, Fault::Own), (1, Fault::Peer)];
    for (holed, fault) in pages {
        let (mut kernel, at) = bench(ChannelFlags::NONE);
        let (wait, _) = queued(&mut kernel, at, 1, 9, SHORT);
        kernel.machine.memories.turn(holed, 0);
        match (receive(&mut kernel, at, 0, SHORT).unwrap_err(), fault) {
            (Obstacle::Failed(Errno::EFAULT), Fault::Own) => {
                assert_eq!(kernel.queue_of(at, wait), Some(Which::Send), "it stays");
            }
            (Obstacle::Refused(wake), Fault::Peer) => {
                assert_eq!((of(&wake), wake.error), (named(wait), Some(Errno::EFAULT)));
                assert_eq!(kernel.outcome(1), Some(Outcome::Failed(Errno::EFAULT)));
            }
            other => panic!("{other:?}"),
        }
        kernel.machine.memories.turn(holed, 0);
        if fault == Fault::Peer {
            queued(&mut kernel, at, 1, 9, SHORT);
        }
        let (id, _) = received(&mut kernel, at, 0);
        kernel.machine.memories.turn(holed, 0);
        // An answer tells both.
        let error = if fault == Fault::Own { Errno::ESRVRFAULT } else { Errno::EFAULT };
        assert_eq!(answer(&mut kernel, at, 0, id).unwrap().1, Some(error));
        assert_eq!(kernel.outcome(1), Some(Outcome::Failed(error)));
        let (mut kernel, at) = bench(ChannelFlags::NONE);
        let wait = waiting(&mut kernel, at, 1, SHORT);
        kernel.machine.memories.turn(holed, 0);
        match (send(&mut kernel, at, 0, 9, SHORT).unwrap_err(), fault) {
            (Obstacle::Failed(Errno::EFAULT), Fault::Own) => {
                assert_eq!(kernel.queue_of(at, wait), Some(Which::Receive), "it stays");
            }
            (Obstacle::Refused(wake), Fault::Peer) => assert_eq!(of(&wake), named(wait)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_is_copied_after_the_wait_has_ended() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let wait = waiting(&mut kernel, at, 0, LONG);
    let mut transfer = long(send(&mut kernel, at, 1, 9, LONG));
    assert!(matches!(part(&mut kernel, at, 1, &mut transfer), Progress::More));
    assert!(kernel.at(at, |channel| channel.end(wait, Errno::EINTR)).flatten().is_some());
    let before = kernel.machine.memories.clone();
    assert!(matches!(part(&mut kernel, at, 1, &mut transfer), Progress::Gone));
    assert!(before == kernel.machine.memories);
    // Also if the same thread waits there again, for something else.
    let next = waiting(&mut kernel, at, 0, LONG);
    assert!(matches!(part(&mut kernel, at, 1, &mut transfer), Progress::Gone));
    assert!(before == kernel.machine.memories);
    let sent = guest(&kernel, 1, 9, LONG);
    let handed = kernel.with(1, at, |channel, by| transfer.sent(channel, &sent, by)).unwrap();
    assert!(matches!(handed, Err(Obstacle::Failed(Errno::ESRCH))), "{handed:?}");
    assert_eq!(give_up(&mut kernel, at, 1, &transfer), []);
    assert_eq!(kernel.queue_of(at, next), Some(Which::Receive));
}

#[test]
fn a_long_copy_leaves_its_peer_to_nobody_else() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let (first, _) = queued(&mut kernel, at, 1, 9, LONG);
    let mut transfer = long(receive(&mut kernel, at, 0, LONG));
    let other = waiting(&mut kernel, at, 3, SHORT);
    // It stands where it stood, and nobody finds it there.
    assert_eq!(kernel.queue_of(at, first), Some(Which::Send));
    assert_eq!(kernel.first(at, Which::Send), None);
    for _ in 0..2 {
        assert!(matches!(part(&mut kernel, at, 0, &mut transfer), Progress::More));
    }
    // Given back: whoever waits is to look again.
    let woken = give_up(&mut kernel, at, 0, &transfer);
    assert_eq!(woken.iter().map(of).collect::<Vec<_>>(), [named(other)]);
    assert_eq!(woken[0].error, None);
    assert_eq!(kernel.outcome(3), Some(Outcome::Again));
    assert_eq!(order(&kernel, at), [(first, Which::Send)]);
}

#[test]
fn a_receiver_that_is_given_back_looks_again_if_somebody_has_come() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let server = waiting(&mut kernel, at, 0, LONG);
    let transfer = long(send(&mut kernel, at, 1, 9, LONG));
    let (client, _) = queued(&mut kernel, at, 2, 4, SHORT);
    let woken = give_up(&mut kernel, at, 1, &transfer);
    assert_eq!(woken.iter().map(of).collect::<Vec<_>>(), [named(server)]);
    assert_eq!(kernel.outcome(0), Some(Outcome::Again));
    assert_eq!(order(&kernel, at), [(client, Which::Send)]);
    // And stays if nobody has.
    let at = kernel.create(0, ChannelFlags::NONE);
    let server = waiting(&mut kernel, at, 0, LONG);
    let transfer = long(send(&mut kernel, at, 1, 9, LONG));
    assert_eq!(give_up(&mut kernel, at, 1, &transfer), []);
    assert_eq!(order(&kernel, at), [(server, Which::Receive)]);
}

#[test]
fn a_full_ring_leaves_everything_as_it_was() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    kernel.machine.full = [true; 3];
    let (wait, _) = queued(&mut kernel, at, 1, 9, SHORT);
    let before = kernel.machine.memories.clone();
    assert!(matches!(receive(&mut kernel, at, 0, SHORT), Err(Obstacle::Full(_))));
    kernel.machine.full = [false; 3];
    assert!(before == kernel.machine.memories);
    assert_eq!(kernel.queue_of(at, wait), Some(Which::Send));
    let (id, _) = received(&mut kernel, at, 0);
    kernel.machine.full = [true; 3];
    assert!(matches!(answer(&mut kernel, at, 0, id), Err(Obstacle::Full(_))));
    assert_eq!(kernel.queue_of(at, wait), Some(Which::Reply));
    // Who boosts must be able to tell it.
    assert!(matches!(send(&mut kernel, at, 2, 50, SHORT), Err(Obstacle::Full(_))));
    assert_eq!(kernel.first(at, Which::Send), None);
    kernel.machine.full = [false; 3];
    assert!(queued(&mut kernel, at, 2, 50, SHORT).1.is_some());
}

#[test]
fn a_server_takes_on_its_clients_priority_up_and_down() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    for level in [9, 2] {
        queued(&mut kernel, at, 1, level, SHORT);
        let (id, message) = received(&mut kernel, at, 0);
        assert_eq!(message.urgency.map(|it| it.priority), Some(Priority::new(level)));
        assert_eq!(answer(&mut kernel, at, 0, id).unwrap().1, None);
    }
    waiting(&mut kernel, at, 0, SHORT);
    let handed = send(&mut kernel, at, 1, 3, SHORT).unwrap();
    assert!(
        matches!(handed, Sent::Received(_, Wake { urgency: Some(it), .. }, _) if it.priority.level() == 3)
    );
    // Each that is more urgent makes it so once.
    let boosts = [(2, 3), (3, 6), (4, 6), (5, 8), (6, 7)];
    let levels = boosts.map(|(thread, level)| {
        queued(&mut kernel, at, thread, level, SHORT).1.map(|it| it.urgency.priority.level())
    });
    assert_eq!(levels, [None, Some(6), None, Some(8), None]);
    let (mut kernel, at) = bench(ChannelFlags::FIXED_PRIORITY);
    queued(&mut kernel, at, 1, 9, SHORT);
    assert_eq!(received(&mut kernel, at, 0).1.urgency, None);
    assert_eq!(queued(&mut kernel, at, 2, 50, SHORT).1, None);
}

#[test]
fn clients_queue_by_priority_then_arrival_whatever_happens_to_them() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let waits = [(1, 5), (2, 5), (3, 9), (4, 5), (5, 2)]
        .map(|(thread, level)| queued(&mut kernel, at, thread, level, LONG).0);
    // Two are taken in hand and given back, the last first.
    let first = long(receive(&mut kernel, at, 0, LONG));
    let second = long(receive(&mut kernel, at, 6, LONG));
    assert_eq!((first.peer(), second.peer()), (waits[2], waits[0]));
    give_up(&mut kernel, at, 6, &second);
    give_up(&mut kernel, at, 0, &first);
    assert!(kernel.at(at, |channel| channel.set_priority(waits[4], BASE)).unwrap());
    let expected = [2, 0, 1, 3, 4].map(|place| (waits[place], Which::Send));
    assert_eq!(order(&kernel, at), expected);
}

/// The first that is woken for it may fail, or end.
#[test]
fn a_client_that_is_given_back_is_received_if_anybody_can() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let (client, _) = queued(&mut kernel, at, 1, 9, LONG);
    let transfer = long(receive(&mut kernel, at, 0, LONG));
    let servers = [3, 6].map(|thread| waiting(&mut kernel, at, thread, SHORT));
    let woken = give_up(&mut kernel, at, 0, &transfer);
    assert_eq!(woken.iter().map(of).collect::<Vec<_>>(), servers.map(named));
    kernel.machine.memories.turn(3, 0);
    let failed = receive(&mut kernel, at, 3, SHORT).unwrap_err();
    assert!(matches!(failed, Obstacle::Failed(Errno::EFAULT)), "{failed:?}");
    assert_eq!(kernel.queue_of(at, client), Some(Which::Send));
    assert_eq!(kernel.queue_of(at, servers[1]), None, "it is to look for the client");
    assert_eq!(received(&mut kernel, at, 6).0, MessageId::of(client));
}

/// Two receivers give up in the order in which they began.
#[test]
fn who_gives_up_first_leaves_its_client_first() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let waits = [1, 2, 3].map(|thread| queued(&mut kernel, at, thread, 5, LONG).0);
    let first = long(receive(&mut kernel, at, 0, LONG));
    let second = long(receive(&mut kernel, at, 6, LONG));
    give_up(&mut kernel, at, 0, &first);
    give_up(&mut kernel, at, 6, &second);
    assert_eq!(order(&kernel, at), waits.map(|wait| (wait, Which::Send)));
}

/// Its priority has changed meanwhile: it stands behind its new equals.
#[test]
fn who_is_given_back_with_another_priority_stands_behind_its_equals() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let waits =
        [(1, 5), (2, 3)].map(|(thread, level)| queued(&mut kernel, at, thread, level, LONG).0);
    let transfer = long(receive(&mut kernel, at, 0, LONG));
    assert!(kernel.at(at, |channel| channel.set_priority(waits[0], Priority::new(3))).unwrap());
    give_up(&mut kernel, at, 0, &transfer);
    assert_eq!(order(&kernel, at), [waits[1], waits[0]].map(|wait| (wait, Which::Send)));
}

/// It has waited in vain since, at its own priority.
#[test]
fn a_server_whose_wait_ended_is_made_urgent_again() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    queued(&mut kernel, at, 1, 10, SHORT);
    let (id, _) = received(&mut kernel, at, 0);
    assert_eq!(answer(&mut kernel, at, 0, id).unwrap().1, None);
    let wait = waiting(&mut kernel, at, 0, SHORT);
    assert!(kernel.at(at, |channel| channel.end(wait, Errno::ETIMEDOUT)).flatten().is_some());
    let boost = queued(&mut kernel, at, 2, 8, SHORT).1;
    assert_eq!(boost.map(|it| (it.server, it.urgency.priority)), Some((name(0), Priority::new(8))));
}

/// The first message of a server that has never had one.
#[test]
fn a_server_that_has_received_nothing_yet_is_made_urgent() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let wait = waiting(&mut kernel, at, 0, SHORT);
    assert!(kernel.at(at, |channel| channel.end(wait, Errno::ETIMEDOUT)).flatten().is_some());
    assert!(queued(&mut kernel, at, 2, 8, SHORT).1.is_some());
}

/// Somebody more urgent has come while a long message was copied.
#[test]
fn a_long_copy_does_not_undo_a_boost() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    queued(&mut kernel, at, 1, 4, LONG);
    let mut transfer = long(receive(&mut kernel, at, 0, LONG));
    queued(&mut kernel, at, 2, 9, SHORT);
    while matches!(part(&mut kernel, at, 0, &mut transfer), Progress::More) {}
    let server = guest(&kernel, 0, 5, LONG);
    match kernel.with(0, at, |channel, by| transfer.received(channel, &server, by)).unwrap() {
        Ok(Got::Message(_, message)) => {
            assert_eq!(message.urgency.map(|it| it.priority), Some(Priority::new(9)));
        }
        other => panic!("{other:?}"),
    }
}

/// Whom it is to fetch may be more urgent than it is.
#[test]
fn who_is_to_look_again_is_as_urgent_as_whom_it_is_to_find() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    waiting(&mut kernel, at, 0, LONG);
    let transfer = long(send(&mut kernel, at, 1, 4, LONG));
    queued(&mut kernel, at, 2, 9, SHORT);
    let woken = give_up(&mut kernel, at, 1, &transfer);
    assert_eq!(
        woken.iter().map(|it| it.urgency.map(|it| it.priority)).collect::<Vec<_>>(),
        [Some(Priority::new(9))]
    );
    // Unless nobody makes its servers urgent.
    let at = kernel.create(0, ChannelFlags::FIXED_PRIORITY);
    waiting(&mut kernel, at, 0, LONG);
    let transfer = long(send(&mut kernel, at, 3, 4, LONG));
    queued(&mut kernel, at, 4, 9, SHORT);
    let woken = give_up(&mut kernel, at, 3, &transfer);
    assert_eq!(woken.iter().map(|it| it.urgency.map(|it| it.priority)).collect::<Vec<_>>(), [None]);
}

/// Between who gives up and who is roused, somebody sends.
#[test]
fn who_sends_does_not_overtake_whom_somebody_gave_back() {
    let (mut kernel, at) = bench(ChannelFlags::NONE);
    let (first, _) = queued(&mut kernel, at, 1, 9, LONG);
    let transfer = long(receive(&mut kernel, at, 0, LONG));
    let server = waiting(&mut kernel, at, 3, SHORT);
    kernel.with(0, at, |channel, _| transfer.give_up(channel)).unwrap();
    let (second, _) = queued(&mut kernel, at, 2, 7, SHORT);
    kernel.machine.full = [true; 3];
    // Thread 3 is of the hart of who gives up, thread 2 is not.
    assert!(matches!(rouse(&mut kernel, at, 2), Err(hart) if hart == name(3).home()));
    assert_eq!(kernel.queue_of(at, server), Some(Which::Receive), "nothing has happened");
    let woken = rouse(&mut kernel, at, 0).unwrap().unwrap();
    assert_eq!(of(&woken), named(server));
    assert_eq!(rouse(&mut kernel, at, 0), Ok(None));
    assert_eq!(order(&kernel, at), [first, second].map(|wait| (wait, Which::Send)));
}
