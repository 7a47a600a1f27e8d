// SPDX-License-Identifier: Apache-2.0
//! Drives that go away, or do not stop: every command ends, and memory is kept
//! from the drive before it is given back.

use skimmer_nvme::{Clock as _, Controller, Error, Options};

use crate::fake::{Fake, Setup, Trouble};
use crate::queues::Bench;

/// A bench with one command that the drive has begun and will not end by itself,
/// and one that it has not begun; it does not stop.
fn stuck(loose: bool) -> Bench {
    let setup = Setup { batch: 1, loose, ..Setup::default() };
    let mut bench = Bench::new(setup, 4);
    bench.fake.with(|device| device.troubles.extend([(0, Trouble::Held)]));
    for _ in 0..2 {
        let (request, part) = bench.read(0, 1);
        bench.queues[0].submit(request, part).expect("there is room");
    }
    bench.fake.pause(1);
    bench.fake.with(|device| device.setup.falls = None);
    bench
}

/// What the drive still has in hand, it does.
fn late_work(bench: &Bench) {
    bench.fake.with(|device| {
        device.csts = 1;
        device.work(4);
    });
    bench.fake.assert_clean();
}

/// Nothing is accepted, and nothing is waited for.
fn assert_lost(bench: &mut Bench, error: Error) {
    let before = bench.fake.now();
    let (request, part) = bench.read(0, 1);
    let refused = bench.queues[0].submit(request, part).expect_err("it is lost");
    assert_eq!((refused.error, refused.buffer.is_some()), (error, true));
    assert_eq!(bench.controller.attend(&mut bench.queues).err(), Some(error));
    assert_eq!(bench.controller.recover(&mut bench.queues), Err(error));
    assert_eq!(bench.controller.shutdown(&mut bench.queues), Err(error));
    assert_eq!(bench.fake.now(), before);
}

#[test]
fn a_controller_that_does_not_stop_is_cut_off_and_its_commands_end() {
    let mut bench = stuck(false);
    assert_eq!(bench.controller.recover(&mut bench.queues), Err(Error::NotReady));
    for _ in 0..2 {
        let (result, part) = bench.next();
        assert_eq!((result, part.is_some()), (Err(Error::NotReady), true));
    }
    assert_eq!(bench.queues[0].counts().leaked, 0);
    assert_eq!(bench.controller.resets(), 0);
    assert_lost(&mut bench, Error::NotReady);
    // All of it may be freed: what the drive does from now on comes nowhere.
    let Bench { fake, controller, queues } = bench;
    drop((controller, queues));
    assert_eq!(fake.with(|device| device.ram.live()), 0);
    fake.with(|device| device.ram.drive_write(0x8000_0000, &[1]));
    fake.assert_clean();
}

#[test]
fn one_that_cannot_be_cut_off_either_keeps_the_memory_and_its_commands_end() {
    let mut bench = stuck(true);
    assert_eq!(bench.controller.recover(&mut bench.queues), Err(Error::AtLarge));
    for _ in 0..2 {
        let (result, part) = bench.next();
        assert_eq!((result, part.is_none()), (Err(Error::AtLarge), true));
    }
    assert_eq!(bench.queues[0].counts().leaked, 2);
    assert_lost(&mut bench, Error::AtLarge);
    // It writes to memory that nobody else has got.
    late_work(&bench);
    std::mem::forget((bench.controller, bench.queues));
}

#[test]
fn a_drive_that_does_not_stop_at_its_shutdown_is_cut_off() {
    let mut bench = Bench::new(Setup::default(), 4);
    bench.fake.with(|device| device.setup.falls = None);
    assert_eq!(bench.controller.shutdown(&mut bench.queues), Err(Error::NotReady));
    bench.fake.with(|device| assert!(device.ram.is_cut_off));
    let Bench { fake, controller, queues } = bench;
    drop((controller, queues));
    assert_eq!(fake.with(|device| device.ram.live()), 0);
}

#[test]
fn a_drive_that_is_gone_is_cut_off_and_stays_gone() {
    let mut bench = Bench::new(Setup { batch: 1, ..Setup::default() }, 4);
    bench.fake.with(|device| device.troubles.extend([(0, Trouble::Gone)]));
    for _ in 0..4 {
        let (request, part) = bench.read(0, 1);
        bench.queues[0].submit(request, part).expect("there is room");
    }
    bench.fake.pause(1);
    // Of the drive that is gone no command is heard by itself.
    assert_eq!((bench.queues[0].harvest(), bench.queues[0].has_news()), (0, false));
    assert_eq!(bench.controller.attend(&mut bench.queues), Err(Error::Gone));
    for _ in 0..4 {
        let (result, part) = bench.next();
        assert_eq!((result, part.is_some()), (Err(Error::Gone), true));
    }
    assert_lost(&mut bench, Error::Gone);
    // Registers that answer again are another drive's, as far as anybody knows.
    bench.fake.with(|device| device.gone = false);
    assert_lost(&mut bench, Error::Gone);
}

#[test]
fn memory_is_given_to_a_drive_that_is_off() {
    let fake = Fake::new(Setup::default());
    // Firmware has left it on.
    fake.with(|device| device.write(0x14, 1));
    fake.pause(fake.now() + 10_000_000);
    assert_eq!(fake.with(|device| device.csts), 1);
    fake.start(Options::default(), 2);
}

#[test]
fn memory_is_not_given_to_a_drive_that_does_not_stop() {
    let fake = Fake::new(Setup { falls: None, ..Setup::default() });
    fake.with(|device| device.write(0x14, 1));
    fake.pause(fake.now() + 10_000_000);
    let started = Controller::start(fake.clone(), Options::default(), 2);
    assert_eq!(started.err(), Some(Error::NotReady));
    fake.with(|device| assert!(device.ram.is_cut_off && device.ram.live() == 0));
    fake.assert_clean();
}

#[test]
fn a_drive_that_was_shut_down_has_memory_no_more() {
    let mut bench = Bench::new(Setup::default(), 4);
    bench.fake.with(|device| assert!(!device.ram.is_cut_off));
    bench.controller.shutdown(&mut bench.queues).expect("it stops");
    bench.fake.with(|device| assert!(device.ram.is_cut_off));
}

#[test]
fn news_are_seen_without_being_taken() {
    let mut bench = Bench::new(Setup::default(), 4);
    assert!(!bench.queues[0].has_news());
    for _ in 0..20 {
        let (request, part) = bench.read(0, 1);
        bench.queues[0].submit(request, part).expect("there is room");
        assert!(bench.queues[0].has_news() && !bench.queues[1].has_news());
        assert_eq!((bench.next().0, bench.queues[0].has_news()), (Ok(0), false));
    }
    bench.end();
}
