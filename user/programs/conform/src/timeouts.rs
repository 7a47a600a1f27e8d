// SPDX-License-Identifier: Apache-2.0
//! Section 13: TimerTimeout, for the states SEND, RECEIVE and REPLY.
//!
//! Nothing here has to be fast: that a timeout comes is waited for, and that it does
//! not come is looked at when it would long have been.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_rt::channel::ChannelFlags;
use skimmer_rt::message::{self, ReplyReceiveError, states};
use skimmer_rt::{Errno, Result, time};

use crate::bad;
use crate::case::{Case, both, one};
use crate::scene::{LEVEL, MILLI, Scene, attach};

pub(crate) const CASES: &[Case] = &[
    both(
        "timeout/in-send",
        "13 SEND",
        "process/timeouts: leave a sender queued as its time is up",
        in_send,
    ),
    both(
        "timeout/in-reply",
        "13 REPLY",
        "process/timeouts: let a timeout end with the state SEND",
        in_reply,
    ),
    both("timeout/in-receive", "13 RECEIVE", "process/timeouts: leave RECEIVE out", in_receive),
    both(
        "timeout/in-reply-receive",
        "13 RECEIVE",
        "process/timeouts: leave MsgReplyReceive out",
        in_reply_receive,
    ),
    both(
        "timeout/reply-only-not-in-send",
        "13 REPLY-only",
        "process/timeouts: start the clock at the call and not at the state",
        reply_only,
    ),
    both(
        "timeout/send-only-not-in-reply",
        "13 flagged state",
        "process/timeouts: keep a timeout beyond the states that were flagged",
        send_only,
    ),
    both(
        "timeout/state-that-is-not-entered",
        "13 flagged state",
        "process/timeouts: take the flags for all states",
        other_state,
    ),
    one(
        "timeout/one-clock-over-both",
        "13 SEND|REPLY",
        "process/timeouts: start the clock again at REPLY",
        one_clock,
    ),
    both(
        "timeout/next-call-only",
        "13 next kernel call",
        "process/timeouts: keep a timeout until a call blocks",
        |scene| next_only(scene, bad::who_calls),
    ),
    both(
        "timeout/next-call-only-nop",
        "13 next kernel call",
        "process/calls: answer Nop before the timeout is taken",
        |scene| next_only(scene, bad::nothing),
    ),
    both(
        "timeout/gone-with-a-call-that-did-not-wait",
        "13 blocked or not",
        "process/timeouts: keep a timeout that has not come",
        gone,
    ),
    both("timeout/the-last-counts", "13", "process/timeouts: keep the first of two", last_counts),
    both(
        "timeout/at-once",
        "13 immediate",
        "process/timeouts: take no time for no timeout",
        at_once,
    ),
    both(
        "timeout/at-once-only-where-it-waits",
        "13 immediate",
        "process/timeouts: end a call before it has looked",
        at_once_polls,
    ),
    one(
        "timeout/absolute",
        "13 TIMER_ABSTIME",
        "process/timeouts: take each time for a length",
        absolute,
    ),
    one("timeout/bad-arguments", "13 EINVAL", "process/timeouts: take any clock", bad_arguments),
    both("timeout/of-one-thread", "13", "process/timeouts: keep one timeout a process", one_thread),
    both(
        "timeout/unblock-without-pulses",
        "13, 11",
        "process/timeouts: keep a client of an UNBLOCK channel though no pulse was sent",
        unblock,
    ),
];

/// What is looked at long after.
const SHORT: u64 = 2 * MILLI;
const LONG: u64 = 8 * MILLI;

/// What must not be over before the next step is done, on any host.
const GENEROUS: u64 = 200 * MILLI;

/// Whether a client is back, and what with.
type Back = Arc<AtomicU64>;

fn nanos() -> u64 {
    u64::try_from(time::now().as_nanos()).unwrap_or(u64::MAX)
}

