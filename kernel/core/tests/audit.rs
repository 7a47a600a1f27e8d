// SPDX-License-Identifier: Apache-2.0
//! The look at the kernel's half finds every entry that should not be there.

use skimmer_core::{
    frames::FrameNumber,
    space::{
        audit::{Unsound, kernel_half},
        entry::{Entry, Protection},
        tables::{ENTRIES, KERNEL_ENTRIES, TableMemory},
    },
};

const ROOT: FrameNumber = FrameNumber::new(0);
const MIDDLE: FrameNumber = FrameNumber::new(1);
const LAST: FrameNumber = FrameNumber::new(2);
const FLAGS: u64 = 1 << 10;
const WRITE_AND_EXECUTE: u64 = 0b1100;

/// Three tables: the root's entry 300 names the second, whose entry 5 names the
/// third.
struct Three(Vec<[Entry; ENTRIES]>);

impl TableMemory for Three {
    fn read(&self, table: FrameNumber, index: usize) -> Entry {
        self.0[table.get()][index]
    }

    fn write(&mut self, table: FrameNumber, index: usize, entry: Entry) {
        self.0[table.get()][index] = entry;
    }

    fn take_zeroed(&mut self) -> Option<FrameNumber> {
        None
    }

    fn give_back(&mut self, _: FrameNumber) {}

    fn copy_in(&mut self, _: FrameNumber, _: usize, _: &[u8]) {}
}

/// A sound half: 2 large pages, 1 larger, 3 small ones.
fn sound() -> Three {
    let mut three = Three(vec![[Entry::EMPTY; ENTRIES]; 3]);
    let page = |frame, protection| Entry::kernel(FrameNumber::new(frame), protection);
    three.write(ROOT, 300, Entry::table(MIDDLE));
    three.write(ROOT, 256, page(1 << 18, Protection::ReadWrite));
    three.write(MIDDLE, 5, Entry::table(LAST));
    three.write(MIDDLE, 6, page(512, Protection::ReadExecute));
    three.write(MIDDLE, 511, page(1024, Protection::ReadOnly));
    for place in [0, 7, 511] {
        three.write(LAST, place, page(place + 1, Protection::ReadWrite));
    }
    three
}

#[test]
fn a_sound_half_is_counted() {
    assert_eq!(kernel_half(&sound(), ROOT), Ok(6));
    // What the lower half says is not its business.
    let mut three = sound();
    three.write(ROOT, KERNEL_ENTRIES - 1, Entry::from_bits(0xff));
    assert_eq!(kernel_half(&three, ROOT), Ok(6));
}

/// At each level, of all flags only those of the kernel's four kinds of page
/// pass, none of which is writable and executable, above the last level those of a
/// table, and in the last a note, which is no page.
#[test]
fn nothing_else_passes_at_any_level() {
    for (table, place, level) in [(ROOT, 400, 2), (MIDDLE, 9, 1), (LAST, 9, 0)] {
        let mut passed = 0;
        // A table that is empty, or a page of any size.
        let mut three = sound();
        let next = FrameNumber::new(1 << 18);
        for flags in 1..FLAGS {
            let entry = Entry::from_bits(Entry::table(next).bits() & !1 | flags);
            if entry == Entry::table(next) {
                continue;
            }
            three.write(table, place, entry);
            let is_page = Protection::ALL.iter().any(|&p| Entry::kernel(next, p) == entry);
            let is_note = level == 0 && entry == Entry::note(next.get() as u64);
            let expected = match (is_page, is_note) {
                (true, _) => Ok(7),
                (_, true) => Ok(6),
                _ => Err(Unsound { level, place, entry }),
            };
            assert_eq!(kernel_half(&three, ROOT), expected, "level {level}, flags {flags:#b}");
            passed += usize::from(is_page);
            assert!(!is_page || flags & WRITE_AND_EXECUTE != WRITE_AND_EXECUTE);
        }
        assert_eq!(passed, Protection::ALL.len());
    }
}

#[test]
fn a_large_page_begins_where_it_may_and_tables_end_at_the_last_level() {
    for (table, place, level, frame) in [(ROOT, 400, 2, 512), (MIDDLE, 9, 1, 511)] {
        let mut three = sound();
        let entry = Entry::kernel(FrameNumber::new(frame), Protection::ReadWrite);
        three.write(table, place, entry);
        assert_eq!(kernel_half(&three, ROOT), Err(Unsound { level, place, entry }));
    }
    let mut three = sound();
    let entry = Entry::table(MIDDLE);
    three.write(LAST, 3, entry);
    assert_eq!(kernel_half(&three, ROOT), Err(Unsound { level: 0, place: 3, entry }));
}
