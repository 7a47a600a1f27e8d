// SPDX-License-Identifier: Apache-2.0
//! Section 12: priority inheritance.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_rt::channel::ChannelFlags;
use skimmer_rt::thread::{self, Builder, JoinHandle, ThreadId};
use skimmer_rt::{Errno, Result, message};

use crate::bad;
use crate::case::{Case, both, one};
use crate::scene::{Scene, attach};

pub(crate) const CASES: &[Case] = &[
    both("priority/up", "12.1", "rendezvous: let a receiver keep its priority", up),
    both("priority/down", "12.1", "rendezvous: only raise a receiver", down),
    both(
        "priority/kept-after-the-answer",
        "12.3",
        "process/messages: give the receiver its own priority back at MsgReply",
        kept,
    ),
    both(
        "priority/own-where-nobody-waits",
        "12.3",
        "rendezvous: let who waits at a channel keep what it inherited",
        own_again,
    ),
    both(
        "priority/of-the-next-message",
        "12.3",
        "rendezvous: inherit at the first receive only",
        of_next,
    ),
    both(
        "priority/explicit-change-ends-it",
        "12.3",
        "threads::set_priority: change what is inherited and not what is one's own",
        explicit,
    ),
    both(
        "priority/leaving-ends-it",
        "12.3, 4 chid -1",
        "process/messages: let MsgReceive(-1) do nothing",
        leaving,
    ),
    both("priority/fixed", "12.4", "rendezvous: leave the flag FIXED_PRIORITY out", fixed),
    both(
        "priority/of-one-who-was-changed-while-queued",
        "12.1, 3 Queue order",
        "rendezvous: inherit the priority that a client had as it sent",
        changed_queued,
    ),
    both(
        "priority/boost",
        "12.2",
        "rendezvous: leave servers as they are when a more urgent client is queued",
        boost,
    ),
    both(
        "priority/boost-of-one-who-runs",
        "12.2",
        "core/sched: boost only threads that are blocked",
        boost_running,
    ),
    both(
        "priority/boost-after-an-explicit-change",
        "12.2",
        "threads::set_priority: forget the thread's last channel",
        |scene| boost_changed(scene, OWN, 60),
    ),
    both(
        "priority/boost-after-it-was-lowered",
        "12.2",
        "rendezvous: boost only above what the server was given before",
        |scene| boost_changed(scene, 60, 50),
    ),
    both(
        "priority/boost-never-lowers",
        "12.2",
        "rendezvous: give servers the priority of any client that is queued",
        boost_low,
    ),
    both(
        "priority/boost-of-that-channel-only",
        "12.2",
        "rendezvous: boost all threads of the server's process",
        boost_others,
    ),
    both(
        "priority/boost-not-of-who-left",
        "12.3, 4 chid -1",
        "process/messages: keep the last channel at MsgReceive(-1)",
        boost_left,
    ),
    both(
        "priority/boost-not-of-fixed",
        "12.4",
        "rendezvous: leave the flag FIXED_PRIORITY out of the boost",
        boost_fixed,
    ),
    both(
        "priority/boost-ends-at-the-next-receive",
        "12.3",
        "rendezvous: let a boosted server keep the boost at its receive",
        boost_ends,
    ),
    both("priority/nested", "12.5", "rendezvous: send with a server's own priority", nested),
    both(
        "priority/not-further-than-one",
        "12.6",
        "rendezvous: pass a boost on to the server that a server waits for",
        immediate,
    ),
    both(
        "priority/boosted-while-queued",
        "12.6, 3 Queue order",
        "rendezvous: leave a boosted server where it is queued",
        queued_again,
    ),
    both(
        "priority/late-change-of-a-client",
        "12.7",
        "threads::set_priority: pass a client's change on to its server",
        late_change,
    ),
    one(
        "priority/lowered-stays-first",
        "12.8",
        "core/runq: put who is lowered by inheritance behind its equals",
        stays_first,
    ),
];

