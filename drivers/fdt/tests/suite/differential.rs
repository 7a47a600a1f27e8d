// SPDX-License-Identifier: Apache-2.0
//! Generated trees: what went in must come out, and another parser must see
//! the same.

use crate::builder::{Item, Writer};
use crate::damage::exercise;
use crate::{generated, oracle};
use proptest::prelude::*;
use skimmer_fdt::Fdt;

/// The nodes of a tree as depth, name and properties.
type Flat = Vec<(usize, String, Vec<(String, Vec<u8>)>)>;

fn flatten(node: &Item, depth: usize, into: &mut Flat) {
    into.push((depth, node.name.clone(), node.properties.clone()));
    for child in &node.children {
        flatten(child, depth + 1, into);
    }
}

/// The blob of a tree with NOPs strewn in after every `stride`th node's name.
fn blob_with_nops(root: &Item, stride: usize, reservations: &[(u64, u64)]) -> Vec<u8> {
    fn write(node: &Item, stride: usize, count: &mut usize, writer: &mut Writer) {
        writer.begin(&node.name);
        *count += 1;
        let nop = |writer: &mut Writer| {
            if (*count).is_multiple_of(stride) {
                writer.nop();
            }
        };
        for (name, value) in &node.properties {
            nop(writer);
            writer.property(name, value);
        }
        nop(writer);
        for child in &node.children {
            write(child, stride, count, writer);
        }
        writer.end_node();
    }
    let mut writer = Writer::default();
    for (base, size) in reservations {
        writer.reserve(*base, *size);
    }
    write(root, stride, &mut 0, &mut writer);
    writer.end().blob()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_went_in_comes_out(root in generated::tree(), stride in 1..5usize) {
        let blob = blob_with_nops(&root, stride, &[]);
        let tree = Fdt::new(&blob).expect("a sound tree");
        let mut expected = Flat::new();
        flatten(&root, 0, &mut expected);
        let seen: Flat = tree
            .nodes()
            .map(|node| {
                let own = node.properties().map(|one| (one.name.to_owned(), one.value.to_vec()));
                (node.depth(), node.name().to_owned(), own.collect())
            })
            .collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn the_other_parser_agrees(
        root in generated::tree(),
        stride in 1..5usize,
        reservations in proptest::collection::vec((1..u64::MAX, any::<u64>()), 0..4),
    ) {
        let blob = blob_with_nops(&root, stride, &reservations);
        prop_assert!(oracle::agree(&blob), "both must accept a sound tree");
        oracle::agree_on_paths(&blob);
    }

    #[test]
    fn every_question_has_an_answer(root in generated::tree()) {
        prop_assert!(exercise(&root.blob()).is_ok());
    }
}
