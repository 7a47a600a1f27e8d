// SPDX-License-Identifier: Apache-2.0
//! The growing table on one thread; harts that meet in it are the business of
//! the models.
#![cfg(not(loom))]

use std::{cell::Cell, rc::Rc};

use skimmer_sync::segments::{FIRST, OutOfMemory, Segments};

#[test]
fn what_is_in_it_never_moves() {
    let table = Segments::new();
    assert_eq!(table.get(0), None);
    let mut places: Vec<*const u32> = Vec::new();
    for index in 0..5000 {
        assert_eq!(table.ensure(index, |at| at * 3), Ok(()));
        places.push(table.get(index).unwrap());
    }
    for (index, place) in (0..).zip(places) {
        let element = table.get(index).unwrap();
        assert_eq!((*element, std::ptr::from_ref(element)), (index * 3, place));
    }
}

#[test]
fn a_segment_comes_whole_and_alone() {
    let table = Segments::new();
    let first = u32::try_from(FIRST).unwrap();
    table.ensure(first + 7, |at| at).unwrap();
    assert_eq!(table.get(first - 1), None, "a segment nobody asked for");
    assert_eq!(table.get(first), Some(&first));
    assert_eq!(table.get(3 * first - 1), Some(&(3 * first - 1)));
    assert_eq!(table.get(3 * first), None);
}

#[test]
fn elements_are_dropped_once() {
    struct Counted(Rc<Cell<u32>>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let table = Segments::new();
    for _ in 0..2 {
        table.ensure(100, |_| Counted(Rc::clone(&dropped))).unwrap();
        table.ensure(0, |_| Counted(Rc::clone(&dropped))).unwrap();
    }
    assert_eq!(dropped.get(), 0);
    drop(table);
    // Segments of 32 and, with index 100, of 128.
    assert_eq!(dropped.get() as usize, FIRST + 4 * FIRST);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let table: Segments<[u64; 512]> = Segments::new();
    assert_eq!(table.ensure(u32::MAX, |_| [0; 512]), Err(OutOfMemory));
    // 2^30 elements of 4 KiB.
    assert_eq!(table.ensure(1 << 30, |_| [0; 512]), Err(OutOfMemory));
    assert_eq!(table.get(1 << 30), None);
    table.ensure(1, |_| [7; 512]).unwrap();
    assert_eq!(table.get(1).unwrap()[0], 7);
}
