// SPDX-License-Identifier: Apache-2.0
//! Imaginary physical memory that watches what is done with it: a frame freed
//! twice, an entry that nobody should make, a touched kernel half each panic.
//! Nothing here allocates after it was made.

use std::{
    cell::{Ref, RefCell},
    rc::Rc,
};

use skimmer_core::{
    frames::FrameNumber,
    space::{
        entry::{Entry, Meaning, Protection},
        tables::{ENTRIES, KERNEL_ENTRIES, TableMemory},
    },
};

/// Frames are numbered from here.
const FIRST: usize = 0x8_0000;
/// What is in a frame that is free.
const POISON: u64 = 0xdead_dead_dead_deac;

/// Who has a frame, 0 for nobody.
pub(crate) type Owner = u32;

#[derive(Debug)]
pub(crate) struct Frames {
    owners: Vec<Owner>,
    words: Vec<[u64; ENTRIES]>,
    free: Vec<usize>,
}

impl Frames {
    pub(crate) fn new(count: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            owners: vec![0; count],
            words: vec![[POISON; ENTRIES]; count],
            free: (0..count).rev().collect(),
        }))
    }

    fn index(&self, frame: FrameNumber) -> usize {
        let index = frame.get().wrapping_sub(FIRST);
        assert!(index < self.owners.len(), "{frame:?} is no memory");
        index
    }

    pub(crate) fn owner(&self, frame: FrameNumber) -> Owner {
        self.owners[self.index(frame)]
    }

    pub(crate) fn taken(&self) -> usize {
        self.owners.len() - self.free.len()
    }

    pub(crate) fn word(&self, frame: FrameNumber, index: usize) -> u64 {
        self.words[self.index(frame)][index]
    }

    #[allow(dead_code, reason = "not every test looks at it")]
    pub(crate) fn byte(&self, frame: FrameNumber, offset: usize) -> u8 {
        self.word(frame, offset / 8).to_le_bytes()[offset % 8]
    }

    /// Who has which frame, and what is in those that somebody has.
    #[allow(dead_code, reason = "not every test looks at it")]
    pub(crate) fn picture(&self) -> Vec<Option<(Owner, [u64; ENTRIES])>> {
        let frames = self.owners.iter().zip(&self.words);
        frames.map(|(owner, words)| (*owner != 0).then_some((*owner, *words))).collect()
    }
}

/// The kernel's half, as every root must have it.
pub(crate) fn kernel_half() -> [Entry; KERNEL_ENTRIES] {
    std::array::from_fn(|index| Entry::kernel(FrameNumber::new(index << 18), Protection::ReadWrite))
}

/// The same memory, for one owner.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) frames: Rc<RefCell<Frames>>,
    pub(crate) owner: Owner,
    /// Says when memory is out.
    pub(crate) is_out: fn() -> bool,
    root: Option<FrameNumber>,
    upper_writes: usize,
}

impl Memory {
    pub(crate) fn new(frames: &Rc<RefCell<Frames>>, owner: Owner, is_out: fn() -> bool) -> Self {
        Self { frames: Rc::clone(frames), owner, is_out, root: None, upper_writes: 0 }
    }

    fn borrow(&self) -> Ref<'_, Frames> {
        self.frames.borrow()
    }
}

impl TableMemory for Memory {
    fn read(&self, table: FrameNumber, index: usize) -> Entry {
        let frames = self.borrow();
        assert_eq!(frames.owner(table), self.owner, "reads a table that is not its own");
        Entry::from_bits(frames.word(table, index))
    }

    fn write(&mut self, table: FrameNumber, index: usize, entry: Entry) {
        if Some(table) == self.root && index >= KERNEL_ENTRIES {
            self.upper_writes += 1;
            assert!(self.upper_writes <= KERNEL_ENTRIES, "the kernel's half is written once");
            assert!(matches!(entry.meaning(), Meaning::Kernel(..)));
        } else {
            let meaning = entry.meaning();
            let is_users = !matches!(meaning, Meaning::Foreign | Meaning::Kernel(..));
            assert!(is_users, "{meaning:?} in a user's table");
        }
        let mut frames = self.frames.borrow_mut();
        assert_eq!(frames.owner(table), self.owner, "writes a table that is not its own");
        let place = frames.index(table);
        frames.words[place][index] = entry.bits();
    }

    fn take_zeroed(&mut self) -> Option<FrameNumber> {
        if (self.is_out)() {
            return None;
        }
        let mut frames = self.frames.borrow_mut();
        let place = frames.free.pop()?;
        assert_eq!(frames.owners[place], 0, "dealt out twice");
        frames.owners[place] = self.owner;
        frames.words[place] = [0; ENTRIES];
        let frame = FrameNumber::new(FIRST + place);
        self.root.get_or_insert(frame);
        Some(frame)
    }

    fn give_back(&mut self, frame: FrameNumber) {
        let mut frames = self.frames.borrow_mut();
        assert_eq!(frames.owner(frame), self.owner, "freed twice, or another's");
        let place = frames.index(frame);
        frames.owners[place] = 0;
        frames.words[place] = [POISON; ENTRIES];
        frames.free.push(place);
    }

    fn copy_in(&mut self, frame: FrameNumber, offset: usize, bytes: &[u8]) {
        let mut frames = self.frames.borrow_mut();
        assert_eq!(frames.owner(frame), self.owner, "writes a frame that is not its own");
        let place = frames.index(frame);
        for (at, byte) in (offset..).zip(bytes) {
            let mut word = frames.words[place][at / 8].to_le_bytes();
            word[at % 8] = *byte;
            frames.words[place][at / 8] = u64::from_le_bytes(word);
        }
    }
}
