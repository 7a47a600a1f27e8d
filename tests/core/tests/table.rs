// SPDX-License-Identifier: Apache-2.0
//! The table against a hash map by name: a stale name never finds anybody.

use std::collections::HashMap;

use proptest::prelude::*;
use skimmer_core::{ids::SlotId, table::Table};

#[derive(Clone, Copy, Debug)]
enum Op {
    Insert,
    /// Removes by a name that was given out once, counted from the newest.
    Remove(usize),
    RemoveAt(u32),
    /// Looks up every name there ever was.
    Look,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        5 => Just(Op::Insert),
        4 => (0usize..12).prop_map(Op::Remove),
        1 => (0u32..80).prop_map(Op::RemoveAt),
        1 => Just(Op::Look),
    ];
    prop::collection::vec(op, 0..300)
}

fn look(table: &mut Table<usize>, names: &[SlotId], model: &HashMap<SlotId, usize>) {
    for name in names {
        assert_eq!(table.get(*name), model.get(name));
        assert_eq!(table.get_mut(*name).copied(), model.get(name).copied());
    }
    let found: HashMap<SlotId, usize> =
        table.iter().map(|(name, &object)| (name, object)).collect();
    assert_eq!(&found, model);
    assert_eq!(table.len() as usize, model.len());
    assert_eq!(table.is_empty(), model.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]
    #[test]
    fn stale_names_find_nobody(ops in ops(), limit in 1u32..80) {
        let (mut table, mut model) = (Table::new(limit), HashMap::new());
        let mut names: Vec<SlotId> = Vec::new();
        for (object, op) in ops.into_iter().enumerate() {
            match op {
                Op::Insert => match table.insert(object) {
                    Ok(name) => {
                        prop_assert!(!names.contains(&name), "a name was given out twice");
                        prop_assert!(name.index() < limit && name.generation() > 0);
                        names.push(name);
                        model.insert(name, object);
                    }
                    Err((_, back)) => {
                        prop_assert_eq!(back, object);
                        prop_assert_eq!(model.len(), limit as usize);
                    }
                },
                Op::Remove(back) => {
                    if let Some(name) = names.iter().rev().nth(back) {
                        prop_assert_eq!(table.remove(*name), model.remove(name));
                    }
                }
                Op::RemoveAt(index) => {
                    let name = model.keys().find(|name| name.index() == index).copied();
                    prop_assert_eq!(table.entry_mut(index).map(|(name, _)| name), name);
                    let object = name.and_then(|name| model.remove(&name));
                    prop_assert_eq!(table.remove_at(index), object);
                    prop_assert_eq!(table.at_mut(index), None);
                }
                Op::Look => look(&mut table, &names, &model),
            }
        }
        look(&mut table, &names, &model);
    }
}
