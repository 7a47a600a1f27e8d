// SPDX-License-Identifier: Apache-2.0
//! A bounded single-producer single-consumer ring: the wire between two harts.
//!
//! `tail` is written by the producer only, `head` by the consumer only; each
//! side caches the other's index and reads it again when the cache says full
//! or empty. A slot is filled before `tail` is published and emptied before
//! `head` is, so a slot has one owner at any time.
//!
//! A producer that finds the ring full leaves word in `starved`; the consumer
//! takes that word after it has freed slots. Both use a read-modify-write of
//! the same word, so one of the two sees the other.

use core::{mem::MaybeUninit, sync::atomic::Ordering};

use crate::{
    order::Site,
    shim::{AtomicBool, AtomicU32, UnsafeCell},
};

/// Keeps what two harts write apart in the cache.
#[derive(Debug)]
#[repr(align(64))]
struct Line<T>(T);

/// The shared part of a ring with `N` slots; `N` is a power of two.
#[derive(Debug)]
pub struct Ring<T, const N: usize> {
    tail: Line<AtomicU32>,
    head: Line<AtomicU32>,
    starved: AtomicBool,
    slots: [UnsafeCell<MaybeUninit<T>>; N],
}

// SAFETY: a slot is reached by the producer between the consumer's release of
// it and its own publication, and by the consumer in the rest of the time.
unsafe impl<T: Send, const N: usize> Sync for Ring<T, N> {}

impl<T, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Ring<T, N> {
    const MASK: u32 = {
        assert!(N.is_power_of_two() && N <= 1 << 16);
        N as u32 - 1
    };

    /// An empty ring.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tail: Line(AtomicU32::new(0)),
            head: Line(AtomicU32::new(0)),
            starved: AtomicBool::new(false),
            slots: core::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
        }
    }

    /// The two ends. The ring stays borrowed, so there are never more. Values
    /// that earlier ends left behind are still there.
    pub fn split(&mut self) -> (Producer<'_, T, N>, Consumer<'_, T, N>) {
        // The borrow is exclusive: whoever had the ends is done with them.
        let tail = self.tail.0.load(Ordering::Relaxed);
        let head = self.head.0.load(Ordering::Relaxed);
        let ring = &*self;
        (Producer { ring, tail, head }, Consumer { ring, head })
    }

    fn slot(&self, index: u32) -> &UnsafeCell<MaybeUninit<T>> {
        &self.slots[(index & Self::MASK) as usize]
    }
}

/// The end that fills slots. Not `Sync`-shareable: `push` takes `&mut`.
#[derive(Debug)]
pub struct Producer<'r, T, const N: usize> {
    ring: &'r Ring<T, N>,
    tail: u32,
    head: u32,
}

impl<T, const N: usize> Producer<'_, T, N> {
    /// Puts `value` at the end.
    ///
    /// # Errors
    /// Gives `value` back when all slots are full.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), T> {
        if self.is_full() {
            return Err(value);
        }
        self.ring.slot(self.tail).with_mut(|slot| {
            // SAFETY: the slot is free (`head` is past its last use), and only
            // this producer fills slots.
            unsafe { (*slot).write(value) };
        });
        self.tail = self.tail.wrapping_add(1);
        self.ring.tail.0.store(self.tail, Site::RingPublish.ordering());
        Ok(())
    }

    /// Asks the consumer to say when it has freed slots. Returns whether to
    /// wait for that; if not, there is space already.
    pub fn starve(&mut self) -> bool {
        self.ring.starved.swap(true, Site::StarvedSet.ordering());
        self.is_full()
    }

    /// Values in flight, as far as this side knows: never fewer than there are.
    #[must_use]
    pub fn backlog(&self) -> u32 {
        self.tail.wrapping_sub(self.head)
    }

    /// Whether the next push will succeed.
    #[inline]
    pub fn has_space(&mut self) -> bool {
        !self.is_full()
    }

    fn is_full(&mut self) -> bool {
        if self.tail.wrapping_sub(self.head) as usize == N {
            self.head = self.ring.head.0.load(Site::RingReuse.ordering());
        }
        self.tail.wrapping_sub(self.head) as usize == N
    }
}

/// The end that empties slots.
#[derive(Debug)]
pub struct Consumer<'r, T, const N: usize> {
    ring: &'r Ring<T, N>,
    head: u32,
}

impl<T, const N: usize> Consumer<'_, T, N> {
    /// Takes the oldest value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.ring.tail.0.load(Site::RingSee.ordering()) == self.head {
            return None;
        }
        let value = self.ring.slot(self.head).with_mut(|slot| {
            // SAFETY: `tail` is past this slot, so the producer filled it and
            // leaves it alone until `head` is past it too.
            unsafe { slot.cast::<T>().read() }
        });
        self.head = self.head.wrapping_add(1);
        self.ring.head.0.store(self.head, Site::RingFree.ordering());
        Some(value)
    }

    /// Whether a value is there.
    #[inline]
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.ring.tail.0.load(Site::RingSee.ordering()) != self.head
    }

    /// How many values are there.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.ring.tail.0.load(Site::RingSee.ordering()).wrapping_sub(self.head)
    }

    /// Whether the producer waits for space. Clears its word: the caller must
    /// tell it. Call after `pop`.
    #[inline]
    pub fn take_starved(&mut self) -> bool {
        self.ring.starved.swap(false, Site::StarvedTake.ordering())
    }
}

impl<T, const N: usize> Drop for Ring<T, N> {
    fn drop(&mut self) {
        let (_, mut consumer) = self.split();
        while let Some(value) = consumer.pop() {
            drop(value);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::{rc::Rc, vec::Vec};

    #[test]
    fn ends_go_on_where_earlier_ends_stopped() {
        let value = Rc::new(());
        let mut ring = Ring::<(u32, Rc<()>), 4>::new();
        let mut sent = 0..;
        let mut taken = Vec::new();
        for _ in 0..10 {
            let (mut producer, mut consumer) = ring.split();
            while let Some(number) = (producer.backlog() < 4).then(|| sent.next()).flatten() {
                assert!(producer.push((number, value.clone())).is_ok());
            }
            assert!(producer.push((99, value.clone())).is_err());
            taken.extend((0..3).filter_map(|_| consumer.pop()).map(|v| v.0));
        }
        assert_eq!(taken, (0..30).collect::<Vec<_>>());
        assert_eq!(Rc::strong_count(&value), 2, "one value is still inside");
        drop(ring);
        assert_eq!(Rc::strong_count(&value), 1);
    }
}
