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

/// What a node of a queue carries. Of use only while it stands in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<N> {
    level: Priority,
    /// First of its equals.
    leads: bool,
    /// Around the ring of equals: the last is before the lead.
    before: Option<N>,
    behind: Option<N>,
    /// A lead's: the leads of the neighbouring levels.
    higher: Option<N>,
    lower: Option<N>,
}

impl<N> Link<N> {
    /// In no queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            level: Priority::IDLE,
            leads: false,
            before: None,
            behind: None,
            higher: None,
            lower: None,
        }
    }

    /// Where it was put in.
    #[must_use]
    pub const fn level(&self) -> Priority {
        self.level
    }
}

impl<N> Default for Link<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the links of the nodes are, and what names a node: a number, or a reference. They
/// are the queue's, under its lock.
pub trait Links<N> {
    /// The same links, lent by value: what is handed to an outlined step as a reference
    /// would have to lie in memory on the usual way, too.
    type Again<'a>: Links<N>
    where
        Self: 'a;

    /// The link of that node.
    fn link(&mut self, node: N) -> &mut Link<N>;

    /// Lends itself.
    fn again(&mut self) -> Self::Again<'_>;
}

impl<N, L: Links<N>> Links<N> for &mut L {
    type Again<'a>
        = L::Again<'a>
    where
        Self: 'a;

    fn link(&mut self, node: N) -> &mut Link<N> {
        (**self).link(node)
    }

    fn again(&mut self) -> Self::Again<'_> {
        (**self).again()
    }
}

/// The queue.
#[derive(Clone, Copy, Debug)]
pub struct PriorityQueue<N> {
    first: Option<N>,
}

impl<N> Default for PriorityQueue<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N> PriorityQueue<N> {
    /// Nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: None }
    }

    /// Whether nobody stands in it.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

/// Two leads: of the next level above one, and of it or of the next below.
type Neighbours<N> = (Option<N>, Option<N>);

impl<N: Copy + Eq> PriorityQueue<N> {
    /// The oldest of the most urgent.
    #[inline]
    #[must_use]
    pub const fn first(&self) -> Option<N> {
        self.first
    }

    /// All who stand in it, in order.
    pub fn visit<L: Links<N>>(&self, links: &mut L, mut visit: impl FnMut(&mut L, N)) {
        let mut next = self.first;
        while let Some(lead) = next {
            let mut node = lead;
            loop {
                visit(links, node);
                node = Self::behind(links, node);
                if node == lead {
                    break;
                }
            }
            next = links.link(lead).lower;
        }
    }

    /// Puts a node in, behind its equals. It stands in no queue.
    #[inline(always)]
    pub fn push(&mut self, links: &mut impl Links<N>, node: N, level: Priority) {
        match self.first {
            None => self.lead(links, node, level, (None, None)),
            Some(first) if links.link(first).level == level => {
                Self::insert(links, node, level, first);
            }
            Some(_) => self.push_among(links.again(), node, level),
        }
    }

    /// The same where others stand at another level.
    #[inline(never)]
    fn push_among(&mut self, mut links: impl Links<N>, node: N, level: Priority) {
        let links = &mut links;
        let (higher, at) = self.neighbours(links, level);
        match at {
            Some(lead) if links.link(lead).level == level => {
                Self::insert(links, node, level, lead);
            }
            _ => self.lead(links, node, level, (higher, at)),
        }
    }

    /// Puts a node back that was taken out: before those of its equals that came after
    /// it, as `is_older` says of each. That takes a step for each that came before.
    pub fn put_back<L: Links<N>>(
        &mut self,
        links: &mut L,
        node: N,
        level: Priority,
        mut is_older: impl FnMut(&mut L, N) -> bool,
    ) {
        let (higher, at) = self.neighbours(links, level);
        let Some(first) = at.filter(|at| links.link(*at).level == level) else {
            return self.lead(links, node, level, (higher, at));
        };
        if !is_older(links, first) {
            return self.push_first(links, node, level, (higher, first));
        }
        let mut at = Self::behind(links, first);
        while at != first && is_older(links, at) {
            at = Self::behind(links, at);
        }
        Self::insert(links, node, level, at);
    }

