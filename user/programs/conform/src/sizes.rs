// SPDX-License-Identifier: Apache-2.0
//! Section 3, Length: messages and answers of many sizes at many places, compared
//! byte by byte, and what lies around them untouched.

use alloc::vec;
use alloc::vec::Vec;

use skimmer_rt::channel::ChannelFlags;
use skimmer_rt::message::{self, ReplyReceiveError};
use skimmer_rt::thread::{Builder, JoinHandle};
use skimmer_rt::{Errno, Result, process};

use crate::agent::{Agent, Step};
use crate::bad::{self, Doomed, Place};
use crate::case::{Case, both};
use crate::scene::{FILL, LEVEL, Scene, attach};

pub(crate) const CASES: &[Case] = &[
    both(
        "sizes/threads-that-wait",
        "3 Length, direct",
        "arch/user_copy: round a length down to words",
        |scene| of_threads(scene, 60, 40, 0),
    ),
    both(
        "sizes/threads-that-are-queued",
        "3 Length, queued",
        "core/channel/rendezvous: copy a queued message only up to what fits the snapshot",
        |scene| of_threads(scene, 40, 60, 0),
    ),
    both(
        "sizes/to-a-process",
        "3 Length",
        "arch/user_copy: go on in the same page at a page's end",
        |scene| to_process(scene, 0),
    ),
    both(
        "sizes/from-a-process",
        "3 Length",
        "arch/user_copy: take the receiver's space for the sender's pages",
        |scene| from_process(scene, 0),
    ),
    both("sizes/mebibyte", "3 Length", "process/messages: cut messages at 64 KiB", |scene| {
        of_threads(scene, 60, 40, 1)?;
        of_threads(scene, 40, 60, 1)?;
        to_process(scene, 1)?;
        from_process(scene, 1)
    }),
    both(
        "sizes/short-between-threads",
        "3 Length",
        "arch/user_copy: put all that is short into words",
        |scene| {
            of_threads(scene, 60, 40, 2)?;
            of_threads(scene, 40, 60, 2)
        },
    ),
    both(
        "sizes/short-between-processes",
        "3 Length",
        "arch/user_copy: store a short message before the other's space is loaded",
        |scene| {
            to_process(scene, 2)?;
            from_process(scene, 2)
        },
    ),
    both(
        "sizes/short-over-an-edge",
        "3 EFAULT, 5 ESRVRFAULT",
        "arch/user_copy: leave the other's space loaded after a fault",
        over_an_edge,
    ),
    both(
        "sizes/short-over-an-edge-to-a-process",
        "3 EFAULT, 5 ESRVRFAULT",
        "arch/user_copy: load the other's space before the caller's bytes",
        over_an_edge_to_process,
    ),
];

/// All that is short, and one more.
const SHORT: [usize; 65] = {
    let mut lengths = [0; 65];
    let mut place = 0;
    while place < lengths.len() {
        lengths[place] = place + 1;
        place += 1;
    }
    lengths
};

/// Lengths of the messages, and of their answers.
const LENGTHS: [&[usize]; 3] =
    [&[0, 1, 7, 8, 63, 64, 65, 512, 4095, 4096, 4097, 65536], &[1 << 20, (1 << 20) - 1], &SHORT];

/// Where messages and answers begin in their buffers: of short ones at every distance to
/// a word, and over a page's end (of rooms behind the margin, too).
const OFFSETS: [&[usize]; 3] =
    [&[0, 1, 7, 8, 4093], &[0, 3], &[0, 1, 2, 3995, 4060, 3997, 4062, 3999]];

/// Of bytes that lie over an edge: how many are there, and how many there should be.
const OVER: [(u64, u64); 6] = [(8, 16), (8, 64), (56, 64), (3, 7), (61, 64), (1, 65)];

/// The most that is sent.
const MOST: usize = 1 << 20;

/// Around what is written so many bytes are looked at.
const MARGIN: usize = 64;

/// Room before and behind it: all offsets, and the margins.
const AROUND: usize = 8192;

fn byte(place: usize, length: usize) -> u8 {
    (place.wrapping_mul(31) ^ place >> 8 ^ length) as u8
}

