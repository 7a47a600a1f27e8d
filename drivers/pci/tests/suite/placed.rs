// SPDX-License-Identifier: Apache-2.0
//! Placing, in windows made for the question.

use skimmer_pci::{Command, EnableError, Flaw, IoWidth, Place, Tree, Window, WindowSpace};

use crate::fake::{Fake, FakeBar, FakeBridge, memory32, memory64, ports, prefetchable64};
use crate::plan::ROOMY;

const MIB: u64 = 1 << 20;

fn memory(bus: u64, size: u64) -> Window {
    Window { space: WindowSpace::Memory, prefetchable: false, bus, hart: bus, size }
}

fn placed(fake: &mut Fake, windows: &[Window]) -> Tree {
    let mut tree = fake.scan();
    tree.place(fake, windows).unwrap();
    assert_eq!(fake.violations.take(), Vec::<String>::new());
    tree
}

/// The places of a function's BARs on the bus, by the fake's index.
fn places(tree: &Tree, real: usize) -> Vec<Option<u64>> {
    let mut functions = tree.functions().iter();
    let function = functions.find(|f| usize::from(f.identity().device) == real).unwrap();
    tree.bars(function).iter().map(|bar| bar.place().map(|place| place.bus)).collect()
}

fn told(tree: &Tree) -> Vec<Flaw> {
    tree.problems().iter().map(|problem| problem.flaw).collect()
}

#[test]
fn a_drive_behind_a_root_port() {
    let mut fake = Fake::new(0, 255);
    let port = fake.bridge(None, 1);
    let drive = fake.endpoint(Some(port), 0, &[memory64(14), prefetchable64(12), ports(5)]);
    let tree = placed(&mut fake, &ROOMY);
    assert_eq!(told(&tree), []);
    assert_eq!(places(&tree, drive), [Some(0x4000_0000), Some(4 << 32), Some(0x1000)]);
    let index = tree.functions().len() - 1;
    let high = tree.bars(&tree.functions()[index])[1].place();
    assert_eq!(high, Some(Place { bus: 4 << 32, hart: 8 << 32 }));
    assert_eq!(fake.hits(false, 0x4000_0000), [], "before it is enabled");
    let command = Command::MEMORY | Command::BUS_MASTER;
    tree.enable(&mut fake, index, command).unwrap();
    assert_eq!(fake.hits(false, 0x4000_3fff), [(drive, 0)]);
    assert_eq!(fake.hits(true, 0x1000), []);
    assert!(fake.reaches_memory(drive));
    tree.enable(&mut fake, index, Command::INTX_DISABLE).unwrap();
    assert_eq!(fake.functions[drive].registers[1] & 0x407, 0x400);
    assert!(fake.functions[port].forwards(false, 0x400f_ffff));
    assert!(!fake.functions[port].forwards(false, 0x4010_0000));
}

#[test]
fn windows_of_32_bits_take_what_finds_no_other() {
    for prefetch in [None, Some(false), Some(true)] {
        let mut fake = Fake::new(0, 255);
        let port = fake.add(None, (1, 0), Some(FakeBridge { io: None, prefetch }), &[]);
        let card = fake.endpoint(Some(port), 0, &[prefetchable64(20), ports(4)]);
        let tree = placed(&mut fake, &ROOMY);
        let expected = if prefetch == Some(true) { 4 << 32 } else { 0x4000_0000 };
        assert_eq!(places(&tree, card), [Some(expected), None]);
        assert_eq!(told(&tree), [Flaw::NoSpace(2)]);
        // Without its ports it may still be reached by memory.
        assert_eq!(tree.enable(&mut fake, 1, Command::MEMORY), Ok(()));
        assert_eq!(tree.enable(&mut fake, 1, Command::IO), Err(EnableError::NotPlaced));
    }
}

#[test]
fn an_upper_half_that_keeps_nothing_makes_no_64_bits() {
    for register in [10, 11] {
        let mut fake = Fake::new(0, 255);
        let port = fake.bridge(None, 1);
        fake.functions[port].masks[register] = 0xffff;
        let card = fake.endpoint(Some(port), 0, &[prefetchable64(20)]);
        let tree = placed(&mut fake, &ROOMY);
        assert_eq!(places(&tree, card), [Some(0x4000_0000)]);
    }
}