    /// Puts a node in before its equals, of whom `at` is the first.
    fn push_first(
        &mut self,
        links: &mut impl Links<N>,
        node: N,
        level: Priority,
        (higher, at): (Option<N>, N),
    ) {
        let lead = links.link(at);
        let (before, lower) = (lead.before, lead.lower);
        (lead.leads, lead.before, lead.higher, lead.lower) = (false, Some(node), None, None);
        if let Some(last) = before {
            links.link(last).behind = Some(node);
        }
        let behind = Some(at);
        *links.link(node) = Link { level, leads: true, before, behind, higher, lower };
        self.join(links, higher, Some(node));
        if let Some(lower) = lower {
            links.link(lower).higher = Some(node);
        }
    }

    /// The lead of the next level above that one, and the lead of it or, if nobody
    /// stands there, of the next below.
    fn neighbours(&self, links: &mut impl Links<N>, level: Priority) -> Neighbours<N> {
        let (mut higher, mut at) = (None, self.first);
        while let Some(node) = at {
            let lead = links.link(node);
            if lead.level <= level {
                break;
            }
            (higher, at) = (at, lead.lower);
        }
        (higher, at)
    }

    /// Puts a node in as the first at its level.
    #[inline]
    fn lead(
        &mut self,
        links: &mut impl Links<N>,
        node: N,
        level: Priority,
        (higher, lower): Neighbours<N>,
    ) {
        let (before, behind) = (Some(node), Some(node));
        *links.link(node) = Link { level, leads: true, before, behind, higher, lower };
        self.join(links, higher, Some(node));
        if let Some(lower) = lower {
            links.link(lower).higher = Some(node);
        }
    }

    /// Puts a node into a ring, before that one: behind all others if that is the lead.
    #[inline]
    fn insert(links: &mut impl Links<N>, node: N, level: Priority, at: N) {
        let before = links.link(at).before.replace(node);
        if let Some(before) = before {
            links.link(before).behind = Some(node);
        }
        *links.link(node) = Link { level, before, behind: Some(at), ..Link::new() };
    }

    fn behind(links: &mut impl Links<N>, node: N) -> N {
        match links.link(node).behind {
            Some(behind) => behind,
            None => unreachable!("who stands in a queue is in a ring"),
        }
    }

    /// Takes a node out that stands in this queue.
    #[inline(always)]
    pub fn remove(&mut self, links: &mut impl Links<N>, node: N) {
        let link = links.link(node);
        if !link.leads {
            let (before, behind) = (link.before, link.behind);
            return Self::close(links, before, behind);
        }
        let is_alone = link.behind == Some(node) && link.lower.is_none();
        if is_alone && self.first == Some(node) {
            self.first = None;
        } else {
            self.remove_among(links.again(), node);
        }
    }

    /// Links two of a ring of whom one stood between them.
    #[inline(always)]
    fn close(links: &mut impl Links<N>, before: Option<N>, behind: Option<N>) {
        if let Some(before) = before {
            links.link(before).behind = behind;
        }
        if let Some(behind) = behind {
            links.link(behind).before = before;
        }
    }

    /// The same of the first of its equals where others stand.
    #[inline(never)]
    fn remove_among(&mut self, mut links: impl Links<N>, node: N) {
        let links = &mut links;
        let Link { before, behind, higher, lower, .. } = *links.link(node);
        let heir = behind.filter(|behind| *behind != node);
        if let (Some(last), Some(next)) = (before, heir) {
            links.link(last).behind = heir;
            let next = links.link(next);
            next.before = before;
            (next.leads, next.higher, next.lower) = (true, higher, lower);
        }
        self.join(links, higher, heir.or(lower));
        if let Some(lower) = lower {
            links.link(lower).higher = heir.or(higher);
        }
    }

    /// Takes the oldest of the most urgent.
    pub fn pop(&mut self, links: &mut impl Links<N>) -> Option<N> {
        let first = self.first()?;
        self.remove(links, first);
        Some(first)
    }

    /// Puts a node that stands in this queue where a new priority wants it:
    /// behind its new equals. With the priority it has it stays where it is.
    pub fn change(&mut self, links: &mut impl Links<N>, node: N, level: Priority) {
        if links.link(node).level != level {
            self.remove(links, node);
            self.push(links, node, level);
        }
    }

    /// Makes `lower` the lead below `higher`, or the first.
    #[inline]
    fn join(&mut self, links: &mut impl Links<N>, higher: Option<N>, lower: Option<N>) {
        match higher {
            None => self.first = lower,
            Some(higher) => links.link(higher).lower = lower,
        }
    }
}
