// SPDX-License-Identifier: Apache-2.0
//! Base address registers that make sense, and others.

use skimmer_pci::{BarFlaw, BarSpace, Command, EnableError, Flaw};

use crate::fake::{Fake, memory32};

/// Of each BAR: index, space, whether it is prefetchable, size; and the flaws.
type Looked = (Vec<(u8, BarSpace, bool, u64)>, Vec<Flaw>);

/// Scans a function with these registers: what they hold, and what of it can
/// be written.
fn looked(registers: &[(usize, u32, u32)]) -> Looked {
    let mut fake = Fake::new(0, 0);
    let index = fake.endpoint(None, 1, &[]);
    for &(bar, value, mask) in registers {
        fake.functions[index].registers[4 + bar] = value;
        fake.functions[index].masks[4 + bar] = mask;
    }
    let before = fake.functions[index].registers;
    let tree = fake.scan();
    assert_eq!(fake.functions[index].registers, before, "restored");
    let bars = tree.bars(&tree.functions()[0]).iter();
    let bars = bars.map(|bar| (bar.index(), bar.space(), bar.is_prefetchable(), bar.size()));
    (bars.collect(), tree.problems().iter().map(|problem| problem.flaw).collect())
}

#[test]
fn sizes() {
    let (bars, flaws) = looked(&[
        (0, 0xfebf_0000, 0xffff_f000),
        (1, 0x0000_c001, 0x0000_ffe0),
        (2, 0x0000_000c, 0xffff_0000),
        (3, 0x0000_0020, 0xffff_ffff),
        (4, 0x0000_0004, 0),
        (5, 0, 0xffff_fff0),
    ]);
    let expected = [
        (0, BarSpace::Memory32, false, 1 << 12),
        (1, BarSpace::Io, false, 1 << 5),
        (2, BarSpace::Memory64, true, 1 << 16),
        (4, BarSpace::Memory64, false, 1 << 36),
    ];
    assert_eq!(bars, expected);
    assert_eq!(flaws, []);
}

#[test]
fn nonsense_is_told_by_its_register() {
    let cases = [
        ((0, 0xffff_ffff, 0), BarFlaw::AllOnes),
        ((0, 2, 0xffff_0000), BarFlaw::ReservedType),
        ((0, 6, 0xffff_0000), BarFlaw::ReservedType),
        ((0, 3, 0xffff_0000), BarFlaw::ReservedType),
        ((0, 0, 0xff0f_0000), BarFlaw::BadSize),
        ((0, 0, 0x0fff_0000), BarFlaw::BadSize),
        ((0, 8, 0), BarFlaw::BadSize),
        ((0, 1, 0), BarFlaw::BadSize),
        ((0, 1, 0xffff_0ff0), BarFlaw::BadSize),
        ((0, 4, 0xffff_0000), BarFlaw::BadSize),
        ((5, 4, 0xffff_0000), BarFlaw::NoUpperHalf),
    ];
    for (register, flaw) in cases {
        let index = register.0 as u8;
        assert_eq!(looked(&[register]), (vec![], vec![Flaw::BadBar(index, flaw)]), "{register:x?}");
    }
}

#[test]
fn the_upper_half_of_nonsense_is_not_taken_for_a_register() {
    let (bars, flaws) = looked(&[(0, 4, 0xff0f_0000), (1, 0, 0xffff_f000), (2, 0, 0xffff_f000)]);
    assert_eq!(bars, [(2, BarSpace::Memory32, false, 1 << 12)]);
    assert_eq!(flaws, [Flaw::BadBar(0, BarFlaw::BadSize)]);
}

#[test]
fn who_has_a_bad_register_decodes_nothing() {
    let mut fake = Fake::new(0, 0);
    let index = fake.endpoint(None, 1, &[memory32(12)]);
    fake.functions[index].registers[5] = 2;
    let mut tree = fake.scan();
    tree.place(&mut fake, &crate::plan::ROOMY).unwrap();
    assert_eq!(tree.enable(&mut fake, 0, Command::MEMORY), Err(EnableError::NotPlaced));
    assert_eq!(tree.enable(&mut fake, 0, Command::empty()), Ok(()));
}
