// SPDX-License-Identifier: Apache-2.0
//! Section 4: MsgReceive.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_rt::{Errno, Result, message, thread};

use crate::bad::{self, Doomed, Place};
use crate::case::{Case, both, one};
use crate::scene::{LEVEL, Scene, receive};

pub(crate) const CASES: &[Case] = &[
    one(
        "receive/no-such-channel",
        "4 ESRCH",
        "process/messages: wait at a channel that is not there",
        no_channel,
    ),
    both(
        "receive/by-any-thread",
        "4 any thread",
        "process/messages: let only the thread that made the channel receive",
        any_thread,
    ),
    both("receive/many-unanswered", "4 any thread", "rendezvous: keep one message a thread", many),
    both(
        "receive/one-of-several-wakes",
        "4 Several receivers",
        "rendezvous: wake all receivers of a channel",
        one_wakes,
    ),
    both(
        "receive/bad-room",
        "4 EFAULT",
        "rendezvous: take the message from the queue before its copy",
        bad_room,
    ),
    both(
        "receive/room-that-goes",
        "4 EFAULT",
        "rendezvous: tell the sender of the receiver's fault",
        room_goes,
    ),
    both(
        "receive/who-has-sent-it",
        "4, 6 MsgInfo",
        "process/messages: leave the fourth argument of MsgReceive out",
        with_info,
    ),
    both(
        "receive/bad-place-for-who",
        "4 EFAULT",
        "process/messages: write the MsgInfo after the message was taken",
        bad_info,
    ),
    both(
        "receive/waits-again",
        "4 state RECEIVE",
        "rendezvous: leave a receiver on the channel's list after its wake",
        again,
    ),
];

fn no_channel(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    for wrong in [0, 1, chid + 1, chid ^ (1 << 32), chid | 1 << 63, 1 << 63, i64::MAX as u64] {
        message::timeout(message::states::RECEIVE, 0)?;
        let received = message::receive(wrong, &mut []).map(|_| ());
        scene.eq("at no channel", received, Err(Errno::ESRCH));
    }
    Ok(())
}

fn any_thread(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let receiver = scene.receiver(LEVEL, chid, 4)?;
    let client = scene.client(LEVEL, coid, b"any", 0)?;
    let (received, room) = receiver.join()?;
    scene.eq("what it received", &room[..3], &b"any"[..]);
    // A third one answers; who has received it is gone.
    let id = received?.id.number();
    let answer = scene.thread(LEVEL, move || message::reply(id, 5, &[]))?;
    scene.eq("the answer", answer.join()?, Ok(()));
    scene.eq("the client", client.join()?.result, Ok(5));
    Ok(())
}

fn many(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (mut clients, mut ids) = (Vec::new(), Vec::new());
    for name in 0..8_u8 {
        clients.push(scene.client(LEVEL, coid, &[name], 1)?);
        ids.push(scene.takes("each", chid, &[name])?);
    }
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    scene.eq("names", distinct.len(), ids.len());
    // Neither as they came nor the other way round.
    for place in [3, 0, 7, 5, 1, 2, 6, 4] {
        let status = 100 + place as i64;
        scene.eq("the answer", message::reply(ids[place], status, &[place as u8]), Ok(()));
    }
    for (place, client) in clients.into_iter().enumerate() {
        let sent = client.join()?;
        scene.eq("its own status", sent.result, Ok(100 + place as i64));
        scene.eq("its own answer", &sent.room[..], &[place as u8][..]);
    }
    Ok(())
}

fn one_wakes(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let awake = Arc::new(AtomicU64::new(0));
    let mut receivers = Vec::new();
    for _ in 0..3 {
        let counts = Arc::clone(&awake);
        receivers.push(scene.thread(LEVEL, move || {
            let received = message::receive(chid, &mut []);
            counts.fetch_add(1, Ordering::Relaxed);
            received.and_then(|it| message::reply(it.id.number(), 1, &[]))
        })?);
    }
    scene.eq("before any message", awake.load(Ordering::Relaxed), 0);
    for due in 1..=3 {
        let client = scene.client(LEVEL, coid, b"x", 0)?;
        scene.eq("the client", client.join()?.result, Ok(1));
        scene.settle()?;
        scene.eq("who is awake", awake.load(Ordering::Relaxed), due);
    }
    for receiver in receivers {
        scene.eq("each", receiver.join()?, Ok(()));
    }
    Ok(())
}

