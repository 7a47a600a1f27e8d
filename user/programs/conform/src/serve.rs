// SPDX-License-Identifier: Apache-2.0
//! MsgReplyReceive: section 5 and then section 4, in one call.

use alloc::vec;

use skimmer_rt::message::ReplyReceiveError;
use skimmer_rt::{Errno, Result, message};

use crate::bad::{self, Place};
use crate::case::{Case, both};
use crate::scene::{FILL, LEVEL, Scene, Sent};

pub(crate) const CASES: &[Case] = &[
    both(
        "reply-receive/answers-and-takes-the-next",
        "4, 5",
        "process/messages: receive before the answer is given",
        next,
    ),
    both(
        "reply-receive/answers-and-waits",
        "4, 5",
        "process/messages: block before the client is made ready",
        waits,
    ),
    both(
        "reply-receive/stale-rcvid",
        "5 ESRCH",
        "process/messages: receive though there was nobody to answer",
        stale,
    ),
    both(
        "reply-receive/no-such-channel",
        "4 ESRCH",
        "process/messages: look the channel up before the answer is given",
        no_channel,
    ),
    both(
        "reply-receive/bad-answer",
        "5 ESRVRFAULT",
        "process/messages: receive though the answer could not be read",
        bad_answer,
    ),
    both(
        "reply-receive/bad-room",
        "4 EFAULT",
        "process/messages: judge the room for the next message before the answer",
        bad_room,
    ),
    both(
        "reply-receive/channel-goes",
        "4 ESRCH",
        "channel/table: leave receivers of a destroyed channel asleep",
        channel_goes,
    ),
];

fn next(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let first = scene.client(LEVEL, coid, b"1", 4)?;
    let second = scene.client(LEVEL, coid, b"22", 4)?;
    let id = scene.takes("the first", chid, b"1")?;
    let mut room = [FILL; 4];
    let came = message::reply_receive(id, 8, b"one", chid, &mut room);
    let Ok(received) = came else {
        scene.fail("it failed");
        return Ok(());
    };
    scene.eq("the second", room, *b"22\xa5\xa5");
    scene.eq("lengths", (received.copied, received.sent), (2, 2));
    scene.holds("another name", received.id.number() != id);
    let due = Sent { result: Ok(8), room: b"one\xa5".to_vec() };
    scene.eq("what the first got", first.join()?, due);
    message::reply(received.id.number(), 9, b"two")?;
    let due = Sent { result: Ok(9), room: b"two\xa5".to_vec() };
    scene.eq("what the second got", second.join()?, due);
    Ok(())
}

fn waits(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let server = scene.thread(LEVEL, move || {
        let mut room = vec![0; 8];
        let first = message::receive(chid, &mut room).map_err(ReplyReceiveError::Receive)?;
        let id = first.id.number();
        let second = message::reply_receive(id, 1, b"a", chid, &mut room)?;
        let answered = message::reply(second.id.number(), 2, b"b");
        Ok::<_, ReplyReceiveError>((second.copied, room, answered))
    })?;
    let first = scene.client(LEVEL, coid, b"first", 1)?;
    // It is answered though no other comes.
    let due = Sent { result: Ok(1), room: b"a".to_vec() };
    scene.eq("what the first got", first.join()?, due);
    scene.settle()?;
    let second = scene.client(LEVEL, coid, b"second", 1)?;
    let due = Sent { result: Ok(2), room: b"b".to_vec() };
    scene.eq("what the second got", second.join()?, due);
    let due = Ok((6, b"second\0\0".to_vec(), Ok(())));
    scene.eq("what the server got", server.join()?, due);
    Ok(())
}

fn stale(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let first = scene.client(LEVEL, coid, b"1", 0)?;
    let id = scene.takes("the first", chid, b"1")?;
    message::reply(id, 0, &[])?;
    first.join()?;
    let second = scene.client(LEVEL, coid, b"2", 0)?;
    let mut room = [FILL; 1];
    let came = message::reply_receive(id, 0, &[], chid, &mut room).map(|_| ());
    scene.eq("a stale name", came, Err(ReplyReceiveError::Reply(Errno::ESRCH)));
    scene.eq("nothing is received", room, [FILL]);
    let id = scene.takes("it is still there", chid, b"2")?;
    message::reply(id, 4, &[])?;
    scene.eq("the second", second.join()?.result, Ok(4));
    Ok(())
}

fn no_channel(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"1", 2)?;
    let id = scene.takes("the message", chid, b"1")?;
    let came = message::reply_receive(id, 3, b"ok", chid ^ 1 << 32, &mut []).map(|_| ());
    scene.eq("no channel", came, Err(ReplyReceiveError::Receive(Errno::ESRCH)));
    let due = Sent { result: Ok(3), room: b"ok".to_vec() };
    scene.eq("the answer was given", client.join()?, due);
    Ok(())
}

fn bad_answer(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for place in [Place::kernel(4), Place::hole(4)] {
        let client = scene.client(LEVEL, coid, b"1", 4)?;
        let id = scene.takes("the message", chid, b"1")?;
        let next = scene.client(LEVEL, coid, b"2", 4)?;
        let came = bad::reply_receive(id, place, chid, Place::NONE);
        scene.eq("who answers", came, Err((Errno::ESRVRFAULT, 1)));
        scene.eq("the client", client.join()?.result, Err(Errno::ESRVRFAULT));
        let id = scene.takes("the next is still there", chid, b"2")?;
        message::reply(id, 1, &[])?;
        scene.eq("the next", next.join()?.result, Ok(1));
    }
    // What the client has no room for cannot be written.
    let doomed = bad::Doomed::new(1, 0)?;
    let place = doomed.place();
    let client = scene.thread(LEVEL, move || bad::send(coid, Place::NONE, place))?;
    let id = scene.takes("the message", chid, b"")?;
    doomed.unmap()?;
    let came = message::reply_receive(id, 0, b"x", chid, &mut []).map(|_| ());
    scene.eq("who answers", came, Err(ReplyReceiveError::Reply(Errno::EFAULT)));
    scene.eq("the client", client.join()?, Err(Errno::EFAULT));
    Ok(())
}

fn bad_room(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for place in [Place::kernel(4), Place::hole(4)] {
        let client = scene.client(LEVEL, coid, b"1", 0)?;
        let id = scene.takes("the message", chid, b"1")?;
        let next = scene.client(LEVEL, coid, b"2", 0)?;
        let came = bad::reply_receive(id, Place::NONE, chid, place);
        scene.eq("who receives", came, Err((Errno::EFAULT, 2)));
        scene.eq("the answer was given", client.join()?.result, Ok(0));
        let id = scene.takes("the next is still there", chid, b"2")?;
        message::reply(id, 1, &[])?;
        scene.eq("the next", next.join()?.result, Ok(1));
    }
    Ok(())
}

fn channel_goes(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let server = scene.thread(LEVEL, move || {
        let first = message::receive(chid, &mut []).map_err(ReplyReceiveError::Receive)?;
        message::reply_receive(first.id.number(), 1, &[], chid, &mut []).map(|_| ())
    })?;
    let client = scene.client(LEVEL, coid, b"1", 0)?;
    scene.eq("the client", client.join()?.result, Ok(1));
    scene.settle()?;
    scene.eq("the channel goes", bad::destroy(chid), Ok(()));
    let due = Err(ReplyReceiveError::Receive(Errno::ESRCH));
    scene.eq("the server", server.join()?, due);
    Ok(())
}
