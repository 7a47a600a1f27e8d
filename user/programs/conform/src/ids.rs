// SPDX-License-Identifier: Apache-2.0
//! Section 1: names, whose they are, and that a stale one is refused.

use skimmer_rt::{Errno, Result, message};

use crate::agent::{Agent, Step};
use crate::bad;
use crate::case::{Case, both, one};
use crate::scene::{LEVEL, MILLI, Scene, attach, index};

pub(crate) const CASES: &[Case] = &[
    one(
        "ids/stale-chid",
        "1 chid",
        "core/channel/table: look a channel up by its index alone",
        stale_chid,
    ),
    one(
        "ids/chid-of-another-process",
        "1 chid",
        "process/messages: look a chid up in one table for all processes",
        foreign_chid,
    ),
    one(
        "ids/lowest-free-coid",
        "1 coid",
        "connections: number a new connection behind the highest",
        lowest_coid,
    ),
    one(
        "ids/coid-from-an-index-on",
        "1 coid",
        "connections: leave the index of ConnectAttach out",
        coid_from_index,
    ),
    one(
        "ids/side-channels-are-apart",
        "1 coid",
        "connections: keep side channels among the numbers of files",
        side_channels,
    ),
    one(
        "ids/stale-coid",
        "1 coid",
        "connections: look a connection up by its index alone",
        stale_coid,
    ),
    one(
        "ids/coid-of-another-process",
        "1 coid",
        "process/messages: look a coid up in one table for all processes",
        foreign_coid,
    ),
    one(
        "ids/two-coids-one-scoid",
        "1 scoid",
        "connections: give each connection a scoid of its own",
        one_scoid,
    ),
    one(
        "ids/scoid-stays-with-the-last-link",
        "1 scoid",
        "connections: free the scoid at the first detach",
        scoid_links,
    ),
    one(
        "ids/scoid-of-each-process",
        "1 scoid",
        "connections: find a scoid by its channel alone",
        scoid_of_each,
    ),
    both(
        "ids/stale-rcvid",
        "1 rcvid (c)",
        "rendezvous: skip the generation check of rcvid",
        stale_rcvid,
    ),
    both(
        "ids/rcvid-after-the-client-left",
        "1 rcvid (c)",
        "rendezvous: keep the name of a message whose client timed out",
        rcvid_after_timeout,
    ),
    one(
        "ids/rcvid-never-given",
        "1 rcvid",
        "rendezvous: take rcvid 0 for the first slot",
        never_given,
    ),
    both(
        "ids/foreign-rcvid",
        "1 rcvid (a)",
        "rendezvous: skip the check that the answerer's process was sent to",
        foreign_rcvid,
    ),
    both(
        "ids/rcvid-of-a-queued-message",
        "1 rcvid (c)",
        "rendezvous: answer a message that nobody has received",
        queued_rcvid,
    ),
];

fn stale_chid(scene: &mut Scene) -> Result<()> {
    let old = scene.channel()?;
    bad::destroy(old)?;
    let new = scene.channel()?;
    scene.holds("another channel has the same name", new != old);
    message::timeout(message::states::RECEIVE, 0)?;
    let received = message::receive(old, &mut []).map(|_| ());
    scene.eq("receive at a stale chid", received, Err(Errno::ESRCH));
    scene.eq("attach to a stale chid", attach(old).map(|_| ()), Err(Errno::ESRCH));
    scene.eq("destroy a stale chid", bad::destroy(old), Err(Errno::EINVAL));
    scene.eq("destroy its successor", bad::destroy(new), Ok(()));
    Ok(())
}

fn foreign_chid(scene: &mut Scene) -> Result<()> {
    let mut agent = Agent::start(scene)?;
    // More than we have, so that the last is nobody's here.
    let mut theirs = 0;
    for _ in 0..8 {
        theirs = agent.gives(Step::Create, [0; 3])?;
    }
    message::timeout(message::states::RECEIVE, 0)?;
    let received = message::receive(theirs, &mut []).map(|_| ());
    scene.eq("receive at another's channel", received, Err(Errno::ESRCH));
    scene.eq("destroy another's channel", bad::destroy(theirs), Err(Errno::EINVAL));
    scene.eq("its owner destroys it", agent.ask(Step::Destroy, [theirs, 0, 0])?, Ok(0));
    agent.kill()
}

fn lowest_coid(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let coids = [attach(chid)?, attach(chid)?, attach(chid)?];
    scene.eq("the first three", coids.map(index), [0, 1, 2]);
    bad::detach(coids[1])?;
    scene.eq("the one that was given up", attach(chid).map(index), Ok(1));
    bad::detach(coids[0])?;
    bad::detach(coids[2])?;
    scene.eq("the lowest of two", attach(chid).map(index), Ok(0));
    scene.eq("and the next", attach(chid).map(index), Ok(2));
    Ok(())
}

