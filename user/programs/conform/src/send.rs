// SPDX-License-Identifier: Apache-2.0
//! Section 3: MsgSend.

use alloc::vec;
use alloc::vec::Vec;

use skimmer_rt::{Errno, Result, message};

use crate::agent::{Agent, Step};
use crate::bad::{self, Doomed, Place};
use crate::case::{Case, both, one};
use crate::scene::{FILL, LEVEL, MILLI, Scene, Sent, attach, receive};

pub(crate) const CASES: &[Case] = &[
    one(
        "send/bad-coid",
        "3 EBADF",
        "process/messages: answer ESRCH for a coid of nothing",
        bad_coid,
    ),
    both(
        "send/to-a-waiting-receiver",
        "3 Flow",
        "rendezvous: queue a sender though somebody receives",
        to_receiver,
    ),
    both(
        "send/before-anybody-receives",
        "3 Flow",
        "rendezvous: refuse a sender that nobody waits for",
        before_receiver,
    ),
    both(
        "send/any-status",
        "3 Flow",
        "process/messages: take a negative status for an error",
        any_status,
    ),
    both(
        "send/message-is-cut",
        "3 Length",
        "user_copy between spaces: copy as much as was sent",
        message_cut,
    ),
    both(
        "send/answer-is-cut",
        "3 Length",
        "user_copy between spaces: copy as much as was answered",
        answer_cut,
    ),
    both(
        "send/nothing-from-nowhere",
        "3 Length",
        "process/messages: judge the pointer of an empty range",
        nothing,
    ),
    one(
        "send/bad-message-range-at-once",
        "3 Faults",
        "process/messages: judge the message only as it is copied",
        bad_message_range,
    ),
    one(
        "send/bad-answer-range-at-once",
        "3 Faults",
        "process/messages: judge the room for the answer only at the reply",
        bad_answer_range,
    ),
    both(
        "send/message-that-is-not-there",
        "3 EFAULT",
        "rendezvous: give the receiver what a sender's fault belongs to",
        not_there,
    ),
    one(
        "send/too-long",
        "3 EOVERFLOW",
        "process/messages: answer EFAULT for a length above i64::MAX",
        too_long,
    ),
    both(
        "send/unmapped-while-queued",
        "3 Faults",
        "rendezvous: end the receive when a queued sender's copy faults",
        unmapped_queued,
    ),
    both(
        "send/receiver-that-faults",
        "3 Faults",
        "rendezvous: fail the sender when the waiting receiver's room faults",
        receiver_faults,
    ),
    both(
        "send/next-of-two-receivers-takes-it",
        "3 Faults",
        "rendezvous: queue a send whose receiver faulted though another waits",
        other_receiver,
    ),
    both(
        "send/queue-by-priority",
        "3 Queue order",
        "core/channel/queue: queue senders first in first out",
        by_priority,
    ),
    both(
        "send/queue-by-arrival",
        "3 Queue order",
        "core/channel/queue: put a sender before its equals",
        by_arrival,
    ),
    both(
        "send/raised-while-queued",
        "3 Queue order",
        "threads::set_priority: leave a blocked sender where it is queued",
        raised,
    ),
    both(
        "send/lowered-while-queued",
        "3 Queue order",
        "threads::set_priority: queue a blocked sender again only when it is raised",
        lowered,
    ),
    one(
        "send/alone-to-oneself",
        "3 Self-send",
        "rendezvous: refuse a sender that is the channel's only thread",
        to_oneself,
    ),
    both(
        "send/one-buffer-for-both",
        "3 Flow",
        "user_copy between spaces: clear the room for the answer at the send",
        one_buffer,
    ),
    both(
        "send/between-processes",
        "3 Flow",
        "process/messages: copy in the receiver's space where the sender's is meant",
        between,
    ),
];

fn bad_coid(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let coid = attach(chid)?;
    let side = 0x4000_0000;
    // Another index, no generation, another one.
    let near = [coid + 1, coid | side, coid & 0xffff_ffff, coid ^ 3 << 32, coid | 1 << 63];
    for coid in near.into_iter().chain([7, side + 7, 1 << 31, u64::MAX, i64::MAX as u64]) {
        scene.eq("by a coid of nothing", message::send(coid, b"x", &mut []), Err(Errno::EBADF));
    }
    scene.is_bare("after such", chid)
}

