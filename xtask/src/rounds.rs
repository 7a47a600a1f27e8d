// SPDX-License-Identifier: Apache-2.0
//! How much work a boot was asked for, and what the guest must therefore tell:
//! reckoned here from the words that the guest was given, and never from what
//! it answers. Pure. The counting follows kernel/image/src/scenario.

use std::ops::RangeInclusive;

use skimmer_abi::scenario::Scenario;

use crate::spec::DEMO_ROUNDS;

/// What a scenario verifies unless something else is asked, as the guest has it.
mod usual {
    pub(super) const FLOOD_EACH: u64 = 1_000;
    pub(super) const THREADS: u64 = 10;
    pub(super) const STORM_EACH: u64 = 128;
    pub(super) const STORM_CLIENTS: u64 = 8;
    pub(super) const STORM_SERVERS: u64 = 8;
    pub(super) const PREEMPT: u64 = 20;
    pub(super) const IST: u64 = 300;
    pub(super) const NVME_READ: u64 = 10_000;
    pub(super) const READS_BESIDE: u64 = 27_600;
}

/// The id of the hart that drives interrupt, where there is one.
const DRIVES_ON: u64 = 3;

/// Alarms of `ist` on each hart that the source visits.
const IST_VISIT: u64 = 4;

/// Checks of one round of `threads` on one hart, at the least: workers in
/// order, laps and end of the sleeper, two messages of which one is aborted,
/// a stale name.
const THREADS_CHECKS: u64 = 16 + 4 + 2 + 3;

/// Threads that die in one round of `threads` on one hart, and are asked in
/// that and in every later one.
const THREADS_DEAD: u64 = 16;

/// The fewest round trips of a `kstress` that ran beside something.
const KSTRESS_LEAST: u64 = 2;

/// Messages of `kstress` beside its round trips: two threads are given a home,
/// and its beginning, its stop and its end are told.
const KSTRESS_MORE: u64 = 5;

/// What was asked for that is counted in rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// `rounds=`.
    pub total: Option<u64>,
    /// `clients=`.
    pub clients: Option<u64>,
    /// `servers=`.
    pub servers: Option<u64>,
    /// `hart=`.
    pub hart: Option<u64>,
    /// `reads=`: of drives, beside a scenario.
    pub reads: Option<u64>,
    /// `load=busy`.
    pub busy: bool,
    /// `with=kstress`: others beside them, until they are done.
    pub kstress: bool,
}

/// What the guest must tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Clients that it announces.
    pub clients: u64,
    /// Rounds that it announces.
    pub rounds: u64,
    /// Units that it verifies.
    pub verified: RangeInclusive<u64>,
    /// Messages that its kernel counts, those of `kstress` apart.
    pub messages: Messages,
}

/// Where interrupts must have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// The id of the hart, if it is known.
    pub hart: Option<u64>,
    /// How many there.
    pub here: RangeInclusive<u64>,
    /// How many on all others.
    pub elsewhere: u64,
}

/// How many messages some work makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// So many: the protocol says it.
    Exactly(u64),
    /// One for each unit of work, at the least.
    EachUnit,
    /// Who knows: the work is not messages.
    Unknown,
}

impl Rounds {
    /// Of the words that the guest is given.
    #[must_use]
    pub fn of(total: Option<u64>, append: &[String]) -> Self {
        let value = |key: &str| append.iter().find_map(|word| word.strip_prefix(key));
        let number = |key: &str| value(key)?.parse().ok();
        Self {
            total: total.or_else(|| number("rounds=")),
            clients: number("clients="),
            servers: number("servers="),
            hart: number("hart="),
            reads: number("reads="),
            busy: value("load=") == Some("busy"),
            kstress: value("with=") == Some("kstress"),
        }
    }