/// A server's own priority.
const OWN: u8 = 40;

/// What a server saw of its priority.
type Seen = Result<Vec<u8>>;

/// A server that receives, looks at its priority, and answers, as often.
fn server(scene: &Scene, chid: u64, times: usize) -> Result<JoinHandle<Seen>> {
    scene.thread(OWN, move || {
        let mut seen = Vec::new();
        for _ in 0..times {
            let id = message::receive(chid, &mut [])?.id.number();
            seen.push(thread::priority()?);
            message::reply(id, 0, &[])?;
        }
        Ok(seen)
    })
}

/// Whoever joins this thread waits until the channel that it receives at goes.
fn gate(scene: &Scene) -> Result<(u64, ThreadId)> {
    let chid = scene.channel()?;
    let waits = scene.thread(OWN, move || message::receive(chid, &mut []).map(|_| ()))?;
    Ok((chid, waits.into_id()))
}

/// A server that receives once, and then waits for `gate`. What it sees in the end.
fn held(scene: &Scene, chid: u64, gate: ThreadId) -> Result<JoinHandle<Result<u8>>> {
    scene.thread(OWN, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        gate.join()?;
        let seen = thread::priority();
        message::reply(id, 0, &[])?;
        seen
    })
}

fn up(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let direct = server(scene, chid, 1)?;
    scene.client(60, coid, b"", 0)?.join()?;
    scene.eq("a receiver that waited", direct.join()?, Ok(Vec::from([60])));
    let client = scene.client(60, coid, b"", 0)?;
    scene.eq("one that came later", server(scene, chid, 1)?.join()?, Ok(Vec::from([60])));
    client.join().map(|_| ())
}

fn down(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let direct = server(scene, chid, 1)?;
    scene.client(30, coid, b"", 0)?.join()?;
    scene.eq("a receiver that waited", direct.join()?, Ok(Vec::from([30])));
    let client = scene.client(30, coid, b"", 0)?;
    scene.eq("one that came later", server(scene, chid, 1)?.join()?, Ok(Vec::from([30])));
    client.join().map(|_| ())
}

fn kept(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for level in [60, 30] {
        let server = scene.thread(OWN, move || {
            let id = message::receive(chid, &mut [])?.id.number();
            message::reply(id, 0, &[])?;
            thread::yield_now();
            thread::priority()
        })?;
        scene.client(level, coid, b"", 0)?.join()?;
        scene.eq("after the answer", server.join()?, Ok(level));
    }
    Ok(())
}

fn own_again(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let server = server(scene, chid, 3)?;
    scene.eq("before any message", server.priority(), Ok(OWN));
    for level in [60, 30] {
        scene.client(level, coid, b"", 0)?.join()?;
        scene.settle()?;
        scene.eq("while it waits again", server.priority(), Ok(OWN));
    }
    scene.client(55, coid, b"", 0)?.join()?;
    scene.eq("at each message", server.join()?, Ok(Vec::from([60, 30, 55])));
    Ok(())
}

fn of_next(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let mut clients = Vec::new();
    for level in [30, 60, 45] {
        clients.push(scene.client(level, coid, b"", 0)?);
    }
    let seen = server(scene, chid, 3)?.join()?;
    scene.eq("one after the other", seen, Ok(Vec::from([60, 45, 30])));
    clients.into_iter().try_for_each(|client| client.join().map(|_| ()))?;
    // The same by MsgReplyReceive.
    let (first, second) = (scene.client(60, coid, b"", 0)?, scene.client(30, coid, b"", 0)?);
    let server = scene.thread(OWN, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        let next = message::reply_receive(id, 0, &[], chid, &mut []).map_err(|_| Errno::EINVAL)?;
        let seen = thread::priority();
        message::reply(next.id.number(), 0, &[])?;
        seen
    })?;
    scene.eq("by MsgReplyReceive", server.join()?, Ok(30));
    [first, second].into_iter().try_for_each(|client| client.join().map(|_| ()))
}

