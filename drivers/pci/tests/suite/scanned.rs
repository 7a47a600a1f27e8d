// SPDX-License-Identifier: Apache-2.0
//! Scans of trees made for the question.

use skimmer_pci::{Flaw, Kind, Problem, Tree};

use crate::fake::{Fake, memory32};
use crate::random::same;

fn buses_of(fake: &Fake, index: usize) -> [u8; 3] {
    let [primary, secondary, subordinate, _] = fake.functions[index].registers[6].to_le_bytes();
    [primary, secondary, subordinate]
}

fn flaws(tree: &Tree) -> Vec<(String, Flaw)> {
    let tell = |problem: &Problem| (problem.function.to_string(), problem.flaw);
    tree.problems().iter().map(tell).collect()
}

#[test]
fn numbers_are_given_depth_first() {
    let mut fake = Fake::new(3, 20);
    let left = fake.bridge(None, 1);
    let deep = fake.bridge(Some(left), 4);
    let deepest = fake.bridge(Some(deep), 0);
    let beside = fake.bridge(Some(left), 5);
    let right = fake.bridge(None, 2);
    let tree = fake.scan();
    assert_eq!(buses_of(&fake, left), [3, 4, 7]);
    assert_eq!(buses_of(&fake, deep), [4, 5, 6]);
    assert_eq!(buses_of(&fake, deepest), [5, 6, 6]);
    assert_eq!(buses_of(&fake, beside), [4, 7, 7]);
    assert_eq!(buses_of(&fake, right), [3, 8, 8]);
    let numbers: Vec<_> = tree.buses().iter().map(|bus| bus.number()).collect();
    assert_eq!(numbers, [3, 4, 5, 6, 7, 8]);
    assert_eq!(tree.buses()[0].bridge(), None);
    assert_eq!(fake.violations.take(), Vec::<String>::new());
}

#[test]
fn a_bridge_that_gets_no_number_is_told_and_the_others_go_on() {
    let mut fake = Fake::new(0, 1);
    let first = fake.bridge(None, 1);
    let second = fake.bridge(None, 2);
    fake.endpoint(Some(second), 0, &[]);
    let last = fake.endpoint(None, 3, &[]);
    let tree = fake.scan();
    assert_eq!(buses_of(&fake, first), [0, 1, 1]);
    assert_eq!(buses_of(&fake, second), [0, 0, 0]);
    assert_eq!(flaws(&tree), [("00:02.0".into(), Flaw::NoBusNumber)]);
    assert_eq!(same(&tree, 2), last);
    assert_eq!(tree.functions().len(), 3);
}

#[test]
fn a_chain_may_be_as_long_as_there_are_numbers() {
    let mut fake = Fake::new(0, 255);
    let mut above = None;
    for _ in 0..300 {
        above = Some(fake.bridge(above, 0));
    }
    let tree = fake.scan();
    assert_eq!(tree.buses().len(), 256);
    assert_eq!(tree.functions().len(), 256);
    assert_eq!(flaws(&tree), [("ff:00.0".into(), Flaw::NoBusNumber)]);
}

#[test]
fn functions_are_looked_for_only_where_there_are_several() {
    let mut fake = Fake::new(0, 0);
    fake.add(None, (1, 0), None, &[]);
    fake.add(None, (1, 3), None, &[]);
    assert_eq!(fake.scan().functions().len(), 1);
    fake.functions[0].registers[3] |= 0x0080_0000;
    let tree = fake.scan();
    let addresses: Vec<_> = tree.functions().iter().map(|f| f.address().to_string()).collect();
    assert_eq!(addresses, ["00:01.0", "00:01.3"]);
    assert_eq!(tree.find(tree.functions()[1].address()), Some(1));
}

#[test]
fn on_a_link_there_is_device_0_only() {
    for (port, seen) in [(0x4, 2), (0x6, 2), (0x8, 2), (0x5, 3), (0x7, 3)] {
        let mut fake = Fake::new(0, 4);
        let bridge = fake.bridge(None, 0);
        fake.capabilities(bridge, 0x40, &[&[0x0002_0010 | port << 20]]);
        fake.endpoint(Some(bridge), 0, &[]);
        fake.endpoint(Some(bridge), 1, &[]);
        assert_eq!(fake.scan().functions().len(), seen, "port type {port}");
    }
}

#[test]
fn what_is_not_ready_or_not_known_is_told() {
    let mut fake = Fake::new(0, 0);
    let late = fake.endpoint(None, 1, &[]);
    fake.functions[late].registers[0] = 0xffff_0001;
    let cardbus = fake.endpoint(None, 2, &[]);
    fake.functions[cardbus].registers[3] |= 0x0002_0000;
    let nobody = fake.endpoint(None, 3, &[]);
    fake.functions[nobody].registers[0] = 0;
    let half = fake.endpoint(None, 4, &[]);
    fake.functions[half].registers[0] = 0x0000_ffff;
    let tree = fake.scan();
    assert_eq!(tree.functions(), []);
    let expected = [("00:01.0".into(), Flaw::NotReady), ("00:02.0".into(), Flaw::UnknownHeader(2))];
    assert_eq!(flaws(&tree), expected);
}

#[test]
fn the_host_bridge_is_left_alone() {
    let mut fake = Fake::new(0, 0);
    let host = fake.endpoint(None, 0, &[memory32(20)]);
    fake.functions[host].registers[2] = 0x0600_0000;
    fake.functions[host].registers[1] |= 6;
    fake.functions[host].registers[4] = 0x1230_0000;
    let mut tree = fake.scan();
    assert_eq!(tree.functions()[0].kind(), Kind::HostBridge);
    assert_eq!(tree.bars(&tree.functions()[0]), []);
    tree.place(&mut fake, &[]).unwrap();
    assert_eq!(fake.functions[host].registers[1] & 7, 6);
    assert_eq!(fake.functions[host].registers[4], 0x1230_0000);
    assert_eq!(tree.problems(), []);
}

#[test]
fn a_bridge_that_keeps_no_numbers_is_not_looked_behind() {
    let mut fake = Fake::new(0, 9);
    let bridge = fake.bridge(None, 1);
    fake.functions[bridge].masks[6] = 0xff;
    fake.endpoint(Some(bridge), 0, &[]);
    let good = fake.bridge(None, 2);
    let tree = fake.scan();
    assert_eq!(flaws(&tree), [("00:01.0".into(), Flaw::BusNumbersRefused)]);
    assert_eq!(buses_of(&fake, good), [0, 1, 1]);
}

#[test]
fn the_latency_timer_beside_the_numbers_is_kept() {
    let mut fake = Fake::new(0, 9);
    let bridge = fake.bridge(None, 1);
    fake.functions[bridge].registers[6] = 0x40ff_0702;
    fake.scan();
    assert_eq!(fake.functions[bridge].registers[6], 0x4001_0100);
}