fn to_receiver(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let receiver = scene.receiver(LEVEL, chid, 8)?;
    let client = scene.client(LEVEL, coid, b"hello", 4)?;
    let (received, room) = receiver.join()?;
    let received = received?;
    scene.eq("what was received", &room[..], b"hello\xa5\xa5\xa5");
    scene.eq("lengths", (received.copied, received.sent), (5, 5));
    scene.eq("the answer", message::reply(received.id.number(), 3, b"yo"), Ok(()));
    let due = Sent { result: Ok(3), room: b"yo\xa5\xa5".to_vec() };
    scene.eq("what the client got", client.join()?, due);
    Ok(())
}

fn before_receiver(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"hello", 4)?;
    let (received, room) = receive(chid, 8);
    let received = received?;
    scene.eq("what was received", &room[..], b"hello\xa5\xa5\xa5");
    scene.eq("lengths", (received.copied, received.sent), (5, 5));
    scene.eq("the answer", message::reply(received.id.number(), 3, b"yo"), Ok(()));
    let due = Sent { result: Ok(3), room: b"yo\xa5\xa5".to_vec() };
    scene.eq("what the client got", client.join()?, due);
    Ok(())
}

fn any_status(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    // Some are negatives of errors.
    for status in [0, 1, -1, -3, -9, -260, i64::MIN, i64::MAX, 1 << 32, -4095] {
        let client = scene.client(LEVEL, coid, b"x", 0)?;
        let id = scene.takes("the message", chid, b"x")?;
        message::reply(id, status, &[])?;
        scene.eq("the status", client.join()?.result, Ok(status));
    }
    Ok(())
}

/// Bytes that are all different from their neighbours.
fn text(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 7 + 1) as u8).collect()
}

fn message_cut(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let text = text(100);
    for room in [0, 1, 60, 99] {
        let client = scene.client(LEVEL, coid, &text, 0)?;
        let mut buffer = vec![FILL; room + 32];
        let received = message::receive(chid, &mut buffer[..room])?;
        scene.eq("lengths", (received.copied, received.sent), (room, 100));
        scene.eq("what fits", &buffer[..room], &text[..room]);
        scene.eq("what lies behind", &buffer[room..], &[FILL; 32][..]);
        message::reply(received.id.number(), 1, &[])?;
        scene.eq("it is no error", client.join()?.result, Ok(1));
        // The same to one who waits.
        let receiver = scene.receiver(LEVEL, chid, room)?;
        let client = scene.client(LEVEL, coid, &text, 0)?;
        let (received, buffer) = receiver.join()?;
        let received = received?;
        scene.eq("lengths", (received.copied, received.sent), (room, 100));
        scene.eq("what fits", &buffer[..], &text[..room]);
        message::reply(received.id.number(), 1, &[])?;
        scene.eq("it is no error", client.join()?.result, Ok(1));
    }
    Ok(())
}

fn answer_cut(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let text = text(100);
    for room in [0, 1, 60, 99] {
        let client = scene.thread(LEVEL, move || {
            let mut buffer = vec![FILL; room + 32];
            (message::send(coid, b"x", &mut buffer[..room]), buffer)
        })?;
        let id = scene.takes("the message", chid, b"x")?;
        scene.eq("it is no error", message::reply(id, 1, &text), Ok(()));
        let (result, buffer) = client.join()?;
        scene.eq("nor to the client", result, Ok(1));
        scene.eq("what fits", &buffer[..room], &text[..room]);
        scene.eq("what lies behind", &buffer[room..], &[FILL; 32][..]);
    }
    Ok(())
}

fn nothing(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let nowhere = [Place::null(0), Place::hole(0), Place::kernel(0), Place::around(0)];
    for empty in nowhere {
        let client = scene.thread(LEVEL, move || bad::send(coid, empty, empty))?;
        let received = bad::receive(chid, empty);
        scene.eq("lengths", received.map(|(_, copied, sent)| (copied, sent)), Ok((0, 0)));
        scene.eq("the answer", bad::reply(received?.0, 2, empty), Ok(()));
        scene.eq("what the client got", client.join()?, Ok(2));
        // The same to one who waits.
        let receiver = scene.thread(LEVEL, move || bad::receive(chid, empty))?;
        let client = scene.thread(LEVEL, move || bad::send(coid, empty, empty))?;
        let (id, copied, sent) = receiver.join()??;
        scene.eq("lengths", (copied, sent), (0, 0));
        scene.eq("the answer", bad::reply(id, 2, empty), Ok(()));
        scene.eq("what the client got", client.join()?, Ok(2));
    }
    Ok(())
}