fn explicit(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let server = scene.thread(OWN, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        thread::set_priority(45)?;
        let seen = thread::priority()?;
        message::reply(id, 0, &[])?;
        let id = message::receive(chid, &mut [])?.id.number();
        message::reply(id, 0, &[])?;
        Ok::<_, Errno>(seen)
    })?;
    scene.client(60, coid, b"", 0)?.join()?;
    scene.settle()?;
    scene.eq("while it waits again", server.priority(), Ok(45));
    scene.client(60, coid, b"", 0)?.join()?;
    scene.eq("at once", server.join()?, Ok(45));
    Ok(())
}

fn leaving(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for level in [60, 30] {
        let server = scene.thread(OWN, move || {
            let id = message::receive(chid, &mut [])?.id.number();
            let left = message::leave_channel();
            let seen = thread::priority();
            message::reply(id, 0, &[])?;
            left.and(seen)
        })?;
        scene.client(level, coid, b"", 0)?.join()?;
        scene.eq("after it left", server.join()?, Ok(OWN));
    }
    scene.eq("who was at none", message::leave_channel(), Ok(()));
    Ok(())
}

fn fixed(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel_with(ChannelFlags::FIXED_PRIORITY)?;
    let coid = attach(chid)?;
    let server = server(scene, chid, 2)?;
    scene.client(60, coid, b"", 0)?.join()?;
    scene.client(30, coid, b"", 0)?.join()?;
    scene.eq("at each message", server.join()?, Ok(Vec::from([OWN, OWN])));
    Ok(())
}

fn changed_queued(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for (before, after) in [(30, 60), (60, 30)] {
        let client = scene.client(before, coid, b"", 0)?;
        client.set_priority(after)?;
        scene.settle()?;
        let seen = server(scene, chid, 1)?.join()?;
        scene.eq("what it has now", seen, Ok(Vec::from([after])));
        client.join()?;
    }
    Ok(())
}

fn boost(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (opens, gate) = gate(scene)?;
    let server = held(scene, chid, gate)?;
    let first = scene.client(OWN, coid, b"", 0)?;
    scene.eq("as it received", server.priority(), Ok(OWN));
    let second = scene.client(60, coid, b"", 0)?;
    scene.settle()?;
    scene.eq("as a more urgent one is queued", server.priority(), Ok(60));
    let third = scene.client(70, coid, b"", 0)?;
    scene.settle()?;
    scene.eq("and another", server.priority(), Ok(70));
    bad::destroy(opens)?;
    scene.eq("what it sees", server.join()?, Ok(70));
    first.join()?;
    bad::destroy(chid)?;
    [second, third].into_iter().try_for_each(|client| client.join().map(|_| ()))
}

fn boost_running(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (has_received, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (theirs, says) = (Arc::clone(&stop), Arc::clone(&has_received));
    let server = scene.thread(OWN, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        says.store(1, Ordering::Relaxed);
        while theirs.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        let seen = thread::priority();
        message::reply(id, 0, &[])?;
        seen
    })?;
    // Above it and below us: where it runs on our hart, they do while we wait.
    let there = scene.there();
    let client = |level| {
        Builder::new().hart(there).priority(level).spawn(move || message::send(coid, b"", &mut []))
    };
    let first = client(OWN)?;
    scene.until(|| has_received.load(Ordering::Relaxed) == 1)?;
    let before = server.priority();
    let second = client(OWN + 5)?;
    scene.until(|| server.priority() == Ok(OWN + 5))?;
    let after = server.priority();
    stop.store(1, Ordering::Relaxed);
    scene.eq("while it runs, before", before, Ok(OWN));
    scene.eq("as a more urgent one is queued", after, Ok(OWN + 5));
    scene.eq("what it sees", server.join()?, Ok(OWN + 5));
    scene.eq("its client", first.join()?, Ok(0));
    bad::destroy(chid)?;
    second.join().map(|_| ())
}

