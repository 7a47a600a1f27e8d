// SPDX-License-Identifier: Apache-2.0
//! Section 8: ChannelCreate and ChannelDestroy, with somebody at the channel.

use skimmer_rt::channel::ChannelFlags;
use skimmer_rt::{Errno, Result, message, process};

use crate::agent::{Agent, Step};
use crate::bad;
use crate::case::{Case, both, one};
use crate::scene::{LEVEL, Scene, attach, index};

pub(crate) const CASES: &[Case] = &[
    one("channel/flags", "8 Errors", "process/channels: take flags that mean nothing", flags),
    both(
        "channel/destroyed-under-senders",
        "8, 10 blocked SEND",
        "channel/table: leave queued senders of a destroyed channel asleep",
        under_senders,
    ),
    both(
        "channel/destroyed-under-receivers",
        "8, 10 server side",
        "channel/table: leave receivers of a destroyed channel asleep",
        under_receivers,
    ),
    both(
        "channel/destroyed-under-clients",
        "8, 10 blocked REPLY",
        "channel/table: leave REPLY-blocked clients of a destroyed channel asleep",
        under_clients,
    ),
    both(
        "channel/destroyed-under-a-process",
        "8, 10",
        "channel/table: wake only threads of the process whose channel it was",
        under_process,
    ),
    both(
        "channel/coid-is-dead-until-detached",
        "8 dead coids",
        "connections: free the coids of a destroyed channel",
        dead_coid,
    ),
    both(
        "channel/others-stay",
        "8",
        "channel/table: fail clients of all channels of the process",
        others_stay,
    ),
    one(
        "channel/dead-coid-and-the-next-channel",
        "8 dead coids, 1 chid",
        "connections: keep a channel's index without its generation",
        next_channel,
    ),
    both("channel/private", "8, 9 EPERM", "process/channels: leave the flag PRIVATE out", private),
    both(
        "channel/unblock-without-pulses",
        "10, 11",
        "rendezvous: keep a client of an UNBLOCK channel though no pulse was sent",
        unblock,
    ),
];

fn flags(scene: &mut Scene) -> Result<()> {
    for bit in 0..64 {
        let known: [u32; 11] = [0, 1, 2, 3, 5, 6, 7, 8, 12, 14, 15];
        match bad::create(1 << bit) {
            Ok(chid) => {
                scene.holds("a flag that means nothing", known.contains(&bit));
                bad::destroy(chid)?;
            }
            Err(errno) => {
                scene.holds("a flag of QNX's", !known.contains(&bit));
                scene.eq("a flag that means nothing", errno, Errno::EINVAL);
            }
        }
    }
    for only in [ChannelFlags::THREAD_DEATH, ChannelFlags::COID_DISCONNECT] {
        let first = scene.channel_with(only)?;
        scene.eq("the second", scene.channel_with(only), Err(Errno::EBUSY));
        bad::destroy(first)?;
        let again = scene.channel_with(only)?;
        bad::destroy(again)?;
    }
    Ok(())
}

fn under_senders(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let high = scene.client(60, coid, b"high", 0)?;
    let low = scene.client(30, coid, b"low", 0)?;
    scene.eq("to destroy it", bad::destroy(chid), Ok(()));
    scene.eq("one", high.join()?.result, Err(Errno::ESRCH));
    scene.eq("the other", low.join()?.result, Err(Errno::ESRCH));
    Ok(())
}

fn under_receivers(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let first = scene.receiver(LEVEL, chid, 4)?;
    let second = scene.receiver(LEVEL, chid, 4)?;
    scene.eq("to destroy it", bad::destroy(chid), Ok(()));
    for receiver in [first, second] {
        scene.eq("a receiver", receiver.join()?.0.map(|_| ()), Err(Errno::ESRCH));
    }
    Ok(())
}

fn under_clients(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let first = scene.client(LEVEL, coid, b"1", 4)?;
    let second = scene.client(LEVEL, coid, b"2", 4)?;
    let (one, two) = (scene.takes("one", chid, b"1")?, scene.takes("two", chid, b"2")?);
    scene.eq("to destroy it", bad::destroy(chid), Ok(()));
    scene.eq("one", first.join()?.result, Err(Errno::ESRCH));
    scene.eq("the other", second.join()?.result, Err(Errno::ESRCH));
    for id in [one, two] {
        scene.eq("a late answer", message::reply(id, 0, b"late"), Err(Errno::ESRCH));
        scene.eq("late info", message::info(id).map(|_| ()), Err(Errno::ESRCH));
    }
    Ok(())
}

