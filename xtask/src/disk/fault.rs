// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with a test disk, and the rules of QEMU's `blkdebug` that
//! make it so. The guest sees requests that fail; none is answered wrongly, and
//! none is left without an answer (QEMU would wait for such a one itself when
//! the guest resets its controller).

use std::fmt;

use serde_json::{Map, Value, json};

/// The unit of `blkdebug`'s sectors, whatever the drive's blocks.
const SECTOR: u64 = 512;

/// Errors of the host's, as numbers.
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// After at most so many requests a drive dies: each takes two rules.
const MOST_REQUESTS: u32 = 500;

/// Something that a guest asks of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making what was written durable.
    Flush,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Flush];

    /// Its name, here and at QEMU's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
        }
    }
}

/// One thing that is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Requests of one kind fail with an input/output error.
    Fails {
        /// Which kind.
        operation: Operation,
        /// Those that touch this block; all if none is named.
        block: Option<u64>,
        /// Only the first of them.
        once: bool,
    },
    /// There is no room for what is written.
    Full {
        /// But for so many writes before.
        after: u32,
    },
    /// After so many reads and writes nothing succeeds any more.
    Dies {
        /// How many.
        after: u32,
    },
}

impl Fault {
    /// What an option of `--disk` asks for; `None` if it is of something else.
    pub(super) fn parse(key: &str, value: Option<&str>) -> Option<Result<Self, String>> {
        match (key, value) {
            ("fails", Some(value)) => Some(Self::fails(value, false)),
            ("fails-once", Some(value)) => Some(Self::fails(value, true)),
            ("full", None) => Some(Ok(Self::Full { after: 0 })),
            ("full-after", Some(value)) => {
                let after = value.parse().ok().filter(|after| (1..=MOST_REQUESTS).contains(after));
                let why =
                    format!("a drive is full after at least 1 and at most {MOST_REQUESTS} writes");
                Some(after.map(|after| Self::Full { after }).ok_or(why))
            }
            ("dies-after", Some(value)) => {
                let after = value.parse().ok().filter(|after| *after <= MOST_REQUESTS);
                let why = format!("a drive dies after at most {MOST_REQUESTS} requests");
                Some(after.map(|after| Self::Dies { after }).ok_or(why))
            }
            _ => None,
        }
    }

    /// Whether it waits for a number of requests: of such there can be one.
    pub(super) const fn counts(&self) -> bool {
        matches!(self, Self::Dies { .. } | Self::Full { after: 1.. })
    }

    fn fails(value: &str, once: bool) -> Result<Self, String> {
        let (name, block) = value.split_once('@').map_or((value, None), |(n, b)| (n, Some(b)));
        let operation = Operation::ALL.into_iter().find(|operation| operation.name() == name);
        let operation =
            operation.ok_or(format!("what fails is read, write or flush, not `{name}`"))?;
        if operation == Operation::Flush && block.is_some() {
            return Err("a flush is of all blocks".to_owned());
        }
        let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no block"));
        Ok(Self::Fails { operation, block: block.map(number).transpose()?, once })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails { operation, block, once } => {
                let key = if *once { "fails-once" } else { "fails" };
                write!(f, "{key}={}", operation.name())?;
                block.map_or(Ok(()), |block| write!(f, "@{block}"))
            }
            Self::Full { after: 0 } => f.write_str("full"),
            Self::Full { after } => write!(f, "full-after={after}"),
            Self::Dies { after } => write!(f, "dies-after={after}"),
        }
    }
}

/// `blkdebug`'s settings for these faults of a disk with such blocks.
pub(super) fn rules(faults: &[Fault], block_size: u64) -> Map<String, Value> {
    let (mut errors, mut states) = (Vec::new(), Vec::new());
    for fault in faults {
        match *fault {
            Fault::Fails { operation, block, once } => {
                let mut rule = error("none", operation, EIO);
                if let Some(block) = block {
                    // A request touches a whole block or nothing of it.
                    rule["sector"] = json!(block * (block_size / SECTOR));
                }
                rule["once"] = json!(once);
                errors.push(rule);
            }
            Fault::Full { after: 0 } => errors.push(error("none", Operation::Write, ENOSPC)),
            Fault::Full { after } => {
                states.extend(count(after, &["write_aio"]));
                let mut rule = error("write_aio", Operation::Write, ENOSPC);
                rule["state"] = json!(after + 1);
                errors.push(rule);
            }
            Fault::Dies { after } => {
                let events = ["read_aio", "write_aio"];
                states.extend(count(after, &events));
                for event in events {
                    errors.extend(Operation::ALL.map(|operation| {
                        let mut rule = error(event, operation, EIO);
                        rule["state"] = json!(after + 1);
                        rule
                    }));
                }
            }
        }
    }
    let settings = [("inject-error", errors), ("set-state", states)];
    let given = settings.into_iter().filter(|(_, rules)| !rules.is_empty());
    given.map(|(key, rules)| (key.to_owned(), rules.into())).collect()
}

/// States count from 1: each of so many requests leads to the next.
fn count<'e>(requests: u32, events: &'e [&str]) -> impl Iterator<Item = Value> + 'e {
    (1..=requests).flat_map(|state| {
        let next = move |event| json!({ "event": event, "state": state, "new_state": state + 1 });
        events.iter().map(next)
    })
}

fn error(event: &str, operation: Operation, errno: i32) -> Value {
    json!({ "event": event, "iotype": operation.name(), "errno": errno })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, block_size: u64) -> Value {
        let spec: super::super::DiskSpec = text.parse().expect("a disk");
        rules(&spec.faults, block_size).into()
    }

    #[test]
    fn blocks_become_sectors() {
        let text = "1M,fails=read@5,fails-once=read@6";
        let due = |first, second| {
            json!({ "inject-error": [
                { "event": "none", "iotype": "read", "errno": 5, "sector": first, "once": false },
                { "event": "none", "iotype": "read", "errno": 5, "sector": second, "once": true },
            ]})
        };
        assert_eq!(of(text, 512), due(5, 6));
        assert_eq!(of(text, 4096), due(40, 48));
    }

    #[test]
    fn a_full_disk_refuses_writes_for_want_of_room() {
        let due = json!({ "inject-error": [{ "event": "none", "iotype": "write", "errno": 28 }] });
        assert_eq!(of("1M,write,full", 512), due);
    }

    #[test]
    fn a_full_disk_counts_writes_only() {
        let rules = of("1M,write,full-after=2", 512);
        let states = rules["set-state"].as_array().expect("states");
        assert_eq!(states.len(), 2);
        assert_eq!(states[1], json!({ "event": "write_aio", "state": 2, "new_state": 3 }));
        let due = json!([{ "event": "write_aio", "iotype": "write", "errno": 28, "state": 3 }]);
        assert_eq!(rules["inject-error"], due);
    }

    #[test]
    fn a_drive_counts_to_its_death() {
        let rules = of("1M,dies-after=2", 512);
        let states = rules["set-state"].as_array().expect("states");
        assert_eq!(states.len(), 4);
        assert_eq!(states[3], json!({ "event": "write_aio", "state": 2, "new_state": 3 }));
        let errors = rules["inject-error"].as_array().expect("errors");
        assert_eq!(errors.len(), 6);
        assert!(errors.iter().all(|rule| rule["state"] == 3), "{errors:?}");
        assert_eq!(of("1M,dies-after=0", 512)["inject-error"][0]["state"], 1);
    }
}
