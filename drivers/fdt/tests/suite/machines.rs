// SPDX-License-Identifier: Apache-2.0
//! Machines at random: trees in which everything means something, with their
//! nodes in any order, so that phandles point forwards as often as backwards.

use crate::builder::{Item, item};
use crate::{findings, oracle};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use skimmer_damage::Dice;
use skimmer_fdt::Fdt;

const PLIC: u32 = 1;
const INTC: u32 = 100;

#[derive(Clone, Debug)]
struct HartPlan {
    id: u32,
    enabled: bool,
    mmu: bool,
    /// Whether the PLIC has a context for its S-mode.
    wired: bool,
}

#[derive(Clone, Debug)]
struct Plan {
    harts: Vec<HartPlan>,
    banks: Vec<(u32, u32)>,
    /// What the bus adds to addresses; `None` is a bus that changes nothing.
    offset: Option<u32>,
    uarts: Vec<(u32, u32)>,
    /// First bus and how many more.
    buses: (u8, u8),
    /// The sources of four pins.
    pins: [u32; 4],
    /// Cells of an address of the PLIC, which the map repeats.
    plic_address: u32,
    order: u64,
}

fn plan() -> impl Strategy<Value = Plan> {
    let hart = (any::<u32>(), any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(id, enabled, mmu, wired)| HartPlan { id, enabled, mmu, wired });
    let bank = (any::<u32>(), 1..u32::MAX);
    (
        vec(hart, 1..9),
        vec(bank, 0..5),
        proptest::option::of(0..0x1000_0000u32),
        vec((0..0x1000_0000u32, 1..1024u32), 0..4),
        (any::<u8>(), any::<u8>()),
        any::<[u32; 4]>(),
        0..3u32,
        any::<u64>(),
    )
        .prop_map(|(harts, banks, offset, uarts, buses, pins, plic_address, order)| {
            let buses = (buses.0, buses.1.min(u8::MAX - buses.0));
            Plan { harts, banks, offset, uarts, buses, pins, plic_address, order }
        })
}

impl Plan {
    fn cpus(&self) -> Item {
        let mut cpus = item("cpus").widths(1, 0).word("timebase-frequency", 10_000_000);
        for (hart, phandle) in self.harts.iter().zip(INTC..) {
            let intc = item("interrupt-controller")
                .text("compatible", "riscv,cpu-intc")
                .word("#interrupt-cells", 1)
                .word("phandle", phandle);
            let cpu = item(&format!("cpu@{:x}", hart.id))
                .text("status", if hart.enabled { "okay" } else { "disabled" })
                .text("mmu-type", if hart.mmu { "riscv,sv39" } else { "riscv,none" })
                .word("reg", hart.id);
            cpus = cpus.child(cpu.child(intc));
        }
        cpus
    }

    /// Contexts for M-mode, and for S-mode where it is wired.
    fn contexts(&self) -> Vec<(u32, u32)> {
        let harts = self.harts.iter().zip(INTC..);
        harts
            .flat_map(|(hart, phandle)| {
                let supervisor = hart.wired.then_some((phandle, 9));
                [(phandle, 11)].into_iter().chain(supervisor)
            })
            .collect()
    }

    fn plic(&self) -> Item {
        let contexts: Vec<u32> = self.contexts().iter().flat_map(|pair| [pair.0, pair.1]).collect();
        item("plic@c000000")
            .text("compatible", "riscv,plic0")
            .words("reg", &[0xc00_0000, 0x60_0000])
            .word("riscv,ndev", 1023)
            .word("#interrupt-cells", 1)
            .word("#address-cells", self.plic_address)
            .word("phandle", PLIC)
            .words("interrupts-extended", &contexts)
    }

    fn pci(&self) -> Item {
        let mut map = Vec::new();
        for (pin, source) in (1..).zip(self.pins) {
            map.extend([0, 0, 0, pin, PLIC]);
            map.extend((0..self.plic_address).chain([source]));
        }
        let (first, more) = self.buses;
        item("pci@30000000")
            .text("compatible", "pci-host-ecam-generic")
            .text("device_type", "pci")
            .widths(3, 2)
            .words("reg", &[0x3000_0000, 0x1000_0000])
            .words("bus-range", &[first.into(), u32::from(first) + u32::from(more)])
            .words("ranges", &[0x0200_0000, 0, 0x4000_0000, 0x4000_0000, 0, 0x4000_0000])
            .word("#interrupt-cells", 1)
            .words("interrupt-map-mask", &[0, 0, 0, 7])
            .words("interrupt-map", &map)
    }