#[test]
fn a_bridge_with_nothing_behind_forwards_nothing() {
    let mut fake = Fake::new(0, 255);
    let port = fake.bridge(None, 1);
    for at in 7..13 {
        let mask = fake.functions[port].masks[at];
        fake.functions[port].registers[at] |= 0xaaaa_5050 & mask;
    }
    placed(&mut fake, &ROOMY);
    let port = &mut fake.functions[port];
    assert_eq!(port.registers[1] & 7, 6);
    // The window is closed as well as not decoded.
    port.registers[1] |= 1;
    for address in (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, 3 << bit >> 1]) {
        assert!(!port.forwards(false, address), "{address:#x}");
        assert!(!port.forwards(true, address), "{address:#x}");
    }
}

#[test]
fn one_bridge_of_32_bits_on_the_way_is_enough() {
    let mut fake = Fake::new(0, 255);
    let narrow = FakeBridge { io: Some(IoWidth::Bits16), prefetch: Some(false) };
    let above = fake.add(None, (1, 0), Some(narrow), &[]);
    let below = fake.bridge(Some(above), 0);
    let card = fake.endpoint(Some(below), 0, &[prefetchable64(20), ports(4)]);
    let high_ports = Window { bus: 0xf000, size: 0x3000, ..ROOMY[0] };
    let tree = placed(&mut fake, &[high_ports, ROOMY[1], ROOMY[2]]);
    assert_eq!(places(&tree, card), [Some(0x4000_0000), Some(0xf000)]);
}

#[test]
fn ports_of_16_bits_are_not_given_more() {
    let mut fake = Fake::new(0, 255);
    let narrow = FakeBridge { io: Some(IoWidth::Bits16), prefetch: None };
    let bridge = fake.add(None, (1, 0), Some(narrow), &[]);
    let card = fake.endpoint(Some(bridge), 0, &[ports(4)]);
    let high = Window { bus: 0x1_0000, ..ROOMY[0] };
    assert_eq!(places(&placed(&mut fake, &[high]), card), [None]);
    let both = Window { bus: 0xf800, ..ROOMY[0] };
    assert_eq!(places(&placed(&mut fake, &[both]), card), [None]);
}

#[test]
fn who_is_too_large_takes_nobodys_room() {
    let mut fake = Fake::new(0, 255);
    let huge = fake.endpoint(None, 1, &[memory32(30)]);
    let port = fake.bridge(None, 2);
    let huge_behind = fake.endpoint(Some(port), 0, &[memory64(40)]);
    let small_behind = fake.endpoint(Some(port), 1, &[memory32(12)]);
    let small = fake.endpoint(None, 3, &[memory32(12)]);
    let tree = placed(&mut fake, &[memory(16 * MIB, 2 * MIB)]);
    assert_eq!(places(&tree, huge), [None]);
    assert_eq!(places(&tree, huge_behind), [None]);
    assert_eq!(places(&tree, small_behind), [Some(16 * MIB)]);
    assert_eq!(places(&tree, small), [Some(17 * MIB)]);
    assert_eq!(told(&tree), [Flaw::NoSpace(0), Flaw::NoSpace(0)]);
}

#[test]
fn a_bridge_that_asks_too_much_gets_what_the_others_leave() {
    let mut fake = Fake::new(0, 255);
    let greedy = fake.bridge(None, 1);
    let first = fake.endpoint(Some(greedy), 0, &[memory32(22)]);
    let second = fake.endpoint(Some(greedy), 1, &[memory32(22)]);
    let third = fake.endpoint(Some(greedy), 2, &[memory32(22)]);
    let modest = fake.bridge(None, 2);
    let drive = fake.endpoint(Some(modest), 0, &[memory32(14)]);
    let tree = placed(&mut fake, &[memory(16 * MIB, 8 * MIB)]);
    assert_eq!(places(&tree, drive), [Some(16 * MIB)]);
    assert_eq!(places(&tree, first), [Some(20 * MIB)]);
    assert_eq!([places(&tree, second), places(&tree, third)], [[None], [None]]);
    assert_eq!(told(&tree), [Flaw::NoSpace(0), Flaw::NoSpace(0)]);
    assert_eq!(tree.enable(&mut fake, 2, Command::MEMORY), Ok(()));
    assert_eq!(fake.hits(false, 20 * MIB), [(first, 0)]);
}

