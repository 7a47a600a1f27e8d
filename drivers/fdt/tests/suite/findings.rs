// SPDX-License-Identifier: Apache-2.0
//! What the walker finds in a tree, as plain data that can be compared with
//! what somebody else finds ([`crate::surveyor`]). What cannot be read is
//! `None`; why it cannot is asked elsewhere.

use skimmer_fdt::{Fdt, Interrupts, PciAddress, PciHost, PciSpace, Plic, Region, UartKind};

/// From where, how much.
pub(crate) type Place = (u64, u64);

/// The phandle of a controller and the first cell it is told.
pub(crate) type Line = Option<(u32, u32)>;

#[derive(Debug, PartialEq)]
pub(crate) struct Findings {
    pub(crate) timebase: Option<u64>,
    /// Id, whether usable, phandle of the own controller.
    pub(crate) harts: Vec<(Option<u64>, bool, Option<u32>)>,
    pub(crate) banks: Vec<Place>,
    pub(crate) reserved: Vec<Place>,
    pub(crate) initrd: Option<Place>,
    pub(crate) bootargs: Option<String>,
    pub(crate) plics: Vec<FoundPlic>,
    pub(crate) bridges: Vec<FoundBridge>,
    /// Whether SiFive's, registers, interrupts.
    pub(crate) uarts: Vec<(bool, Option<Place>, Vec<Line>)>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct FoundPlic {
    pub(crate) registers: Option<Place>,
    pub(crate) sources: Option<u32>,
    /// The context of each hart.
    pub(crate) contexts: Vec<Option<u32>>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct FoundBridge {
    pub(crate) ecam: bool,
    pub(crate) config: Option<Place>,
    pub(crate) buses: Option<(u8, u8)>,
    /// Space, prefetchable, on the bus, as the hart counts; what comes before
    /// the first unreadable one.
    pub(crate) windows: Vec<(u32, bool, Place, Place)>,
    /// Of devices 0 to 3, pins A to D.
    pub(crate) pins: Vec<Line>,
}

fn place(region: Region) -> Place {
    (region.base(), region.size())
}

fn lines(interrupts: Interrupts<'_>) -> Vec<Line> {
    let line = |one: skimmer_fdt::Interrupt<'_>| Some((one.controller, one.source().ok()?));
    interrupts.map(|one| line(one.ok()?)).collect()
}

pub(crate) fn of(tree: &Fdt<'_>) -> Findings {
    let chosen = tree.chosen();
    let hart =
        |hart: skimmer_fdt::Hart<'_>| (hart.id().ok(), hart.usable().is_ok(), hart.intc_phandle());
    let by_node =
        |taken: &skimmer_fdt::Reservation<'_>| !matches!(taken.by, skimmer_fdt::ReservedBy::Block);
    let uart = |uart: skimmer_fdt::Uart<'_>| {
        let is_sifive = uart.kind() == UartKind::SiFive;
        (is_sifive, uart.registers().ok().map(place), lines(uart.interrupts()))
    };
    Findings {
        timebase: tree.timebase_frequency().ok(),
        harts: tree.harts().map(hart).collect(),
        banks: tree.memory().flatten().map(place).collect(),
        reserved: tree
            .reservations()
            .flatten()
            .filter(by_node)
            .map(|one| place(one.region))
            .collect(),
        initrd: chosen.initrd().ok().map(place),
        bootargs: chosen.bootargs().ok().map(str::to_owned),
        plics: tree.plics().map(|plic| found_plic(tree, &plic)).collect(),
        bridges: tree.pci_hosts().map(|host| found_bridge(&host)).collect(),
        uarts: tree.uarts().map(uart).collect(),
    }
}

fn found_plic(tree: &Fdt<'_>, plic: &Plic<'_>) -> FoundPlic {
    FoundPlic {
        registers: plic.registers().ok().map(place),
        sources: plic.sources().ok(),
        contexts: tree.harts().map(|hart| plic.context_of(&hart).ok()).collect(),
    }
}

fn found_bridge(host: &PciHost<'_>) -> FoundBridge {
    let space = |space| match space {
        PciSpace::Config => 0,
        PciSpace::Io => 1,
        PciSpace::Memory32 => 2,
        PciSpace::Memory64 => 3,
    };
    let windows = host.windows().into_iter().flatten().map_while(Result::ok);
    let pins = (0..4).flat_map(|device| (1..=4).map(move |pin| (device, pin)));
    let line = |(device, pin)| {
        let one = host.interrupt(PciAddress { bus: 0, device, function: 0 }, pin).ok()?;
        Some((one.controller, one.source().ok()?))
    };
    FoundBridge {
        ecam: host.is_ecam(),
        config: host.config().ok().map(place),
        buses: host.buses().ok(),
        windows: windows
            .map(|one| (space(one.space), one.prefetchable, place(one.bus), place(one.hart)))
            .collect(),
        pins: pins.map(line).collect(),
    }
}
