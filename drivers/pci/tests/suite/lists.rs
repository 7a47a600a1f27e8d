// SPDX-License-Identifier: Apache-2.0
//! Capabilities: lists that end, and lists that do not.

use skimmer_pci::{
    Capabilities, Capability, Flaw, FunctionAddress, ListFlaw, Msi, MsiX, OutsideBar, Pcie,
    PortType, TableAt,
};

use crate::fake::{Fake, memory64};

fn one() -> (Fake, FunctionAddress) {
    let mut fake = Fake::new(0, 0);
    fake.endpoint(None, 0, &[memory64(14)]);
    (fake, FunctionAddress::new(0, 0, 0).unwrap())
}

fn list(fake: &Fake, function: FunctionAddress) -> Vec<Result<Capability, ListFlaw>> {
    // Longer than any can be, so that one without an end is seen.
    Capabilities::new(fake, function).take(100).collect()
}

#[test]
fn what_a_drive_has() {
    let (mut fake, function) = one();
    let msi_x = [0x0040_0011, 0x0000_2000, 0x0000_3000];
    fake.capabilities(0, 0x40, &[&msi_x, &[0x0002_0010], &[0x0186_0005, 0, 0, 0, 0, 0], &[9]]);
    let ids: Vec<_> = list(&fake, function).into_iter().map(|c| c.unwrap()).collect();
    let expected = [(0x11, 0x40), (0x10, 0x4c), (0x05, 0x50), (0x09, 0x68)];
    assert_eq!(ids, expected.map(|(id, offset)| Capability { id, offset }));
    let tree = fake.scan();
    let function = &tree.functions()[0];
    let table = TableAt { bar: 0, offset: 0x2000, size: 65 * 16 };
    let pending = TableAt { bar: 0, offset: 0x3000, size: 16 };
    assert_eq!(function.msi_x(), Some(MsiX { offset: 0x40, entries: 65, table, pending }));
    let pcie = Pcie { offset: 0x4c, version: 2, port: PortType::Endpoint, slot: false };
    assert_eq!(function.pcie(), Some(pcie));
    let msi = Msi { offset: 0x50, messages: 8, wide: true, maskable: true };
    assert_eq!(function.msi(), Some(msi));
    assert_eq!(tree.problems(), []);
    let bars = tree.bars(function);
    assert_eq!(table.within(bars), Ok(&bars[0]));
    let exact = TableAt { bar: 0, offset: 0x3ff0, size: 16 };
    assert_eq!(exact.within(bars), Ok(&bars[0]));
    assert_eq!(TableAt { size: 17, ..exact }.within(bars), Err(OutsideBar));
    assert_eq!(TableAt { bar: 1, ..exact }.within(bars), Err(OutsideBar));
    assert_eq!(TableAt { offset: u32::MAX, ..exact }.within(bars), Err(OutsideBar));
}

#[test]
fn no_list_without_the_status_bit() {
    let (mut fake, function) = one();
    fake.functions[0].registers[13] = 0x40;
    assert_eq!(list(&fake, function), []);
}

#[test]
fn low_bits_of_a_pointer_are_reserved() {
    let (mut fake, function) = one();
    fake.capabilities(0, 0x40, &[&[1], &[2]]);
    fake.functions[0].registers[13] = 0x43;
    fake.functions[0].registers[16] |= 0x0300;
    let expected = [(1, 0x40), (2, 0x44)].map(|(id, offset)| Ok(Capability { id, offset }));
    assert_eq!(list(&fake, function), expected);
}

#[test]
fn a_list_that_bites_its_tail_ends() {
    let (mut fake, function) = one();
    fake.capabilities(0, 0x40, &[&[1], &[2], &[3]]);
    fake.functions[0].registers[18] |= 0x4400;
    let found = list(&fake, function);
    assert_eq!(found.len(), 4);
    assert_eq!(found[3], Err(ListFlaw::Loop(0x44)));
    let tree = fake.scan();
    assert_eq!(tree.problems()[0].flaw, Flaw::BadCapabilities(ListFlaw::Loop(0x44)));
}

#[test]
fn a_list_may_fill_all_there_is() {
    let (mut fake, function) = one();
    fake.capabilities(0, 0x40, &[&[1_u32] as &[u32]; 48]);
    assert_eq!(list(&fake, function).len(), 48);
    assert!(list(&fake, function).iter().all(Result::is_ok));
}

#[test]
fn a_list_that_leads_into_the_header_or_nowhere_ends() {
    let (mut fake, function) = one();
    fake.capabilities(0, 0x3c, &[]);
    assert_eq!(list(&fake, function), [Err(ListFlaw::BadOffset(0x3c))]);
    fake.functions[0].registers[13] = 0x80;
    fake.functions[0].registers[32] = u32::MAX;
    assert_eq!(list(&fake, function), [Err(ListFlaw::Gone)]);
}

#[test]
fn capabilities_that_say_what_is_reserved_are_malformed() {
    let cases: [(u8, &[u32]); 6] = [
        (0x40, &[0x0000_0011, 0x0000_0006, 0]),
        (0x40, &[0x0000_0011, 0, 0x0000_0007]),
        (0x40, &[0x000c_0005, 0, 0, 0]),
        (0xf8, &[0x0000_0011, 0]),
        (0xf8, &[0x0000_0005, 0]),
        (0xf0, &[0x0180_0005, 0, 0, 0]),
    ];
    for (at, body) in cases {
        let (mut fake, _) = one();
        fake.capabilities(0, at, &[body]);
        let tree = fake.scan();
        let flaw = Flaw::BadCapabilities(ListFlaw::Malformed(at));
        assert_eq!(tree.problems().iter().map(|p| p.flaw).collect::<Vec<_>>(), [flaw], "{body:x?}");
        assert_eq!((tree.functions()[0].msi(), tree.functions()[0].msi_x()), (None, None));
    }
}
