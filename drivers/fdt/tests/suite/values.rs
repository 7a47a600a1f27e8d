// SPDX-License-Identifier: Apache-2.0
//! The types a property's value can have, and values that do not have them.

use crate::builder::{Item, item};
use skimmer_fdt::{Fdt, Property, Region, ValueError};

fn with_value(value: &[u8], look: impl FnOnce(Property<'_>)) {
    let blob = item("").bytes("x", value).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    look(tree.find("/").expect("the root").property("x").expect("the property"));
}

#[test]
fn numbers_have_exact_lengths() {
    for length in 0..=16 {
        let value: Vec<u8> = (1..=length).collect();
        with_value(&value, |property| {
            let word = (length == 4).then_some(0x0102_0304);
            let quad = (length == 8).then_some(0x0102_0304_0506_0708);
            assert_eq!(property.u32().ok(), word);
            assert_eq!(property.u64().ok(), quad);
            assert_eq!(property.number().ok(), word.map(u64::from).or(quad));
            let words = property.words().map(Iterator::count);
            let whole = length.is_multiple_of(4).then_some(usize::from(length) / 4);
            assert_eq!(words.ok(), whole);
        });
    }
}

#[test]
fn strings() {
    let bad = Err(ValueError::BadString);
    let cases: [(&[u8], Result<&str, ValueError>); 6] = [
        (b"one\0", Ok("one")),
        (b"one\0two\0", Ok("one")),
        (b"\0", Ok("")),
        (b"", bad),
        (b"one", bad),
        (b"\xc3\x28\0", bad),
    ];
    for (value, expected) in cases {
        with_value(value, |property| assert_eq!(property.string(), expected, "{value:?}"));
    }
}

#[test]
fn string_lists() {
    let cases: [(&[u8], Option<&[&str]>); 7] = [
        (b"one\0", Some(&["one"])),
        (b"one\0two\0", Some(&["one", "two"])),
        (b"one\0\0", Some(&["one", ""])),
        (b"\0", Some(&[""])),
        (b"", None),
        (b"one\0two", None),
        (b"one\0\xff\0", None),
    ];
    for (value, expected) in cases {
        with_value(value, |property| {
            let list = property.strings().ok().map(Iterator::collect::<Vec<_>>);
            assert_eq!(list.as_deref(), expected, "{value:?}");
        });
    }
}

#[test]
fn cells_one_after_the_other() {
    let value: Vec<u8> = (0..24).collect();
    with_value(&value, |property| {
        let mut cells = property.cells();
        assert_eq!(cells.word(), Ok(0x0001_0203));
        assert_eq!(cells.number(2), Ok(0x0405_0607_0809_0a0b));
        assert_eq!(cells.number(0), Ok(0));
        assert_eq!(cells.number(3), Err(ValueError::BadCells));
        assert_eq!(cells.take(4).err(), Some(ValueError::BadLength));
        assert_eq!(cells.take(u32::MAX).err(), Some(ValueError::BadLength));
        let mut taken = cells.take(2).expect("two cells");
        assert_eq!(taken.number(2), Ok(0x0c0d_0e0f_1011_1213));
        assert!(taken.is_empty());
        assert_eq!(cells.number(2), Err(ValueError::BadLength));
    });
}

#[test]
fn regions_do_not_wrap() {
    assert_eq!(Region::new(u64::MAX, 1), Err(ValueError::Wraps));
    assert_eq!(Region::new(u64::MAX, 0).map(|region| region.end()), Ok(u64::MAX));
    assert_eq!(Region::new(1, u64::MAX - 1).map(|region| region.end()), Ok(u64::MAX));
}

fn is_compatible(node: &Item, name: &str) -> bool {
    let blob = node.blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    tree.find("/").expect("the root").is_compatible(name)
}

#[test]
fn compatible_names_are_whole_names() {
    let node = item("").texts("compatible", &["acme,one", "acme,Two"]);
    assert!(is_compatible(&node, "acme,one"));
    assert!(is_compatible(&node, "acme,two"), "case has no meaning");
    for name in ["", "acme", "acme,on", "acme,one2", "acme,one\0acme,Two"] {
        assert!(!is_compatible(&node, name), "{name:?}");
    }
    assert!(!is_compatible(&item(""), "acme,one"));
    assert!(!is_compatible(&item("").bytes("compatible", b"acme,one"), "acme,one"));
}

#[test]
fn phandles() {
    let phandle = |node: Item| {
        let blob = node.blob();
        Fdt::new(&blob).expect("a sound tree").find("/").and_then(|root| root.phandle())
    };
    assert_eq!(phandle(item("").word("phandle", 7)), Some(7));
    assert_eq!(phandle(item("").word("linux,phandle", 7)), Some(7));
    assert_eq!(phandle(item("").word("linux,phandle", 7).word("phandle", 8)), Some(8));
    for none in [0, u32::MAX] {
        assert_eq!(phandle(item("").word("phandle", none)), None);
    }
    assert_eq!(phandle(item("")), None);
}
