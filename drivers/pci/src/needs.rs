// SPDX-License-Identifier: Apache-2.0
//! How much room each bus needs, from the leaves up.
//!
//! Role: turns BARs and what is behind bridges into wishes, in the order in
//! which they are to be granted: coarse alignment first, which leaves the
//! smallest gaps, as all sizes of BARs are powers of two.
//! Invariant: what a bus's wishes take, granted in this order from an address
//! of the block's alignment, is exactly the block's size. A BAR that would not
//! fit even if the windows were empty is no wish, so that it takes nobody's room.

use alloc::vec::Vec;

use crate::bar::{Bar, BarSpace};
use crate::bridge::{IO_GRAIN, IoWidth, MEMORY_GRAIN};
use crate::problem::{OutOfMemory, push};
use crate::span::{Span, Wish, align_up};
use crate::tree::{Bus, Tree};
use crate::window::{Window, WindowSpace};

/// The first address that 32 bits cannot say.
pub(crate) const FOUR_GIB: u64 = 1 << 32;
/// The first port that 16 bits cannot say.
const LAST_PORT: u64 = 1 << 16;

/// Which of a bridge's windows something goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// I/O.
    Io,
    /// Memory, which has 32 bits.
    Low,
    /// Prefetchable memory, where that has 64 bits. On the first bus, where
    /// there is no bridge, all that has 64 bits.
    High,
}

impl Class {
    pub(crate) const ALL: [Class; 3] = [Class::Io, Class::Low, Class::High];

    /// What a bridge's window of the class is a multiple of.
    pub(crate) const fn grain(self) -> u64 {
        match self {
            Class::Io => IO_GRAIN,
            Class::Low | Class::High => MEMORY_GRAIN,
        }
    }
}

/// Something of each class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerClass<T>([Option<T>; 3]);

impl<T: Copy> PerClass<T> {
    pub(crate) const NONE: Self = PerClass([None; 3]);

    pub(crate) fn get(&self, class: Class) -> Option<T> {
        self.0.get(class as usize).copied().flatten()
    }

    pub(crate) fn set(&mut self, class: Class, value: Option<T>) {
        if let Some(place) = self.0.get_mut(class as usize) {
            *place = value;
        }
    }
}

/// Whose wish it is, as an index of the tree's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// A BAR's.
    Bar(usize),
    /// That of the bridge in front of a bus.
    Bus(usize),
}

/// A wish on a bus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) whose: Whose,
    pub(crate) wish: Wish,
    pub(crate) class: Class,
    pub(crate) prefetchable: bool,
}

impl Item {
    /// Whether it may lie in the window at all, room aside.
    pub(crate) fn may_use(&self, window: &Window) -> bool {
        let is_io = window.space == WindowSpace::Io;
        is_io == (self.class == Class::Io) && (self.prefetchable || !window.prefetchable)
    }
}

/// All the room of each window. Address 0 is left out: for devices and programs
/// alike it means that there is none. So is a window that wraps, or meets one
/// of its space that comes before it.
pub(crate) fn rooms(windows: &[Window]) -> impl Iterator<Item = Span> {
    windows.iter().enumerate().filter_map(move |(index, window)| {
        let end = window.end()?;
        let before = windows.get(..index).unwrap_or_default();
        let meets = before.iter().any(|other| {
            let other_end = other.end().unwrap_or(other.bus);
            other.space == window.space && other.bus < end && window.bus < other_end
        });
        (!meets).then_some(Span { next: window.bus.max(1), end, window: index })
    })
}

/// What all buses need.
pub(crate) struct Needs<'w> {
    windows: &'w [Window],
    /// The windows as they are before anything is taken.
    rooms: &'w [Span],
    blocks: Vec<PerClass<Wish>>,
}

impl<'w> Needs<'w> {
    /// Adds up, from the last bus to the first: a bus comes after the one that
    /// its bridge is on.
    pub(crate) fn of(
        tree: &Tree,
        windows: &'w [Window],
        rooms: &'w [Span],
    ) -> Result<Self, OutOfMemory> {
        let mut needs = Needs { windows, rooms, blocks: Vec::new() };
        for _ in &tree.buses {
            push(&mut needs.blocks, PerClass::NONE)?;
        }
        let mut items = Vec::new();
        for (index, bus) in tree.buses.iter().enumerate().rev() {
            for class in Class::ALL {
                needs.items(tree, bus, class, &mut items)?;
                let block = block(class, &items);
                if let Some(place) = needs.blocks.get_mut(index) {
                    place.set(class, block);
                }
            }
        }
        Ok(needs)
    }

    /// The wishes of a class on a bus, in the order to grant them.
    pub(crate) fn items(
        &self,
        tree: &Tree,
        bus: &Bus,
        class: Class,
        items: &mut Vec<Item>,
    ) -> Result<(), OutOfMemory> {
        items.clear();
        for function in tree.functions.get(bus.functions.clone()).unwrap_or_default() {
            for index in function.bars.clone() {
                let Some(bar) = tree.bars.get(index) else { continue };
                let item = item(bus, index, bar);
                if item.class == class && self.possible(&item) {
                    push(items, item)?;
                }
            }
            let Some(behind) = function.bridge().and_then(|bridge| bridge.bus) else { continue };
            let block = self.blocks.get(behind).and_then(|block| block.get(class));
            if let Some(wish) = block {
                let prefetchable = class == Class::High;
                push(items, Item { whose: Whose::Bus(behind), wish, class, prefetchable })?;
            }
        }
        items.sort_unstable_by_key(|item| {
            (u64::MAX ^ item.wish.align, u64::MAX ^ item.wish.size, item.whose)
        });
        Ok(())
    }

    fn possible(&self, item: &Item) -> bool {
        self.rooms.iter().any(|room| {
            let window = self.windows.get(room.window);
            window.is_some_and(|window| item.may_use(window)) && room.start(item.wish).is_some()
        })
    }
}

/// The wish of a BAR.
fn item(bus: &Bus, index: usize, bar: &Bar) -> Item {
    let first_bus = bus.bridge.is_none();
    let prefetchable = bar.prefetchable && (first_bus || bus.prefetchable64);
    let (class, ceiling) = match bar.space {
        BarSpace::Io => (Class::Io, ports(bus)),
        BarSpace::Memory64 if first_bus || prefetchable => (Class::High, u64::MAX),
        BarSpace::Memory32 | BarSpace::Memory64 => (Class::Low, FOUR_GIB),
    };
    // Behind a bridge the class Low lies in its plain window.
    let prefetchable = prefetchable && (first_bus || class == Class::High);
    let wish = Wish { size: bar.size, align: bar.size, ceiling };
    Item { whose: Whose::Bar(index), wish, class, prefetchable }
}

/// The end of the ports that can be reached on a bus.
fn ports(bus: &Bus) -> u64 {
    match bus.io {
        None => 0,
        Some(IoWidth::Bits16) => LAST_PORT,
        Some(IoWidth::Bits32) => FOUR_GIB,
    }
}

/// What a bus needs in all; nothing, if there are no wishes.
fn block(class: Class, items: &[Item]) -> Option<Wish> {
    let grain = class.grain();
    let coarsest = items.iter().map(|item| item.wish.align).max()?;
    let ceiling = items.iter().map(|item| item.wish.ceiling).min()?;
    let end = items.iter().try_fold(0, |end, item| {
        align_up(end, item.wish.align).and_then(|start| start.checked_add(item.wish.size))
    });
    let end = end.and_then(|end| align_up(end, grain));
    Some(Wish { size: end.unwrap_or(u64::MAX), align: coarsest.max(grain), ceiling })
}