fn in_send(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.thread(LEVEL, move || {
        let since = nanos();
        let armed = message::timeout(states::SEND, SHORT);
        (armed, message::send(coid, b"x", &mut []), nanos() - since)
    })?;
    let (armed, sent, took) = client.join()?;
    scene.eq("what came", (armed, sent), (Ok(()), Err(Errno::ETIMEDOUT)));
    scene.holds("it came too soon", took >= SHORT);
    scene.is_bare("it is not sent any more", chid)
}

fn in_reply(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for flags in [states::REPLY, states::SEND | states::REPLY, states::ALL] {
        let client = scene.thread(LEVEL, move || {
            let since = nanos();
            let armed = message::timeout(flags, GENEROUS);
            (armed, message::send(coid, b"x", &mut []), nanos() - since)
        })?;
        let id = scene.takes("the message", chid, b"x")?;
        let (armed, sent, took) = client.join()?;
        scene.eq("what came", (armed, sent), (Ok(()), Err(Errno::ETIMEDOUT)));
        scene.holds("it came too soon", took >= GENEROUS);
        scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    }
    Ok(())
}

fn in_receive(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let server = scene.thread(LEVEL, move || {
        let since = nanos();
        let armed = message::timeout(states::RECEIVE, SHORT);
        (armed, message::receive(chid, &mut []).map(|_| ()), nanos() - since)
    })?;
    let (armed, received, took) = server.join()?;
    scene.eq("what came", (armed, received), (Ok(()), Err(Errno::ETIMEDOUT)));
    scene.holds("it came too soon", took >= SHORT);
    // It waits no longer: who sends is queued.
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the next message", chid, b"x")?;
    message::reply(id, 1, &[])?;
    scene.eq("its client", client.join()?.result, Ok(1));
    Ok(())
}

fn in_reply_receive(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the message", chid, b"x")?;
    message::timeout(states::RECEIVE, SHORT)?;
    let came = message::reply_receive(id, 3, &[], chid, &mut []).map(|_| ());
    scene.eq("what came", came, Err(ReplyReceiveError::Receive(Errno::ETIMEDOUT)));
    scene.eq("the answer was given", client.join()?.result, Ok(3));
    Ok(())
}

/// A client that arms that timeout and sends; and whether it is back.
fn armed_client(
    scene: &Scene,
    coid: u64,
    flags: u64,
    time: u64,
) -> Result<(Back, skimmer_rt::thread::JoinHandle<Result<i64>>)> {
    let back = Back::default();
    let theirs = Arc::clone(&back);
    let client = scene.thread(LEVEL, move || {
        message::timeout(flags, time)?;
        let sent = message::send(coid, b"x", &mut []);
        theirs.store(nanos(), Ordering::Release);
        sent
    })?;
    Ok((back, client))
}

fn reply_only(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (back, client) = armed_client(scene, coid, states::REPLY, SHORT)?;
    scene.sleep(LONG)?;
    scene.eq("while it is queued", back.load(Ordering::Acquire), 0);
    let id = scene.takes("the message", chid, b"x")?;
    scene.eq("once it is received", client.join()?, Err(Errno::ETIMEDOUT));
    scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    Ok(())
}

fn send_only(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (back, client) = armed_client(scene, coid, states::SEND, GENEROUS)?;
    let id = scene.takes("the message", chid, b"x")?;
    scene.sleep(GENEROUS + LONG)?;
    scene.eq("while it is received", back.load(Ordering::Acquire), 0);
    scene.eq("the answer", message::reply(id, 4, &[]), Ok(()));
    scene.eq("the client", client.join()?, Ok(4));
    Ok(())
}

fn other_state(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (back, client) = armed_client(scene, coid, states::RECEIVE, SHORT)?;
    scene.sleep(LONG)?;
    let id = scene.takes("the message", chid, b"x")?;
    scene.sleep(LONG)?;
    scene.eq("all the time", back.load(Ordering::Acquire), 0);
    scene.eq("the answer", message::reply(id, 4, &[]), Ok(()));
    scene.eq("the client", client.join()?, Ok(4));
    let server = scene.thread(LEVEL, move || {
        message::timeout(states::SEND | states::REPLY, SHORT)?;
        message::receive(chid, &mut []).map(|it| it.id.number())
    })?;
    scene.sleep(LONG)?;
    let client = scene.client(LEVEL, coid, b"y", 0)?;
    let id = server.join()?;
    scene.holds("a receiver is told ETIMEDOUT", id.is_ok());
    message::reply(id?, 5, &[])?;
    scene.eq("its client", client.join()?.result, Ok(5));
    Ok(())
}

