// SPDX-License-Identifier: Apache-2.0
//! The threads of a process: joined, detached, ended, all of them at once.

use skimmer_abi::{
    call::{Exit, ended},
    errno::Errno,
};
use skimmer_core::{
    ids::ThreadId,
    process::{Ended, Threads, Tid},
};

fn kernel(number: u64) -> ThreadId {
    ThreadId::from_word(1 << 32 | number)
}

/// That many threads, running.
fn running(count: u64) -> (Threads<()>, Vec<Tid>) {
    let mut threads = Threads::new(16);
    let tids = (0..count).map(|number| {
        let tid = threads.reserve(None).expect("below the limit");
        assert!(!threads.born(tid, kernel(number)));
        tid
    });
    let tids = tids.collect();
    (threads, tids)
}

/// All that live, found as a caller that condemns them does.
fn living(threads: &Threads<()>) -> Vec<ThreadId> {
    let (mut from, mut found) = (Some(0), Vec::new());
    while let Some(place) = from {
        let (next, thread) = threads.living(place);
        assert!(next.is_none_or(|next| next > place), "it gets on");
        found.extend(thread);
        from = next;
    }
    found
}

#[test]
fn who_lives_is_found_beyond_many_who_do_not() {
    let mut threads = Threads::new(400);
    let tids: Vec<Tid> = (0..400).map(|_| threads.reserve(None).expect("room")).collect();
    for (number, tid) in (0..).zip(&tids) {
        assert!(!threads.born(*tid, kernel(number)));
    }
    let left = [0, 63, 64, 255, 399];
    for (number, tid) in tids.iter().enumerate().filter(|(number, _)| !left.contains(number)) {
        threads.ended(*tid, 0);
        assert_eq!(threads.detach(*tid), Ok(None), "{number}");
    }
    assert_eq!(living(&threads), left.map(|number| kernel(number as u64)));
}

#[test]
fn a_status_goes_to_who_joins_once() {
    let (mut threads, tids) = running(3);
    assert_eq!(threads.join(tids[0], kernel(0), tids[1]), Ok(None));
    assert_eq!(threads.join(tids[2], kernel(2), tids[1]), Err(Errno::EBUSY));
    assert_eq!(threads.ended(tids[1], 7), Ended { joiner: Some(kernel(0)), is_last: false });
    assert_eq!(threads.join(tids[0], kernel(0), tids[1]), Ok(Some(7)));
    assert_eq!(threads.join(tids[0], kernel(0), tids[1]), Err(Errno::ESRCH));
    assert_eq!(threads.join(tids[0], kernel(0), tids[0]), Err(Errno::EDEADLK));
    let new = threads.reserve(None).expect("there is room");
    assert_ne!(new.to_word(), tids[1].to_word(), "a name is used once");
}

#[test]
fn a_tid_is_not_used_again_before_it_was_joined() {
    let (mut threads, tids) = running(16);
    assert_eq!(threads.reserve(None), Err(Errno::EAGAIN));
    threads.ended(tids[3], 0);
    assert_eq!(threads.reserve(None), Err(Errno::EAGAIN), "it waits to be joined");
    assert_eq!(threads.join(tids[0], kernel(0), tids[3]), Ok(Some(0)));
    assert!(threads.reserve(None).is_ok());
}

#[test]
fn who_waits_for_a_thread_that_is_detached_hears_of_it() {
    let (mut threads, tids) = running(3);
    assert_eq!(threads.join(tids[0], kernel(0), tids[1]), Ok(None));
    assert_eq!(threads.detach(tids[1]), Ok(Some(kernel(0))));
    assert_eq!(threads.detach(tids[1]), Err(Errno::EINVAL));
    // Also if the thread ends before the joiner comes to ask again.
    assert_eq!(threads.ended(tids[1], 0), Ended { joiner: Some(kernel(0)), is_last: false });
    assert_eq!(threads.join(tids[0], kernel(0), tids[1]), Err(Errno::EINVAL));
    assert_eq!(threads.detach(tids[1]), Err(Errno::ESRCH), "nothing is left of it");
    // One that has ended already is gone with it.
    threads.ended(tids[2], 0);
    assert_eq!(threads.detach(tids[2]), Ok(None));
    assert_eq!(threads.join(tids[0], kernel(0), tids[2]), Err(Errno::ESRCH));
}

#[test]
fn who_stops_waiting_makes_room_for_another() {
    let (mut threads, tids) = running(3);
    assert_eq!(threads.join(tids[0], kernel(0), tids[1]), Ok(None));
    threads.stop_joining(kernel(2), tids[1]);
    assert_eq!(threads.join(tids[2], kernel(2), tids[1]), Err(Errno::EBUSY), "not its own");
    threads.stop_joining(kernel(0), tids[1]);
    assert_eq!(threads.join(tids[2], kernel(2), tids[1]), Ok(None));
}

