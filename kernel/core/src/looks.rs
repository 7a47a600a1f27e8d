// SPDX-License-Identifier: Apache-2.0
//! Whether what runs beside a program goes on: counts are taken again and again, and
//! from one look to the next all of them must have moved.

use skimmer_abi::record::Beside;

/// What a program and all that runs beside it have done, at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Units that the program told.
    pub program: u64,
    /// Reads of drives.
    pub reads: u64,
    /// Round trips of `msgstorm`.
    pub storm: u64,
    /// Round trips of `kstress`.
    pub kstress: u64,
}

/// When counts are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// While the program runs.
    Meanwhile,
    /// It has ended well.
    Ended,
}

/// When it is looked at what has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// When a program that is run again and again has ended.
    Runs,
    /// When a program that is run once has told something.
    Tales,
}

/// The looks at one program.
#[derive(Debug)]
pub struct Looks {
    after: After,
    /// Counts at the last look.
    last: Counts,
    /// Units that the program had told, the last time that it had told more.
    told: u64,
    /// Stretches since the last look.
    together: u64,
    beside: Beside,
}

impl Looks {
    /// From these counts on.
    #[must_use]
    pub fn new(after: After, first: Counts) -> Self {
        let beside = Beside::default();
        Self { after, last: first, told: first.program, together: 0, beside }
    }

    /// Takes in counts. Whether the program must go on, or be run again, until there are
    /// so many reads and looks.
    pub fn take(&mut self, moment: Moment, now: Counts, reads: u64) -> bool {
        let has_ended = moment == Moment::Ended;
        self.beside.runs += u64::from(has_ended);
        let is_stretch = match self.after {
            After::Runs => has_ended,
            After::Tales => now.program > self.told,
        };
        if is_stretch {
            self.told = now.program;
            self.together += 1;
            if self.last.has_all_moved(&now) || self.together == Beside::RUNS {
                self.look(now);
            }
        }
        let is_enough = self.beside.reads >= reads && self.is_seen();
        // What has ended with an error goes on no more.
        !is_enough && (self.beside.windows == 0 || self.is_moving())
    }

    /// What was seen.
    #[must_use]
    pub const fn beside(&self) -> Beside {
        self.beside
    }

    const fn is_seen(&self) -> bool {
        match self.after {
            After::Runs => self.beside.runs >= Beside::RUNS && self.together == 0,
            After::Tales => self.beside.windows >= Beside::LOOKS,
        }
    }

    /// Whether everything has moved from each look to the next.
    fn is_moving(&self) -> bool {
        let Beside { least_program, least_reads, least_storm, least_kstress, .. } = self.beside;
        [least_program, least_reads, least_storm, least_kstress].iter().all(|least| *least > 0)
    }

    fn look(&mut self, now: Counts) {
        let (last, before) = (self.last, self.beside);
        let is_first = before.windows == 0;
        let least = |before: u64, more: u64| if is_first { more } else { before.min(more) };
        let reads = now.reads - last.reads;
        self.beside = Beside {
            runs: before.runs,
            windows: before.windows + 1,
            least_program: least(before.least_program, now.program - last.program),
            reads: before.reads + reads,
            least_reads: least(before.least_reads, reads),
            least_storm: least(before.least_storm, now.storm - last.storm),
            least_kstress: least(before.least_kstress, now.kstress - last.kstress),
        };
        (self.last, self.together) = (now, 0);
    }
}

