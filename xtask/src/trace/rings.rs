// SPDX-License-Identifier: Apache-2.0
//! The trace rings of a machine, read out of its memory, and their digest.

use anyhow::{Result, bail};
use sha2::{Digest as _, Sha256};
use skimmer_abi::trace::{Event, RECORD_SIZE, RECORDS, Record, unpack};

use crate::build::hex;
use crate::inspect::HartCounters;
use crate::ram::Memory;

/// Digits of a digest.
const DIGEST_DIGITS: usize = 16;

/// Words of a record.
const RECORD_WORDS: usize = RECORD_SIZE / size_of::<u64>();

/// What is left of one hart's trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// The hart's id in the machine.
    pub hartid: u64,
    /// Records written since boot.
    pub written: u64,
    /// The last of them, oldest first.
    pub records: Vec<Record>,
}

impl Ring {
    /// Records that later ones overwrote.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.written.saturating_sub(self.records.len() as u64)
    }
}

/// Reads the ring of every hart. The machine must stand still.
///
/// # Errors
/// When a ring is not in memory.
pub fn read(memory: &mut dyn Memory, harts: &[HartCounters]) -> Result<Vec<Ring>> {
    harts.iter().filter(|hart| hart.trace != 0).map(|hart| read_one(memory, hart)).collect()
}

fn read_one(memory: &mut dyn Memory, hart: &HartCounters) -> Result<Ring> {
    let words = memory.words(hart.trace, RECORDS * RECORD_WORDS)?;
    let (slots, rest) = words.as_chunks::<RECORD_WORDS>();
    if slots.len() != RECORDS || !rest.is_empty() {
        bail!("hart {}: its ring has {} records", hart.hartid, slots.len());
    }
    let written = hart.trace_count;
    let kept = written.saturating_sub(RECORDS as u64)..written;
    let at = |number: u64| usize::try_from(number).unwrap_or_default() % RECORDS;
    let records = kept.map(|number| unpack(slots[at(number)])).collect();
    Ok(Ring { hartid: hart.hartid, written, records })
}

/// What tells one run from another: the order of events on every hart, without
/// times and without where an interrupt happened to come.
#[must_use]
pub fn digest(rings: &[Ring]) -> String {
    let mut hash = Sha256::new();
    for ring in rings {
        hash.update(ring.hartid.to_le_bytes());
        hash.update(ring.written.to_le_bytes());
        for Record { thread, event, a, b, .. } in &ring.records {
            let b = if *event == Event::TrapEnter as u8 { 0 } else { *b };
            hash.update([*event]);
            hash.update(a.to_le_bytes());
            hash.update(thread.to_le_bytes());
            hash.update(b.to_le_bytes());
        }
    }
    hex(&hash.finalize())[..DIGEST_DIGITS].to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    struct Words(u64, Vec<u64>);

    impl Memory for Words {
        fn words(&mut self, address: u64, count: usize) -> Result<Vec<u64>> {
            let at = usize::try_from((address - self.0) / 8)?;
            Ok(self.1[at..at + count].to_vec())
        }
    }

    /// A record.
    pub(crate) const fn record(time: u64, thread: u64, event: Event, a: u32, b: u64) -> Record {
        Record { time, thread, event: event as u8, a, b }
    }

    fn ring(records: Vec<Record>) -> Ring {
        Ring { hartid: 0, written: records.len() as u64, records }
    }

    #[test]
    fn a_ring_is_read_oldest_first() {
        let written = RECORDS as u64 + 3;
        let mut words = vec![0; RECORDS * RECORD_WORDS];
        for number in 0..written {
            words[number as usize % RECORDS * RECORD_WORDS] = number;
        }
        let hart = HartCounters {
            hartid: 5,
            trace: 0x1000,
            trace_count: written,
            ..HartCounters::default()
        };
        let rings = read(&mut Words(0x1000, words), &[hart, HartCounters::default()]).expect("in");
        assert_eq!(rings.len(), 1);
        assert_eq!((rings[0].hartid, rings[0].lost()), (5, 3));
        let times: Vec<u64> = rings[0].records.iter().map(|r| r.time).collect();
        assert_eq!(times, (3..written).collect::<Vec<u64>>());
    }

    #[test]
    fn a_digest_sees_order_and_not_time() {
        let send = |time| record(time, 1, Event::PortSend, 7, 2);
        let trap = |pc| record(5, 1, Event::TrapEnter, 1, pc);
        let one = digest(&[ring(vec![send(1), trap(0x8000)])]);
        assert_eq!(one.len(), DIGEST_DIGITS);
        assert_eq!(one, digest(&[ring(vec![send(9), trap(0x9000)])]));
        assert_ne!(one, digest(&[ring(vec![trap(0x8000), send(1)])]));
        assert_ne!(one, digest(&[ring(vec![send(1)])]));
        let other = record(1, 1, Event::PortSend, 8, 2);
        assert_ne!(one, digest(&[ring(vec![other, trap(0x8000)])]));
    }
}