    fn tree(&self) -> Item {
        let ranges: Vec<u32> =
            self.offset.iter().flat_map(|offset| [0, 1, *offset, u32::MAX]).collect();
        let mut soc = item("soc")
            .widths(1, 1)
            .words("ranges", &ranges)
            .word("interrupt-parent", PLIC)
            .child(self.plic())
            .child(self.pci());
        for (base, source) in &self.uarts {
            let uart = item(&format!("serial@{base:x}"))
                .text("compatible", "ns16550a")
                .words("reg", &[*base, 0x100])
                .word("interrupts", *source);
            soc = soc.child(uart);
        }
        let mut root = item("").widths(2, 1).child(self.cpus()).child(soc);
        for (base, size) in &self.banks {
            let bank = item(&format!("memory@{base:x}")).text("device_type", "memory");
            root = root.child(bank.words("reg", &[0, *base, *size]));
        }
        shuffle(&mut root, &mut Dice::new(self.order));
        root
    }
}

/// Puts children, and what a node says of itself, in any order.
fn shuffle(node: &mut Item, dice: &mut Dice) {
    node.children.sort_by_cached_key(|_| dice.number());
    node.properties.sort_by_cached_key(|_| dice.number());
    node.children.iter_mut().for_each(|child| shuffle(child, dice));
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort();
    items
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn every_part_is_found(plan in plan()) {
        let blob = plan.tree().blob();
        let found = findings::of(&Fdt::new(&blob).expect("a sound tree"));
        let place = |base: u32, size| match plan.offset {
            Some(offset) => (0x1_0000_0000 + u64::from(offset) + u64::from(base), size),
            None => (base.into(), size),
        };

        let harts = plan.harts.iter().zip(INTC..);
        let expected = harts.map(|(hart, phandle)| {
            (Some(hart.id.into()), hart.enabled && hart.mmu, Some(phandle))
        });
        prop_assert_eq!(sorted(found.harts.clone()), sorted(expected));
        let banks = plan.banks.iter().map(|(base, size)| (u64::from(*base), u64::from(*size)));
        prop_assert_eq!(sorted(found.banks), sorted(banks));
        let uarts = plan.uarts.iter().map(|(base, source)| {
            (false, Some(place(*base, 0x100)), vec![Some((PLIC, *source))])
        });
        prop_assert_eq!(sorted(found.uarts), sorted(uarts));

        prop_assert_eq!(found.plics.len(), 1);
        prop_assert_eq!(found.plics[0].registers, Some(place(0xc00_0000, 0x60_0000)));
        let contexts = plan.contexts();
        for ((_, _, intc), context) in found.harts.iter().zip(&found.plics[0].contexts) {
            let expected = contexts.iter().position(|pair| Some(pair.0) == *intc && pair.1 == 9);
            prop_assert_eq!(context.map(|context| context as usize), expected);
        }

        prop_assert_eq!(found.bridges.len(), 1);
        let bridge = &found.bridges[0];
        let (first, more) = plan.buses;
        prop_assert_eq!(bridge.config, Some(place(0x3000_0000, 0x1000_0000)));
        prop_assert_eq!(bridge.buses, Some((first, first + more)));
        let window = (2, false, (0x4000_0000, 0x4000_0000), place(0x4000_0000, 0x4000_0000));
        prop_assert_eq!(&bridge.windows, &[window]);
        let pins: Vec<_> = plan.pins.iter().map(|source| Some((PLIC, *source))).collect();
        prop_assert!(bridge.pins.chunks(4).all(|device| device == pins), "{:?}", bridge.pins);
    }

    #[test]
    fn the_surveyor_agrees_however_a_machine_is_damaged(
        plan in plan(),
        seed in any::<u64>(),
        word in select(vec![0, 1, 2, 3, 9, 100, u32::MAX]),
    ) {
        let mut root = plan.tree();
        let mut dice = Dice::new(seed);
        for _ in 0..3 {
            prop_assert!(oracle::agree(&root.blob()), "both must accept a sound tree");
            misstate(&mut root, word, &mut dice);
        }
    }
}

/// Changes, moves or drops one word that some node says of itself.
fn misstate(node: &mut Item, word: u32, dice: &mut Dice) {
    let place = dice.below(node.properties.len() + 2 * node.children.len());
    let Some((_, value)) = node.properties.get_mut(place) else {
        let count = node.children.len();
        if let Some(child) = node.children.get_mut(place % count.max(1)) {
            misstate(child, word, dice);
        }
        return;
    };
    let at = 4 * dice.below(value.len() / 4);
    match dice.below(4) {
        0 => value.truncate(at),
        1 => drop(value.splice(at..at, word.to_be_bytes())),
        _ => {
            if let Some(old) = value.get_mut(at..at + 4) {
                old.copy_from_slice(&word.to_be_bytes());
            }
        }
    }
}