#[test]
fn who_was_promised_a_status_gets_it() {
    let (mut threads, tids) = running(3);
    assert_eq!(threads.join(tids[0], kernel(0), tids[1]), Ok(None));
    assert_eq!(threads.ended(tids[1], 7), Ended { joiner: Some(kernel(0)), is_last: false });
    assert_eq!(threads.detach(tids[1]), Err(Errno::EINVAL));
    assert_eq!(threads.join(tids[0], kernel(0), tids[1]), Ok(Some(7)));
}

#[test]
fn one_that_is_detached_goes_with_who_waited_for_it() {
    let (mut threads, tids) = running(2);
    assert_eq!(threads.join(tids[0], kernel(0), tids[1]), Ok(None));
    assert_eq!(threads.detach(tids[1]), Ok(Some(kernel(0))));
    assert_eq!(threads.ended(tids[1], 0), Ended { joiner: Some(kernel(0)), is_last: false });
    threads.stop_joining(kernel(0), tids[1]);
    assert_eq!(threads.detach(tids[1]), Err(Errno::ESRCH), "nothing is left of it");
}

#[test]
fn to_destroy_reaches_a_thread_that_is_being_made() {
    let (mut threads, _) = running(1);
    let tid = threads.reserve(None).expect("below the limit");
    assert_eq!(threads.doom(tid), Ok(None));
    assert!(threads.born(tid, kernel(5)), "condemned at birth");
}

#[test]
fn to_destroy_all_others_reaches_those_that_they_make() {
    let (mut threads, tids) = running(3);
    let unborn = threads.reserve(Some(tids[1])).expect("below the limit");
    threads.doom_others(tids[0]);
    assert!(threads.born(unborn, kernel(5)), "condemned at birth");
    assert_eq!(threads.reserve(Some(tids[1])), Err(Errno::ESRCH), "its maker is to end");
    let new = threads.reserve(Some(tids[0])).expect("the one that is left makes more");
    assert!(!threads.born(new, kernel(6)));
    // One that has been destroyed itself does not come back by destroying others.
    assert_eq!(threads.doom(new), Ok(Some(kernel(6))));
    threads.doom_others(new);
    assert_eq!(threads.reserve(Some(new)), Err(Errno::ESRCH));
}

#[test]
fn the_last_to_end_ends_the_process() {
    let (mut threads, tids) = running(2);
    assert_eq!(threads.ended(tids[0], 1), Ended { joiner: None, is_last: false });
    assert_eq!(threads.exit(), None);
    assert_eq!(threads.ended(tids[1], 2), Ended { joiner: None, is_last: true });
    assert_eq!(threads.exit(), Some(Exit::default()), "nobody said how: it exited with 0");
}

#[test]
fn the_first_word_on_the_end_counts_and_all_are_condemned() {
    let (mut threads, tids) = running(3);
    let unborn = threads.reserve(None).expect("below the limit");
    threads.ended(tids[1], 0);
    let fault = Exit { how: ended::FAULTED, status: 13, ..Exit::default() };
    assert!(threads.end(fault));
    assert!(!threads.end(Exit { how: ended::KILLED, ..Exit::default() }));
    assert_eq!(threads.exit(), Some(fault));
    assert_eq!(living(&threads), [kernel(0), kernel(2)]);
    assert_eq!(threads.reserve(None), Err(Errno::ESRCH), "it makes no more threads");
    assert!(threads.born(unborn, kernel(9)), "one that was being made is condemned at birth");
    assert_eq!(threads.live(), 3);
}

#[test]
fn one_that_could_not_be_made_leaves_nothing() {
    let (mut threads, tids) = running(1);
    let tid = threads.reserve(None).expect("below the limit");
    assert_eq!(threads.find(tid), Ok(None), "it has no thread yet");
    assert_eq!(threads.unborn(tid), Ended { joiner: None, is_last: false });
    assert_eq!(threads.find(tid), Err(Errno::ESRCH));
    assert_eq!((threads.live(), threads.find(tids[0])), (1, Ok(Some(kernel(0)))));
}

#[test]
fn any_word_is_a_name_and_most_name_nobody() {
    let (mut threads, tids) = running(1);
    for word in [0, 1, u64::MAX, tids[0].to_word() + 1, tids[0].to_word() + (1 << 24)] {
        assert_eq!(threads.find(Tid::from_word(word)), Err(Errno::ESRCH), "{word:#x}");
        let joined = threads.join(tids[0], kernel(0), Tid::from_word(word));
        assert_eq!(joined, Err(Errno::ESRCH), "{word:#x}");
    }
    assert!(tids[0].to_word() > 0 && tids[0].to_word().cast_signed() > 0);
}