fn under_process(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    agent.begin(scene, Step::Send, [theirs, 4, 4])?;
    scene.eq("to destroy it", bad::destroy(chid), Ok(()));
    scene.eq("who was queued", agent.told()?, Err(Errno::ESRCH));
    let chid = scene.channel()?;
    let theirs = agent.attaches(chid)?;
    agent.begin(scene, Step::Send, [theirs, 4, 4])?;
    let id = scene.takes("the message", chid, b"ZZZZ")?;
    scene.eq("to destroy it", bad::destroy(chid), Ok(()));
    scene.eq("who was received", agent.told()?, Err(Errno::ESRCH));
    scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    agent.kill()
}

fn dead_coid(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    bad::destroy(chid)?;
    for _ in 0..2 {
        scene.eq("to send by it", message::send(coid, b"x", &mut []), Err(Errno::EBADF));
        let sent = agent.ask(Step::Send, [theirs, 1, 0])?;
        scene.eq("for another process", sent, Err(Errno::EBADF));
    }
    let next = scene.channel()?;
    let new = attach(next)?;
    scene.holds("its number is still taken", index(new) != index(coid));
    scene.eq("to give it up", bad::detach(coid), Ok(()));
    scene.eq("then it is free", attach(next).map(index), Ok(index(coid)));
    scene.eq("for another process", agent.ask(Step::Detach, [theirs, 0, 0])?, Ok(0));
    scene.eq("twice", agent.ask(Step::Detach, [theirs, 0, 0])?, Err(Errno::EINVAL));
    agent.kill()
}

fn others_stay(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let (other, other_coid) = scene.loop_back()?;
    let queued = scene.client(LEVEL, other_coid, b"q", 0)?;
    let received = scene.client(60, other_coid, b"r", 0)?;
    let id = scene.takes("one", other, b"r")?;
    let gone = scene.client(LEVEL, coid, b"x", 0)?;
    bad::destroy(chid)?;
    scene.eq("whose channel is gone", gone.join()?.result, Err(Errno::ESRCH));
    scene.eq("one of another", message::reply(id, 1, &[]), Ok(()));
    scene.eq("one of another", received.join()?.result, Ok(1));
    let id = scene.takes("one that was queued", other, b"q")?;
    message::reply(id, 2, &[])?;
    scene.eq("one that was queued", queued.join()?.result, Ok(2));
    Ok(())
}

fn next_channel(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    bad::destroy(chid)?;
    // It has the same place, very likely.
    let next = scene.channel()?;
    scene.eq("by a dead coid", message::send(coid, b"x", &mut []), Err(Errno::EBADF));
    scene.is_bare("the next channel", next)
}

fn private(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel_with(ChannelFlags::PRIVATE)?;
    let mut agent = Agent::start(scene)?;
    let own = process::id()?.number();
    let theirs = agent.ask(Step::Attach, [own, chid, 0])?;
    scene.eq("another process", theirs, Err(Errno::EPERM));
    let coid = attach(chid)?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("its own", chid, b"x")?;
    message::reply(id, 1, &[])?;
    scene.eq("its own", client.join()?.result, Ok(1));
    agent.kill()
}

fn unblock(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel_with(ChannelFlags::UNBLOCK)?;
    let coid = attach(chid)?;
    let client = scene.thread(LEVEL, move || message::send(coid, b"x", &mut []))?;
    let id = scene.takes("the message", chid, b"x")?;
    // No pulse can be delivered, so who is ended leaves.
    bad::end(client.into_id())?;
    scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    let client = scene.client(LEVEL, coid, b"y", 0)?;
    let id = scene.takes("the message", chid, b"y")?;
    scene.eq("to detach", bad::detach(coid), Ok(()));
    scene.eq("who detached", client.join()?.result, Err(Errno::EBADF));
    scene.eq("a late answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    Ok(())
}
