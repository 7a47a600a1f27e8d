// SPDX-License-Identifier: Apache-2.0
//! Drives that fail, lie, stop or go away: an error, no hang, no wrong data.

use skimmer_nvme::{Cause, Clock as _, Error, Options, Request};

use crate::fake::{Setup, Trouble};
use crate::queues::Bench;

/// Longer than a command may take.
const LATE: u64 = 31_000_000_000;

/// A bench where the command `nth` of I/O has this trouble.
fn troubled(setup: Setup, nth: u64, trouble: Trouble) -> Bench {
    let bench = Bench::new(setup, 4);
    bench.fake.with(|device| device.troubles.extend([(nth, trouble)]));
    bench
}

/// Submits a read of one block.
fn submit(bench: &mut Bench) {
    let (request, part) = bench.read(0, 1);
    bench.queues[0].submit(request, part).expect("there is room");
}

fn attend(bench: &mut Bench) -> Result<skimmer_nvme::Attended, Error> {
    bench.controller.attend(&mut bench.queues)
}

/// Time goes by in which nothing comes.
fn wait(bench: &mut Bench) {
    bench.fake.pause(bench.fake.now() + LATE);
    bench.queues[0].harvest();
    assert!(bench.queues[0].take().is_none());
}

#[test]
fn errors_of_the_medium_are_what_they_are() {
    let cases = [
        (0x281, Cause::ReadError),
        (0x280, Cause::WriteFault),
        (0x081, Cause::OutOfRange),
        (0x020, Cause::ReadOnly),
        (0x006, Cause::Internal),
        (0x4281, Cause::ReadError),
        (0x7ff, Cause::Other),
    ];
    for (field, cause) in cases {
        let mut bench = troubled(Setup::default(), 1, Trouble::Fails(field));
        let results: Vec<_> = (0..3)
            .map(|_| {
                let r = bench.read(0, 1);
                bench.run(r)
            })
            .collect();
        let Err(Error::Failed(status)) = results[1] else { panic!("{results:?}") };
        assert_eq!((status.cause(), status.do_not_retry), (cause, field & 0x4000 != 0));
        assert_eq!((results[0], results[2]), (Ok(0), Ok(0)));
        bench.end();
    }
}

#[test]
fn a_command_that_hangs_is_aborted_and_tried_again() {
    let mut bench = troubled(Setup::default(), 0, Trouble::Held);
    submit(&mut bench);
    wait(&mut bench);
    let attended = attend(&mut bench).expect("it is well");
    assert_eq!((attended.aborts, attended.reset), (1, false));
    assert_eq!(bench.next().0, Ok(0));
    assert_eq!(bench.queues[0].counts().retried, 1);
    bench.end();
}

#[test]
fn a_command_that_always_hangs_times_out() {
    let mut bench = Bench::new(Setup::default(), 4);
    bench.fake.with(|device| device.troubles = (0..3).map(|nth| (nth, Trouble::Held)).collect());
    submit(&mut bench);
    for _ in 0..3 {
        wait(&mut bench);
        assert_eq!(attend(&mut bench).expect("it is well").aborts, 1);
    }
    assert_eq!(bench.next().0, Err(Error::TimedOut));
    bench.end();
}

#[test]
fn a_command_that_is_lost_takes_a_reset_and_nothing_else_is_lost() {
    for trouble in [Trouble::Lost, Trouble::WrongId(0x8000), Trouble::WrongQueue] {
        let mut bench = troubled(Setup::default(), 1, trouble);
        for _ in 0..3 {
            submit(&mut bench);
        }
        assert_eq!((bench.next().0, bench.next().0), (Ok(0), Ok(0)));
        wait(&mut bench);
        assert_eq!(attend(&mut bench).expect("it is well").aborts, 1);
        wait(&mut bench);
        assert!(attend(&mut bench).expect("it comes back").reset, "{trouble:?}");
        assert_eq!(bench.next().0, Ok(0));
        assert_eq!(bench.controller.resets(), 1);
        submit(&mut bench);
        assert_eq!(bench.next().0, Ok(0));
        bench.end();
    }
}

#[test]
fn a_completion_in_the_wrong_phase_is_none() {
    let mut bench = troubled(Setup::default(), 2, Trouble::WrongPhase);
    for _ in 0..3 {
        submit(&mut bench);
    }
    assert_eq!((bench.next().0, bench.next().0), (Ok(0), Ok(0)));
    for _ in 0..2 {
        wait(&mut bench);
        attend(&mut bench).expect("it comes back");
    }
    assert_eq!((bench.next().0, bench.controller.resets()), (Ok(0), 1));
    bench.end();
}

