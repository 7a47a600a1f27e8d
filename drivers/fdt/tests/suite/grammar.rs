// SPDX-License-Identifier: Apache-2.0
//! Structure blocks that break the grammar, each in one way.

use crate::builder::{Item, Writer, item};
use skimmer_fdt::{Event, Fdt, FdtError, Flaw, MAX_DEPTH, MAX_NAME};

/// The flaw for which a blob is refused, and where.
fn flaw(writer: &Writer) -> (usize, Flaw) {
    match Fdt::new(&writer.blob()) {
        Err(FdtError::BadStructure { at, flaw }) => (at, flaw),
        other => panic!("expected a structure flaw, got {other:?}"),
    }
}

fn writer() -> Writer {
    Writer::default()
}

#[test]
fn events_in_order() {
    let mut writer = writer();
    writer.nop().begin("").nop().property("a", &[1, 2, 3]).nop();
    writer.begin("child@7").property("b", &[]).end_node().nop().end_node().nop().end();
    let blob = writer.blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let seen: Vec<String> = tree
        .events()
        .map(|event| match event.expect("a sound tree") {
            Event::BeginNode { name, depth } => format!("{depth} begin {name:?}"),
            Event::Property { property, depth } => {
                format!("{depth} {} {:?}", property.name, property.value)
            }
            Event::EndNode { depth } => format!("{depth} end"),
        })
        .collect();
    let expected =
        ["0 begin \"\"", "0 a [1, 2, 3]", "1 begin \"child@7\"", "1 b []", "1 end", "0 end"];
    assert_eq!(seen, expected);
}

#[test]
fn empty_structure() {
    assert_eq!(flaw(&writer()), (0, Flaw::Truncated));
}

#[test]
fn no_root() {
    assert_eq!(flaw(writer().end()), (0, Flaw::EarlyEnd));
}

#[test]
fn end_inside_a_node() {
    assert_eq!(flaw(writer().begin("").end()), (8, Flaw::EarlyEnd));
}

#[test]
fn structure_without_an_end() {
    assert_eq!(flaw(writer().begin("").end_node()), (12, Flaw::Truncated));
}

#[test]
fn second_root() {
    let mut writer = writer();
    writer.begin("").end_node().begin("").end_node().end();
    assert_eq!(flaw(&writer), (12, Flaw::SecondRoot));
}

#[test]
fn end_node_too_many() {
    assert_eq!(flaw(writer().begin("").end_node().end_node().end()), (12, Flaw::StrayEndNode));
    assert_eq!(flaw(writer().end_node()), (0, Flaw::StrayEndNode));
}

#[test]
fn unknown_tags() {
    for tag in [0, 5, 8, 10, 0x0100_0000, u32::MAX] {
        assert_eq!(flaw(writer().begin("").word(tag)), (8, Flaw::UnknownTag(tag)));
    }
}

#[test]
fn stray_properties() {
    assert_eq!(flaw(writer().property("a", &[])), (0, Flaw::StrayProperty));
    let mut after_child = writer();
    after_child.begin("").begin("c").end_node().property("a", &[]).end_node().end();
    assert_eq!(flaw(&after_child), (20, Flaw::StrayProperty));
    let mut after_root = writer();
    after_root.begin("").end_node().property("a", &[]).end();
    assert_eq!(flaw(&after_root), (12, Flaw::StrayProperty));
}

#[test]
fn property_past_the_end() {
    for length in [1, 4, 5, 0x7fff_ffff, 0xffff_fffd, u32::MAX] {
        // A property of that length whose value is not there at all.
        let mut writer = writer();
        writer.begin("").word(3).word(length).word(0);
        assert_eq!(flaw(&writer), (8, Flaw::Truncated), "length {length}");
    }
}

#[test]
fn property_header_cut() {
    assert_eq!(flaw(writer().begin("").word(3)), (8, Flaw::Truncated));
    assert_eq!(flaw(writer().begin("").word(3).word(0)), (8, Flaw::Truncated));
}

#[test]
fn unterminated_node_name() {
    assert_eq!(flaw(writer().word(1)), (0, Flaw::BadName));
    assert_eq!(flaw(writer().word(1).bytes(b"abcd")), (0, Flaw::BadName));
}

#[test]
fn name_outside_its_block() {
    for name in [1, 4, 1000, u32::MAX] {
        let mut writer = writer();
        writer.begin("").word(3).word(0).word(name).end_node().end();
        assert_eq!(flaw(&writer), (8, Flaw::BadName), "name at {name}");
    }
}

#[test]
fn unterminated_property_name() {
    let mut writer = writer();
    writer.begin("").property("name", &[]).end_node().end();
    let mut blob = writer.blob();
    let last = blob.len() - 1;
    assert_eq!(blob[last], 0);
    blob[last] = b'x';
    let expected = FdtError::BadStructure { at: 8, flaw: Flaw::BadName };
    assert_eq!(Fdt::new(&blob).err(), Some(expected));
}

#[test]
fn names_are_text() {
    assert_eq!(flaw(writer().word(1).bytes(&[0xff, 0xfe, 0])), (0, Flaw::BadName));
}

#[test]
fn long_names() {
    let longest = "n".repeat(MAX_NAME);
    assert!(Fdt::new(&item("").child(item(&longest)).blob()).is_ok());
    let longer = format!("{longest}n");
    let mut too_long = writer();
    too_long.begin("").begin(&longer).end_node().end_node().end();
    assert_eq!(flaw(&too_long), (8, Flaw::BadName));
}

/// A root with nodes below it, `depth` of them on one path in all.
fn chain(depth: usize) -> Item {
    let inner = (2..depth).fold(item("deepest"), |child, _| item("n").child(child));
    item("").child(inner)
}

#[test]
fn depth_is_bounded() {
    let blob = chain(MAX_DEPTH).blob();
    let tree = Fdt::new(&blob).expect("just deep enough");
    let deepest = tree.nodes().map(|node| node.depth()).max();
    assert_eq!(deepest, Some(MAX_DEPTH - 1));
    let mut writer = writer();
    chain(MAX_DEPTH + 1).write(&mut writer);
    assert_eq!(flaw(writer.end()).1, Flaw::TooDeep);
}

#[test]
fn words_after_the_end_do_not_matter() {
    let mut writer = writer();
    writer.begin("").end_node().end().word(0xdead_beef);
    let blob = writer.blob();
    assert_eq!(Fdt::new(&blob).expect("it has ended").nodes().count(), 1);
}

#[test]
fn a_walk_stays_over() {
    let blob = item("").blob();
    let mut events = Fdt::new(&blob).expect("a tree").events();
    assert_eq!(events.by_ref().count(), 2);
    assert!(events.next().is_none());
}