fn bad_room(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"still", 0)?;
    let hole = ("nothing there", Place::hole(8));
    for (what, place) in Place::ranges(8).into_iter().chain([hole, ("null", Place::null(8))]) {
        scene.eq(what, bad::receive(chid, place).map(|_| ()), Err(Errno::EFAULT));
    }
    let id = scene.takes("it is still there", chid, b"still")?;
    message::reply(id, 9, &[])?;
    scene.eq("the client", client.join()?.result, Ok(9));
    // Where it would wait.
    for (what, place) in Place::ranges(8) {
        scene.eq(what, bad::receive(chid, place).map(|_| ()), Err(Errno::EFAULT));
    }
    Ok(())
}

fn room_goes(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    // Its second half goes: what lies before may be written.
    let (kept, doomed) = (Doomed::new(1, 0)?, Doomed::new(16, 0)?);
    let place = doomed.place();
    let receiver = scene.thread(LEVEL, move || bad::receive(chid, place).map(|_| ()))?;
    doomed.unmap()?;
    let client = scene.client(LEVEL, coid, &[7; 5000], 0)?;
    scene.eq("who received", receiver.join()?, Err(Errno::EFAULT));
    let (received, room) = receive(chid, 5000);
    scene.eq("the next", &room[..], &[7; 5000][..]);
    message::reply(received?.id.number(), 3, &[])?;
    scene.eq("the client", client.join()?.result, Ok(3));
    kept.unmap()
}

fn with_info(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"queued", 12)?;
    let (id, told) = bad::receive_with_info(chid)?;
    scene.eq("of one queued", Ok(told), message::info(id));
    scene.eq("lengths", [told.msglen, told.srcmsglen, told.dstmsglen], [0, 6, 12]);
    message::reply(id, 0, &[])?;
    client.join()?;
    let receiver = scene.thread(LEVEL, move || bad::receive_with_info(chid))?;
    let client = scene.client(LEVEL, coid, b"direct", 12)?;
    let (id, told) = receiver.join()??;
    scene.eq("of one direct", Ok(told), message::info(id));
    scene.eq("the client's thread", told.tid, client.id().number());
    message::reply(id, 0, &[])?;
    client.join().map(|_| ())
}

fn bad_info(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"still", 0)?;
    for place in [Place::kernel(104), Place::hole(104), Place::around(104)] {
        message::timeout(message::states::RECEIVE, 0)?;
        let received = bad::receive_with_info_at(chid, place).map(|_| ());
        scene.eq("to a bad place", received, Err(Errno::EFAULT));
    }
    let id = scene.may_take(chid)?;
    scene.holds("the message is gone", id.is_some());
    let Some(id) = id else { return Ok(()) };
    message::reply(id, 9, &[])?;
    scene.eq("the client", client.join()?.result, Ok(9));
    Ok(())
}

fn again(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (other, other_coid) = scene.loop_back()?;
    let receiver = scene.thread(LEVEL, move || {
        let mut names = [0; 4];
        for (place, chid) in [chid, other, chid, chid].into_iter().enumerate() {
            let received = message::receive(chid, &mut names[place..=place])?;
            message::reply(received.id.number(), 0, &[])?;
            thread::yield_now();
        }
        Ok::<_, Errno>(names)
    })?;
    for (coid, name) in [(coid, b'a'), (other_coid, b'b'), (coid, b'c'), (coid, b'd')] {
        let client = scene.client(LEVEL, coid, &[name], 0)?;
        scene.eq("the client", client.join()?.result, Ok(0));
        scene.settle()?;
    }
    scene.eq("what came", receiver.join()?, Ok(*b"abcd"));
    Ok(())
}
