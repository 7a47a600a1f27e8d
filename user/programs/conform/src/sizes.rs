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
use crate::bad;
use crate::case::{Case, both};
use crate::scene::{FILL, Scene, attach};

pub(crate) const CASES: &[Case] = &[
    both(
        "sizes/threads-that-wait",
        "3 Length, direct",
        "user_copy between spaces: round a length down to words",
        |scene| of_threads(scene, 60, 40, 0),
    ),
    both(
        "sizes/threads-that-are-queued",
        "3 Length, queued",
        "rendezvous: copy a queued message only up to what fits the snapshot",
        |scene| of_threads(scene, 40, 60, 0),
    ),
    both(
        "sizes/to-a-process",
        "3 Length",
        "user_copy between spaces: go on in the same page at a page's end",
        |scene| to_process(scene, 0),
    ),
    both(
        "sizes/from-a-process",
        "3 Length",
        "user_copy between spaces: take the receiver's space for the sender's pages",
        |scene| from_process(scene, 0),
    ),
    both("sizes/mebibyte", "3 Length", "process/messages: cut messages at 64 KiB", |scene| {
        of_threads(scene, 60, 40, 1)?;
        of_threads(scene, 40, 60, 1)?;
        to_process(scene, 1)?;
        from_process(scene, 1)
    }),
];

/// Lengths of the messages, and of their answers.
const LENGTHS: [&[usize]; 2] =
    [&[0, 1, 7, 8, 63, 64, 65, 512, 4095, 4096, 4097, 65536], &[1 << 20, (1 << 20) - 1]];

/// Where messages and answers begin in their buffers.
const OFFSETS: [&[usize]; 2] = [&[0, 1, 7, 8, 4093], &[0, 3]];

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
    let set = usize::from(set != 0);
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
