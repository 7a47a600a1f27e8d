// SPDX-License-Identifier: Apache-2.0
//! The queue by priority, then arrival, against a sorted list.

use proptest::prelude::*;
use skimmer_core::{
    channel::queue::{Link, Links, PriorityQueue},
    ids::Priority,
};

type Node = u32;

const NODES: u32 = 24;

struct Nodes {
    links: Vec<Link<Node>>,
    /// When each came.
    arrivals: Vec<u64>,
    clock: u64,
}

impl Nodes {
    fn new(count: u32) -> Self {
        let count = count as usize;
        Self { links: vec![Link::new(); count], arrivals: vec![0; count], clock: 0 }
    }

    /// It has come, behind all others.
    fn come(&mut self, node: Node) {
        self.clock += 1;
        self.arrivals[node as usize] = self.clock;
    }
}

impl Links<Node> for Nodes {
    type Again<'a> = &'a mut Self;

    fn link(&mut self, node: Node) -> &mut Link<Node> {
        &mut self.links[node as usize]
    }

    fn again(&mut self) -> &mut Self {
        self
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Push(Node, u8),
    /// One that stood there before: where it would be.
    PutBack(Node, u8),
    Remove(Node),
    Change(Node, u8),
    Pop,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let level = || prop_oneof![4 => 0u8..4, 1 => any::<u8>()];
    let op = prop_oneof![
        6 => (0..NODES, level()).prop_map(|(node, level)| Op::Push(node, level)),
        2 => (0..NODES, level()).prop_map(|(node, level)| Op::PutBack(node, level)),
        2 => (0..NODES).prop_map(Op::Remove),
        2 => (0..NODES, level()).prop_map(|(node, level)| Op::Change(node, level)),
        1 => Just(Op::Pop),
    ];
    prop::collection::vec(op, 0..200)
}

/// Who stands in the queue, the next first.
#[derive(Default)]
struct Model(Vec<(u8, Node)>);

impl Model {
    fn push(&mut self, node: Node, level: u8) {
        let place = self.0.partition_point(|(other, _)| *other >= level);
        self.0.insert(place, (level, node));
    }

    fn put_back(&mut self, node: Node, level: u8, arrivals: &[u64]) {
        let arrival = |node: Node| arrivals[node as usize];
        let place = self.0.partition_point(|&(theirs, other)| {
            theirs > level || theirs == level && arrival(other) < arrival(node)
        });
        self.0.insert(place, (level, node));
    }

    fn find(&self, node: Node) -> Option<usize> {
        self.0.iter().position(|(_, other)| *other == node)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]
    #[test]
    fn priority_then_arrival(ops in ops()) {
        let (mut queue, mut nodes) = (PriorityQueue::new(), Nodes::new(NODES));
        let mut model = Model::default();
        for op in ops {
            match op {
                Op::Push(node, level) if model.find(node).is_none() => {
                    nodes.come(node);
                    queue.push(&mut nodes, node, Priority::new(level));
                    model.push(node, level);
                }
                Op::PutBack(node, level) if model.find(node).is_none() => {
                    let arrival = nodes.arrivals[node as usize];
                    let is_older = |nodes: &mut Nodes, other| nodes.arrivals[other as usize] < arrival;
                    queue.put_back(&mut nodes, node, Priority::new(level), is_older);
                    model.put_back(node, level, &nodes.arrivals);
                }
                Op::Remove(node) => if let Some(place) = model.find(node) {
                    queue.remove(&mut nodes, node);
                    model.0.remove(place);
                },
                Op::Change(node, level) => if let Some(place) = model.find(node) {
                    queue.change(&mut nodes, node, Priority::new(level));
                    if model.0[place].0 != level {
                        nodes.come(node);
                        model.0.remove(place);
                        model.push(node, level);
                    }
                },
                Op::Pop => {
                    let next = (!model.0.is_empty()).then(|| model.0.remove(0).1);
                    prop_assert_eq!(queue.pop(&mut nodes), next);
                }
                Op::Push(..) | Op::PutBack(..) => {}
            }
            prop_assert_eq!(queue.first(), model.0.first().map(|(_, node)| *node));
            prop_assert_eq!(queue.is_empty(), model.0.is_empty());
        }
        for (level, node) in model.0 {
            prop_assert_eq!(nodes.link(node).level(), Priority::new(level));
            prop_assert_eq!(queue.pop(&mut nodes), Some(node));
        }
        prop_assert!(queue.is_empty());
    }
}

/// The links that an operation looks at.
struct Counted(Nodes, u32);

impl Links<Node> for Counted {
    type Again<'a> = &'a mut Self;

    fn link(&mut self, node: Node) -> &mut Link<Node> {
        self.1 += 1;
        self.0.link(node)
    }

    fn again(&mut self) -> &mut Self {
        self
    }
}

/// The bound that the module claims: a step for each higher level in use, and
/// nothing for each waiter.
#[test]
fn the_longest_way_is_one_step_for_each_level() {
    const EACH: u32 = 50;
    let count = 256 * EACH + 2;
    let mut nodes = Counted(Nodes::new(count), 0);
    let mut queue = PriorityQueue::new();
    let mut worst = 0;
    for node in 0..count - 2 {
        let level = Priority::new(u8::try_from(255 - node / EACH).unwrap());
        nodes.1 = 0;
        queue.push(&mut nodes, node, level);
        worst = worst.max(nodes.1);
    }
    nodes.1 = 0;
    queue.put_back(&mut nodes, count - 2, Priority::IDLE, |_, _| false);
    worst = worst.max(nodes.1);
    // One link for each of 255 levels passed, and a few where it goes in.
    assert!(worst <= 255 + 6, "{worst} steps");
    // And for who is put back one for each that came before it.
    nodes.1 = 0;
    queue.put_back(&mut nodes, count - 1, Priority::IDLE, |_, _| true);
    assert!(nodes.1 <= 255 + EACH + 1 + 6, "{} steps", nodes.1);
    for node in [0, 7, count / 2, count - 2] {
        nodes.1 = 0;
        queue.remove(&mut nodes, node);
        assert!(nodes.1 <= 6, "{} steps", nodes.1);
    }
}
