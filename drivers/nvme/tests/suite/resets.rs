// SPDX-License-Identifier: Apache-2.0
//! Off and on.

use skimmer_nvme::{
    AdminQueues, Capabilities, Clock as _, Error, Field, Unsupported, disable, enable,
};

use crate::fake::{Fake, Setup};

const QUEUES: AdminQueues = AdminQueues { submissions: 0x1000, completions: 0x2000, entries: 32 };

fn on(fake: &Fake) -> Result<(), Error> {
    let capabilities = Capabilities::read(fake)?;
    disable(fake, &capabilities)?;
    enable(fake, &capabilities, QUEUES)
}

#[test]
fn off_and_on_and_again() {
    let fake = Fake::new(Setup::default());
    for _ in 0..3 {
        on(&fake).expect("it starts");
    }
    fake.with(|device| {
        assert_eq!(device.csts, 1);
        assert_eq!((device.asq, device.acq), (0x1000, 0x2000));
        assert_eq!(device.aqa, (31 << 16) | 31);
        assert_eq!(device.cc, 1 | (6 << 16) | (4 << 20));
    });
    fake.assert_clean();
}

#[test]
fn a_controller_on_its_way_up_is_waited_for_before_it_is_turned_off() {
    let fake = Fake::new(Setup::default());
    let capabilities = Capabilities::read(&fake).expect("it answers");
    fake.with(|device| device.write(0x14, 1));
    disable(&fake, &capabilities).expect("it stops");
    fake.assert_clean();
}

#[test]
fn never_ready_ends_after_the_time_of_the_capabilities() {
    let fake = Fake::new(Setup { rises: None, ..Setup::default() });
    assert_eq!(on(&fake), Err(Error::NotReady));
    let waited = fake.now();
    assert!((2_500_000_000..2_700_000_000).contains(&waited), "{waited}");
}

#[test]
fn never_off_is_not_ready() {
    let fake = Fake::new(Setup { falls: None, ..Setup::default() });
    on(&fake).expect("it is off at first");
    assert_eq!(on(&fake), Err(Error::NotReady));
}

#[test]
fn fatal_is_said_at_once_and_a_reset_is_still_possible() {
    let fake = Fake::new(Setup { fatal: true, ..Setup::default() });
    assert_eq!(on(&fake), Err(Error::Fatal));
    assert!(fake.now() < 1_000_000_000);
    fake.with(|device| device.setup.fatal = false);
    on(&fake).expect("it was reset");
}

#[test]
fn a_drive_that_goes_away_is_gone_at_any_register() {
    let fake = Fake::new(Setup::default());
    let capabilities = Capabilities::read(&fake).expect("it answers");
    fake.with(|device| device.gone = true);
    assert_eq!(Capabilities::read(&fake), Err(Error::Gone));
    assert_eq!(disable(&fake, &capabilities), Err(Error::Gone));
    assert_eq!(enable(&fake, &capabilities, QUEUES), Err(Error::Gone));
}

#[test]
fn capabilities_that_cannot_be_used_are_refused() {
    let read = |setup| Capabilities::read(&Fake::new(setup));
    let one_entry = read(Setup { mqes: 0, ..Setup::default() });
    assert_eq!(one_entry, Err(Error::Garbage(Field::QueueEntries)));
    let small = read(Setup { register_bytes: 0x800, ..Setup::default() });
    assert_eq!(small, Err(Error::Garbage(Field::Doorbells)));
    let no_nvm = read(Setup { cap: 0, ..Setup::default() });
    assert_eq!(no_nvm, Err(Error::Unsupported(Unsupported::CommandSet)));
    let large_pages = read(Setup { cap: (1 << 37) | (1 << 48), ..Setup::default() });
    assert_eq!(large_pages, Err(Error::Unsupported(Unsupported::PageSize)));
}

#[test]
fn doorbells_lie_at_the_stride_and_within_the_registers() {
    for (dstrd, expected) in [(0, (0x1018, 0x101c)), (1, (0x1030, 0x1038)), (4, (0x1180, 0x11c0))] {
        let fake = Fake::new(Setup { dstrd, ..Setup::default() });
        let capabilities = Capabilities::read(&fake).expect("it answers");
        assert_eq!(capabilities.doorbells(3, 0x4000), Ok(expected));
        let outside = capabilities.doorbells(3, expected.1 + 3);
        assert_eq!(outside, Err(Error::Garbage(Field::Doorbells)));
        assert_eq!(capabilities.doorbells(3, expected.1 + 4), Ok(expected));
    }
}