/// The client's time is up after 40 ms, of which it is queued for 30. A clock that
/// began again would end it at 70. Who looks at 55 sees it back, or not. Where a
/// host stands still the look may come late; then it is looked again.
fn one_clock(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for _ in 0..10 {
        let since = nanos();
        let (back, client) = armed_client(scene, coid, states::SEND | states::REPLY, 40 * MILLI)?;
        let armed = nanos();
        scene.sleep((since + 30 * MILLI).saturating_sub(nanos()))?;
        message::timeout(states::RECEIVE, 0)?;
        let received = message::receive(chid, &mut []).map(|_| nanos());
        scene.sleep((since + 55 * MILLI).saturating_sub(nanos()))?;
        let (is_back, looked) = (back.load(Ordering::Acquire) != 0, nanos());
        scene.eq("the client", client.join()?, Err(Errno::ETIMEDOUT));
        // In time are what it was armed by, received by and looked at by.
        let is_in_time = armed < since + 10 * MILLI
            && received.is_ok_and(|at| at >= since + 25 * MILLI)
            && (since + 52 * MILLI..since + 64 * MILLI).contains(&looked);
        if is_in_time {
            scene.holds("the clock began again", is_back);
            return Ok(());
        }
    }
    scene.fail("this host never ran it in time");
    Ok(())
}

fn next_only(scene: &mut Scene, other: fn() -> Result<u64>) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let back = Back::default();
    let theirs = Arc::clone(&back);
    let client = scene.thread(LEVEL, move || {
        message::timeout(states::ALL, SHORT)?;
        other()?;
        let sent = message::send(coid, b"x", &mut []);
        theirs.store(1, Ordering::Release);
        sent
    })?;
    scene.sleep(LONG)?;
    scene.eq("while it is queued", back.load(Ordering::Acquire), 0);
    let Some(id) = scene.may_take(chid)? else { return Ok(()) };
    scene.sleep(LONG)?;
    scene.eq("all the time", back.load(Ordering::Acquire), 0);
    message::reply(id, 1, &[])?;
    scene.eq("the client", client.join()?, Ok(1));
    Ok(())
}

fn gone(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let server = scene.thread(LEVEL, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        message::reply(id, 1, &[])
    })?;
    let back = Back::default();
    let theirs = Arc::clone(&back);
    let client = scene.thread(LEVEL, move || {
        // Answered long before.
        message::timeout(states::ALL, GENEROUS)?;
        let first = message::send(coid, b"x", &mut [])?;
        let second = message::send(coid, b"y", &mut []);
        theirs.store(1, Ordering::Release);
        second.map(|second| (first, second))
    })?;
    server.join()??;
    scene.sleep(GENEROUS + LONG)?;
    let id = scene.takes("the second", chid, b"y")?;
    scene.eq("all the time", back.load(Ordering::Acquire), 0);
    message::reply(id, 2, &[])?;
    scene.eq("the client", client.join()?, Ok((1, 2)));
    Ok(())
}

fn last_counts(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let back = Back::default();
    let theirs = Arc::clone(&back);
    let client = scene.thread(LEVEL, move || {
        message::timeout(states::SEND, SHORT)?;
        message::timeout(states::RECEIVE, SHORT)?;
        let sent = message::send(coid, b"x", &mut []);
        theirs.store(1, Ordering::Release);
        sent
    })?;
    scene.sleep(LONG)?;
    scene.eq("the first", back.load(Ordering::Acquire), 0);
    let id = scene.takes("the message", chid, b"x")?;
    message::reply(id, 1, &[])?;
    scene.eq("the client", client.join()?, Ok(1));
    Ok(())
}

