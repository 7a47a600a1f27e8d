// SPDX-License-Identifier: Apache-2.0
//! The admin queue, and what the drive says of itself.

use skimmer_nvme::{Controller, Error, Field, Misuse, Namespace, Options, Unsupported};

use crate::fake::{Fake, Setup};
use crate::queues::Part;

fn start(setup: Setup) -> Result<(Fake, Controller<Fake>), Error> {
    let fake = Fake::new(setup);
    Controller::start(fake.clone(), Options::default(), 8).map(|controller| (fake, controller))
}

fn patched(cns: u32, at: usize, bytes: &[u8]) -> Setup {
    Setup { patches: vec![(cns, at, bytes.to_vec())], ..Setup::default() }
}

#[test]
fn controller_and_namespaces_are_as_the_drive_says() {
    let (fake, controller) = start(Setup::default()).expect("it starts");
    assert_eq!(&controller.info().serial, b"SERIAL              ");
    assert_eq!(controller.info().most_bytes, 4096 << 5);
    assert_eq!(controller.queues(), 4);
    assert_eq!(
        controller.namespaces(),
        [
            Namespace { id: 1, block_size: 512, blocks: 4096, most_blocks: 256 },
            Namespace { id: 3, block_size: 4096, blocks: 1024, most_blocks: 32 },
        ]
    );
    assert_eq!(controller.rejected(), []);
    fake.assert_clean();
}

#[test]
fn fewer_queues_are_asked_for_than_there_are() {
    let fake = Fake::new(Setup::default());
    let mut controller = fake.start(Options::default(), 2);
    assert_eq!(controller.queues(), 2);
    let queues: Vec<_> =
        (0..2).map(|_| controller.queue_pair::<Part>(None).expect("there are two")).collect();
    assert_eq!(queues[1].id(), 2);
    let third = controller.queue_pair::<Part>(None).err();
    assert_eq!(third, Some(Error::Misuse(Misuse::TooManyQueues)));
    fake.assert_clean();
}

#[test]
fn queues_are_as_deep_as_the_controller_allows() {
    let fake = Fake::new(Setup { mqes: 15, ..Setup::default() });
    let mut controller = fake.start(Options::default(), 1);
    let queue = controller.queue_pair::<Part>(Some(0)).expect("there is one");
    assert_eq!(queue.depth(), 15);
    fake.assert_clean();
}

#[test]
fn no_limit_of_transfers_is_65536_blocks() {
    for mdts in [0, 60, 255] {
        let (_, controller) = start(Setup { mdts, ..Setup::default() }).expect("it starts");
        assert!(controller.namespaces().iter().all(|n| n.most_blocks == 65536), "{mdts}");
    }
}

#[test]
fn as_many_namespaces_as_the_options_allow() {
    for most in [0, 1, 100, 256, 300] {
        let namespaces = (1..=256).map(|id| (id, 9, 8)).collect();
        let fake = Fake::new(Setup { namespaces, ..Setup::default() });
        let options = Options { namespaces: most, ..Options::default() };
        let controller = fake.start(options, 1);
        assert_eq!(controller.namespaces().len(), most.min(256));
    }
}

#[test]
fn a_controller_that_says_the_impossible_is_refused() {
    let cases = [
        (patched(1, 512, &[0x55]), Field::EntrySizes),
        (patched(1, 513, &[0x35]), Field::EntrySizes),
        (patched(2, 0, &[3, 0, 0, 0, 1]), Field::NamespaceList),
        (patched(2, 0, &[1, 0, 0, 0, 1]), Field::NamespaceList),
        (patched(2, 0, &[0xff, 0xff, 0xff, 0xff]), Field::NamespaceList),
    ];
    for (setup, field) in cases {
        let fake = Fake::new(setup);
        let started = Controller::start(fake.clone(), Options::default(), 1);
        assert_eq!(started.err(), Some(Error::Garbage(field)));
        fake.with(|device| {
            assert_eq!(device.csts, 0, "it was left on");
            assert_eq!(device.ram.live(), 0, "something was kept");
        });
        fake.assert_clean();
    }
}