impl Counts {
    const fn has_all_moved(&self, now: &Self) -> bool {
        now.program > self.program
            && now.reads > self.reads
            && now.storm > self.storm
            && now.kstress > self.kstress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Counts = Counts { program: 7, reads: 5, storm: 3, kstress: 1 };

    /// All of them, so many steps later.
    fn after(steps: u64) -> Counts {
        let Counts { program, reads, storm, kstress } = BEGIN;
        Counts {
            program: program + 10 * steps,
            reads: reads + 4 * steps,
            storm: storm + 8 * steps,
            kstress: kstress + 2 * steps,
        }
    }

    /// Takes counts in, one step after the other, until no more is asked for.
    fn go(looks: &mut Looks, moment: Moment, counts: impl Fn(u64) -> Counts) -> u64 {
        (1..1_000).find(|step| !looks.take(moment, counts(*step), 0)).expect("an end")
    }

    #[test]
    fn what_moves_is_seen_to() {
        let mut looks = Looks::new(After::Tales, BEGIN);
        assert_eq!(go(&mut looks, Moment::Meanwhile, after), Beside::LOOKS);
        let mut runs = Looks::new(After::Runs, BEGIN);
        assert_eq!(go(&mut runs, Moment::Ended, after), Beside::RUNS);
        for (looks, windows) in [(looks, Beside::LOOKS), (runs, Beside::RUNS)] {
            let told = looks.beside();
            assert_eq!((told.windows, told.reads), (windows, 4 * windows));
            assert_eq!((told.least_program, told.least_reads), (10, 4));
            assert_eq!((told.least_storm, told.least_kstress), (8, 2));
        }
    }

    #[test]
    fn reads_are_waited_for() {
        let mut looks = Looks::new(After::Tales, BEGIN);
        let goes_on = |step| looks.take(Moment::Meanwhile, after(step), 40);
        assert_eq!((1..20).map(goes_on).position(|goes_on| !goes_on), Some(9));
    }

    #[test]
    fn each_that_stands_still_is_told() {
        type Stop = fn(&mut Counts);
        type Least = fn(&Beside) -> u64;
        let each: [(Stop, Least); 3] = [
            (|now| now.reads = BEGIN.reads, |told| told.least_reads),
            (|now| now.storm = BEGIN.storm, |told| told.least_storm),
            (|now| now.kstress = BEGIN.kstress, |told| told.least_kstress),
        ];
        let kinds = [(After::Runs, Moment::Ended), (After::Tales, Moment::Meanwhile)];
        for ((kind, moment), (stop, least)) in
            kinds.iter().flat_map(|kind| each.map(|e| (*kind, e)))
        {
            let mut looks = Looks::new(kind, BEGIN);
            let steps = go(&mut looks, moment, |step| {
                let mut now = after(step);
                stop(&mut now);
                now
            });
            // It is over at once: nobody waits for what does not go on.
            assert_eq!((steps, looks.beside().windows), (Beside::RUNS, 1));
            assert_eq!(least(&looks.beside()), 0);
        }
    }

    #[test]
    fn what_stops_later_is_told() {
        let mut looks = Looks::new(After::Tales, BEGIN);
        let steps = go(&mut looks, Moment::Meanwhile, |step| Counts {
            storm: after(step.min(2)).storm,
            ..after(step)
        });
        assert_eq!((steps, looks.beside().windows), (2 + Beside::RUNS, 3));
        assert_eq!(looks.beside().least_storm, 0);
    }

    #[test]
    fn a_host_may_stand_still() {
        let mut looks = Looks::new(After::Tales, BEGIN);
        // The storm moves in the last stretch that belongs to the first look.
        for step in 1..=Beside::RUNS {
            let storm = if step < Beside::RUNS { BEGIN.storm } else { BEGIN.storm + 1 };
            assert!(looks.take(Moment::Meanwhile, Counts { storm, ..after(step) }, 0));
        }
        assert_eq!((looks.beside().windows, looks.beside().least_storm), (1, 1));
    }

    #[test]
    fn a_program_that_tells_nothing_is_not_looked_at() {
        let mut looks = Looks::new(After::Tales, BEGIN);
        for step in 1..100 {
            let now = Counts { program: BEGIN.program, ..after(step) };
            assert!(looks.take(Moment::Meanwhile, now, 0));
        }
        assert_eq!(looks.beside().windows, 0);
    }
}
