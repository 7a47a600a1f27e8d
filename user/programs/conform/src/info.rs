// SPDX-License-Identifier: Apache-2.0
//! Section 6, as far as there is a call for it: MsgInfo.

use skimmer_rt::{Errno, Result, message, process};

use crate::agent::{Agent, Step};
use crate::bad::{self, Place};
use crate::case::{Case, both};
use crate::scene::{LEVEL, Scene, receive};

pub(crate) const CASES: &[Case] = &[
    both("info/of-a-thread", "6 MsgInfo", "process/messages: tell the receiver's tid", of_thread),
    both("info/of-a-process", "6 MsgInfo", "process/messages: tell the server's pid", of_process),
    both("info/lengths", "6 MsgInfo", "rendezvous: tell what was sent as what was copied", lengths),
    both(
        "info/priority",
        "6 MsgInfo, 12.1",
        "rendezvous: keep the priority that a queued client had as it sent",
        priority,
    ),
    both(
        "info/changes-nothing",
        "6 state does not change",
        "process/messages: let MsgInfo take the message",
        changes_nothing,
    ),
    both(
        "info/bad-place",
        "6 EFAULT",
        "process/messages: write a MsgInfo without the guarded copy",
        bad_place,
    ),
];

fn of_thread(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the message", chid, b"x")?;
    let told = message::info(id)?;
    scene.eq("pid", told.pid, process::id()?.number());
    scene.eq("tid", told.tid, client.id().number());
    scene.eq("chid, coid", [told.chid, told.coid], [chid, coid]);
    scene.eq("the bit of scoids", told.scoid & 0x4000_0000, 0x4000_0000);
    scene.eq("nodes, flags, type", [told.nd, told.srcnd, told.flags, told.type_id], [0; 4]);
    scene.eq("priority", told.priority, u64::from(LEVEL));
    message::reply(id, 0, &[])?;
    client.join().map(|_| ())
}

fn of_process(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let mut agent = Agent::start(scene)?;
    // A number that we do not have.
    agent.attaches(chid)?;
    let theirs = agent.attaches(chid)?;
    agent.begin(scene, Step::Send, [theirs, 4, 9])?;
    let (received, _) = receive(chid, 2);
    let id = received?.id.number();
    let told = message::info(id)?;
    scene.eq("pid", told.pid, agent.pid());
    scene.eq("chid, coid", [told.chid, told.coid], [chid, theirs]);
    scene.eq("lengths", [told.msglen, told.srcmsglen, told.dstmsglen], [2, 4, 9]);
    scene.eq("nodes, flags, type", [told.nd, told.srcnd, told.flags, told.type_id], [0; 4]);
    message::reply(id, 1, &[])?;
    scene.eq("its call", agent.told()?, Ok(1));
    agent.kill()
}

fn lengths(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for (sent, room, answer) in [(0, 0, 0), (10, 4, 7), (4, 10, 0), (300, 300, 5000)] {
        let text = alloc::vec![1; sent];
        let client = scene.client(LEVEL, coid, &text, answer)?;
        let id = receive(chid, room).0?.id.number();
        let told = message::info(id)?;
        let due = [sent.min(room), sent, answer].map(|length| length as u64);
        scene.eq("lengths", [told.msglen, told.srcmsglen, told.dstmsglen], due);
        message::reply(id, 0, &[])?;
        client.join()?;
    }
    Ok(())
}

fn priority(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(33, coid, b"x", 0)?;
    client.set_priority(44)?;
    scene.settle()?;
    let id = scene.takes("the message", chid, b"x")?;
    scene.eq("given as it was queued", message::info(id)?.priority, 44);
    client.set_priority(22)?;
    scene.settle()?;
    scene.eq("given since", message::info(id)?.priority, 22);
    message::reply(id, 0, &[])?;
    client.join().map(|_| ())
}

fn changes_nothing(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the message", chid, b"x")?;
    let told = [message::info(id)?, message::info(id)?];
    scene.eq("twice", told[0], told[1]);
    scene.is_bare("it is not sent again", chid)?;
    scene.eq("the answer", message::reply(id, 2, &[]), Ok(()));
    scene.eq("the client", client.join()?.result, Ok(2));
    scene.eq("afterwards", message::info(id).map(|_| ()), Err(Errno::ESRCH));
    Ok(())
}

fn bad_place(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the message", chid, b"x")?;
    for place in [Place::kernel(104), Place::hole(104), Place::around(104), Place::null(104)] {
        scene.eq("to a bad place", bad::info(id, place), Err(Errno::EFAULT));
    }
    scene.eq("the answer", message::reply(id, 2, &[]), Ok(()));
    scene.eq("the client", client.join()?.result, Ok(2));
    Ok(())
}