fn bad_message_range(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    // It would wait for ever: nobody receives.
    for (what, place) in Place::ranges(8) {
        scene.eq(what, bad::send(coid, place, Place::NONE), Err(Errno::EFAULT));
    }
    for (what, place) in Place::ranges(1 << 20) {
        scene.eq(what, bad::send(coid, place, Place::NONE), Err(Errno::EFAULT));
    }
    scene.is_bare("after such", chid)
}

fn bad_answer_range(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for (what, place) in Place::ranges(8) {
        scene.eq(what, bad::send(coid, Place::NONE, place), Err(Errno::EFAULT));
    }
    scene.is_bare("after such", chid)
}

fn not_there(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for length in [8, 8192] {
        // It may be told at once, or as it is received; the receiver hears nothing.
        let client =
            scene.thread(LEVEL, move || bad::send(coid, Place::hole(length), Place::NONE))?;
        scene.is_bare("who has sent nothing", chid)?;
        scene.eq("from where nothing is", client.join()?, Err(Errno::EFAULT));
        let receiver = scene.receiver(LEVEL, chid, 16)?;
        let client =
            scene.thread(LEVEL, move || bad::send(coid, Place::hole(length), Place::NONE))?;
        scene.eq("to one who waits", client.join()?, Err(Errno::EFAULT));
        let client = scene.client(LEVEL, coid, b"good", 0)?;
        let (received, room) = receiver.join()?;
        scene.eq("the one who waits goes on", &room[..4], &b"good"[..]);
        message::reply(received?.id.number(), 0, &[])?;
        scene.eq("the next client", client.join()?.result, Ok(0));
    }
    Ok(())
}

fn too_long(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for length in [1 << 63, u64::MAX] {
        let long = Place { address: 0x10000, length };
        scene.eq("message", bad::send(coid, long, Place::NONE), Err(Errno::EOVERFLOW));
        scene.eq("room", bad::send(coid, Place::NONE, long), Err(Errno::EOVERFLOW));
        let received = bad::receive(chid, long).map(|_| ());
        scene.eq("receive", received, Err(Errno::EOVERFLOW));
    }
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("a good one", chid, b"x")?;
    let long = Place { address: 0x10000, length: 1 << 63 };
    scene.eq("answer", bad::reply(id, 0, long), Err(Errno::EOVERFLOW));
    scene.eq("which was none", message::reply(id, 1, &[]), Ok(()));
    scene.eq("the client", client.join()?.result, Ok(1));
    Ok(())
}

fn unmapped_queued(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    // Longer than what a kernel may copy as it is sent.
    let doomed = Doomed::new(16, 1)?;
    let place = doomed.place();
    let client = scene.thread(LEVEL, move || bad::send(coid, place, Place::NONE))?;
    let next = scene.client(LEVEL, coid, b"next", 0)?;
    doomed.unmap()?;
    let id = scene.takes("the receiver goes on", chid, b"next")?;
    scene.eq("whose memory went", client.join()?, Err(Errno::EFAULT));
    message::reply(id, 1, &[])?;
    scene.eq("the next", next.join()?.result, Ok(1));
    scene.is_bare("after both", chid)
}

fn receiver_faults(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let doomed = Doomed::new(1, 1)?;
    let place = doomed.place();
    let receiver = scene.thread(LEVEL, move || bad::receive(chid, place).map(|_| ()))?;
    doomed.unmap()?;
    let client = scene.client(LEVEL, coid, b"again", 0)?;
    scene.eq("the receiver", receiver.join()?, Err(Errno::EFAULT));
    let id = scene.takes("the send is tried again", chid, b"again")?;
    message::reply(id, 6, &[])?;
    scene.eq("the client", client.join()?.result, Ok(6));
    Ok(())
}

fn other_receiver(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    // Whichever is woken first, in the end one faults and the other has it.
    let doomed = Doomed::new(1, 1)?;
    let place = doomed.place();
    let good = scene.receiver(LEVEL, chid, 8)?;
    let bad = scene.thread(LEVEL, move || bad::receive(chid, place).map(|_| ()))?;
    doomed.unmap()?;
    let client = scene.client(LEVEL, coid, b"either", 0)?;
    let (received, room) = good.join()?;
    scene.eq("the good receiver", &room[..6], &b"either"[..]);
    message::reply(received?.id.number(), 6, &[])?;
    scene.eq("the client", client.join()?.result, Ok(6));
    let client = scene.client(LEVEL, coid, b"last", 0)?;
    scene.eq("the bad receiver", bad.join()?, Err(Errno::EFAULT));
    // Which of the two has faulted it is said here, if not before.
    let id = scene.may_take(chid)?.ok_or(Errno::ENXIO)?;
    message::reply(id, 1, &[])?;
    scene.eq("the last client", client.join()?.result, Ok(1));
    Ok(())
}

