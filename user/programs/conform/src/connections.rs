// SPDX-License-Identifier: Apache-2.0
//! Section 9: ConnectAttach and ConnectDetach.

use skimmer_rt::{Errno, Result, message, process};

use crate::agent::{Agent, Step};
use crate::bad;
use crate::case::{Case, both, one};
use crate::scene::{LEVEL, Scene, attach, attach_to, index};

pub(crate) const CASES: &[Case] = &[
    one(
        "connection/bad-arguments",
        "9 Errors",
        "process/messages: leave flags of ConnectAttach out",
        arguments,
    ),
    one("connection/no-server", "9 ESRCH", "connections: attach to what is not there", no_server),
    both(
        "connection/server-that-ended",
        "9 ESRCH",
        "connections: find a process by its place and not by its pid",
        ended_server,
    ),
    both(
        "connection/to-oneself",
        "9 pid 0",
        "connections: take pid 0 for the first process",
        to_oneself,
    ),
    one(
        "connection/detach-nothing",
        "9 EINVAL",
        "connections: answer EBADF where a coid names nothing",
        detach_nothing,
    ),
    both(
        "connection/detached-under-a-sender",
        "9, 10 blocked SEND",
        "connections: leave who is queued by a detached coid asleep",
        under_sender,
    ),
    both(
        "connection/detached-under-a-client",
        "9, 10 blocked REPLY",
        "connections: leave who is REPLY-blocked on a detached coid asleep",
        under_client,
    ),
    both(
        "connection/detach-that-coid-only",
        "9 that coid",
        "connections: fail all clients of the scoid at a detach",
        that_only,
    ),
    both(
        "connection/detached-in-another-process",
        "9, 10",
        "connections: wake only threads of the server's process",
        elsewhere,
    ),
    both(
        "connection/new-one-at-the-same-number",
        "9, 1 rcvid (d)",
        "rendezvous: know a client's connection by its number alone",
        same_number,
    ),
    both(
        "connection/each-thread-may-send",
        "9",
        "connections: let only the thread that attached send",
        each_thread,
    ),
];

fn arguments(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    for flags in [2, 3, 1 << 31, 1 << 63, u64::MAX] {
        scene.eq("flags", bad::attach(0, 0, chid, 0, flags), Err(Errno::EINVAL));
    }
    for index in [1 << 31, 1 << 32, u64::MAX] {
        scene.eq("index", bad::attach(0, 0, chid, index, 0), Err(Errno::EINVAL));
    }
    for node in [1, u64::MAX] {
        scene.eq("node", bad::attach(node, 0, chid, 0, 0), Err(Errno::ENOREMOTE));
    }
    let coid = bad::attach(0, 0, chid, 0, 1);
    scene.eq("COF_CLOEXEC, and nothing is left of all that", coid.map(index), Ok(0));
    Ok(())
}

fn no_server(scene: &mut Scene) -> Result<()> {
    let (chid, own) = (scene.channel()?, process::id()?.number());
    for pid in [own + 1, own | 1 << 63, own ^ 1 << 32, u64::MAX, 1 << 62] {
        scene.eq("no process", attach_to(pid, chid), Err(Errno::ESRCH));
    }
    for wrong in [0, chid + 1, chid ^ (1 << 32), u64::MAX, 1 << 63] {
        scene.eq("no channel", attach(wrong), Err(Errno::ESRCH));
        scene.eq("no channel", attach_to(own, wrong), Err(Errno::ESRCH));
    }
    scene.eq("nothing is left of that", attach(chid).map(index), Ok(0));
    Ok(())
}

fn ended_server(scene: &mut Scene) -> Result<()> {
    let mut agent = Agent::start(scene)?;
    let (chid, coid) = agent.serves()?;
    let pid = agent.pid();
    agent.kill()?;
    scene.eq("to attach", attach_to(pid, chid), Err(Errno::ESRCH));
    scene.eq("to send", message::send(coid, b"x", &mut []), Err(Errno::EBADF));
    // Its place is taken again.
    let mut next = Agent::start(scene)?;
    let (other, _) = next.serves()?;
    scene.holds("another process has the same name", next.pid() != pid);
    scene.eq("to attach", attach_to(pid, chid), Err(Errno::ESRCH));
    scene.eq("to attach", attach_to(pid, other), Err(Errno::ESRCH));
    scene.eq("to send", message::send(coid, b"x", &mut []), Err(Errno::EBADF));
    scene.eq("to give it up", bad::detach(coid), Ok(()));
    next.kill()
}

