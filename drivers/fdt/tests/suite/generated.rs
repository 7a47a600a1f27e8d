// SPDX-License-Identifier: Apache-2.0
//! Trees at random, with names and values that mean something often enough.

use crate::builder::{Item, item};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn node_name() -> impl Strategy<Value = String> {
    let known = select(vec!["cpus", "cpu", "memory", "soc", "reserved-memory", "chosen", "pci"]);
    let name = prop_oneof![known.prop_map(str::to_owned), "[a-z][a-z0-9,._+-]{0,12}"];
    let address = proptest::option::of("[0-9a-f]{1,8}");
    (name, address).prop_map(|(name, address)| match address {
        Some(address) => format!("{name}@{address}"),
        None => name,
    })
}

fn words(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![0u32..8, any::<u32>()];
    vec(word, count).prop_map(|words| words.iter().flat_map(|word| word.to_be_bytes()).collect())
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "okay",
        "disabled",
        "memory",
        "cpu",
        "sifive,test0",
        "riscv,sv39",
        "riscv,cpu-intc",
        "riscv,plic0",
        "pci-host-ecam-generic",
        "ns16550a",
    ]);
    vec(known, 1..4).prop_map(|texts| (texts.join("\0") + "\0").into_bytes())
}

fn property() -> impl Strategy<Value = (String, Vec<u8>)> {
    let width = (0u32..5).prop_map(|width| width.to_be_bytes().to_vec());
    let name = |names: &[&'static str]| select(names.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        3 => (name(&["#address-cells", "#size-cells", "#interrupt-cells"]), width),
        3 => (name(&["reg", "ranges", "interrupts", "interrupts-extended"]), words(0..9)),
        1 => (name(&["phandle", "interrupt-parent", "riscv,ndev"]), words(1..2)),
        2 => (name(&["status", "device_type", "compatible", "mmu-type"]), text()),
        1 => (name(&["interrupt-map", "interrupt-map-mask", "bus-range"]), words(0..20)),
        2 => ("[a-z#][a-z0-9,._+?#-]{0,15}", vec(any::<u8>(), 0..20)),
    ]
}

/// A whole tree.
pub(crate) fn tree() -> impl Strategy<Value = Item> {
    let head = || (node_name(), vec(property(), 0..6));
    let make = |(name, properties), children| Item { name, properties, children };
    let leaf = head().prop_map(move |head| make(head, Vec::new()));
    let node = leaf.prop_recursive(6, 60, 6, move |inner| {
        (head(), vec(inner, 0..6)).prop_map(move |(head, children)| make(head, children))
    });
    (vec(property(), 0..4), vec(node, 0..6)).prop_map(|(properties, children)| Item {
        properties,
        children,
        ..item("")
    })
}
