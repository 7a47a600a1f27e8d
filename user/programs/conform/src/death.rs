// SPDX-License-Identifier: Apache-2.0
//! Section 10: what happens when a peer dies.

use skimmer_rt::process::ExitStatus;
use skimmer_rt::{Errno, Result, message};

use crate::agent::{Agent, Step};
use crate::bad;
use crate::case::{Case, both};
use crate::scene::{LEVEL, Scene, attach_to};

pub(crate) const CASES: &[Case] = &[
    both(
        "death/client-thread-queued",
        "10 blocked SEND",
        "rendezvous: leave a condemned sender on the queue",
        thread_queued,
    ),
    both(
        "death/client-thread-received",
        "10 blocked REPLY",
        "rendezvous: keep a condemned client until it is answered",
        thread_received,
    ),
    both(
        "death/client-process-queued",
        "10 blocked SEND",
        "process/death: leave the process's senders on queues of others",
        process_queued,
    ),
    both(
        "death/client-process-received",
        "10 blocked REPLY",
        "process/death: keep the names of messages of a process that ended",
        process_received,
    ),
    both(
        "death/client-process-exits",
        "10 blocked SEND, REPLY",
        "process/death: end a process only when its threads were answered",
        process_exits,
    ),
    both(
        "death/receiver-does-not-care",
        "10 RECEIVE-blocked",
        "process/death: wake the receivers of channels that a dead process was connected to",
        receiver_stays,
    ),
    both(
        "death/server-thread",
        "10 server thread",
        "rendezvous: fail the clients of a thread that ends",
        server_thread,
    ),
    both(
        "death/receiver-thread",
        "10 server thread",
        "rendezvous: leave a condemned receiver on the channel's list",
        receiver_thread,
    ),
    both(
        "death/server-process",
        "10 server process",
        "process/death: leave clients of a dead process's channels asleep",
        server_process,
    ),
    both(
        "death/server-process-exits",
        "10 server process",
        "process/death: fail clients only when the server was killed",
        server_exits,
    ),
    both(
        "death/both-of-a-chain",
        "10",
        "process/death: leave a server that is a dead client's server REPLY-blocked",
        chain,
    ),
];

fn thread_queued(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let first = scene.thread(60, move || message::send(coid, b"dead", &mut []))?;
    let second = scene.client(LEVEL, coid, b"alive", 0)?;
    scene.eq("to end it", bad::end(first.into_id()), Ok(()));
    let id = scene.takes("who is left", chid, b"alive")?;
    message::reply(id, 1, &[])?;
    scene.eq("who is left", second.join()?.result, Ok(1));
    scene.is_bare("no more", chid)
}

fn thread_received(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.thread(LEVEL, move || message::send(coid, b"dead", &mut []))?;
    let id = scene.takes("the message", chid, b"dead")?;
    // It has ended before it is answered.
    scene.eq("to end it", bad::end(client.into_id()), Ok(()));
    scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    scene.eq("a late error", message::error(id, None), Err(Errno::ESRCH));
    scene.eq("late info", message::info(id).map(|_| ()), Err(Errno::ESRCH));
    Ok(())
}

fn process_queued(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    agent.begin(scene, Step::Send, [theirs, 4, 0])?;
    let client = scene.client(LEVEL, coid, b"alive", 0)?;
    agent.kill()?;
    let id = scene.takes("who is left", chid, b"alive")?;
    message::reply(id, 1, &[])?;
    scene.eq("who is left", client.join()?.result, Ok(1));
    scene.is_bare("no more", chid)
}

fn process_received(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    agent.begin(scene, Step::Send, [theirs, 4, 40])?;
    let id = scene.takes("the message", chid, b"ZZZZ")?;
    agent.kill()?;
    scene.eq("a late answer", message::reply(id, 0, b"late"), Err(Errno::ESRCH));
    scene.eq("late info", message::info(id).map(|_| ()), Err(Errno::ESRCH));
    Ok(())
}

