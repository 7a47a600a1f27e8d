// SPDX-License-Identifier: Apache-2.0
//! Addresses, and where they lie in a window.

use proptest::prelude::*;
use skimmer_pci::{BusRange, ConfigAddress, Ecam, FunctionAddress, Register};

fn at(bus: u8, device: u8, function: u8, offset: u16) -> ConfigAddress {
    let function = FunctionAddress::new(bus, device, function).unwrap();
    ConfigAddress { function, register: Register::new(offset).unwrap() }
}

#[test]
fn an_offset_is_bus_device_function_register() {
    let ecam = Ecam::new(256 << 20, BusRange::new(0, 255).unwrap()).unwrap();
    let offset = |address| ecam.offset(address).map(|offset| offset.bytes());
    assert_eq!(offset(at(0, 0, 0, 0)), Some(0));
    assert_eq!(offset(at(0, 1, 0, 0)), Some(0x8000));
    assert_eq!(offset(at(0, 0, 1, 4)), Some(0x1004));
    assert_eq!(offset(at(255, 31, 7, 0xffc)), Some(0x0fff_fffc));
}

#[test]
fn a_window_begins_with_its_first_bus_and_cuts_off_what_it_has_no_room_for() {
    let buses = BusRange::new(0x40, 0x7f).unwrap();
    let ecam = Ecam::new((2 << 20) + 0xf_ffff, buses).unwrap();
    assert_eq!(ecam.buses(), BusRange::new(0x40, 0x41).unwrap());
    assert_eq!(ecam.offset(at(0x41, 0, 0, 0)).unwrap().bytes(), 1 << 20);
    assert_eq!(ecam.offset(at(0x42, 0, 0, 0)), None);
    assert_eq!(ecam.offset(at(0x3f, 0, 0, 0)), None);
    assert_eq!(Ecam::new((1 << 20) - 1, buses), None);
    assert_eq!(Ecam::new(u64::MAX, buses).unwrap().buses(), buses);
}

#[test]
fn there_are_no_other_addresses() {
    assert_eq!(FunctionAddress::new(0, 32, 0), None);
    assert_eq!(FunctionAddress::new(0, 0, 8), None);
    assert_eq!(Register::new(2), None);
    assert_eq!(Register::new(4096), None);
    assert_eq!(BusRange::new(1, 0), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_offset_lies_in_the_window(size in 0..300_u64 << 20, first: u8, last: u8, bus: u8, device in 0..32_u8, function in 0..8_u8, register in 0..1024_u16) {
        let Some(buses) = BusRange::new(first, last) else { return Ok(()) };
        let Some(ecam) = Ecam::new(size, buses) else { return Ok(()) };
        if let Some(offset) = ecam.offset(at(bus, device, function, register * 4)) {
            prop_assert!(offset.bytes() + 4 <= size);
            prop_assert_eq!(offset.bytes() % 4, 0);
        }
    }
}
