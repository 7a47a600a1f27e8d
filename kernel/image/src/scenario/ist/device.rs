// SPDX-License-Identifier: Apache-2.0
//! A device that interrupts when it is asked to: the alarm of the Goldfish
//! real-time clock, or, on machines without one, a serial port of SiFive's that
//! is not the console, by telling that it has nothing to send.
//!
//! Nothing is sent by such a port. It is as firmware left it, but for when it
//! interrupts.

use skimmer_arch::{mmio::Mmio, time};
use skimmer_fdt::{Fdt, Interrupts, Region, Uart, UartKind};
use skimmer_goldfish_rtc::{COMPATIBLE, Register, Registers, Rtc};

use crate::{interrupts, platform};

/// An alarm of the clock rings after so many nanoseconds at the least, and at the
/// most after so many more.
const DELAY: (u64, u64) = (20_000, 200_000);

/// What interrupts, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Device {
    pub(super) source: u32,
    means: Means,
}

#[derive(Clone, Copy, Debug)]
enum Means {
    Clock(Clock),
    Port(Port),
}

impl Device {
    /// The first that interrupts by the kernel's controller.
    pub(super) fn find(tree: &Fdt<'_>) -> Option<Self> {
        Self::clock(tree).or_else(|| Self::port(tree))
    }

    fn clock(tree: &Fdt<'_>) -> Option<Self> {
        tree.find_compatible(COMPATIBLE).find_map(|node| {
            let registers = registers(node.registers().ok()?, Register::BYTES)?;
            Some(Self { source: source(node.interrupts())?, means: Means::Clock(Clock(registers)) })
        })
    }

    fn port(tree: &Fdt<'_>) -> Option<Self> {
        // Where the tree does not say which one the console is, each may be.
        let console = tree.chosen().stdout()?.registers().ok()?;
        let spare = |port: &Uart<'_>| {
            port.kind() == UartKind::SiFive && port.registers().is_ok_and(|place| place != console)
        };
        tree.uarts().filter(spare).find_map(|port| {
            let registers = registers(port.registers().ok()?, Port::BYTES)?;
            Some(Self { source: source(port.interrupts())?, means: Means::Port(Port(registers)) })
        })
    }

    /// Silent, and ready to be asked.
    pub(super) fn begin(&self) {
        match self.means {
            Means::Clock(clock) => Rtc::new(clock).enable(),
            Means::Port(port) => port.begin(),
        }
    }

    /// Has it interrupt, if it is a clock after a while. When that is, by
    /// [`Device::now`].
    pub(super) fn ring(&self, random: u64) -> u64 {
        match self.means {
            Means::Clock(clock) => {
                let (least, more) = DELAY;
                let at = self.now() + least + random % more;
                Rtc::on(clock).set_alarm(at);
                at
            }
            Means::Port(port) => {
                let at = self.now();
                port.tell(true);
                at
            }
        }
    }

    /// The time, in nanoseconds.
    pub(super) fn now(&self) -> u64 {
        match self.means {
            Means::Clock(clock) => Rtc::on(clock).now(),
            Means::Port(_) => time::nanos(time::now()),
        }
    }

    /// Takes its line down.
    pub(super) fn clear(&self) {
        match self.means {
            Means::Clock(clock) => Rtc::on(clock).clear(),
            Means::Port(port) => port.tell(false),
        }
    }

    /// Takes its line down for good.
    pub(super) fn silence(&self) {
        match self.means {
            Means::Clock(clock) => Rtc::on(clock).silence(),
            Means::Port(port) => port.tell(false),
        }
    }
}

/// The registers at that place, if there are so many bytes of them.
fn registers(place: Region, bytes: usize) -> Option<Mmio> {
    Mmio::new(platform::extent(place)).ok().filter(|registers| registers.size() >= bytes)
}

/// The source of the first interrupt, if it is the kernel's controller's.
fn source(mut all: Interrupts<'_>) -> Option<u32> {
    let interrupt = all.next()?.ok()?;
    interrupts::is_controller(interrupt.controller).then(|| interrupt.source().ok())?
}

#[derive(Clone, Copy, Debug)]
struct Clock(Mmio);

impl Registers for Clock {
    fn read(&self, register: Register) -> u32 {
        self.0.read(register.offset())
    }

    fn write(&self, register: Register, value: u32) {
        self.0.write(register.offset(), value);
    }
}

/// A serial port (SiFive FU540-C000 Manual, chapter "Universal Asynchronous
/// Receiver/Transmitter"). Its line is a level: up while fewer bytes are left to
/// send than the watermark says, and that may interrupt.
#[derive(Clone, Copy, Debug)]
struct Port(Mmio);

impl Port {
    /// Bytes of its registers.
    const BYTES: usize = 0x1c;

    /// Transmit control. The watermark is three bits.
    const TXCTRL: usize = 0x08;
    const WATERMARK: u32 = 0b111 << 16;
    const ONE: u32 = 1 << 16;

    /// What may interrupt; bit 0: the watermark.
    const IE: usize = 0x10;
    const TXWM: u32 = 1 << 0;

    fn begin(self) {
        self.tell(false);
        let control = self.0.read(Self::TXCTRL) & !Self::WATERMARK;
        self.0.write(Self::TXCTRL, control | Self::ONE);
    }

    /// Whether it interrupts, for it has nothing to send.
    fn tell(self, wanted: bool) {
        self.0.write(Self::IE, if wanted { Self::TXWM } else { 0 });
    }
}
