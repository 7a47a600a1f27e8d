// SPDX-License-Identifier: Apache-2.0
//! Section 5: MsgReply and MsgError.

use alloc::vec;

use skimmer_rt::{Errno, Result, message};

use crate::agent::{Agent, Step};
use crate::bad::{self, Doomed, Place};
use crate::case::{Case, both, one};
use crate::scene::{FILL, LEVEL, Scene, Sent};

pub(crate) const CASES: &[Case] = &[
    both(
        "reply/once",
        "5 exactly once",
        "rendezvous: keep a message's name after its answer",
        once,
    ),
    both(
        "reply/room-that-goes",
        "5 EFAULT",
        "rendezvous: leave a client blocked whose room faults",
        room_goes,
    ),
    both(
        "reply/room-of-another-process",
        "5 EFAULT",
        "user_copy between spaces: write the answer in the server's space",
        other_room,
    ),
    both(
        "reply/bad-answer",
        "5 ESRVRFAULT",
        "rendezvous: leave a client blocked whose server's answer faults",
        bad_answer,
    ),
    both(
        "reply/empty-answer-from-nowhere",
        "5, 3 Length",
        "process/messages: judge the pointer of an empty answer",
        empty,
    ),
    one(
        "reply/keeps-the-server-running",
        "5 never blocks",
        "rendezvous: switch to a client that is less urgent than its server",
        goes_on,
    ),
    both(
        "error/each-errno",
        "5 MsgError",
        "process/messages: give every client of MsgError the same errno",
        errnos,
    ),
    both("error/eok", "5 MsgError", "process/messages: refuse MsgError with EOK", eok),
    both("error/erestart", "5 MsgError", "process/messages: hand ERESTART to the client", restart),
    both(
        "error/erestart-of-what-is-gone",
        "5 MsgError, 3 EFAULT",
        "rendezvous: send the bytes of before again",
        restart_of_gone,
    ),
    one("error/no-errno", "5 MsgError", "process/messages: pass any number on", no_errno),
    both(
        "error/once",
        "5 exactly once",
        "rendezvous: keep a message's name after MsgError",
        error_once,
    ),
];

fn once(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 4)?;
    let id = scene.takes("the message", chid, b"x")?;
    scene.eq("the answer", message::reply(id, 1, b"1"), Ok(()));
    scene.eq("another", message::reply(id, 2, b"22"), Err(Errno::ESRCH));
    scene.eq("an error", message::error(id, Some(Errno::EPERM)), Err(Errno::ESRCH));
    scene.eq("info", message::info(id).map(|_| ()), Err(Errno::ESRCH));
    let due = Sent { result: Ok(1), room: b"1\xa5\xa5\xa5".to_vec() };
    scene.eq("what the client got", client.join()?, due);
    Ok(())
}