fn process_exits(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    agent.gives(Step::SendAside, [theirs, 1, 0])?;
    scene.settle()?;
    let id = scene.takes("one is received", chid, b"Z")?;
    agent.gives(Step::SendAside, [theirs, 2, 0])?;
    scene.settle()?;
    agent.tell(Step::Exit, [33, 0, 0])?;
    scene.eq("how it ends", agent.waited_for(), Ok(ExitStatus::Exited(33)));
    scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    scene.is_bare("nobody is queued", chid)
}

fn receiver_stays(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let mut agent = Agent::start(scene)?;
    agent.attaches(chid)?;
    let receiver = scene.receiver(LEVEL, chid, 4)?;
    agent.kill()?;
    scene.settle()?;
    let client = scene.client(LEVEL, coid, b"goes", 0)?;
    let (received, room) = receiver.join()?;
    scene.eq("what it receives", &room[..], &b"goes"[..]);
    message::reply(received?.id.number(), 2, &[])?;
    scene.eq("the client", client.join()?.result, Ok(2));
    Ok(())
}

fn server_thread(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (other, _) = scene.loop_back()?;
    // One ends by itself, one is ended while it waits for something else.
    let receiver = scene.receiver(LEVEL, chid, 1)?;
    let first = scene.client(LEVEL, coid, b"1", 0)?;
    let id = receiver.join()?.0?.id.number();
    let waiter = scene.thread(LEVEL, move || {
        let received = message::receive(chid, &mut []);
        message::receive(other, &mut []).and(received).map(|_| ())
    })?;
    let second = scene.client(LEVEL, coid, b"2", 0)?;
    bad::end(waiter.into_id())?;
    scene.settle()?;
    scene.eq("a sibling answers", message::reply(id, 1, &[]), Ok(()));
    scene.eq("the first", first.join()?.result, Ok(1));
    scene.eq("the second still waits", bad::detach(coid), Ok(()));
    scene.eq("the second", second.join()?.result, Err(Errno::EBADF));
    Ok(())
}

fn receiver_thread(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let receiver = scene.receiver(LEVEL, chid, 1)?;
    scene.eq("to end it", bad::end(receiver.into_id()), Ok(()));
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the message waits for another", chid, b"x")?;
    message::reply(id, 1, &[])?;
    scene.eq("the client", client.join()?.result, Ok(1));
    Ok(())
}

/// An agent with a channel at which one client of ours was received, and one is
/// queued: ends it by `end`.
fn server_ends(scene: &mut Scene, end: fn(Agent) -> Result<()>) -> Result<()> {
    let mut agent = Agent::start(scene)?;
    let (chid, coid) = agent.serves()?;
    let received = scene.client(LEVEL, coid, b"1", 4)?;
    agent.gives(Step::Receive, [chid, 0, 0])?;
    let queued = scene.client(LEVEL, coid, b"2", 4)?;
    let pid = agent.pid();
    end(agent)?;
    scene.eq("who was received", received.join()?.result, Err(Errno::ESRCH));
    scene.eq("who was queued", queued.join()?.result, Err(Errno::ESRCH));
    scene.eq("to send", message::send(coid, b"3", &mut []), Err(Errno::EBADF));
    scene.eq("to attach", attach_to(pid, chid), Err(Errno::ESRCH));
    scene.eq("to detach", bad::detach(coid), Ok(()));
    scene.eq("twice", bad::detach(coid), Err(Errno::EINVAL));
    Ok(())
}

fn server_process(scene: &mut Scene) -> Result<()> {
    server_ends(scene, Agent::kill)
}

fn server_exits(scene: &mut Scene) -> Result<()> {
    server_ends(scene, |agent| {
        agent.tell(Step::Exit, [0; 3])?;
        agent.waited_for().map(|_| ())
    })
}

fn chain(scene: &mut Scene) -> Result<()> {
    // We have received from an agent, which has received from a thread of ours.
    let chid = scene.channel()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    let (their_chid, coid) = agent.serves()?;
    let client = scene.client(LEVEL, coid, b"1", 0)?;
    agent.gives(Step::Receive, [their_chid, 0, 0])?;
    agent.begin(scene, Step::Send, [theirs, 1, 0])?;
    let id = scene.takes("the agent's", chid, b"Z")?;
    agent.kill()?;
    scene.eq("its client", client.join()?.result, Err(Errno::ESRCH));
    scene.eq("its server", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    Ok(())
}