fn coid_from_index(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    for (index, due) in [(10, 10), (10, 11), (5, 5), (4, 4), (4, 6), (0, 0)] {
        let coid = bad::attach(0, 0, chid, index, 0);
        scene.eq("from an index on", coid.map(self::index), Ok(due));
    }
    Ok(())
}

fn side_channels(scene: &mut Scene) -> Result<()> {
    const SIDE: u64 = 0x4000_0000;
    let chid = scene.channel()?;
    let first = bad::attach(0, 0, chid, SIDE, 0)?;
    let second = bad::attach(0, 0, chid, SIDE, 0)?;
    let third = bad::attach(0, 0, chid, SIDE | 77, 0)?;
    for coid in [first, second, third] {
        scene.eq("the bit of side channels", coid & SIDE, SIDE);
        scene.holds("coids are positive", coid < 1 << 63);
    }
    scene.eq("the next", index(second), index(first) + 1);
    scene.eq("other bits of the index count", index(third), index(second) + 1);
    scene.eq("numbers of files are not touched", attach(chid).map(index), Ok(0));
    let client = scene.client(LEVEL, third, b"side", 0)?;
    let id = scene.takes("by a side channel", chid, b"side")?;
    message::reply(id, 5, &[])?;
    scene.eq("by a side channel", client.join()?.result, Ok(5));
    Ok(())
}

fn stale_coid(scene: &mut Scene) -> Result<()> {
    let (chid, old) = scene.loop_back()?;
    bad::detach(old)?;
    let new = attach(chid)?;
    scene.eq("it has the same place", index(new), index(old));
    scene.holds("and another name", new != old);
    scene.eq("to send by the old name", message::send(old, b"x", &mut []), Err(Errno::EBADF));
    scene.eq("to give up the old name", bad::detach(old), Err(Errno::EINVAL));
    scene.eq("to give up the new one", bad::detach(new), Ok(()));
    scene.is_bare("after that", chid)
}

fn foreign_coid(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let mut agent = Agent::start(scene)?;
    let mut theirs = 0;
    for _ in 0..3 {
        theirs = agent.attaches(chid)?;
    }
    scene.eq("send by another's coid", message::send(theirs, b"x", &mut []), Err(Errno::EBADF));
    scene.eq("detach another's coid", bad::detach(theirs), Err(Errno::EINVAL));
    scene.is_bare("after another's coid", chid)?;
    agent.kill()
}

/// What the server is told of a client that sends by that connection.
fn told_of(scene: &mut Scene, chid: u64, coid: u64) -> Result<message::MsgInfo> {
    let client = scene.client(LEVEL, coid, b"who", 0)?;
    let id = scene.takes("who", chid, b"who")?;
    let told = message::info(id)?;
    message::reply(id, 0, &[])?;
    scene.eq("the client's call", client.join()?.result, Ok(0));
    Ok(told)
}

fn one_scoid(scene: &mut Scene) -> Result<()> {
    let (chid, first) = scene.loop_back()?;
    let second = attach(chid)?;
    scene.holds("two attaches, one coid", first != second);
    let (one, two) = (told_of(scene, chid, first)?, told_of(scene, chid, second)?);
    scene.eq("coids", [one.coid, two.coid], [first, second]);
    scene.eq("two coids, two scoids", one.scoid, two.scoid);
    scene.eq("the bit of side channels", one.scoid & 0x4000_0000, 0x4000_0000);
    let (other, third) = scene.loop_back()?;
    let three = told_of(scene, other, third)?;
    scene.holds("two channels, one scoid", three.scoid != one.scoid);
    Ok(())
}

fn scoid_links(scene: &mut Scene) -> Result<()> {
    let (chid, first) = scene.loop_back()?;
    let second = attach(chid)?;
    let before = told_of(scene, chid, first)?.scoid;
    bad::detach(first)?;
    let after = told_of(scene, chid, second)?.scoid;
    scene.eq("after one detach", after, before);
    // Nobody gets it while there is a link.
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    agent.begin(scene, Step::Send, [theirs, 1, 0])?;
    let id = message::receive(chid, &mut [])?.id.number();
    scene.holds("two processes, one scoid", message::info(id)?.scoid != before);
    message::reply(id, 0, &[])?;
    scene.eq("the other's call", agent.told()?, Ok(0));
    agent.kill()
}

fn scoid_of_each(scene: &mut Scene) -> Result<()> {
    let (chid, own) = scene.loop_back()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    let ours = told_of(scene, chid, own)?.scoid;
    agent.begin(scene, Step::Send, [theirs, 1, 0])?;
    let id = message::receive(chid, &mut [])?.id.number();
    scene.holds("two processes, one scoid", message::info(id)?.scoid != ours);
    message::reply(id, 0, &[])?;
    scene.eq("the other's call", agent.told()?, Ok(0));
    agent.kill()
}