#[test]
fn strays_are_counted_and_end_nothing() {
    let mut bench = Bench::new(Setup::default(), 4);
    bench.fake.with(|device| {
        let plan = [(5, Trouble::Twice), (6, Trouble::Stale(5)), (9, Trouble::BadHead)];
        device.troubles = plan.into();
    });
    for _ in 0..12 {
        submit(&mut bench);
        assert_eq!(bench.next().0, Ok(0));
        bench.queues[0].harvest();
        assert!(bench.queues[0].take().is_none());
    }
    let counts = bench.queues[0].counts();
    assert_eq!((counts.completed, counts.submitted), (12, 12));
    assert_eq!((counts.duplicate, counts.stale, counts.bad_head), (1, 1, 1));
    bench.end();
}

#[test]
fn identifiers_that_no_slot_has_are_counted() {
    // Three slots have two bits, and the index 3 is nobody's.
    let mut bench = Bench::new(Setup::default(), 3);
    bench.fake.with(|device| device.troubles.extend([(0, Trouble::WrongId(3))]));
    submit(&mut bench);
    bench.queues[0].harvest();
    assert!(bench.queues[0].take().is_none());
    assert_eq!(bench.queues[0].counts().unknown, 1);
    bench.end();
}

#[test]
fn a_fatal_state_is_reset_at_once() {
    let mut bench = troubled(Setup::default(), 1, Trouble::Fatal);
    for _ in 0..4 {
        submit(&mut bench);
    }
    assert!(attend(&mut bench).expect("it comes back").reset);
    for _ in 0..4 {
        assert_eq!(bench.next().0, Ok(0));
    }
    bench.end();
}

#[test]
fn a_drive_that_goes_away_ends_every_command() {
    let mut bench = troubled(Setup { batch: 1, ..Setup::default() }, 0, Trouble::Gone);
    for _ in 0..4 {
        submit(&mut bench);
    }
    bench.fake.pause(1);
    assert_eq!(attend(&mut bench), Err(Error::Gone));
    for _ in 0..4 {
        let (result, part) = bench.next();
        assert_eq!((result, part.is_some()), (Err(Error::Gone), true));
    }
    let (request, part) = bench.read(0, 1);
    let refused = bench.queues[0].submit(request, part).expect_err("it is gone");
    assert_eq!(refused.error, Error::Gone);
    assert!(refused.buffer.is_some());
    assert_eq!(attend(&mut bench), Err(Error::Gone));
}

#[test]
fn a_controller_that_does_not_come_back_ends_every_command() {
    let mut bench = troubled(Setup::default(), 0, Trouble::Fatal);
    submit(&mut bench);
    bench.fake.with(|device| device.setup.fatal = true);
    assert_eq!(attend(&mut bench), Err(Error::Fatal));
    assert_eq!(bench.next().0, Err(Error::Fatal));
    assert_eq!(bench.controller.resets(), u64::from(Options::default().patience.attempts));
    // And may come back later.
    bench.fake.with(|device| device.setup.fatal = false);
    assert!(attend(&mut bench).expect("it comes back").reset);
    submit(&mut bench);
    assert_eq!(bench.next().0, Ok(0));
    bench.end();
}

#[test]
fn another_drive_is_not_written_to() {
    let mut bench = troubled(Setup::default(), 0, Trouble::Fatal);
    let namespace = bench.namespace(0);
    let mut part = crate::queues::Part::new(&bench.fake, 0, 512);
    part.fill(&[7; 512]);
    let write = Request::Write { namespace, first: 0, blocks: 1, through: false };
    bench.queues[0].submit(write, Some(part)).expect("there is room");
    bench.fake.with(|device| device.setup.patches.push((1, 4, b"OTHER".to_vec())));
    assert_eq!(attend(&mut bench), Err(Error::Changed));
    assert_eq!(bench.next().0, Err(Error::Changed));
    bench.fake.with(|device| assert!(device.disks[&1].data.iter().all(|byte| *byte == 0)));
    bench.end();
}

#[test]
fn a_completion_without_an_interrupt_is_found() {
    let mut bench = Bench::new(Setup::default(), 4);
    submit(&mut bench);
    bench.fake.pause(LATE);
    let attended = attend(&mut bench).expect("it is well");
    assert_eq!((attended.found, attended.aborts), (1, 0));
    assert_eq!(bench.next().0, Ok(0));
    bench.end();
}

#[test]
fn an_abort_that_hangs_takes_a_reset() {
    let mut bench = troubled(Setup { silent: Some(0x08), ..Setup::default() }, 0, Trouble::Held);
    submit(&mut bench);
    wait(&mut bench);
    assert!(attend(&mut bench).expect("it comes back").reset);
    assert_eq!(bench.next().0, Ok(0));
    bench.end();
}
