// SPDX-License-Identifier: Apache-2.0
//! The second opinion: what `dtoolkit` makes of the same bytes.
//!
//! It is stricter in places (names, the order of blocks, the length of the
//! slice), so the two are compared only where both accept a blob.

use crate::{findings, surveyor};
use dtoolkit::fdt::FdtNode;
use dtoolkit::{Node as _, Property as _};
use skimmer_fdt::{Fdt, Region, ReservedBy, ValueError};

/// A node as either parser sees it.
#[derive(Debug, PartialEq)]
struct Seen {
    depth: usize,
    name: String,
    properties: Vec<(String, Vec<u8>)>,
}

/// Compares the two parsers on one blob; says whether both accepted it.
pub(crate) fn agree(blob: &[u8]) -> bool {
    let Ok(ours) = Fdt::new(blob) else {
        return false;
    };
    let Ok(theirs) = dtoolkit::fdt::Fdt::new(blob) else {
        return false;
    };
    compare(&ours, theirs);
    true
}

/// Compares what the two parsers make of one blob.
pub(crate) fn compare(ours: &Fdt<'_>, theirs: dtoolkit::fdt::Fdt<'_>) {
    let mut expected = Vec::new();
    flatten(theirs.root(), 0, &mut expected);
    assert_eq!(ours_flat(ours), expected);
    assert_eq!(ours.boot_hart(), theirs.boot_cpuid_phys());
    agree_on_reservations(ours, theirs);
    agree_on_addresses(ours, theirs.root());
    assert_eq!(findings::of(ours), surveyor::findings(theirs.root()));
}

/// Compares where paths lead; on big trees this takes a while.
pub(crate) fn agree_on_paths(blob: &[u8]) {
    let ours = Fdt::new(blob).expect("accepted");
    let theirs = dtoolkit::fdt::Fdt::new(blob).expect("accepted");
    let mut path: Vec<&str> = Vec::new();
    for node in ours.nodes() {
        path.truncate(node.depth().saturating_sub(1));
        if node.depth() > 0 {
            path.push(node.name());
        }
        let bare: Vec<&str> = path.iter().map(|name| base(name)).collect();
        for wanted in [&path, &bare] {
            let wanted = format!("/{}", wanted.join("/"));
            let found = ours.find(&wanted).map(|node| (node.name(), properties_of(&node)));
            let expected = theirs.find_node(&wanted);
            let expected = expected.map(|node| (node.name(), their_properties(&node)));
            assert_eq!(found, expected, "{wanted}");
        }
    }
}

fn base(name: &str) -> &str {
    name.split_once('@').map_or(name, |(base, _)| base)
}

fn ours_flat(tree: &Fdt<'_>) -> Vec<Seen> {
    let see = |node: skimmer_fdt::Node<'_>| Seen {
        depth: node.depth(),
        name: node.name().to_owned(),
        properties: properties_of(&node),
    };
    tree.nodes().map(see).collect()
}

fn properties_of(node: &skimmer_fdt::Node<'_>) -> Vec<(String, Vec<u8>)> {
    node.properties().map(|one| (one.name.to_owned(), one.value.to_vec())).collect()
}

fn their_properties(node: &FdtNode<'_>) -> Vec<(String, Vec<u8>)> {
    node.properties().map(|one| (one.name().to_owned(), one.value().to_vec())).collect()
}

fn flatten(node: FdtNode<'_>, depth: usize, into: &mut Vec<Seen>) {
    let name = node.name().to_owned();
    into.push(Seen { depth, name, properties: their_properties(&node) });
    for child in node.children() {
        flatten(child, depth + 1, into);
    }
}

fn agree_on_reservations(ours: &Fdt<'_>, theirs: dtoolkit::fdt::Fdt<'_>) {
    let block = theirs.memory_reservations().map(|one| (one.address(), one.size()));
    let readable: Vec<_> =
        block.filter(|(base, size)| *size > 0 && base.checked_add(*size).is_some()).collect();
    let seen: Vec<_> = ours
        .reservations()
        .filter_map(Result::ok)
        .filter(|taken| taken.by == ReservedBy::Block)
        .map(|taken| (taken.region.base(), taken.region.size()))
        .collect();
    assert_eq!(seen, readable);
}

/// Every `reg` in the tree, in the order of the tree.
fn agree_on_addresses(ours: &Fdt<'_>, root: FdtNode<'_>) {
    let mut theirs = Vec::new();
    nodes_below(root, &mut theirs);
    for (our, their) in ours.nodes().zip(theirs) {
        // They take a malformed width for the default, we do not read on.
        let Some(seen) = our_addresses(&our) else {
            continue;
        };
        let expected = their.reg().ok().map(|regs| regs.into_iter().flatten());
        let expected = expected.map(|regs| {
            let pair = |reg: dtoolkit::standard::Reg<'_>| {
                Some((reg.address::<u64>().ok()?, reg.size::<u64>().ok()?))
            };
            regs.map(pair).collect::<Vec<_>>()
        });
        assert_eq!(Some(seen), expected, "{}", our.name());
    }
}

/// The addresses of a node as far as both parsers read them alike.
fn our_addresses(node: &skimmer_fdt::Node<'_>) -> Option<Vec<Option<(u64, u64)>>> {
    let pair = |region: Region| Some((region.base(), region.size()));
    match node.reg() {
        Ok(regions) => {
            let regions: Result<Vec<_>, _> = regions.collect();
            Some(regions.ok()?.into_iter().map(pair).collect())
        }
        Err(ValueError::Missing) => Some(Vec::new()),
        Err(_) => None,
    }
}

fn nodes_below<'a>(node: FdtNode<'a>, into: &mut Vec<FdtNode<'a>>) {
    into.push(node);
    for child in node.children() {
        nodes_below(child, into);
    }
}