/// Whether nothing around that part of the buffer was written.
fn is_clean(buffer: &[u8], from: usize, length: usize) -> bool {
    let before = &buffer[from.saturating_sub(MARGIN)..from];
    let behind = &buffer[from + length..buffer.len().min(from + length + MARGIN)];
    before.iter().chain(behind).all(|byte| *byte == FILL)
}

/// A server that answers every message with its complement, and with its length as
/// the status, or −1 if something was written that should not be. Until its channel
/// goes.
pub(crate) fn echo(chid: u64) -> Result<()> {
    let mut into = vec![FILL; MOST + AROUND];
    let mut answer: Vec<u8> = vec![0; MOST + AROUND];
    let mut offset = MARGIN;
    let mut received = message::receive(chid, &mut into[offset..offset + MOST])?;
    loop {
        let length = received.copied;
        let is_right = is_clean(&into, offset, length) && received.sent == length;
        for (place, byte) in into[offset..offset + length].iter_mut().enumerate() {
            // By another offset than it came.
            answer[2 * offset + place] = !*byte;
            *byte = FILL;
        }
        let status = if is_right { length as i64 } else { -1 };
        let out = 2 * offset..2 * offset + length;
        offset = MARGIN + (offset + 1) % 9;
        let room = &mut into[offset..offset + MOST];
        let next = message::reply_receive(received.id.number(), status, &answer[out], chid, room);
        received = match next {
            Ok(next) => next,
            Err(ReplyReceiveError::Receive(Errno::ESRCH)) => return Ok(()),
            Err(ReplyReceiveError::Receive(errno) | ReplyReceiveError::Reply(errno)) => {
                return Err(errno);
            }
        };
    }
}

/// Asks an echo with messages of all lengths from everywhere, for answers everywhere.
/// 0, or the first length that was not right, plus 1.
pub(crate) fn ask(coid: u64, set: u64) -> Result<u64> {
    let set = set as usize;
    let mut from = vec![0; MOST + AROUND];
    let mut room = vec![FILL; MOST + AROUND];
    for &length in LENGTHS[set] {
        for &start in OFFSETS[set] {
            let message = &mut from[start..start + length];
            message.iter_mut().enumerate().for_each(|(at, it)| *it = byte(at, length));
            for &place in OFFSETS[set] {
                let place = place + MARGIN;
                let wrong = one(coid, &from[start..start + length], &mut room, place)?;
                if wrong {
                    return Ok(length as u64 + 1);
                }
            }
        }
    }
    Ok(0)
}

/// Whether something is wrong with one of them. The room is as it was afterwards.
fn one(coid: u64, message: &[u8], room: &mut [u8], place: usize) -> Result<bool> {
    let length = message.len();
    // With more room than there is answer.
    let status = message::send(coid, message, &mut room[place..place + length + MARGIN])?;
    let is_right = status == length as i64
        && is_clean(room, place, length)
        && message.iter().zip(&room[place..place + length]).all(|(sent, came)| *came == !*sent);
    room[place..place + length].fill(FILL);
    Ok(!is_right)
}

/// The echo as a thread, on the others' hart.
fn echo_thread(scene: &Scene, level: u8, chid: u64) -> Result<JoinHandle<Result<()>>> {
    Builder::new().hart(scene.there()).priority(level).spawn(move || echo(chid))
}

/// Between two threads. The more urgent one has its way: an urgent server waits for
/// each message, an urgent client's is queued each time.
fn of_threads(scene: &mut Scene, server: u8, client: u8, set: u64) -> Result<()> {
    let chid = scene.channel_with(ChannelFlags::FIXED_PRIORITY)?;
    let coid = attach(chid)?;
    let server = echo_thread(scene, server, chid)?;
    let client = Builder::new().hart(0).priority(client).spawn(move || ask(coid, set))?;
    scene.eq("the first length that is wrong, plus 1", client.join()?, Ok(0));
    bad::destroy(chid)?;
    scene.eq("the server", server.join()?, Ok(()));
    Ok(())
}

fn to_process(scene: &mut Scene, set: u64) -> Result<()> {
    let mut agent = Agent::start(scene)?;
    let (chid, coid) = agent.serves()?;
    agent.tell(Step::Echo, [chid, 0, 0])?;
    scene.eq("the first length that is wrong, plus 1", ask(coid, set), Ok(0));
    agent.kill()
}