fn stale_rcvid(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.thread(LEVEL, move || {
        [message::send(coid, b"1", &mut []), message::send(coid, b"2", &mut [])]
    })?;
    let first = scene.takes("the first", chid, b"1")?;
    scene.eq("the first answer", message::reply(first, 11, &[]), Ok(()));
    scene.settle()?;
    let second = scene.takes("the second", chid, b"2")?;
    scene.holds("the next message has the same name", first != second);
    scene.holds("names are positive", [first, second].iter().all(|id| (1..1 << 63).contains(id)));
    scene.eq("answer by a stale name", message::reply(first, 99, &[]), Err(Errno::ESRCH));
    let failed = message::error(first, Some(Errno::EPERM));
    scene.eq("error by a stale name", failed, Err(Errno::ESRCH));
    let told = message::info(first).map(|_| ());
    scene.eq("info of a stale name", told, Err(Errno::ESRCH));
    scene.eq("the second answer", message::reply(second, 22, &[]), Ok(()));
    scene.eq("what the client got", client.join()?, [Ok(11), Ok(22)]);
    Ok(())
}

fn rcvid_after_timeout(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.thread(LEVEL, move || {
        let armed = message::timeout(message::states::REPLY, 2 * MILLI);
        let first = message::send(coid, b"1", &mut []);
        (armed, first, message::send(coid, b"2", &mut []))
    })?;
    let first = scene.takes("the first", chid, b"1")?;
    scene.sleep(8 * MILLI)?;
    scene.settle()?;
    scene.eq("who left is answered", message::reply(first, 99, &[]), Err(Errno::ESRCH));
    let second = scene.takes("the second", chid, b"2")?;
    scene.eq("the old name", message::reply(first, 99, &[]), Err(Errno::ESRCH));
    scene.eq("the new name", message::reply(second, 22, &[]), Ok(()));
    scene.eq("what the client got", client.join()?, (Ok(()), Err(Errno::ETIMEDOUT), Ok(22)));
    Ok(())
}

fn never_given(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the message", chid, b"x")?;
    // What an answer could be mistaken for: no name, each half of one, neighbours.
    let near = [0, 1, id + 1, id - 1, id ^ (1 << 16), id ^ (1 << 32), id & 0xffff, id >> 32];
    for wrong in near.into_iter().chain([1 << 63, u64::MAX, i64::MAX as u64, id | 1 << 63]) {
        scene.eq("answer by a name of nothing", message::reply(wrong, 9, &[]), Err(Errno::ESRCH));
        scene.eq("error by it", message::error(wrong, None), Err(Errno::ESRCH));
        scene.eq("info of it", message::info(wrong).map(|_| ()), Err(Errno::ESRCH));
    }
    scene.eq("the right name", message::reply(id, 4, &[]), Ok(()));
    scene.eq("what the client got", client.join()?.result, Ok(4));
    Ok(())
}

fn foreign_rcvid(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let mut agent = Agent::start(scene)?;
    // A server, too, so that names mean something to it.
    let (theirs, ours) = agent.serves()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the message", chid, b"x")?;
    let server = scene.client(LEVEL, ours, b"y", 0)?;
    let their_id = agent.gives(Step::Receive, [theirs, 0, 0])?;
    if their_id != id {
        for step in [Step::Reply, Step::Error, Step::Info] {
            scene.eq("another's message", agent.ask(step, [id, 0, 0])?, Err(Errno::ESRCH));
        }
        scene.eq("another's answer", message::reply(their_id, 0, &[]), Err(Errno::ESRCH));
    }
    scene.eq("our answer", message::reply(id, 7, &[]), Ok(()));
    scene.eq("what the client got", client.join()?.result, Ok(7));
    scene.eq("its answer", agent.ask(Step::Reply, [their_id, 8, 0])?, Ok(0));
    scene.eq("what its client got", server.join()?.result, Ok(8));
    agent.kill()
}

fn queued_rcvid(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"1", 0)?;
    let first = scene.takes("the message", chid, b"1")?;
    message::reply(first, 0, &[])?;
    client.join()?;
    // The same place may be taken again, by who is not received yet.
    let client = scene.client(LEVEL, coid, b"2", 0)?;
    for near in first..first + 4 {
        scene.eq("who is queued is answered", message::reply(near, 9, &[]), Err(Errno::ESRCH));
    }
    let second = scene.takes("the message", chid, b"2")?;
    message::reply(second, 3, &[])?;
    scene.eq("what the client got", client.join()?.result, Ok(3));
    Ok(())
}