#[test]
fn sizes_pack_without_gaps() {
    let bars: Vec<FakeBar> = (20..26).map(memory32).collect();
    let mut fake = Fake::new(0, 255);
    let port = fake.bridge(None, 1);
    let card = fake.endpoint(Some(port), 0, &bars);
    // 63 MiB in all, from an address that only the largest cares for.
    let tree = placed(&mut fake, &[memory(0x4000_0000, 63 * MIB)]);
    assert!(places(&tree, card).iter().all(Option::is_some));
}

#[test]
fn address_0_is_no_place() {
    let mut fake = Fake::new(0, 0);
    let card = fake.endpoint(None, 1, &[memory32(12), ports(2)]);
    let tree = placed(&mut fake, &[ROOMY[0], memory(0, MIB)]);
    assert_eq!(places(&tree, card), [Some(0x1000), Some(4)]);
}

#[test]
fn windows_that_wrap_or_meet_others_are_not_used() {
    let mut fake = Fake::new(0, 0);
    let card = fake.endpoint(None, 1, &[memory32(20), memory32(20)]);
    let wraps = Window { hart: u64::MAX, ..memory(0x1000_0000, MIB) };
    let windows = [wraps, memory(0x2000_0000, MIB), memory(0x2000_0000, 4 * MIB)];
    let tree = placed(&mut fake, &windows);
    assert_eq!(places(&tree, card), [Some(0x2000_0000), None]);
}

#[test]
fn only_the_prefetchable_lies_in_prefetchable_windows() {
    let mut fake = Fake::new(0, 0);
    let card = fake.endpoint(None, 1, &[memory64(12), prefetchable64(12)]);
    let window = Window { prefetchable: true, ..memory(0x2000_0000, MIB) };
    let tree = placed(&mut fake, &[window]);
    assert_eq!(places(&tree, card), [None, Some(0x2000_0000)]);
}

#[test]
fn a_bridge_without_a_place_of_its_own_stays_shut() {
    let mut fake = Fake::new(0, 255);
    let bridge = fake.add(None, (1, 0), Some(crate::fake::FULL_BRIDGE), &[memory32(30)]);
    let card = fake.endpoint(Some(bridge), 0, &[memory32(12)]);
    let tree = placed(&mut fake, &[memory(16 * MIB, 16 * MIB)]);
    assert_eq!(told(&tree), [Flaw::NoSpace(0), Flaw::BridgeShut, Flaw::NoSpace(0)]);
    assert_eq!(places(&tree, card), [None]);
    assert_eq!(fake.functions[bridge].registers[1] & 7, 0);
}

#[test]
fn what_does_not_keep_its_address_has_none() {
    let mut fake = Fake::new(0, 255);
    let card = fake.endpoint(None, 1, &[memory32(12), memory64(12)]);
    let bridge = fake.bridge(None, 2);
    let behind = fake.endpoint(Some(bridge), 0, &[memory32(12)]);
    let mut tree = fake.scan();
    fake.functions[card].masks[5] = 0;
    fake.functions[bridge].masks[8] = 0xfff0;
    tree.place(&mut fake, &[memory(16 * MIB, 16 * MIB)]).unwrap();
    assert_eq!(places(&tree, card)[1], None);
    assert_eq!(places(&tree, behind), [None]);
    assert_eq!(told(&tree), [Flaw::BarRefused(1), Flaw::BridgeShut, Flaw::NoSpace(0)]);
    assert_eq!(tree.enable(&mut fake, 0, Command::MEMORY), Err(EnableError::NotPlaced));
    assert_eq!(tree.enable(&mut fake, 1, Command::MEMORY), Err(EnableError::NoEndpoint));
    assert_eq!(tree.enable(&mut fake, 9, Command::MEMORY), Err(EnableError::NoEndpoint));
}

#[test]
fn placing_stills_what_firmware_left_running() {
    let mut fake = Fake::new(0, 0);
    let card = fake.endpoint(None, 1, &[memory32(12)]);
    fake.functions[card].registers[1] |= 0x147;
    fake.functions[card].registers[12] = 0xfff0_0001;
    let tree = placed(&mut fake, &ROOMY);
    assert_eq!(fake.functions[card].registers[1] & 0xffff, 0x540, "INTx off, others kept");
    assert_eq!(fake.functions[card].registers[12], 0, "the ROM");
    tree.enable(&mut fake, 0, Command::MEMORY).unwrap();
    assert_eq!(fake.functions[card].registers[1] & 0xffff, 0x142);
    fake.functions[card].masks[1] = 0;
    assert_eq!(tree.enable(&mut fake, 0, Command::BUS_MASTER), Err(EnableError::Refused));
}