/// Clients of these priorities, with the server set to another between them.
fn boost_changed(scene: &mut Scene, first: u8, second: u8) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (opens, gate) = gate(scene)?;
    let server = scene.thread(OWN, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        thread::set_priority(35)?;
        gate.join()?;
        let seen = thread::priority();
        message::reply(id, 0, &[])?;
        seen
    })?;
    let received = scene.client(first, coid, b"", 0)?;
    scene.eq("as it was set", server.priority(), Ok(35));
    let queued = scene.client(second, coid, b"", 0)?;
    scene.settle()?;
    scene.eq("as a more urgent one is queued", server.priority(), Ok(second));
    bad::destroy(opens)?;
    scene.eq("what it sees", server.join()?, Ok(second));
    received.join()?;
    bad::destroy(chid)?;
    queued.join().map(|_| ())
}

fn boost_low(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (opens, gate) = gate(scene)?;
    let server = held(scene, chid, gate)?;
    let first = scene.client(OWN, coid, b"", 0)?;
    let second = scene.client(30, coid, b"", 0)?;
    scene.settle()?;
    scene.eq("as a less urgent one is queued", server.priority(), Ok(OWN));
    bad::destroy(opens)?;
    scene.eq("what it sees", server.join()?, Ok(OWN));
    first.join()?;
    bad::destroy(chid)?;
    second.join().map(|_| ())
}

fn boost_others(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (other, other_coid) = scene.loop_back()?;
    let (opens, gate_id) = gate(scene)?;
    let (opens_too, second_gate) = gate(scene)?;
    let server = held(scene, other, gate_id)?;
    let first = scene.client(OWN, other_coid, b"", 0)?;
    let never = scene.thread(OWN, move || second_gate.join().map(|_| ()))?;
    let client = scene.client(60, coid, b"", 0)?;
    scene.settle()?;
    scene.eq("a server of another channel", server.priority(), Ok(OWN));
    scene.eq("who never received", never.priority(), Ok(OWN));
    bad::destroy(opens)?;
    bad::destroy(opens_too)?;
    bad::destroy(chid)?;
    server.join()??;
    never.join()??;
    first.join()?;
    client.join().map(|_| ())
}

fn boost_left(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (opens, gate) = gate(scene)?;
    let server = scene.thread(OWN, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        message::leave_channel()?;
        gate.join()?;
        message::reply(id, 0, &[])
    })?;
    let first = scene.client(OWN, coid, b"", 0)?;
    let second = scene.client(60, coid, b"", 0)?;
    scene.settle()?;
    scene.eq("who left", server.priority(), Ok(OWN));
    bad::destroy(opens)?;
    scene.eq("the answer of one who left", server.join()?, Ok(()));
    scene.eq("its client", first.join()?.result, Ok(0));
    bad::destroy(chid)?;
    second.join().map(|_| ())
}

fn boost_fixed(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel_with(ChannelFlags::FIXED_PRIORITY)?;
    let coid = attach(chid)?;
    let (opens, gate) = gate(scene)?;
    let server = held(scene, chid, gate)?;
    let first = scene.client(OWN, coid, b"", 0)?;
    let second = scene.client(60, coid, b"", 0)?;
    scene.settle()?;
    scene.eq("as a more urgent one is queued", server.priority(), Ok(OWN));
    bad::destroy(opens)?;
    server.join()??;
    first.join()?;
    bad::destroy(chid)?;
    second.join().map(|_| ())
}

fn boost_ends(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (opens, gate) = gate(scene)?;
    let server = scene.thread(OWN, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        gate.join()?;
        message::reply(id, 0, &[])?;
        // Who raised it has given up.
        message::receive(chid, &mut []).map(|_| ())
    })?;
    let first = scene.client(OWN, coid, b"", 0)?;
    let other = attach(chid)?;
    let second = scene.client(60, other, b"", 0)?;
    scene.settle()?;
    scene.eq("as a more urgent one is queued", server.priority(), Ok(60));
    bad::detach(other)?;
    scene.eq("who has detached", second.join()?.result, Err(Errno::EBADF));
    bad::destroy(opens)?;
    first.join()?;
    scene.settle()?;
    scene.eq("while it waits again", server.priority(), Ok(OWN));
    bad::destroy(chid)?;
    scene.eq("the server", server.join()?, Err(Errno::ESRCH));
    Ok(())
}

