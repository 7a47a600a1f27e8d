// SPDX-License-Identifier: Apache-2.0
//! Every block of a row of namespaces lies in one of them, and no command goes
//! on into the next.

use proptest::prelude::*;
use skimmer_nvme::{Namespace, Place, Span, Unspanned};

fn namespace(id: u32, blocks: u64) -> Namespace {
    Namespace { id, block_size: 512, blocks, most_blocks: 64 }
}

fn row(sizes: &[u64]) -> Vec<Namespace> {
    (1..).zip(sizes).map(|(id, blocks)| namespace(id, *blocks)).collect()
}

#[test]
fn blocks_are_where_they_are() {
    let namespaces = row(&[3, 1, 100]);
    let span = Span::new(&namespaces).expect("a row");
    assert_eq!((span.blocks(), span.block_size(), span.count()), (104, 512, 3));
    for (block, number, first) in [(0, 0, 0), (2, 0, 2), (3, 1, 0), (4, 2, 0), (103, 2, 99)] {
        let due = Place { namespace: namespaces[number], first };
        assert_eq!(span.locate(block), Some(due), "{block}");
    }
    assert_eq!([0, 1, 2, 3].map(|number| span.start(number)), [Some(0), Some(3), Some(4), None]);
    for (first, most, due) in [(0, 9, 3), (2, 9, 1), (3, 9, 1), (4, 9, 9), (4, 99, 64), (99, 9, 5)]
    {
        assert_eq!(span.together(first, most), due, "{most} from {first}");
    }
    for block in [104, u64::MAX] {
        assert_eq!((span.locate(block), span.together(block, 9)), (None, 0));
    }
}

#[test]
fn what_is_no_row_is_told() {
    assert_eq!(Span::new(&[]), Err(Unspanned::Nothing));
    let other = Namespace { block_size: 4096, ..namespace(2, 1) };
    assert_eq!(Span::new(&[namespace(1, 1), other]), Err(Unspanned::BlockSizes));
    let large = u64::MAX / 512;
    assert!(Span::new(&[namespace(1, large)]).is_ok());
    assert_eq!(Span::new(&row(&[large; 513])), Err(Unspanned::TooMany));
}

proptest! {
    #[test]
    fn every_block_lies_in_exactly_one_place(sizes in prop::collection::vec(1u64..300, 1..9)) {
        let namespaces = row(&sizes);
        let span = Span::new(&namespaces).expect("a row");
        let places = namespaces.iter().flat_map(|namespace| {
            (0..namespace.blocks).map(|first| Place { namespace: *namespace, first })
        });
        let places: Vec<Place> = places.collect();
        let located: Vec<Place> = (0..span.blocks()).filter_map(|at| span.locate(at)).collect();
        prop_assert_eq!(located, places);
    }

    #[test]
    fn pieces_never_cross_and_leave_nothing_out(
        sizes in prop::collection::vec(1u64..300, 1..9),
        most in 1u64..300,
    ) {
        let span = Span::new(&row(&sizes)).expect("a row");
        let mut first = 0;
        while first < span.blocks() {
            let blocks = span.together(first, most);
            prop_assert!((1..=most.min(64)).contains(&blocks));
            let (one, last) = (span.locate(first), span.locate(first + blocks - 1));
            prop_assert_eq!(one.map(|it| it.namespace), last.map(|it| it.namespace));
            let end = one.map(|it| it.first + blocks);
            prop_assert!(end <= one.map(|it| it.namespace.blocks));
            // It is no shorter than it must be.
            let is_cut = end == one.map(|it| it.namespace.blocks);
            prop_assert!(is_cut || blocks == most.min(64));
            first += blocks;
        }
    }
}
