// SPDX-License-Identifier: Apache-2.0
//! What is taken away from functions: messages, memory, power.

use skimmer_pci::{Command, Tree};

use crate::fake::{Fake, memory64};
use crate::plan::ROOMY;

/// A port with a slot, if it has one, and a drive with MSI-X, MSI and PCI Express
/// behind it; the indices of both in the fake, and of the drive in the tree.
fn drive(slot: u32) -> (Fake, Tree, usize, usize, usize) {
    let mut fake = Fake::new(0, 255);
    let port = fake.bridge(None, 1);
    let drive = fake.endpoint(Some(port), 0, &[memory64(14)]);
    let pcie = [0x0042_0010 | slot << 24, 0, 0, 0, 0, 0, 0xf900_00c0];
    fake.capabilities(port, 0x40, &[&pcie]);
    let msi_x = [0x8040_0011, 0x2000, 0x3000];
    let msi = [0x0187_0005, 0, 0, 0, 0, 0];
    fake.capabilities(drive, 0x40, &[&msi_x, &msi]);
    fake.functions[port].masks[22] = 0xffff;
    fake.functions[drive].masks[16] = 0xc000_0000;
    fake.functions[drive].masks[19] = 0x0071_0000;
    let mut tree = fake.scan();
    tree.place(&mut fake, &ROOMY).unwrap();
    let index = tree.functions().len() - 1;
    tree.enable(&mut fake, index, Command::MEMORY | Command::BUS_MASTER).unwrap();
    (fake, tree, port, drive, index)
}

#[test]
fn messages_that_firmware_left_on_are_off() {
    let (mut fake, tree, _, drive, index) = drive(1);
    assert!(tree.send_no_messages(&mut fake, index));
    let registers = &fake.functions[drive].registers;
    // The rest of both registers is as it was, links of the list included.
    assert_eq!((registers[16], registers[19]), (0x0040_4c11, 0x0186_0005));
    assert_eq!(fake.violations.take(), Vec::<String>::new());
    // One that does not let go is told.
    for at in [16, 19] {
        let (mut fake, tree, _, drive, index) = self::drive(1);
        fake.functions[drive].masks[at] = 0;
        assert!(!tree.send_no_messages(&mut fake, index), "{at}");
    }
    // One that knows no messages sends none.
    let mut fake = Fake::new(0, 255);
    fake.endpoint(None, 0, &[memory64(14)]);
    let tree = fake.scan();
    assert!(tree.send_no_messages(&mut fake, 0));
}

#[test]
fn a_function_that_is_cut_off_reaches_no_memory_and_keeps_its_registers() {
    let (mut fake, tree, _, drive, index) = drive(1);
    assert!(fake.reaches_memory(drive));
    assert!(tree.cut_off(&mut fake, index));
    assert!(!fake.reaches_memory(drive));
    assert_eq!(fake.functions[drive].registers[1] & 0x407, 0x402);
    assert_eq!(fake.violations.take(), Vec::<String>::new());
}

#[test]
fn one_that_does_not_obey_is_not_believed_to_be_cut_off_unless_it_is_gone() {
    let (mut fake, tree, _, drive, index) = drive(1);
    fake.functions[drive].masks[1] &= !4;
    assert!(!tree.cut_off(&mut fake, index));
    assert!(fake.reaches_memory(drive));
    // Nobody answers at its place any more.
    fake.functions[drive].device = 5;
    assert!(tree.cut_off(&mut fake, index));
    assert!(!tree.cut_off(&mut fake, index + 1), "nobody knows it");
}

#[test]
fn the_slot_of_a_port_is_turned_off() {
    let (mut fake, tree, port, _, index) = drive(1);
    assert!(tree.power_off(&mut fake, index));
    // Slot Status is written with zeros: none of its bits is cleared.
    assert_eq!(fake.functions[port].registers[22], 0xf900_07c0);
    assert_eq!(fake.violations.take(), Vec::<String>::new());
}

#[test]
fn what_is_in_no_slot_stays() {
    let (mut fake, tree, port, _, index) = drive(0);
    assert!(!tree.power_off(&mut fake, index), "the port has no slot");
    assert!(!tree.power_off(&mut fake, index - 1), "nothing is above the port");
    assert!(!tree.power_off(&mut fake, index + 1), "nobody knows it");
    assert_eq!(fake.functions[port].registers[22], 0xf900_00c0);
    // A port that does not obey.
    let (mut fake, tree, port, _, index) = drive(1);
    fake.functions[port].masks[22] = 0;
    assert!(!tree.power_off(&mut fake, index));
}
