// SPDX-License-Identifier: Apache-2.0
//! The guest's console: bytes into lines, lines into records.
//!
//! State: the unfinished line, the next sequence number, the counts of what
//! was damaged or lost, the lines of text that stood between the records.
//! Invariant: nothing the guest prints can make a record that its checksum
//! does not vouch for, and a sequence number that is not the next one is
//! always counted as a loss.

use serde::{Deserialize, Serialize};
use skimmer_abi::record::{MAX_ENCODED, decode};

use crate::record::Record;

/// A line longer than this is cut: it is noise, not text.
const LONGEST_LINE: usize = 64 * 1024;

/// After each record so many lines of text are kept; a guest that prints
/// without end must not fill the host's memory.
const TEXTS_PER_RECORD: usize = 64;

/// Sequence numbers that did not follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The number that was due.
    pub due: u32,
    /// The number that came.
    pub came: u32,
}

/// A line of text for people, with its place among the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// How many records came before it.
    pub after: usize,
    /// What it says.
    pub line: String,
}

/// One line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Text for people.
    Text(String),
    /// A record.
    Record(Box<Record>),
    /// Something that carries a record's mark and is none.
    Damaged(String),
}

/// Everything the console said so far.
#[derive(Debug, Default)]
pub struct Console {
    partial: Vec<u8>,
    next_seq: u32,
    /// All bytes seen.
    pub bytes: u64,
    /// The records, in order.
    pub records: Vec<Record>,
    /// The first lines of text after each record that say anything, in order.
    pub texts: Vec<Text>,
    /// Lines with a record's mark that are none.
    pub damaged: u32,
    /// Records that went missing.
    pub gaps: Vec<Gap>,
}

impl Console {
    /// Takes in bytes and gives out the lines that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        self.bytes += bytes.len() as u64;
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte == b'\n' || self.partial.len() >= LONGEST_LINE {
                let line = std::mem::take(&mut self.partial);
                lines.extend(self.line(&line));
            }
            if byte != b'\n' {
                self.partial.push(byte);
            }
        }
        lines
    }

    /// The last line, which nothing ended.
    pub fn finish(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.partial);
        if line.is_empty() { None } else { self.line(&line) }
    }

    fn line(&mut self, line: &[u8]) -> Option<Line> {
        let mut scratch = [0; MAX_ENCODED];
        match decode(line, &mut scratch) {
            None => {
                let line = printable(line);
                self.keep_text(&line);
                Some(Line::Text(line))
            }
            Some(Err(_)) => {
                self.damaged += 1;
                Some(Line::Damaged(printable(line)))
            }
            Some(Ok(envelope)) => {
                let (due, came) = (self.next_seq, envelope.seq);
                if due != came {
                    self.gaps.push(Gap { due, came });
                }
                self.next_seq = came.wrapping_add(1);
                let record = Record::from(&envelope.record);
                self.records.push(record.clone());
                Some(Line::Record(Box::new(record)))
            }
        }
    }

    fn keep_text(&mut self, line: &str) {
        let after = self.records.len();
        let kept = self.texts.iter().rev().take_while(|text| text.after == after).count();
        if kept < TEXTS_PER_RECORD && !line.trim().is_empty() {
            self.texts.push(Text { after, line: line.to_owned() });
        }
    }
}

/// A line as text that cannot steer the terminal.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r');
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use skimmer_abi::record::{Envelope, MAX_LINE, Record as Wire, encode};

    use super::*;

    fn record_line(seq: u32) -> Vec<u8> {
        let mut line = [0; MAX_LINE];
        let record = Wire::HartUp { hartid: u64::from(seq), index: seq };
        let mut line = encode(&Envelope { seq, record }, &mut line).expect("fits").to_vec();
        line.extend(b"\r\n");
        line
    }

    #[test]
    fn records_between_noise_and_in_pieces() {
        let mut console = Console::default();
        let mut all = b"OpenSBI v1.1\r\n\x1b[2Jnoise ".to_vec();
        all.extend(record_line(0));
        all.extend(b"\xff\xfe text\n");
        all.extend(record_line(1));
        let lines: Vec<Line> = all.chunks(3).flat_map(|piece| console.push(piece)).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], Line::Text("OpenSBI v1.1".to_owned()));
        assert_eq!(console.records.len(), 2);
        assert!(console.gaps.is_empty());
        assert_eq!(console.damaged, 0);
        assert_eq!(console.bytes, all.len() as u64);
    }

    #[test]
    fn text_has_its_place_among_the_records() {
        let mut console = Console::default();
        console.push(b"OpenSBI v1.1\n\r\n");
        console.push(&record_line(0));
        console.push(b"one\r\ntwo\n");
        let text = |after, line: &str| Text { after, line: line.to_owned() };
        assert_eq!(console.texts, [text(0, "OpenSBI v1.1"), text(1, "one"), text(1, "two")]);
        console.push(&b"again\n".repeat(2 * TEXTS_PER_RECORD));
        assert_eq!(console.texts.len(), 1 + TEXTS_PER_RECORD);
        console.push(&record_line(1));
        console.push(b"three\n");
        assert_eq!(console.texts.last(), Some(&text(2, "three")));
    }

    #[test]
    fn a_lost_record_is_a_gap() {
        let mut console = Console::default();
        console.push(&record_line(0));
        console.push(&record_line(2));
        assert_eq!(console.gaps, [Gap { due: 1, came: 2 }]);
    }

    #[test]
    fn a_lost_first_record_and_a_repeated_one_are_gaps() {
        let mut console = Console::default();
        console.push(&record_line(1));
        console.push(&record_line(1));
        assert_eq!(console.gaps, [Gap { due: 0, came: 1 }, Gap { due: 2, came: 1 }]);
    }

    #[test]
    fn a_cut_record_is_damage_and_then_a_gap() {
        let mut console = Console::default();
        let line = record_line(0);
        console.push(&line[..line.len() - 5]);
        console.push(b"\n");
        console.push(&record_line(1));
        assert_eq!(console.damaged, 1);
        assert_eq!(console.gaps.len(), 1);
    }

    #[test]
    fn a_record_without_a_line_feed_at_the_end_counts() {
        let mut console = Console::default();
        let line = record_line(0);
        console.push(&line[..line.len() - 2]);
        assert!(matches!(console.finish(), Some(Line::Record(_))));
        assert_eq!(console.finish(), None);
    }

    #[test]
    fn endless_lines_do_not_eat_the_memory() {
        let mut console = Console::default();
        let lines = console.push(&vec![b'x'; 3 * LONGEST_LINE]);
        assert!(lines.len() >= 2);
        assert!(console.partial.len() <= LONGEST_LINE);
    }
}
