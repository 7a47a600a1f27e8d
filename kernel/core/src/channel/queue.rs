// SPDX-License-Identifier: Apache-2.0
//! A queue by priority, then arrival, in one word.
//!
//! Equals stand in a ring; the first of each ring, its *lead*, is linked with
//! the leads of the next higher and the next lower level in use. So the head of
//! the queue, its removal, and the removal of anybody are a few steps, and
//! putting somebody in takes a step for each higher level in use: 255 at most,
//! and one or two as a rule. A channel has three queues and most never hold
//! anybody, which rules out a head for every level as the run queue has
//! (docs/decisions/0007).

use crate::ids::Priority;

/// Names a node; `NONE` names nobody.
pub type Node = u32;
const NONE: Node = Node::MAX;

/// What a node of a queue carries. Of use only while it stands in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    level: Priority,
    /// First of its equals.
    leads: bool,
    /// Around the ring of equals: the last is before the lead.
    before: Node,
    behind: Node,
    /// A lead's: the leads of the neighbouring levels.
    higher: Node,
    lower: Node,
}

impl Link {
    /// In no queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            level: Priority::IDLE,
            leads: false,
            before: NONE,
            behind: NONE,
            higher: NONE,
            lower: NONE,
        }
    }

    /// Where it was put in.
    #[must_use]
    pub const fn level(&self) -> Priority {
        self.level
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the links are. They are the queue's, under its lock.
pub trait Links {
    /// The link of that node.
    fn link(&mut self, node: Node) -> &mut Link;
}

/// The queue.
#[derive(Clone, Copy, Debug)]
pub struct PriorityQueue {
    first: Node,
}

impl Default for PriorityQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl PriorityQueue {
    /// Nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: NONE }
    }

    /// The oldest of the most urgent.
    #[inline]
    #[must_use]
    pub const fn first(&self) -> Option<Node> {
        if self.first == NONE { None } else { Some(self.first) }
    }

    /// Whether nobody stands in it.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Puts a node in, behind its equals. It stands in no queue.
    pub fn push(&mut self, links: &mut impl Links, node: Node, level: Priority) {
        let (higher, at) = self.neighbours(links, level);
        if at == NONE || links.link(at).level != level {
            return self.lead(links, node, level, higher, at);
        }
        let last = core::mem::replace(&mut links.link(at).before, node);
        links.link(last).behind = node;
        let (before, behind) = (last, at);
        *links.link(node) = Link { level, before, behind, ..Link::new() };
    }

    /// Puts a node back that was taken out: before those of its equals that came after
    /// it, as `is_older` says of each. That takes a step for each that came before.
    pub fn put_back<L: Links>(
        &mut self,
        links: &mut L,
        node: Node,
        level: Priority,
        mut is_older: impl FnMut(&mut L, Node) -> bool,
    ) {
        let (higher, first) = self.neighbours(links, level);
        if first == NONE || links.link(first).level != level {
            return self.lead(links, node, level, higher, first);
        }
        if !is_older(links, first) {
            return self.push_first(links, node, level, higher, first);
        }
        let mut at = links.link(first).behind;
        while at != first && is_older(links, at) {
            at = links.link(at).behind;
        }
        let before = core::mem::replace(&mut links.link(at).before, node);
        links.link(before).behind = node;
        *links.link(node) = Link { level, before, behind: at, ..Link::new() };
    }

    /// Puts a node in before its equals, of whom `at` is the first.
    fn push_first(
        &mut self,
        links: &mut impl Links,
        node: Node,
        level: Priority,
        higher: Node,
        at: Node,
    ) {
        let lead = links.link(at);
        let (last, lower) = (lead.before, lead.lower);
        (lead.leads, lead.before, lead.higher, lead.lower) = (false, node, NONE, NONE);
        links.link(last).behind = node;
        let (before, behind) = (last, at);
        *links.link(node) = Link { level, leads: true, before, behind, higher, lower };
        self.join(links, higher, node);
        if lower != NONE {
            links.link(lower).higher = node;
        }
    }

    /// The lead of the next level above that one, and the lead of it or, if nobody
    /// stands there, of the next below.
    fn neighbours(&self, links: &mut impl Links, level: Priority) -> (Node, Node) {
        let (mut higher, mut at) = (NONE, self.first);
        while at != NONE {
            let lead = links.link(at);
            if lead.level <= level {
                break;
            }
            (higher, at) = (at, lead.lower);
        }
        (higher, at)
    }

    /// Puts a node in as the first at its level.
    fn lead(
        &mut self,
        links: &mut impl Links,
        node: Node,
        level: Priority,
        higher: Node,
        lower: Node,
    ) {
        let (before, behind) = (node, node);
        *links.link(node) = Link { level, leads: true, before, behind, higher, lower };
        self.join(links, higher, node);
        if lower != NONE {
            links.link(lower).higher = node;
        }
    }

    /// Takes a node out that stands in this queue.
    pub fn remove(&mut self, links: &mut impl Links, node: Node) {
        let link = *links.link(node);
        if link.behind != node {
            links.link(link.before).behind = link.behind;
            links.link(link.behind).before = link.before;
        }
        if !link.leads {
            return;
        }
        let Link { higher, lower, .. } = link;
        let heir = if link.behind == node { lower } else { link.behind };
        self.join(links, higher, heir);
        if heir == lower {
            if lower != NONE {
                links.link(lower).higher = higher;
            }
            return;
        }
        let next = links.link(heir);
        (next.leads, next.higher, next.lower) = (true, higher, lower);
        if lower != NONE {
            links.link(lower).higher = heir;
        }
    }

    /// Takes the oldest of the most urgent.
    pub fn pop(&mut self, links: &mut impl Links) -> Option<Node> {
        let first = self.first()?;
        self.remove(links, first);
        Some(first)
    }

    /// Puts a node that stands in this queue where a new priority wants it:
    /// behind its new equals. With the priority it has it stays where it is.
    pub fn change(&mut self, links: &mut impl Links, node: Node, level: Priority) {
        if links.link(node).level != level {
            self.remove(links, node);
            self.push(links, node, level);
        }
    }

    /// Makes `lower` the lead below `higher`, or the first.
    fn join(&mut self, links: &mut impl Links, higher: Node, lower: Node) {
        match higher {
            NONE => self.first = lower,
            _ => links.link(higher).lower = lower,
        }
    }
}