fn room_goes(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for length in [1, 5000] {
        let doomed = Doomed::new(2, 0)?;
        let place = doomed.place();
        let client = scene.thread(LEVEL, move || bad::send(coid, Place::NONE, place))?;
        let id = scene.takes("the message", chid, b"")?;
        doomed.unmap()?;
        let answer = vec![1; length];
        scene.eq("who answers", message::reply(id, 0, &answer), Err(Errno::EFAULT));
        scene.eq("the client", client.join()?, Err(Errno::EFAULT));
        scene.eq("once more", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    }
    // Nothing is written there, so nothing is wrong.
    let doomed = Doomed::new(1, 0)?;
    let place = doomed.place();
    let client = scene.thread(LEVEL, move || bad::send(coid, Place::NONE, place))?;
    let id = scene.takes("the message", chid, b"")?;
    doomed.unmap()?;
    scene.eq("an empty answer", message::reply(id, 6, &[]), Ok(()));
    scene.eq("its client", client.join()?, Ok(6));
    Ok(())
}

fn other_room(scene: &mut Scene) -> Result<()> {
    let chid = scene.channel()?;
    let mut agent = Agent::start(scene)?;
    let theirs = agent.attaches(chid)?;
    for room in [0, 3, 4096, 10_000] {
        agent.begin(scene, Step::Send, [theirs, 2, room])?;
        let id = scene.takes("the message", chid, b"ZZ")?;
        scene.eq("the answer", message::reply(id, 31, &[1; 12_000]), Ok(()));
        scene.eq("what it got", agent.told()?, Ok(31));
    }
    agent.kill()
}

fn bad_answer(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let hole = ("nothing there", Place::hole(8));
    for (what, place) in Place::ranges(8).into_iter().chain([hole, ("null", Place::null(8))]) {
        let client = scene.client(LEVEL, coid, b"x", 8)?;
        let id = scene.takes("the message", chid, b"x")?;
        scene.eq(what, bad::reply(id, 0, place), Err(Errno::ESRVRFAULT));
        scene.eq("the client", client.join()?.result, Err(Errno::ESRVRFAULT));
        scene.eq("once more", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    }
    Ok(())
}

fn empty(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for place in [Place::null(0), Place::hole(0), Place::kernel(0), Place::around(0)] {
        let client = scene.client(LEVEL, coid, b"x", 2)?;
        let id = scene.takes("the message", chid, b"x")?;
        scene.eq("the answer", bad::reply(id, 5, place), Ok(()));
        let due = Sent { result: Ok(5), room: vec![FILL; 2] };
        scene.eq("what the client got", client.join()?, due);
    }
    Ok(())
}

fn goes_on(scene: &mut Scene) -> Result<()> {
    use alloc::sync::Arc;
    use core::sync::atomic::{AtomicU64, Ordering};
    let (chid, coid) = scene.loop_back()?;
    let came = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&came);
    // On our own hart, and below us whatever is received.
    let client = skimmer_rt::thread::Builder::new().hart(0).priority(LEVEL).spawn(move || {
        let result = message::send(coid, b"x", &mut []);
        theirs.store(1, Ordering::Relaxed);
        result
    })?;
    let id = scene.takes("the message", chid, b"x")?;
    skimmer_rt::thread::set_priority(LEVEL + 1)?;
    scene.eq("the answer", message::reply(id, 1, &[]), Ok(()));
    scene.eq("who runs", came.load(Ordering::Relaxed), 0);
    scene.eq("the client", client.join()?, Ok(1));
    Ok(())
}

fn errnos(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    for errno in Errno::ALL.iter().copied().filter(|errno| *errno != Errno::ERESTART) {
        let client = scene.client(LEVEL, coid, b"x", 2)?;
        let id = scene.takes("the message", chid, b"x")?;
        scene.eq("to fail", message::error(id, Some(errno)), Ok(()));
        let due = Sent { result: Err(errno), room: vec![FILL; 2] };
        scene.eq("what the client got", client.join()?, due);
    }
    Ok(())
}

fn eok(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 2)?;
    let id = scene.takes("the message", chid, b"x")?;
    scene.eq("to succeed", message::error(id, None), Ok(()));
    let due = Sent { result: Ok(0), room: vec![FILL; 2] };
    scene.eq("what the client got", client.join()?, due);
    Ok(())
}

fn restart(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"again", 2)?;
    let first = scene.takes("the message", chid, b"again")?;
    scene.eq("to restart", message::error(first, Some(Errno::ERESTART)), Ok(()));
    scene.settle()?;
    let second = scene.takes("once more", chid, b"again")?;
    scene.eq("by its old name", message::reply(first, 9, &[]), Err(Errno::ESRCH));
    // To one who waits.
    let receiver = scene.receiver(LEVEL, chid, 5)?;
    scene.eq("to restart", message::error(second, Some(Errno::ERESTART)), Ok(()));
    let (received, room) = receiver.join()?;
    scene.eq("the third", &room[..], &b"again"[..]);
    scene.eq("the answer", message::reply(received?.id.number(), 1, b"ok"), Ok(()));
    let due = Sent { result: Ok(1), room: b"ok".to_vec() };
    scene.eq("what the client got", client.join()?, due);
    Ok(())
}

fn restart_of_gone(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let doomed = Doomed::new(2, b'd')?;
    let place = doomed.place();
    let other = scene.thread(LEVEL, move || bad::send(coid, place, Place::NONE))?;
    let (received, _) = crate::scene::receive(chid, 8);
    doomed.unmap()?;
    message::error(received?.id.number(), Some(Errno::ERESTART))?;
    scene.settle()?;
    scene.is_bare("what cannot be read is not sent", chid)?;
    scene.eq("who has sent it", other.join()?, Err(Errno::EFAULT));
    Ok(())
}

fn no_errno(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the message", chid, b"x")?;
    for wrong in [5, 9999, 1 << 32, 1 << 63] {
        scene.eq("no error of ours", bad::error(id, wrong), Err(Errno::EINVAL));
    }
    scene.eq("the client still waits", message::reply(id, 3, &[]), Ok(()));
    scene.eq("the client", client.join()?.result, Ok(3));
    Ok(())
}

fn error_once(scene: &mut Scene) -> Result<()> {
    let (chid, coid) = scene.loop_back()?;
    let client = scene.client(LEVEL, coid, b"x", 0)?;
    let id = scene.takes("the message", chid, b"x")?;
    message::error(id, Some(Errno::EACCES))?;
    scene.eq("another error", message::error(id, Some(Errno::EPERM)), Err(Errno::ESRCH));
    scene.eq("an answer", message::reply(id, 0, &[]), Err(Errno::ESRCH));
    scene.eq("the client", client.join()?.result, Err(Errno::EACCES));
    Ok(())
}