    /// What is due on so many harts; `None` for scenarios that do no work.
    #[must_use]
    pub fn due(&self, scenario: Scenario, harts: u64) -> Option<Due> {
        let exactly = |clients, rounds| Due {
            clients,
            rounds,
            verified: rounds..=rounds,
            messages: Messages::EachUnit,
        };
        Some(match scenario {
            Scenario::Ports => {
                let clients = if harts < 2 { 0 } else { self.clients.unwrap_or(harts - 1) };
                let rounds = if clients == 0 { 0 } else { self.total.unwrap_or(DEMO_ROUNDS) };
                exactly(clients, rounds)
            }
            Scenario::Flood => {
                let each = self.total.map_or(usual::FLOOD_EACH, |n| n.div_ceil(harts.max(1)));
                exactly(harts, each.saturating_mul(harts))
            }
            Scenario::Msgstorm => {
                let clients = self.clients.unwrap_or(usual::STORM_CLIENTS);
                let servers = self.servers.unwrap_or(usual::STORM_SERVERS);
                let pairs = clients.saturating_mul(servers);
                let each = self.total.map_or(usual::STORM_EACH, |n| n.div_ceil(pairs.max(1)));
                let rounds = pairs.saturating_mul(each);
                // Each thread, watchers among them, is given a home and tells
                // its end.
                let threads = clients.saturating_add(servers).saturating_add(harts);
                let messages = rounds.saturating_add(threads.saturating_mul(2));
                Due { messages: Messages::Exactly(messages), ..exactly(clients, rounds) }
            }
            Scenario::Threads => {
                let rounds = self.total.unwrap_or(usual::THREADS);
                let asked_dead = THREADS_DEAD.saturating_mul(sum_to(rounds));
                let each = THREADS_CHECKS.saturating_mul(rounds).saturating_add(asked_dead);
                let verified = each.saturating_mul(harts)..=u64::MAX;
                Due { verified, ..exactly(harts, rounds) }
            }
            Scenario::Preempt => {
                let rounds = self.total.unwrap_or(usual::PREEMPT);
                // Beside other work a trace may be overwritten before it is judged.
                let least = if self.kstress { rounds.div_ceil(2) } else { rounds };
                Due { verified: least..=rounds, ..exactly(harts, rounds) }
            }
            Scenario::Ist => {
                let rounds = self.total.unwrap_or(usual::IST);
                let verified = rounds.saturating_add(visits(harts));
                // Each thread is given a home and tells its end.
                let threads = harts.saturating_add(u64::from(self.busy));
                let messages = Messages::Exactly(threads.saturating_mul(2));
                Due { verified: verified..=verified, messages, ..exactly(harts, rounds) }
            }
            // How large the disks are is not known here.
            Scenario::NvmeVerify => Due { messages: Messages::Unknown, ..exactly(1, self.total?) },
            Scenario::NvmeFaults => {
                Due { verified: 1..=u64::MAX, messages: Messages::Unknown, ..exactly(1, 0) }
            }
            Scenario::NvmeRead => {
                let rounds = self.total.unwrap_or(usual::NVME_READ);
                Due { messages: Messages::Unknown, ..exactly(1, rounds) }
            }
            _ => return None,
        })
    }

    /// Where interrupts must have come on the harts of these ids, in a scenario
    /// that asks for some.
    #[must_use]
    pub fn interrupts(&self, scenario: Scenario, ids: &[u64]) -> Option<Interrupted> {
        match scenario {
            Scenario::Ist => {
                let alarms = self.total.unwrap_or(usual::IST);
                let elsewhere = visits(ids.len() as u64);
                Some(Interrupted { hart: self.hart, here: alarms..=alarms, elsewhere })
            }
            Scenario::NvmeRead | Scenario::NvmeVerify | Scenario::NvmeFaults | Scenario::All => {
                let hart =
                    self.hart.unwrap_or(if ids.contains(&DRIVES_ON) { DRIVES_ON } else { 0 });
                // How many completions one of them tells of is not known here.
                Some(Interrupted { hart: Some(hart), here: 1..=u64::MAX, elsewhere: 0 })
            }
            _ => None,
        }
    }

    /// Reads of drives that must have been made beside a scenario.
    #[must_use]
    pub fn reads_beside(&self) -> u64 {
        self.reads.unwrap_or(usual::READS_BESIDE)
    }

    /// Whether `kstress` told what it must: a count if it was asked for, which
    /// is that of something that went on, and else nothing.
    #[must_use]
    pub const fn kstress_is_right(&self, told: Option<u64>) -> bool {
        match told {
            None => !self.kstress,
            Some(count) => self.kstress && count >= KSTRESS_LEAST,
        }
    }
}

/// The messages that belong to so many round trips of `kstress`.
#[must_use]
pub const fn kstress_messages(told: Option<u64>) -> u64 {
    match told {
        None => 0,
        Some(count) => count.saturating_add(KSTRESS_MORE),
    }
}

/// Alarms of `ist` on all harts but one.
const fn visits(harts: u64) -> u64 {
    harts.saturating_sub(1).saturating_mul(IST_VISIT)
}