#[test]
fn namespaces_that_cannot_be_used_do_not_take_the_drive_with_them() {
    let cases: [(usize, &[u8], Error); 6] = [
        (26, &[3], Error::Garbage(Field::Format)),
        (26, &[0], Error::Unsupported(Unsupported::BlockSize(0))),
        (132, &[8, 0], Error::Unsupported(Unsupported::Metadata(8))),
        (134, &[13], Error::Unsupported(Unsupported::BlockSize(13))),
        (0, &[0xff; 8], Error::Garbage(Field::Size)),
        (8, &[0xff; 8], Error::Garbage(Field::Size)),
    ];
    for (at, bytes, error) in cases {
        let (fake, controller) = start(patched(0, at, bytes)).expect("it starts");
        assert_eq!(controller.rejected(), [(1, error), (3, error)]);
        assert_eq!(controller.namespaces(), []);
        fake.assert_clean();
    }
}

#[test]
fn without_memory_nothing_is_kept() {
    for pages in 0..3 {
        let fake = Fake::new(Setup::default());
        fake.with(|device| device.ram.left = Some(pages));
        let started = Controller::start(fake.clone(), Options::default(), 1);
        assert_eq!(started.err(), Some(Error::NoMemory), "{pages}");
        fake.with(|device| assert_eq!((device.ram.live(), device.csts), (0, 0)));
    }
}

#[test]
fn a_shutdown_leaves_nothing_behind() {
    let (fake, mut controller) = start(Setup::default()).expect("it starts");
    let mut queues = [controller.queue_pair::<Part>(None).expect("there is one")];
    controller.shutdown(&mut queues).expect("it stops");
    drop((controller, queues));
    fake.with(|device| assert_eq!((device.ram.live(), device.csts & 1), (0, 0)));
    fake.assert_clean();
}

#[test]
fn an_admin_command_that_never_ends_ends_the_start() {
    for silent in [0x06, 0x09] {
        let fake = Fake::new(Setup { silent: Some(silent), ..Setup::default() });
        let started = Controller::start(fake.clone(), Options::default(), 1);
        assert_eq!(started.err(), Some(Error::TimedOut));
        fake.with(|device| assert_eq!((device.ram.live(), device.csts), (0, 0)));
    }
}

#[test]
fn what_cannot_be_turned_off_or_cut_off_keeps_its_memory() {
    // Two queues, and the page that Identify may still fill.
    for (loose, kept) in [(false, 0), (true, 3)] {
        let setup = Setup { silent: Some(0x06), falls: None, loose, ..Setup::default() };
        let fake = Fake::new(setup);
        let started = Controller::start(fake.clone(), Options::default(), 1);
        assert_eq!(started.err(), Some(Error::TimedOut));
        fake.with(|device| assert_eq!(device.ram.live(), kept));
    }
}

#[test]
fn no_queues_are_no_use() {
    let setup = Setup { failing: Some((0x09, 2)), ..Setup::default() };
    let error = start(setup).err();
    assert_eq!(error, Some(Error::Unsupported(Unsupported::NoQueues)));
}

#[test]
fn half_a_queue_pair_is_taken_back() {
    let (fake, mut controller) =
        start(Setup { failing: Some((0x01, 0x101)), ..Setup::default() }).expect("it starts");
    let live = fake.with(|device| device.ram.live());
    assert!(matches!(controller.queue_pair::<Part>(None), Err(Error::Failed(_))));
    fake.with(|device| {
        assert_eq!((device.ram.live(), device.completions.len()), (live, 1));
        device.setup.failing = None;
    });
    assert_eq!(controller.queue_pair::<Part>(None).expect("there is one").id(), 1);
    fake.assert_clean();
}

#[test]
fn without_a_list_every_number_is_asked_for() {
    let (fake, controller) = start(Setup { old: true, ..Setup::default() }).expect("it starts");
    assert_eq!(controller.namespaces().iter().map(|n| n.id).collect::<Vec<_>>(), [1, 3]);
    fake.assert_clean();
}
