// SPDX-License-Identifier: Apache-2.0
//! PCI: `drivers/pci` wired to the machine. Takes the host bridges out of the
//! device tree, gives everything below them its addresses, and says where each
//! function's interrupt pin comes out.
//!
//! Law trust-no-firmware-table: a bridge that is missing, unfamiliar or strange
//! is told, and boot goes on without it. Configuration space and BARs are never
//! where RAM is (`arch::mmio`). What a bridge found never changes once it is
//! placed. A function is its driver's, by its [`Reins`], and so are its registers
//! in configuration space: no two write to the same ones.

use alloc::vec::Vec;
use core::fmt;

use skimmer_arch::{mmio, mmio::Mmio, println};
use skimmer_core::memory::NotRegisters;
use skimmer_fdt::{Fdt, PciAddress, PciHost, PciSpace, ValueError};
use skimmer_pci::{
    BusRange, Command, ConfigAddress, ConfigSpace, Ecam, EnableError, Function, FunctionAddress,
    Intx, OutOfMemory, Tree, Window, WindowSpace,
};

use crate::{interrupts, platform};

/// The configuration space of one host bridge (PCIe 7.2.2).
#[derive(Clone, Copy, Debug)]
struct Config {
    ecam: Ecam,
    registers: Mmio,
}

impl ConfigSpace for Config {
    fn read32(&self, address: ConfigAddress) -> u32 {
        let offset = self.ecam.offset(address);
        offset.map_or(u32::MAX, |offset| self.registers.read(offset.bytes() as usize))
    }

    fn write32(&mut self, address: ConfigAddress, value: u32) {
        if let Some(offset) = self.ecam.offset(address) {
            self.registers.write(offset.bytes() as usize, value);
            mmio::order();
        }
    }
}

/// A host bridge, and all that is below it.
#[derive(Debug)]
pub(crate) struct Bus {
    config: Config,
    tree: Tree,
    /// By function: the source that its interrupt pin leads to.
    sources: Vec<Option<u32>>,
}

/// Why a host bridge is not used.
enum NoBus {
    Unfamiliar,
    Unreadable(ValueError),
    Misplaced(NotRegisters),
    /// Its window is too small for one bus.
    TooSmall,
    NoMemory,
}

impl fmt::Display for NoBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfamiliar => f.write_str("it is of no kind that is known"),
            Self::Unreadable(why) => write!(f, "the device tree: {why}"),
            Self::Misplaced(why) => write!(f, "its configuration space: {why}"),
            Self::TooSmall => f.write_str("its configuration space is too small"),
            Self::NoMemory => f.write_str("not enough memory"),
        }
    }
}

impl From<ValueError> for NoBus {
    fn from(why: ValueError) -> Self {
        Self::Unreadable(why)
    }
}

impl From<OutOfMemory> for NoBus {
    fn from(_: OutOfMemory) -> Self {
        Self::NoMemory
    }
}

/// Looks below every host bridge of the tree, and places what is there. Nothing
/// of it decodes, masters the bus or interrupts yet.
pub(crate) fn find(tree: &Fdt<'_>) -> &'static [Bus] {
    let mut buses = Vec::new();
    let mut hosts = tree.pci_hosts().peekable();
    if hosts.peek().is_none() {
        println!("no PCI: the device tree names no host bridge");
    }
    for host in hosts {
        match Bus::below(&host) {
            Ok(bus) => buses.push(bus),
            Err(why) => println!("a PCI host bridge is not used: {why}"),
        }
    }
    buses.leak()
}

impl Bus {
    fn below(host: &PciHost<'_>) -> Result<Self, NoBus> {
        if !host.is_ecam() {
            return Err(NoBus::Unfamiliar);
        }
        let (first, last) = host.buses()?;
        let range = BusRange::new(first, last).ok_or(NoBus::TooSmall)?;
        let place = host.config()?;
        let ecam = Ecam::new(place.size(), range).ok_or(NoBus::TooSmall)?;
        let registers = Mmio::new(platform::extent(place)).map_err(NoBus::Misplaced)?;
        let mut config = Config { ecam, registers };
        let mut tree = Tree::scan(&mut config, ecam.buses())?;
        tree.place(&mut config, &windows(host)?)?;
        for problem in tree.problems() {
            println!("PCI {}: {:?}", problem.function, problem.flaw);
        }
        let functions = 0..tree.functions().len();
        let sources = functions.map(|index| source(host, tree.intx(index)?)).collect();
        Ok(Self { config, tree, sources })
    }

    /// The functions that satisfy `is_it`, as what [`Bus::start`] takes.
    pub(crate) fn matching(&self, is_it: impl Fn(&Function) -> bool) -> Vec<usize> {
        let functions = self.tree.functions().iter().enumerate();
        functions.filter(|(_, function)| is_it(function)).map(|(index, _)| index).collect()
    }

    /// Where a function is.
    pub(crate) fn address(&self, index: usize) -> Option<FunctionAddress> {
        Some(self.tree.functions().get(index)?.address())
    }

    /// Lets a function decode memory, and interrupt by its pin only. It does not
    /// master the bus before [`Reins::give_memory`]. Its memory behind the base
    /// address register `bar`, and the source of its interrupts.
    ///
    /// # Errors
    /// Why not; it stays off then.
    pub(crate) fn start(&'static self, index: usize, bar: u8) -> Result<Started, NotStarted> {
        let function = self.tree.functions().get(index).ok_or(NotStarted::NoMemoryBar)?;
        let bar = self.tree.bars(function).iter().find(|found| found.index() == bar);
        let (bar, place) =
            bar.and_then(|bar| Some((bar, bar.place()?))).ok_or(NotStarted::NoMemoryBar)?;
        let registers = Mmio::new((place.hart, bar.size())).map_err(NotStarted::Misplaced)?;
        let reins = Reins { bus: self, index };
        if !self.tree.send_no_messages(&mut self.config(), index) {
            return Err(NotStarted::Messages);
        }
        reins.enable(Command::MEMORY).map_err(NotStarted::Refused)?;
        let source = self.sources.get(index).copied().flatten();
        Ok(Started { registers, source, reins })
    }

    /// Stops a function: it reaches no memory any more, and does not interrupt.
    pub(crate) fn stop(&'static self, index: usize) {
        // One that does not obey is gone.
        let _ = Reins { bus: self, index }.enable(Command::INTX_DISABLE);
    }

    const fn config(&self) -> Config {
        self.config
    }
}

/// What whoever drives a function can have done to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reins {
    bus: &'static Bus,
    index: usize,
}

