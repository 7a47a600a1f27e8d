// SPDX-License-Identifier: Apache-2.0
//! A first-in-first-out queue that owns its nodes and never allocates: the
//! node is made with the object, and queueing it only moves ownership.

use alloc::boxed::Box;
use core::{fmt, marker::PhantomData, ptr::NonNull};

/// An object with the link that queues it.
#[derive(Debug)]
pub struct Node<T> {
    next: Option<NonNull<Node<T>>>,
    /// The object.
    pub value: T,
}

// SAFETY: outside a queue `next` is None, inside one it is reached through the
// queue only; the node owns nothing but `value`.
unsafe impl<T: Send> Send for Node<T> {}

impl<T> Node<T> {
    /// A node in no queue.
    pub const fn new(value: T) -> Self {
        Self { next: None, value }
    }
}

/// A queue of owned nodes.
pub struct Fifo<T> {
    head: Option<NonNull<Node<T>>>,
    tail: Option<NonNull<Node<T>>>,
    _owns: PhantomData<Box<Node<T>>>,
}

// SAFETY: the queue owns its nodes as a `Vec<Box<T>>` would.
unsafe impl<T: Send> Send for Fifo<T> {}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Fifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fifo").field("empty", &self.is_empty()).finish_non_exhaustive()
    }
}

impl<T> Fifo<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: None, tail: None, _owns: PhantomData }
    }

    /// Whether nothing is queued.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Queues `node` behind all others.
    pub fn push_back(&mut self, node: Box<Node<T>>) {
        let node = NonNull::from(Box::leak(node));
        match self.tail.replace(node) {
            // SAFETY: `tail` points to the last node of this queue, which the
            // queue owns; no reference into it is alive under `&mut self`.
            Some(mut last) => unsafe { last.as_mut() }.next = Some(node),
            None => self.head = Some(node),
        }
    }

    /// Takes the oldest node.
    pub fn pop_front(&mut self) -> Option<Box<Node<T>>> {
        let first = self.head?;
        // SAFETY: `head` came from `Box::leak` in `push_back`, and leaves the
        // queue here, so the box is its only owner again.
        let mut node = unsafe { Box::from_raw(first.as_ptr()) };
        self.head = node.next.take();
        if self.head.is_none() {
            self.tail = None;
        }
        Some(node)
    }

    /// Takes the oldest node that `wanted` accepts. Costs a step for each node
    /// before it.
    pub fn remove_first(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Option<Box<Node<T>>> {
        let mut kept = Self::new();
        let mut found = None;
        while let Some(node) = self.pop_front() {
            if wanted(&node.value) {
                found = Some(node);
                break;
            }
            kept.push_back(node);
        }
        kept.append(self);
        *self = kept;
        found
    }

    /// Moves everything in `other` behind what is queued here, in one step.
    pub fn append(&mut self, other: &mut Self) {
        let (head, tail) = (other.head.take(), other.tail.take());
        match self.tail {
            // SAFETY: as in `push_back`.
            Some(mut last) => unsafe { last.as_mut() }.next = head,
            None => self.head = head,
        }
        if tail.is_some() {
            self.tail = tail;
        }
    }
}

impl<T> Drop for Fifo<T> {
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    fn fill(values: impl IntoIterator<Item = u32>) -> Fifo<u32> {
        let mut fifo = Fifo::new();
        for v in values {
            fifo.push_back(Box::new(Node::new(v)));
        }
        fifo
    }

    fn drain(fifo: &mut Fifo<u32>) -> Vec<u32> {
        core::iter::from_fn(|| fifo.pop_front().map(|n| n.value)).collect()
    }

    #[test]
    fn keeps_order() {
        let mut fifo = fill(0..100);
        assert_eq!(drain(&mut fifo), (0..100).collect::<Vec<_>>());
        assert!(fifo.is_empty());
        fifo.push_back(Box::new(Node::new(7)));
        assert_eq!(drain(&mut fifo), vec![7]);
    }

    #[test]
    fn removes_from_every_place() {
        for place in 0..4 {
            let mut fifo = fill(0..4);
            assert_eq!(fifo.remove_first(|v| *v == place).map(|n| n.value), Some(place));
            fifo.push_back(Box::new(Node::new(9)));
            let mut rest: Vec<u32> = (0..4).filter(|v| *v != place).collect();
            rest.push(9);
            assert_eq!(drain(&mut fifo), rest);
        }
        assert!(fill(0..4).remove_first(|_| false).is_none());
    }

    #[test]
    fn append_joins() {
        for (a, b) in [(0, 0), (0, 3), (3, 0), (2, 2)] {
            let (mut left, mut right) = (fill(0..a), fill(10..10 + b));
            left.append(&mut right);
            assert!(right.is_empty());
            left.push_back(Box::new(Node::new(99)));
            assert_eq!(drain(&mut left), (0..a).chain(10..10 + b).chain([99]).collect::<Vec<_>>());
        }
    }
}
