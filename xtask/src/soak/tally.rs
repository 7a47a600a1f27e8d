// SPDX-License-Identifier: Apache-2.0
//! Which boots a soak still has to make. Pure.
//!
//! A boot counts unless it passed and did, event by event, what an earlier one
//! did. Invariant: never more boots are under way than may still be needed,
//! and never more are made than twice those that are asked for.

use std::collections::HashSet;

use super::part::Part;
use super::record::BootRecord;

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This boot.
    Make(u32),
    /// Wait for the boots that are under way: one may turn out a duplicate.
    Wait,
    /// Nothing more.
    Stop,
}

/// The state of a soak.
#[derive(Debug)]
pub struct Tally {
    asked: u32,
    todo: Vec<u32>,
    under_way: u32,
    counted: u32,
    seen: HashSet<String>,
    repeats_count: bool,
}

impl Tally {
    /// That part of a soak, of which these boots are done.
    #[must_use]
    pub fn new(part: Part, done: &[BootRecord]) -> Self {
        let todo = part.numbers().chain(part.substitutes()).rev();
        let todo = todo.filter(|n| done.iter().all(|r| r.boot != *n)).collect();
        let counted = done.iter().filter(|r| !r.duplicate).count();
        Self {
            asked: part.boots(),
            todo,
            under_way: 0,
            counted: u32::try_from(counted).unwrap_or(u32::MAX),
            seen: done.iter().filter_map(|r| r.digest.clone()).collect(),
            repeats_count: false,
        }
    }

    /// The same soak, in which a boot that repeats an earlier one counts too if
    /// `they_do`.
    #[must_use]
    pub fn with_repeats(self, they_do: bool) -> Self {
        Self { repeats_count: they_do, ..self }
    }

    /// What to do now.
    pub fn take(&mut self) -> Next {
        if self.counted >= self.asked {
            return Next::Stop;
        }
        if self.counted + self.under_way >= self.asked {
            return Next::Wait;
        }
        match self.todo.pop() {
            Some(number) => {
                self.under_way += 1;
                Next::Make(number)
            }
            None if self.under_way > 0 => Next::Wait,
            None => Next::Stop,
        }
    }

    /// A boot was made: says in its record whether it is a duplicate.
    pub fn made(&mut self, record: &mut BootRecord) {
        self.under_way -= 1;
        let new = record.digest.as_ref().is_none_or(|digest| self.seen.insert(digest.clone()));
        record.duplicate = !new && record.verdict.passed() && !self.repeats_count;
        self.counted += u32::from(!record.duplicate);
    }

    /// A boot could not be made: there is no use in another.
    pub fn give_up(&mut self) {
        self.under_way -= 1;
        self.asked = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::part::MOST;
    use super::super::record::tests::sample;
    use super::*;
    use crate::verdict::Kind;

    fn with_digest(boot: u32, digest: &str, kind: Option<Kind>) -> BootRecord {
        BootRecord { digest: Some(digest.to_owned()), ..sample(boot, 1, kind) }
    }

    fn part(first: u32, boots: u32) -> Part {
        Part::new(first, boots).expect("a part")
    }

    #[test]
    fn a_duplicate_is_replaced_by_another_boot() {
        let mut tally = Tally::new(part(0, 2), &[]);
        assert_eq!(
            (tally.take(), tally.take(), tally.take()),
            (Next::Make(0), Next::Make(1), Next::Wait)
        );
        let (mut one, mut two) = (with_digest(0, "a", None), with_digest(1, "a", None));
        tally.made(&mut one);
        assert_eq!(tally.take(), Next::Wait);
        tally.made(&mut two);
        assert!(!one.duplicate && two.duplicate);
        assert_eq!(tally.take(), Next::Make(MOST));
        tally.made(&mut with_digest(MOST, "b", None));
        assert_eq!(tally.take(), Next::Stop);
    }

    #[test]
    fn repeats_count_where_they_were_asked_for() {
        let mut tally = Tally::new(part(0, 2), &[]).with_repeats(true);
        for number in 0..2 {
            assert_eq!(tally.take(), Next::Make(number));
            let mut record = with_digest(number, "a", None);
            tally.made(&mut record);
            assert!(!record.duplicate);
        }
        assert_eq!(tally.take(), Next::Stop);
    }

    #[test]
    fn a_failure_counts_however_often() {
        let mut tally = Tally::new(part(0, 2), &[]);
        for boot in 0..2 {
            assert_eq!(tally.take(), Next::Make(boot));
            let mut record = with_digest(boot, "a", Some(Kind::Hang));
            tally.made(&mut record);
            assert!(!record.duplicate);
        }
        assert_eq!(tally.take(), Next::Stop);
    }

    #[test]
    fn a_run_that_repeats_itself_comes_to_an_end() {
        let mut tally = Tally::new(part(0, 3), &[]);
        let made = std::iter::from_fn(|| match tally.take() {
            Next::Make(boot) => {
                tally.made(&mut with_digest(boot, "a", None));
                Some(boot)
            }
            _ => None,
        });
        assert_eq!(made.count(), 6);
    }

    #[test]
    fn a_part_takes_no_boot_of_the_next() {
        let mut tally = Tally::new(part(257, 2), &[with_digest(257, "a", None)]);
        assert_eq!(tally.take(), Next::Make(258));
        tally.made(&mut with_digest(258, "a", None));
        assert_eq!(tally.take(), Next::Make(MOST + 257));
        tally.made(&mut with_digest(MOST + 257, "a", None));
        assert_eq!(tally.take(), Next::Make(MOST + 258));
        tally.made(&mut with_digest(MOST + 258, "a", None));
        assert_eq!(tally.take(), Next::Stop);
    }

    #[test]
    fn without_a_trace_every_boot_counts() {
        let mut tally = Tally::new(part(0, 2), &[]);
        for boot in 0..2 {
            assert_eq!(tally.take(), Next::Make(boot));
            tally.made(&mut BootRecord { digest: None, ..sample(boot, 1, None) });
        }
        assert_eq!(tally.take(), Next::Stop);
    }

    #[test]
    fn what_is_done_is_not_made_again() {
        let mut again = with_digest(2, "a", None);
        again.duplicate = true;
        let mut tally = Tally::new(part(0, 3), &[with_digest(0, "a", None), again]);
        assert_eq!(
            (tally.take(), tally.take(), tally.take()),
            (Next::Make(1), Next::Make(MOST), Next::Wait)
        );
        tally.give_up();
        assert_eq!(tally.take(), Next::Stop);
    }
}