fn at_once(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    // One after the other in this thread: there is nobody who could let it go on.
    message::timeout(states::SEND, 0)?;
    scene.eq("to send", message::send(coid, b"x", &mut []), Err(Errno::ETIMEDOUT));
    message::timeout(states::RECEIVE, 0)?;
    let received = message::receive(chid, &mut []).map(|_| ());
    scene.eq("to receive", received, Err(Errno::ETIMEDOUT));
    let (_, client) = armed_client(scene, coid, states::REPLY, 0)?;
    let id = scene.takes("the message", chid, b"x")?;
    scene.eq("to be answered", client.join()?, Err(Errno::ETIMEDOUT));
    scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    Ok(())
}

fn at_once_polls(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    message::timeout(states::RECEIVE, 0)?;
    let received = message::receive(chid, &mut []).map(|it| it.id.number());
    scene.holds("a message that was there is not received", received.is_ok());
    message::reply(received?, 1, &[])?;
    scene.eq("its client", client.join()?.result, Ok(1));
    // Who meets a receiver is never in SEND.
    let server = scene.thread(LEVEL, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        message::reply(id, 2, &[])
    })?;
    let (_, client) = armed_client(scene, coid, states::SEND, 0)?;
    scene.eq("the client", client.join()?, Ok(2));
    scene.eq("the server", server.join()?, Ok(()));
    Ok(())
}

fn absolute(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    for due in [nanos() + SHORT, 0, nanos() - 1] {
        message::timeout_at(states::RECEIVE, due)?;
        let received = message::receive(chid, &mut []).map(|_| ());
        scene.eq("what came", received, Err(Errno::ETIMEDOUT));
        scene.holds("it came too soon", nanos() >= due);
    }
    // A length from now on that is longer than any time since boot.
    let since = nanos();
    message::timeout(states::RECEIVE, SHORT)?;
    let received = message::receive(chid, &mut []).map(|_| ());
    scene.eq("a length", received, Err(Errno::ETIMEDOUT));
    scene.holds("it came too soon", nanos() - since >= SHORT);
    Ok(())
}

fn bad_arguments(scene: &mut Scene) -> Result<()> {
    for clock in [0, 1, 3, u64::MAX] {
        let armed = bad::timeout(clock, states::SEND, MILLI, 0);
        scene.eq("another clock", armed, Err(Errno::EINVAL));
    }
    for flags in [1, 1 << 3, states::ALL | 1 << 63] {
        scene.eq("no state", bad::timeout(2, flags, MILLI, 0), Err(Errno::EINVAL));
    }
    for how in [2, u64::MAX] {
        scene.eq("no way", bad::timeout(2, states::SEND, MILLI, how), Err(Errno::EINVAL));
    }
    scene.eq("the right ones", bad::timeout(2, states::ALL, MILLI, 1), Ok(()));
    scene.eq("the longest", bad::timeout(2, states::ALL, u64::MAX, 0), Ok(()));
    Ok(())
}

fn one_thread(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let back = Back::default();
    let theirs = Arc::clone(&back);
    let plain = scene.thread(LEVEL, move || {
        let sent = message::send(coid, b"p", &mut []);
        theirs.store(1, Ordering::Release);
        sent
    })?;
    let (_, armed) = armed_client(scene, coid, states::SEND, SHORT)?;
    scene.eq("who asked for it", armed.join()?, Err(Errno::ETIMEDOUT));
    scene.sleep(LONG)?;
    scene.eq("who did not", back.load(Ordering::Acquire), 0);
    let id = scene.takes("the message", chid, b"p")?;
    message::reply(id, 1, &[])?;
    scene.eq("the client", plain.join()?, Ok(1));
    Ok(())
}

fn unblock(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel_with(ChannelFlags::UNBLOCK)?;
    let coid = attach(chid)?;
    let (_, client) = armed_client(scene, coid, states::REPLY, SHORT)?;
    let id = scene.takes("the message", chid, b"x")?;
    scene.eq("the client", client.join()?, Err(Errno::ETIMEDOUT));
    scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    Ok(())
}
