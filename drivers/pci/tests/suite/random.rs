// SPDX-License-Identifier: Apache-2.0
//! What holds of any tree.

use std::collections::BTreeSet;

use proptest::prelude::*;
use skimmer_pci::{
    BarSpace, Command, EnableError, Flaw, FunctionAddress, Pin, Tree, Window, WindowSpace,
};

use crate::fake::Fake;
use crate::plan::{ROOMY, build, plan, windows};

/// The fake function that a function of the tree is: ids tell.
pub(crate) fn same(tree: &Tree, index: usize) -> usize {
    usize::from(tree.functions()[index].identity().device)
}

fn found_once(fake: &Fake, tree: &Tree) {
    let found: Vec<usize> = (0..tree.functions().len()).map(|index| same(tree, index)).collect();
    let set: BTreeSet<usize> = found.iter().copied().collect();
    assert_eq!(found.len(), set.len(), "twice");
    assert_eq!(set, (0..fake.functions.len()).collect(), "not at all");
    let addresses: BTreeSet<_> = tree.functions().iter().map(|f| f.address()).collect();
    assert_eq!(addresses.len(), found.len());
    for (index, function) in tree.functions().iter().enumerate() {
        let real = &fake.functions[same(tree, index)];
        let address = function.address();
        assert_eq!((address.device(), address.function()), (real.device, real.function));
        let bars: Vec<_> = tree
            .bars(function)
            .iter()
            .map(|bar| (bar.index(), bar.space(), bar.is_prefetchable(), bar.size()))
            .collect();
        let expected: Vec<_> = real
            .bars
            .iter()
            .map(|(index, bar)| (*index, bar.space, bar.prefetchable, 1 << bar.log2))
            .collect();
        assert_eq!(bars, expected);
    }
}

/// Every BAR that has a place: aligned, in a window that may hold it, apart
/// from all others, and reached through all bridges.
fn well_placed(fake: &mut Fake, tree: &Tree, windows: &[Window]) {
    let mut taken = Vec::new();
    for (index, function) in tree.functions().iter().enumerate() {
        let whole = tree.bars(function).iter().all(|bar| bar.place().is_some());
        if fake.functions[same(tree, index)].bridge.is_none() {
            let all = Command::IO | Command::MEMORY | Command::BUS_MASTER;
            let expected = if whole { Ok(()) } else { Err(EnableError::NotPlaced) };
            assert_eq!(tree.enable(fake, index, all), expected);
        }
        for bar in tree.bars(function) {
            let Some(place) = bar.place() else { continue };
            let io = bar.space() == BarSpace::Io;
            let end = place.bus + bar.size();
            assert_eq!(place.bus % bar.size(), 0, "alignment");
            assert_ne!(place.bus, 0);
            assert!(bar.space() == BarSpace::Memory64 || end <= 1 << 32);
            let window = windows.iter().find(|window| {
                io == (window.space == WindowSpace::Io)
                    && (window.bus..window.bus + window.size).contains(&place.bus)
            });
            let window = window.expect("in a window");
            assert!(end <= window.bus + window.size);
            assert!(bar.is_prefetchable() || !window.prefetchable);
            assert_eq!(place.hart - window.hart, place.bus - window.bus);
            taken.push((io, place.bus, end));
        }
    }
    taken.sort_unstable();
    for pair in taken.windows(2) {
        assert!(pair[0].0 != pair[1].0 || pair[0].2 <= pair[1].1, "overlap: {pair:x?}");
    }
    arrives(fake, tree);
}

