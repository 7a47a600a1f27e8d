// SPDX-License-Identifier: Apache-2.0
//! Pins through bridges and through an interrupt map like that of QEMU's
//! `virt` machine.

use skimmer_pci::{FunctionAddress, InterruptMap, Intx, MapEntry, MapTable, Pin};

use crate::fake::Fake;

/// Sources 32 to 35, moved along by the device's number.
fn virt() -> Vec<MapEntry<u32>> {
    let entry = |device: u32, pin: u32| MapEntry {
        key: [device << 11, 0, 0, pin],
        interrupt: 32 + (pin - 1 + device) % 4,
    };
    (0..4).flat_map(|device| (1..5).map(move |pin| entry(device, pin))).collect()
}

const MASK: [u32; 4] = [0x1800, 0, 0, 7];

fn intx(bus: u8, device: u8, function: u8, pin: u8) -> Intx {
    let function = FunctionAddress::new(bus, device, function).unwrap();
    Intx { function, pin: Pin::new(pin).unwrap() }
}

#[test]
fn the_mask_says_what_is_compared() {
    let entries = virt();
    let map = MapTable { mask: MASK, entries: &entries };
    assert_eq!(map.interrupt(intx(0, 1, 0, 1)), Some(33));
    assert_eq!(map.interrupt(intx(0, 7, 5, 2)), Some(32));
    let strict = MapTable { mask: [u32::MAX; 4], entries: &entries };
    assert_eq!(strict.interrupt(intx(0, 1, 0, 1)), Some(33));
    assert_eq!(strict.interrupt(intx(0, 7, 0, 1)), None);
    assert_eq!(strict.interrupt(intx(0, 1, 1, 1)), None);
    assert_eq!(strict.interrupt(intx(1, 1, 0, 1)), None);
}

#[test]
fn a_pin_moves_along_at_each_bridge() {
    let mut fake = Fake::new(0, 9);
    let outer = fake.bridge(None, 2);
    let inner = fake.bridge(Some(outer), 3);
    let card = fake.endpoint(Some(inner), 1, &[]);
    fake.functions[card].registers[15] = 0x0400;
    let tree = fake.scan();
    // D of device 1 is A; A of device 3 is D.
    assert_eq!(tree.intx(2), Some(intx(0, 2, 0, 4)));
    let entries = virt();
    assert_eq!(tree.interrupt(2, &MapTable { mask: MASK, entries: &entries }), Some(33));
    assert_eq!(tree.intx(0), None, "a bridge without a pin");
    assert_eq!(tree.intx(3), None);
}

#[test]
fn what_is_no_pin_is_none() {
    assert_eq!(Pin::new(0), None);
    assert_eq!(Pin::new(5), None);
    let all = [Pin::A, Pin::B, Pin::C, Pin::D];
    for (at, pin) in all.into_iter().enumerate() {
        assert_eq!(Pin::new(pin.number()), Some(pin));
        for device in 0..32_u8 {
            assert_eq!(pin.swizzled(device), all[(at + usize::from(device)) % 4]);
        }
    }
}