fn from_process(scene: &mut Scene, set: u64) -> Result<()> {
    let chid = scene.channel()?;
    let server = Builder::new().hart(0).spawn(move || echo(chid))?;
    let mut agent = Agent::start(scene)?;
    let own = process::id()?.number();
    let coid = agent.gives(Step::Attach, [own, chid, 0])?;
    let asked = agent.ask(Step::Ask, [coid, set, 0])?;
    scene.eq("the first length that is wrong, plus 1", asked, Ok(0));
    bad::destroy(chid)?;
    scene.eq("the server", server.join()?, Ok(()));
    agent.kill()
}

/// Messages, rooms and answers of which the end is not there, between threads.
fn over_an_edge(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let edge = Doomed::new(2, 1)?.cut()?;
    for (there, length) in OVER {
        let bad = edge.over(there, length);
        let all = [7; 65];
        let message = &all[..length as usize];

        let client = scene.thread(LEVEL, move || bad::send(coid, bad, Place::NONE))?;
        scene.is_bare("who has sent nothing", chid)?;
        scene.eq("a message that is queued", client.join()?, Err(Errno::EFAULT));

        let receiver = scene.receiver(LEVEL, chid, 65)?;
        let client = scene.thread(LEVEL, move || bad::send(coid, bad, Place::NONE))?;
        scene.eq("a message to one who waits", client.join()?, Err(Errno::EFAULT));
        let client = scene.client(LEVEL, coid, message, 65)?;
        let (received, room) = receiver.join()?;
        scene.eq("the one who waits goes on", &room[..message.len()], message);
        let id = received?.id.number();
        scene.eq("an answer", bad::reply(id, 0, bad), Err(Errno::ESRVRFAULT));
        scene.eq("the client", client.join()?.result, Err(Errno::ESRVRFAULT));

        let receiver = scene.thread(LEVEL, move || bad::receive(chid, bad).map(|_| ()))?;
        let client = scene.client(LEVEL, coid, message, 0)?;
        scene.eq("a receiver's room", receiver.join()?, Err(Errno::EFAULT));
        let id = scene.takes("the send is tried again", chid, message)?;
        message::reply(id, 6, &[])?;
        scene.eq("its client", client.join()?.result, Ok(6));

        let client = scene.thread(LEVEL, move || bad::send(coid, Place::NONE, bad))?;
        let id = scene.takes("a message without bytes", chid, &[])?;
        scene.eq("a client's room", message::reply(id, 0, message), Err(Errno::EFAULT));
        scene.eq("whose it was", client.join()?, Err(Errno::EFAULT));
    }
    Ok(())
}

/// The same where the other is a process, whose memory is good.
fn over_an_edge_to_process(scene: &mut Scene) -> Result<()> {
    let mut agent = Agent::start(scene)?;
    let (theirs, coid) = agent.serves()?;
    let chid = scene.channel()?;
    let to_us = agent.attaches(chid)?;
    let edge = Doomed::new(2, 1)?.cut()?;
    for (there, length) in OVER {
        let bad = edge.over(there, length);
        agent.begin(scene, Step::Receive, [theirs, 0, 0])?;
        // Its room has 16 bytes: of a shorter message all is copied.
        let is_read = there < length.min(16);
        if is_read {
            scene.eq("a message", bad::send(coid, bad, Place::NONE), Err(Errno::EFAULT));
        }
        let client = scene.client(LEVEL, coid, b"good", 0)?;
        let id = agent.told()??;
        scene.eq("its answer", agent.ask(Step::Reply, [id, 5, 0])?, Ok(0));
        scene.eq("to the next", client.join()?.result, Ok(5));

        agent.begin(scene, Step::Send, [to_us, 2, 65])?;
        let id = scene.takes("its message", chid, b"ZZ")?;
        scene.eq("an answer", bad::reply(id, 0, bad), Err(Errno::ESRVRFAULT));
        scene.eq("what it got", agent.told()?, Err(Errno::ESRVRFAULT));
    }
    agent.kill()
}