fn to_oneself(scene: &mut Scene) -> Result<()> {
    let (chid, own) = (scene.channel()?, process::id()?.number());
    for pid in [0, own] {
        let coid = attach_to(pid, chid)?;
        let client = scene.client(LEVEL, coid, b"x", 0)?;
        let id = scene.takes("the message", chid, b"x")?;
        scene.eq("who has sent it", message::info(id)?.pid, own);
        message::reply(id, 1, &[])?;
        scene.eq("the client", client.join()?.result, Ok(1));
    }
    // For the other process 0 is the other process.
    let mut agent = Agent::start(scene)?;
    for _ in 0..8 {
        scene.channel()?;
    }
    let last = scene.channel()?;
    let theirs = agent.ask(Step::Attach, [0, last, 0])?;
    scene.eq("pid 0 in another process", theirs, Err(Errno::ESRCH));
    agent.kill()
}

fn detach_nothing(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for wrong in [coid + 1, coid | 0x4000_0000, coid ^ 3 << 32, coid | 1 << 63, u64::MAX] {
        scene.eq("what is none", bad::detach(wrong), Err(Errno::EINVAL));
    }
    scene.eq("what is one", bad::detach(coid), Ok(()));
    scene.eq("twice", bad::detach(coid), Err(Errno::EINVAL));
    scene.eq("to send by it", message::send(coid, b"x", &mut []), Err(Errno::EBADF));
    scene.is_bare("after that", chid)
}

fn under_sender(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    scene.eq("to detach", bad::detach(coid), Ok(()));
    scene.eq("who was queued", client.join()?.result, Err(Errno::EBADF));
    scene.is_bare("it is not sent", chid)
}

fn under_client(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 4)?;
    let id = scene.takes("the message", chid, b"x")?;
    scene.eq("to detach", bad::detach(coid), Ok(()));
    let sent = client.join()?;
    scene.eq("who was received", sent.result, Err(Errno::EBADF));
    scene.eq("a late answer", message::reply(id, 0, b"late"), Err(Errno::ESRCH));
    scene.eq("late info", message::info(id).map(|_| ()), Err(Errno::ESRCH));
    Ok(())
}

fn that_only(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let other = attach(chid)?;
    let received = scene.client(LEVEL, other, b"r", 0)?;
    let id = scene.takes("the first", chid, b"r")?;
    let queued = scene.client(LEVEL, other, b"q", 0)?;
    let gone = scene.client(LEVEL, coid, b"x", 0)?;
    scene.eq("to detach", bad::detach(coid), Ok(()));
    scene.eq("who has sent by it", gone.join()?.result, Err(Errno::EBADF));
    scene.eq("the answer to the other", message::reply(id, 1, &[]), Ok(()));
    scene.eq("the other", received.join()?.result, Ok(1));
    let id = scene.takes("the queued one", chid, b"q")?;
    message::reply(id, 2, &[])?;
    scene.eq("the queued one", queued.join()?.result, Ok(2));
    scene.is_bare("no more", chid)
}

fn elsewhere(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    scene.eq("a thread of it", agent.ask(Step::SendAside, [theirs, 3, 0])?, Ok(0));
    scene.settle()?;
    scene.eq("to detach", agent.ask(Step::Detach, [theirs, 0, 0])?, Ok(0));
    scene.is_bare("it is not sent", chid)?;
    let theirs = agent.attaches(chid)?;
    scene.eq("a thread of it", agent.ask(Step::SendAside, [theirs, 3, 0])?, Ok(0));
    scene.settle()?;
    let id = scene.takes("the message", chid, b"ZZZ")?;
    scene.eq("to detach", agent.ask(Step::Detach, [theirs, 0, 0])?, Ok(0));
    scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    agent.kill()
}

fn same_number(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let first = scene.client(LEVEL, coid, b"1", 0)?;
    let old = scene.takes("the first", chid, b"1")?;
    bad::detach(coid)?;
    scene.eq("the first", first.join()?.result, Err(Errno::EBADF));
    let again = attach(chid)?;
    scene.eq("the same number", index(again), index(coid));
    let second = scene.client(LEVEL, again, b"2", 0)?;
    let new = scene.takes("the second", chid, b"2")?;
    scene.eq("the old name", message::reply(old, 1, &[]), Err(Errno::ESRCH));
    scene.eq("the new name", message::reply(new, 2, &[]), Ok(()));
    scene.eq("the second", second.join()?.result, Ok(2));
    Ok(())
}

fn each_thread(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let coid = scene.thread(LEVEL, move || attach(chid))?.join()??;
    let one = scene.client(LEVEL, coid, b"1", 0)?;
    let two = scene.client(LEVEL, coid, b"2", 0)?;
    for (client, due) in [(one, b"1"), (two, b"2")] {
        let id = scene.takes("each", chid, due)?;
        message::reply(id, 0, &[])?;
        scene.eq("each", client.join()?.result, Ok(0));
    }
    Ok(())
}
