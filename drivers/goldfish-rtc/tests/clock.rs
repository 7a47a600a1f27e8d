// SPDX-License-Identifier: Apache-2.0
//! The driver against a fake clock that does what QEMU's does.

use std::cell::Cell;

use skimmer_goldfish_rtc::{Register, Registers, Rtc};

/// A clock whose time passes when the test says so, and a little at each look.
#[derive(Debug, Default)]
struct Fake {
    now: Cell<u64>,
    kept: Cell<u32>,
    alarm: Cell<u64>,
    is_set: Cell<bool>,
    has_rung: Cell<bool>,
    is_enabled: Cell<bool>,
}

impl Fake {
    fn pass(&self, nanos: u64) {
        self.now.set(self.now.get() + nanos);
        if self.is_set.get() && self.alarm.get() <= self.now.get() {
            self.is_set.set(false);
            self.has_rung.set(true);
        }
    }

    fn line(&self) -> bool {
        self.has_rung.get() && self.is_enabled.get()
    }
}

impl Registers for Fake {
    fn read(&self, register: Register) -> u32 {
        self.pass(1);
        match register {
            Register::TimeLow => {
                self.kept.set((self.now.get() >> 32) as u32);
                self.now.get() as u32
            }
            Register::TimeHigh => self.kept.get(),
            Register::AlarmStatus => u32::from(self.is_set.get()),
            other => panic!("{other:?} is not to be read"),
        }
    }

    fn write(&self, register: Register, value: u32) {
        let alarm = self.alarm.get();
        match register {
            Register::AlarmHigh => {
                self.alarm.set(alarm & 0xffff_ffff | u64::from(value) << 32);
            }
            Register::AlarmLow => {
                self.alarm.set(alarm >> 32 << 32 | u64::from(value));
                self.is_set.set(true);
                self.pass(0);
            }
            Register::IrqEnabled => self.is_enabled.set(value & 1 == 1),
            Register::ClearAlarm => self.is_set.set(false),
            Register::ClearInterrupt => self.has_rung.set(false),
            other => panic!("{other:?} is not to be written"),
        }
    }
}

#[test]
fn a_new_clock_is_silent() {
    let fake = Fake::default();
    fake.alarm.set(7);
    fake.is_set.set(true);
    fake.is_enabled.set(true);
    fake.has_rung.set(true);
    let rtc = Rtc::new(&fake);
    assert!(!fake.line() && !rtc.is_set() && !fake.is_enabled.get());
    fake.pass(100);
    assert!(!fake.line());
}

#[test]
fn a_clock_that_is_looked_at_again_keeps_its_alarm() {
    let fake = Fake::default();
    let rtc = Rtc::new(&fake);
    rtc.enable();
    rtc.set_alarm(100);
    assert!(Rtc::on(&fake).is_set());
    fake.pass(100);
    assert!(fake.line());
}

#[test]
fn the_time_is_of_one_moment() {
    let fake = Fake::default();
    fake.now.set(0x1_ffff_fffd);
    let rtc = Rtc::new(&fake);
    // The low half overflows between the two looks.
    for due in [0x1_ffff_fffe, 0x2_0000_0000, 0x2_0000_0002] {
        assert_eq!(rtc.now(), due);
    }
}

#[test]
fn an_alarm_rings_in_time_and_once() {
    let fake = Fake::default();
    fake.now.set(0xffff_fff0);
    let rtc = Rtc::new(&fake);
    rtc.enable();
    rtc.set_alarm(0x1_0000_0010);
    assert!(rtc.is_set() && !fake.line());
    fake.pass(0x1e);
    assert!(!fake.line(), "not early");
    fake.pass(1);
    assert!(fake.line() && !rtc.is_set());
    rtc.clear();
    fake.pass(1 << 33);
    assert!(!fake.line(), "not again");
}

#[test]
fn an_alarm_that_is_past_rings_at_once() {
    let fake = Fake::default();
    fake.now.set(5);
    let rtc = Rtc::new(&fake);
    rtc.set_alarm(5);
    assert!(!fake.line(), "not enabled");
    rtc.enable();
    assert!(fake.line());
}

#[test]
fn a_silent_clock_forgets_its_alarm() {
    let fake = Fake::default();
    let rtc = Rtc::new(&fake);
    rtc.enable();
    rtc.set_alarm(50);
    rtc.silence();
    rtc.enable();
    fake.pass(100);
    assert!(!fake.line());
}