fn arrives(fake: &Fake, tree: &Tree) {
    for (index, function) in tree.functions().iter().enumerate() {
        let bars = tree.bars(function);
        let real = same(tree, index);
        let endpoint = fake.functions[real].bridge.is_none();
        if bars.iter().any(|bar| bar.place().is_none()) {
            continue;
        }
        let shut = |flaw| matches!(flaw, Flaw::BridgeShut);
        let is_shut =
            tree.problems().iter().any(|p| p.function == function.address() && shut(p.flaw));
        assert!(!endpoint || fake.reaches_memory(real) || above_shut(fake, tree, real));
        for bar in bars.iter().filter(|_| !is_shut) {
            let io = bar.space() == BarSpace::Io;
            // A bridge's own ports answer only if something is behind it.
            if io && !endpoint {
                continue;
            }
            let first = bar.place().unwrap().bus;
            for address in [first, first + bar.size() - 1] {
                assert_eq!(fake.hits(io, address), [(real, bar.index())], "at {address:#x}");
            }
        }
    }
}

fn above_shut(fake: &Fake, tree: &Tree, real: usize) -> bool {
    let mut next = fake.functions[real].parent;
    while let Some(above) = next {
        let index = (0..tree.functions().len()).find(|index| same(tree, *index) == above).unwrap();
        let address = tree.functions()[index].address();
        if tree.problems().iter().any(|p| p.function == address && p.flaw == Flaw::BridgeShut) {
            return true;
        }
        next = fake.functions[above].parent;
    }
    false
}

/// Pins by an independent rule: the sum of the device numbers of all that are
/// not on the first bus.
fn pins(fake: &Fake, tree: &Tree) {
    for index in 0..tree.functions().len() {
        let mut real = &fake.functions[same(tree, index)];
        let pin = u32::from(real.registers[15].to_le_bytes()[1]);
        let mut sum = pin + 3;
        while let Some(parent) = real.parent {
            sum += u32::from(real.device);
            real = &fake.functions[parent];
        }
        let expected = (pin != 0).then(|| {
            let address = FunctionAddress::new(fake.range.first(), real.device, real.function);
            (address.unwrap(), Pin::new((sum % 4 + 1) as u8).unwrap())
        });
        assert_eq!(tree.intx(index).map(|intx| (intx.function, intx.pin)), expected);
    }
}

fn behind_no_ports(fake: &Fake, mut index: usize) -> bool {
    while let Some(parent) = fake.functions[index].parent {
        if fake.functions[parent].bridge.unwrap().io.is_none() {
            return true;
        }
        index = parent;
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_function_is_found_once_and_left_as_it_was(plan in plan(40), first in 0..100_u8) {
        let mut fake = build(&plan, first);
        let before: Vec<_> = fake.functions.iter().map(|f| (f.registers[1], f.registers[4..6].to_vec())).collect();
        let tree = fake.scan();
        found_once(&fake, &tree);
        pins(&fake, &tree);
        let after: Vec<_> = fake.functions.iter().map(|f| (f.registers[1], f.registers[4..6].to_vec())).collect();
        prop_assert_eq!(before, after);
        prop_assert_eq!(tree.problems(), []);
        prop_assert_eq!(fake.violations.take(), Vec::<String>::new());
    }

    #[test]
    fn what_has_a_place_is_reached_there(plan in plan(32), windows in windows()) {
        let mut fake = build(&plan, 0);
        let mut tree = fake.scan();
        tree.place(&mut fake, &windows).unwrap();
        well_placed(&mut fake, &tree, &windows);
        prop_assert_eq!(fake.violations.take(), Vec::<String>::new());
    }

    #[test]
    fn where_there_is_room_all_have_a_place(plan in plan(20)) {
        let mut fake = build(&plan, 0);
        let mut tree = fake.scan();
        tree.place(&mut fake, &ROOMY).unwrap();
        well_placed(&mut fake, &tree, &ROOMY);
        for index in 0..tree.functions().len() {
            let function = &tree.functions()[index];
            for bar in tree.bars(function).iter().filter(|bar| bar.space() != BarSpace::Io) {
                prop_assert!(bar.place().is_some() || above_shut(&fake, &tree, same(&tree, index)));
            }
            let ports = tree.bars(function).iter().any(|bar| bar.space() == BarSpace::Io && bar.place().is_none());
            prop_assert!(!ports || behind_no_ports(&fake, same(&tree, index)) || fake.functions.len() > 8);
        }
    }
}
