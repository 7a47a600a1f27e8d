// SPDX-License-Identifier: Apache-2.0
//! The Goldfish real-time clock of QEMU's `virt`: nanoseconds, and one alarm.
//!
//! Role: an interrupt that comes when it is asked for, for whoever shows that
//! interrupts arrive. [`Registers`] is all it needs of the machine.
//! Owns: the registers, as long as nobody else has a second [`Rtc`] of them.
//! Facts: the document "Goldfish virtual hardware" of the Android emulator
//! (section "RTC"), and QEMU, which goes beyond it (`ALARM_STATUS`, and 0x10 is
//! `IRQ_ENABLED` there). The line is a level: up while an alarm has rung that
//! was not cleared, and interrupts are enabled.
//! Neighbours: `drivers/fdt` finds it ([`COMPATIBLE`]); an interrupt service
//! thread of the kernel serves it.
#![no_std]
#![forbid(unsafe_code)]

/// What a device tree calls it.
pub const COMPATIBLE: &str = "google,goldfish-rtc";

/// A register: 32 bits at that offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Register {
    /// The time's low half. Reading it keeps the high half of that moment.
    TimeLow = 0x00,
    /// The high half that was kept.
    TimeHigh = 0x04,
    /// The alarm's low half. Writing it sets the alarm.
    AlarmLow = 0x08,
    /// The alarm's high half, for the write of the low one.
    AlarmHigh = 0x0c,
    /// 1 if the line may go up.
    IrqEnabled = 0x10,
    /// Writing it forgets the alarm.
    ClearAlarm = 0x14,
    /// 1 while an alarm is set that has not rung.
    AlarmStatus = 0x18,
    /// Writing it takes the line down.
    ClearInterrupt = 0x1c,
}

impl Register {
    /// Bytes that the registers take.
    pub const BYTES: usize = 0x20;

    /// From the first byte of the device.
    #[must_use]
    pub const fn offset(self) -> usize {
        self as usize
    }
}

/// The registers of one clock. Accesses reach it one by one, in program order.
pub trait Registers {
    /// Reads a register.
    fn read(&self, register: Register) -> u32;

    /// Writes a register.
    fn write(&self, register: Register, value: u32);
}

impl<R: Registers + ?Sized> Registers for &R {
    fn read(&self, register: Register) -> u32 {
        (**self).read(register)
    }

    fn write(&self, register: Register, value: u32) {
        (**self).write(register, value);
    }
}

/// One clock.
#[derive(Debug)]
pub struct Rtc<R> {
    registers: R,
}

impl<R: Registers> Rtc<R> {
    /// The clock with these registers, silent: no alarm, and the line down.
    pub fn new(registers: R) -> Self {
        let rtc = Self::on(registers);
        rtc.silence();
        rtc
    }

    /// The clock with these registers, as it is.
    pub const fn on(registers: R) -> Self {
        Self { registers }
    }

    /// The time, in nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        let low = self.registers.read(Register::TimeLow);
        let high = self.registers.read(Register::TimeHigh);
        join(high, low)
    }

    /// Lets the line go up.
    pub fn enable(&self) {
        self.registers.write(Register::IrqEnabled, 1);
    }

    /// Sets the alarm to that time, in place of an earlier one; it rings at once
    /// if that is past.
    pub fn set_alarm(&self, at: u64) {
        self.registers.write(Register::AlarmHigh, (at >> 32) as u32);
        self.registers.write(Register::AlarmLow, at as u32);
    }

    /// Whether an alarm is set that has not rung.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.registers.read(Register::AlarmStatus) != 0
    }

    /// Takes the line down, after the alarm has rung.
    pub fn clear(&self) {
        self.registers.write(Register::ClearInterrupt, 0);
    }

    /// Forgets the alarm, takes the line down and keeps it there.
    pub fn silence(&self) {
        self.registers.write(Register::IrqEnabled, 0);
        self.registers.write(Register::ClearAlarm, 0);
        self.registers.write(Register::ClearInterrupt, 0);
    }
}

const fn join(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}
