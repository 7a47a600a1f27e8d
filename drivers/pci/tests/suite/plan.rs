// SPDX-License-Identifier: Apache-2.0
//! Trees at random: a list of functions, each of which hangs below a bridge
//! that comes before it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use skimmer_pci::{BarSpace, IoWidth, Window, WindowSpace};

use crate::fake::{Fake, FakeBar, FakeBridge};

#[derive(Clone, Debug)]
pub(crate) struct Planned {
    parent: prop::sample::Index,
    slot: (u8, u8),
    bridge: Option<(u8, u8)>,
    bars: Vec<(u8, u32)>,
    pin: u8,
    /// What firmware left in registers that can be written.
    stale: u32,
}

prop_compose! {
    /// BARs of up to 2 to the power of `log2` bytes.
    fn planned(log2: u32)(
        parent in any::<prop::sample::Index>(),
        slot in (0..32_u8, prop_oneof![4 => Just(0_u8), 1 => 0..8_u8]),
        bridge in prop::option::weighted(0.4, (0..3_u8, 0..3_u8)),
        bars in prop::collection::vec((0..5_u8, 0..=log2), 0..6),
        pin in 0..=4_u8,
        stale in any::<u32>(),
    ) -> Planned {
        Planned { parent, slot, bridge, bars, pin, stale }
    }
}

pub(crate) fn plan(log2: u32) -> impl Strategy<Value = Vec<Planned>> {
    prop::collection::vec(planned(log2), 0..40)
}

/// Builds a plan. Each device has a function 0, which says if there are more.
pub(crate) fn build(plan: &[Planned], first: u8) -> Fake {
    let mut fake = Fake::new(first, 255);
    let mut bridges = vec![None];
    let mut slots = BTreeSet::new();
    for planned in plan {
        let parent = bridges[planned.parent.index(bridges.len())];
        let (device, mut function) = planned.slot;
        if !slots.contains(&(parent, device, 0)) {
            function = 0;
        }
        if !slots.insert((parent, device, function)) {
            continue;
        }
        let index = add(&mut fake, planned, parent, (device, function));
        if planned.bridge.is_some() {
            bridges.push(Some(index));
        }
    }
    for &(parent, device, function) in &slots {
        let several = slots.iter().filter(|slot| (slot.0, slot.1) == (parent, device)).count() > 1;
        if function == 0 && several {
            let mut children = fake.children(parent);
            let index = children
                .find(|&i| fake.functions[i].device == device && fake.functions[i].function == 0);
            drop(children);
            fake.functions[index.unwrap()].registers[3] |= 0x0080_0000;
        }
    }
    fake
}

fn add(fake: &mut Fake, planned: &Planned, parent: Option<usize>, slot: (u8, u8)) -> usize {
    let bridge = planned.bridge.map(|(io, prefetch)| FakeBridge {
        io: [None, Some(IoWidth::Bits16), Some(IoWidth::Bits32)][usize::from(io)],
        prefetch: [None, Some(false), Some(true)][usize::from(prefetch)],
    });
    let bars: Vec<FakeBar> = planned.bars.iter().map(|&(kind, log2)| bar(kind, log2)).collect();
    let index = fake.add(parent, slot, bridge, &bars);
    let function = &mut fake.functions[index];
    function.registers[15] |= u32::from(planned.pin) << 8;
    for at in 1..16 {
        let value = planned.stale.rotate_left(at as u32 * 7);
        let mask = function.masks[at];
        function.registers[at] = function.registers[at] & !mask | value & mask;
    }
    index
}

fn bar(kind: u8, log2: u32) -> FakeBar {
    let (space, prefetchable, least) = match kind {
        0 => (BarSpace::Io, false, 2),
        1 => (BarSpace::Memory32, false, 4),
        2 => (BarSpace::Memory32, true, 4),
        3 => (BarSpace::Memory64, false, 4),
        _ => (BarSpace::Memory64, true, 4),
    };
    let most = match space {
        BarSpace::Io => 8,
        BarSpace::Memory32 => 31,
        BarSpace::Memory64 => 63,
    };
    FakeBar { space, prefetchable, log2: log2.clamp(least, most) }
}

/// The windows that QEMU's `virt` machine has.
pub(crate) const ROOMY: [Window; 3] = [
    Window { space: WindowSpace::Io, prefetchable: false, bus: 0, hart: 0x300_0000, size: 1 << 16 },
    Window {
        space: WindowSpace::Memory,
        prefetchable: false,
        bus: 0x4000_0000,
        hart: 0x4000_0000,
        size: 1 << 30,
    },
    Window {
        space: WindowSpace::Memory,
        prefetchable: false,
        bus: 4 << 32,
        hart: 8 << 32,
        size: 4 << 32,
    },
];

prop_compose! {
    /// Windows of any kind, apart from each other, with strange beginnings.
    pub(crate) fn windows()(
        list in prop::collection::vec((0..3_u8, any::<bool>(), 0..0x2000_0000_u64, 0..0x4000_0000_u64), 0..6),
    ) -> Vec<Window> {
        let mut next = [0, 0, 1 << 32];
        let placed = list.into_iter().map(|(kind, prefetchable, gap, size)| {
            let small = if kind == 0 { 0xffff } else { u64::MAX };
            let base = next[usize::from(kind)] + (gap & small);
            let size = size & small;
            next[usize::from(kind)] = base + size;
            let space = if kind == 0 { WindowSpace::Io } else { WindowSpace::Memory };
            Window { space, prefetchable, bus: base, hart: base ^ 0x100_0000_0000, size }
        });
        // Kind 1 is to stay below 4 GiB.
        placed.filter(|w| w.bus >= 1 << 32 || w.bus + w.size <= 1 << 32).collect()
    }
}