/// A server that receives, sends on by that connection, and answers with the status
/// that comes back.
fn middle(scene: &Scene, chid: u64, coid: u64) -> Result<JoinHandle<Result<()>>> {
    scene.thread(OWN, move || {
        let id = message::receive(chid, &mut [])?.id.number();
        let status = message::send(coid, b"m", &mut [])?;
        message::reply(id, status, &[])
    })
}

fn nested(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (far, far_coid) = scene.loop_back()?;
    let last = server(scene, far, 2)?;
    for level in [60, 30] {
        let between = middle(scene, chid, far_coid)?;
        scene.eq("the client", scene_client(scene, level, coid)?, Ok(0));
        scene.eq("who is between", between.join()?, Ok(()));
    }
    scene.eq("the last in the row", last.join()?, Ok(Vec::from([60, 30])));
    Ok(())
}

/// What a client gets that is answered.
fn scene_client(scene: &Scene, level: u8, coid: u64) -> Result<Result<i64>> {
    Ok(scene.client(level, coid, b"", 0)?.join()?.result)
}

fn immediate(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (far, far_coid) = scene.loop_back()?;
    let (opens, gate) = gate(scene)?;
    let last = held(scene, far, gate)?;
    let between = middle(scene, chid, far_coid)?;
    let first = scene.client(OWN, coid, b"", 0)?;
    let late = scene.client(70, coid, b"", 0)?;
    scene.settle()?;
    scene.eq("who is between", between.priority(), Ok(70));
    scene.eq("the last in the row", last.priority(), Ok(OWN));
    bad::destroy(opens)?;
    last.join()??;
    between.join()??;
    first.join()?;
    bad::destroy(chid)?;
    late.join().map(|_| ())
}

fn queued_again(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (far, far_coid) = scene.loop_back()?;
    let between = middle(scene, chid, far_coid)?;
    let first = scene.client(OWN, coid, b"", 0)?;
    let other = scene.client(50, far_coid, b"x", 0)?;
    let late = scene.client(70, coid, b"", 0)?;
    scene.settle()?;
    for due in [b"m", b"x"] {
        let id = scene.takes("the order", far, due)?;
        message::reply(id, 0, &[])?;
    }
    between.join()??;
    first.join()?;
    other.join()?;
    bad::destroy(chid)?;
    late.join().map(|_| ())
}

fn late_change(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (opens, gate) = gate(scene)?;
    let server = held(scene, chid, gate)?;
    let client = scene.client(45, coid, b"", 0)?;
    for level in [70, 20] {
        client.set_priority(level)?;
        scene.settle()?;
        scene.eq("its server", server.priority(), Ok(45));
        scene.eq("itself", client.priority(), Ok(level));
    }
    bad::destroy(opens)?;
    scene.eq("what it sees", server.join()?, Ok(45));
    client.join().map(|_| ())
}

fn stays_first(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(40, coid, b"", 0)?;
    let ran = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&ran);
    let equal = Builder::new().hart(0).priority(40).spawn(move || {
        theirs.store(1, Ordering::Relaxed);
    })?;
    let id = message::receive(chid, &mut [])?.id.number();
    scene.eq("lowered", thread::priority(), Ok(40));
    scene.eq("before its equals", ran.load(Ordering::Relaxed), 0);
    thread::set_priority(40)?;
    scene.eq("behind its equals", ran.load(Ordering::Relaxed), 1);
    message::reply(id, 0, &[])?;
    equal.join()?;
    client.join().map(|_| ())
}