/// Receives what is queued, one after the other, and answers each: their first
/// bytes, in that order.
fn drain(chid: u64) -> Result<Vec<u8>> {
    let mut order = Vec::new();
    loop {
        let mut byte = [0];
        message::timeout(message::states::RECEIVE, 0)?;
        match message::receive(chid, &mut byte) {
            Ok(received) => message::reply(received.id.number(), 0, &[])?,
            Err(Errno::ETIMEDOUT) => return Ok(order),
            Err(errno) => return Err(errno),
        }
        order.extend(byte);
    }
}

fn by_priority(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let mut clients = Vec::new();
    for (level, name) in [(30, b'd'), (60, b'a'), (45, b'c'), (30, b'e'), (60, b'b'), (10, b'f')] {
        clients.push(scene.client(level, coid, &[name], 0)?);
    }
    scene.eq("the order", drain(chid)?, b"abcdef".to_vec());
    for client in clients {
        scene.eq("each is answered", client.join()?.result, Ok(0));
    }
    Ok(())
}

fn by_arrival(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let mut clients = Vec::new();
    for name in *b"abcdefgh" {
        clients.push(scene.client(LEVEL, coid, &[name], 0)?);
    }
    scene.eq("the order", drain(chid)?, b"abcdefgh".to_vec());
    clients.into_iter().try_for_each(|client| client.join().map(|_| ()))
}

fn raised(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let low = scene.client(30, coid, b"l", 0)?;
    let middle = scene.client(40, coid, b"m", 0)?;
    let high = scene.client(60, coid, b"h", 0)?;
    low.set_priority(45)?;
    scene.settle()?;
    scene.eq("the order", drain(chid)?, b"hlm".to_vec());
    [low, middle, high].into_iter().try_for_each(|client| client.join().map(|_| ()))
}

fn lowered(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let low = scene.client(30, coid, b"l", 0)?;
    let middle = scene.client(40, coid, b"m", 0)?;
    let high = scene.client(60, coid, b"h", 0)?;
    high.set_priority(20)?;
    scene.settle()?;
    scene.eq("the order", drain(chid)?, b"mlh".to_vec());
    [low, middle, high].into_iter().try_for_each(|client| client.join().map(|_| ()))
}

fn to_oneself(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    message::timeout(message::states::SEND, 2 * MILLI)?;
    scene.eq("nobody receives", message::send(coid, b"me", &mut []), Err(Errno::ETIMEDOUT));
    scene.is_bare("afterwards", chid)
}

fn one_buffer(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let doomed = Doomed::new(1, b'q')?;
    let both = Place { length: 64, ..doomed.place() };
    let client = scene.thread(LEVEL, move || bad::send(coid, both, both))?;
    let (received, room) = receive(chid, 64);
    scene.eq("the question", &room[..], &[b'q'; 64][..]);
    message::reply(received?.id.number(), 1, &[b'a'; 32])?;
    scene.eq("the client", client.join()?, Ok(1));
    let client = scene.thread(LEVEL, move || bad::send(coid, both, Place::NONE))?;
    let (received, room) = receive(chid, 64);
    scene.eq("its room", (&room[..32], &room[32..]), (&[b'a'; 32][..], &[b'q'; 32][..]));
    message::reply(received?.id.number(), 1, &[])?;
    client.join()??;
    doomed.unmap()
}

fn between(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    agent.begin(scene, Step::Send, [theirs, 300, 10])?;
    let (received, room) = receive(chid, 400);
    let received = received?;
    scene.eq("lengths", (received.copied, received.sent), (300, 300));
    scene.eq("what it sent", &room[..300], &[0x5a; 300][..]);
    scene.eq("what lies behind", &room[300..], &[FILL; 100][..]);
    message::reply(received.id.number(), 77, b"an answer")?;
    scene.eq("what it got", agent.told()?, Ok(77));
    // And the other way, to one who waits.
    let (chid, coid) = agent.serves()?;
    agent.begin(scene, Step::Receive, [chid, 0, 0])?;
    let client = scene.client(LEVEL, coid, b"question", 8)?;
    let id = agent.told()??;
    scene.eq("its answer", agent.ask(Step::Reply, [id, 78, 0])?, Ok(0));
    let due = Sent { result: Ok(78), room: vec![FILL; 8] };
    scene.eq("what we got", client.join()?, due);
    agent.kill()
}