/// 1 + 2 + … + n.
const fn sum_to(n: u64) -> u64 {
    n.saturating_mul(n.saturating_add(1)) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(total: Option<u64>, append: &[&str]) -> Rounds {
        Rounds::of(total, &append.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn verified(scenario: Scenario, harts: u64, total: Option<u64>, append: &[&str]) -> u64 {
        let due = rounds(total, append).due(scenario, harts).expect("it works");
        assert_eq!(due.verified, due.rounds..=due.rounds);
        due.rounds
    }

    #[test]
    fn the_words_for_the_guest_are_read() {
        let words = [
            "rounds=9",
            "clients=2",
            "servers=3",
            "hart=6",
            "reads=8",
            "load=busy",
            "with=kstress",
        ];
        let read = rounds(None, &words);
        let all = Rounds {
            total: Some(9),
            clients: Some(2),
            servers: Some(3),
            hart: Some(6),
            reads: Some(8),
            busy: true,
            kstress: true,
        };
        assert_eq!(read, all);
        assert_eq!(
            rounds(Some(7), &["with=else", "x=1", "clients=many"]),
            Rounds { total: Some(7), ..Rounds::default() }
        );
    }

    #[test]
    fn the_usual_work_is_known() {
        assert_eq!(verified(Scenario::Ports, 8, None, &[]), 14);
        assert_eq!(verified(Scenario::Ports, 1, None, &[]), 0);
        assert_eq!(verified(Scenario::Ports, 8, None, &["clients=0"]), 0);
        assert_eq!(verified(Scenario::Flood, 3, None, &[]), 3_000);
        assert_eq!(verified(Scenario::Msgstorm, 3, None, &[]), 8_192);
        for scenario in [
            Scenario::Ports,
            Scenario::Threads,
            Scenario::Preempt,
            Scenario::Ist,
            Scenario::NvmeRead,
        ] {
            let due = Rounds::default().due(scenario, 8).expect("it works");
            assert_eq!(Some(due.rounds), crate::spec::usual_rounds(scenario, 8));
        }
    }

    #[test]
    fn what_is_asked_is_rounded_up_as_the_guest_does() {
        assert_eq!(verified(Scenario::Flood, 8, Some(1_001), &[]), 1_008);
        assert_eq!(verified(Scenario::Msgstorm, 8, Some(409), &[]), 448);
        let few = ["clients=3", "servers=2"];
        assert_eq!(verified(Scenario::Msgstorm, 8, Some(8), &few), 12);
        assert_eq!(verified(Scenario::Msgstorm, 8, None, &few), 6 * 128);
        assert_eq!(verified(Scenario::Msgstorm, 8, Some(8), &["clients=0"]), 0);
        assert_eq!(verified(Scenario::Msgstorm, 8, Some(u64::MAX), &["clients=7"]), u64::MAX);
    }

    #[test]
    fn bounds_where_only_bounds_are_known() {
        let due = |scenario, total| rounds(total, &[]).due(scenario, 2).expect("it works");
        // Two harts; in the second round the dead of both rounds are asked.
        assert_eq!(due(Scenario::Threads, Some(2)).verified, 2 * (50 + 16 + 32)..=u64::MAX);
        assert_eq!(due(Scenario::Preempt, None).verified, 20..=20);
        assert_eq!(Rounds::default().due(Scenario::Hang, 2), None);
        assert_eq!(Rounds::default().due(Scenario::NvmeVerify, 2), None);
        assert_eq!(due(Scenario::NvmeVerify, Some(9)).verified, 9..=9);
    }

    #[test]
    fn every_message_of_a_storm_is_known() {
        let due = Rounds::default().due(Scenario::Msgstorm, 4).expect("it works");
        assert_eq!(due.messages, Messages::Exactly(8_192 + 2 * (8 + 8 + 4)));
        assert_eq!((kstress_messages(None), kstress_messages(Some(3))), (0, 8));
    }

    #[test]
    fn every_interrupt_is_known() {
        let asked = rounds(Some(50), &["hart=3"]);
        let due = asked.due(Scenario::Ist, 8).expect("it works");
        assert_eq!((due.verified, due.messages), (78..=78, Messages::Exactly(16)));
        let ids: Vec<u64> = (0..8).collect();
        let on_hart = |hart, here, elsewhere| Some(Interrupted { hart, here, elsewhere });
        assert_eq!(asked.interrupts(Scenario::Ist, &ids), on_hart(Some(3), 50..=50, 28));
        let busy = rounds(None, &["load=busy"]).due(Scenario::Ist, 8).expect("it works");
        assert_eq!(busy.messages, Messages::Exactly(18));
        let any = Rounds::default();
        assert_eq!(any.interrupts(Scenario::Ist, &[0]), on_hart(None, 300..=300, 0));
        assert_eq!(asked.interrupts(Scenario::Ports, &ids), None);
        let read = |ids| any.interrupts(Scenario::NvmeRead, ids);
        assert_eq!(read(&ids), on_hart(Some(3), 1..=u64::MAX, 0));
        assert_eq!(read(&[0, 1]), on_hart(Some(0), 1..=u64::MAX, 0));
    }

    #[test]
    fn kstress_is_there_if_it_was_asked_for() {
        let (with, without) = (rounds(None, &["with=kstress"]), Rounds::default());
        assert!(with.kstress_is_right(Some(2)) && without.kstress_is_right(None));
        for told in [None, Some(0), Some(1)] {
            assert!(!with.kstress_is_right(told), "{told:?}");
        }
        assert!(!without.kstress_is_right(Some(5)));
    }
}