impl Reins {
    fn enable(self, command: Command) -> Result<(), EnableError> {
        self.bus.tree.enable(&mut self.bus.config(), self.index, command)
    }

    /// Lets it read and write memory. Whether it obeyed.
    pub(crate) fn give_memory(self) -> bool {
        self.enable(Command::MEMORY | Command::BUS_MASTER).is_ok()
    }

    /// Turns the slot off that it is in. Whether it is in one that obeyed.
    pub(crate) fn power_off(self) -> bool {
        self.bus.tree.power_off(&mut self.bus.config(), self.index)
    }

    /// Takes memory and interrupts away. Whether it surely reaches no memory any
    /// more.
    pub(crate) fn cut_off(self) -> bool {
        self.bus.tree.cut_off(&mut self.bus.config(), self.index)
    }
}

/// A function that answers.
pub(crate) struct Started {
    pub(crate) registers: Mmio,
    /// The source of the kernel's interrupt controller, if it has a pin that
    /// leads there.
    pub(crate) source: Option<u32>,
    pub(crate) reins: Reins,
}

/// Why a function does not answer.
pub(crate) enum NotStarted {
    /// It has no such memory, or there was no room for it.
    NoMemoryBar,
    Misplaced(NotRegisters),
    /// It goes on interrupting by messages.
    Messages,
    Refused(EnableError),
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemoryBar => f.write_str("its registers have no place"),
            Self::Misplaced(why) => write!(f, "its registers: {why}"),
            Self::Messages => f.write_str("its messages cannot be turned off"),
            Self::Refused(why) => write!(f, "it cannot be enabled: {why:?}"),
        }
    }
}

/// The windows through which harts reach devices.
fn windows(host: &PciHost<'_>) -> Result<Vec<Window>, NoBus> {
    let mut windows = Vec::new();
    for window in host.windows()? {
        let window = window?;
        let space = match window.space {
            PciSpace::Config => continue,
            PciSpace::Io => WindowSpace::Io,
            PciSpace::Memory32 | PciSpace::Memory64 => WindowSpace::Memory,
        };
        // One that cannot be mapped is of no use to anybody.
        if Mmio::new(platform::extent(window.hart)).is_err() {
            println!("PCI: the window at {:#x} is not used", window.hart.base());
            continue;
        }
        let (bus, hart, size) = (window.bus.base(), window.hart.base(), window.hart.size());
        windows.push(Window { space, prefetchable: window.prefetchable, bus, hart, size });
    }
    Ok(windows)
}

/// The source that a pin on the first bus leads to, if it is one of the kernel's
/// controller.
fn source(host: &PciHost<'_>, intx: Intx) -> Option<u32> {
    let (bus, device) = (intx.function.bus(), intx.function.device());
    let function = PciAddress { bus, device, function: intx.function.function() };
    let interrupt = host.interrupt(function, intx.pin.number()).ok()?;
    interrupts::is_controller(interrupt.controller).then(|| interrupt.source().ok())?
}
