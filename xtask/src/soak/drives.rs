// SPDX-License-Identifier: Apache-2.0
//! What drives did in the boots of a soak.

use std::collections::BTreeSet;

use super::record::BootRecord;
use crate::record::{Interrupts, Outcome};

/// What drives did in boots that passed, the times of guests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriveSummary {
    /// Reads of each boot, the fewest first.
    reads: Vec<u64>,
    /// Reads in a second of each boot, the fewest first.
    rates: Vec<u64>,
    /// Of the reads, those beside a program: fewest in a boot, and between two looks.
    beside: Option<(u64, u64)>,
    /// Completions that came by interrupt, in ten thousand, in the boot with the
    /// fewest.
    by_interrupt: u64,
    /// The harts that drives interrupted, and interrupts on each but that of its boot.
    harts: BTreeSet<u64>,
    elsewhere: u64,
}

impl DriveSummary {
    /// Of those boots; none where none has drives.
    #[must_use]
    pub fn of<'a>(passed: impl Iterator<Item = &'a BootRecord>) -> Option<Self> {
        let mut all = Self { by_interrupt: 10_000, ..Self::default() };
        passed.filter_map(|record| record.outcome.as_ref()).for_each(|boot| all.add(boot));
        all.reads.sort_unstable();
        all.rates.sort_unstable();
        (!all.reads.is_empty()).then_some(all)
    }

    fn add(&mut self, boot: &Outcome) {
        let Some(told) = boot.drives else { return };
        self.reads.push(told.reads);
        self.rates.push(scaled(told.reads, 1_000_000_000, boot.nanos));
        let found = told.by_interrupt.saturating_add(told.polled);
        self.by_interrupt = self.by_interrupt.min(scaled(told.by_interrupt, 10_000, found));
        if let Some(here) = boot.beside {
            let (boot, run) = self.beside.unwrap_or((u64::MAX, u64::MAX));
            self.beside = Some((boot.min(here.reads), run.min(here.least_reads)));
        }
        if let Some(Interrupts { hartid, elsewhere, .. }) = boot.interrupts {
            self.harts.insert(hartid);
            self.elsewhere += elsewhere;
        }
    }

    /// What there is to say, and what it is.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![
            ("reads", format!("{} in a boot", spread(&self.reads))),
            ("", format!("{} in a second of guest time", spread(&self.rates))),
        ];
        rows.extend(self.beside.map(|(boot, run)| {
            ("", format!("beside the program {boot} at least in a boot, {run} between two looks"))
        }));
        let (whole, rest) = (self.by_interrupt / 100, self.by_interrupt % 100);
        rows.push(("by interrupt", format!("{whole}.{rest:02} % at least in a boot")));
        let harts: Vec<String> = self.harts.iter().map(u64::to_string).collect();
        let on = format!("on hart {}, {} on others", harts.join(" or "), self.elsewhere);
        rows.push(("interrupts", on));
        rows
    }
}

/// `n * scale / whole`, and 0 of nothing.
fn scaled(n: u64, scale: u64, whole: u64) -> u64 {
    let of = u128::from(n) * u128::from(scale);
    of.checked_div(u128::from(whole)).and_then(|it| u64::try_from(it).ok()).unwrap_or(0)
}

fn spread(sorted: &[u64]) -> String {
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0);
    let last = sorted.len().saturating_sub(1);
    format!("min {}, median {}, max {}", at(0), at(last / 2), at(last))
}

#[cfg(test)]
mod tests {
    use skimmer_abi::scenario::Scenario;

    use super::super::record::tests::sample;
    use super::*;
    use crate::record::{Beside, Drives};

    fn boot(reads: u64, polled: u64, hartid: u64) -> BootRecord {
        let by_interrupt = reads - polled;
        let drives = Drives { reads, by_interrupt, polled, ..Drives::default() };
        let beside = Beside { runs: 2, reads: reads - 1, least_reads: 3, ..Beside::default() };
        let interrupts = Interrupts { hartid, here: 9, elsewhere: 1, stray: 0 };
        let outcome = Outcome {
            nanos: 2_000_000_000,
            drives: Some(drives),
            beside: Some(beside),
            interrupts: Some(interrupts),
            ..Outcome::of(Scenario::All)
        };
        BootRecord { outcome: Some(outcome), ..sample(0, 1, None) }
    }

    #[test]
    fn the_worst_boot_is_shown() {
        let boots = [boot(1000, 11, 3), boot(4000, 0, 3), boot(2000, 0, 0)];
        let all = DriveSummary::of(boots.iter()).expect("drives");
        let said: Vec<String> = all.rows().into_iter().map(|(_, what)| what).collect();
        let due = [
            "min 1000, median 2000, max 4000 in a boot",
            "min 500, median 1000, max 2000 in a second of guest time",
            "beside the program 999 at least in a boot, 3 between two looks",
            "98.90 % at least in a boot",
            "on hart 0 or 3, 3 on others",
        ];
        assert_eq!(said, due);
    }

    #[test]
    fn boots_without_drives_say_nothing_of_them() {
        assert_eq!(DriveSummary::of([sample(0, 1, None)].iter()), None);
    }
}
