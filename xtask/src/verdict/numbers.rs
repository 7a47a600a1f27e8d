// SPDX-License-Identifier: Apache-2.0
//! The guest's numbers, held against each other and against what was asked
//! for. Nothing here is believed because the guest says it.

use skimmer_abi::scenario::Scenario;

use super::{Expected, Kind, beside, drives, faults};
use crate::record::{Interrupts, Outcome, Programs, Record};
use crate::round_trips::RoundTrips;
use crate::rounds::{Due, Interrupted, Messages, kstress_messages};
use crate::workloads::Work;

/// What the harts, the work and the messages amount to.
pub(super) fn check(
    expected: &Expected,
    outcome: &Outcome,
    records: &[Record],
    add: &mut impl FnMut(Kind, String),
) {
    let mut check = |holds: bool, what: String| {
        if !holds {
            add(Kind::NumbersWrong, what);
        }
    };
    let up = count(records, |r| matches!(r, Record::HartUp { .. }));
    let failed = count(records, |r| matches!(r, Record::HartFailed { .. }));
    let mut ids: Vec<u64> = records
        .iter()
        .filter_map(|r| if let Record::HartUp { hartid, .. } = r { Some(*hartid) } else { None })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    check(ids.len() as u64 == up, "a hart came up twice".to_owned());
    for record in records {
        if let Record::Boot { harts, .. } = record {
            let told = up + failed == u64::from(*harts);
            check(told, format!("{harts} harts found, {up} came up, {failed} failed"));
        }
    }
    match expected.harts {
        Some(due) => {
            let due = u64::from(due) + u64::from(boots_on_a_skipped_hart(records));
            check(up == due, format!("{up} harts came up, {due} were due"));
        }
        None => {
            check(up > 0, "no hart came up".to_owned());
            check(up > 1 || failed < 2, format!("all {failed} other harts failed to start"));
        }
    }
    let told = outcome.kstress;
    check(
        expected.rounds.kstress_is_right(told),
        match told {
            _ if !expected.rounds.kstress => "kstress ran and was not asked for".to_owned(),
            None => "kstress was asked for and did not run".to_owned(),
            Some(count) => format!("kstress made {count} round trips: it did not go on"),
        },
    );
    beside::check(expected, outcome.beside, records, &mut check);
    // Of the program, and of what it ran beside itself.
    let runs = (outcome.beside.map_or(1, |told| told.runs), beside::runs_of_its_own(records));
    if matches!(expected.scenario, Scenario::Program | Scenario::All) {
        check_programs(expected.work.as_ref(), runs, outcome.programs, &mut check);
        beside::check_messages(expected.work.as_ref(), runs, outcome, &mut check);
        check_round_trips(expected.work.as_ref(), records, &mut check);
    }
    let asked = expected.rounds.interrupts(expected.scenario, &ids);
    check_interrupts(asked, outcome.interrupts, &ids, &mut check);
    drives::check(expected, outcome, records, &mut check);
    faults::check(expected, outcome, records, &mut check);
    let due = match expected.work {
        Some(work) => Some(due_of(&work, runs)),
        None => expected.rounds.due(expected.scenario, up),
    };
    let Some(due) = due else { return };
    let harts = u64::from(outcome.harts);
    check(harts == up, format!("{harts} harts took part, {up} came up"));
    check_announced(&due, up, records, &mut check);
    check_work(expected.scenario, &due, outcome, &mut check);
}

/// How long round trips took, where messages are the work.
fn check_round_trips(
    work: Option<&Work>,
    records: &[Record],
    check: &mut impl FnMut(bool, String),
) {
    if matches!(work, Some(Work::Ipcstorm(_))) {
        let told = RoundTrips::of(records);
        let is_right = told.is_some_and(|told| told.are_in_order());
        check(is_right, format!("of round trips was told: {told:?}"));
    }
}

/// What a program and what it runs beside itself have of something, all together, each
/// run so many times.
fn together(
    work: &Work,
    (runs, beside): (u64, u64),
    of: impl Fn(&Work) -> Option<u64>,
) -> Option<u64> {
    let other = work.beside().and_then(|work| of(&work)).unwrap_or(0);
    Some(of(work)?.wrapping_mul(runs).wrapping_add(other.wrapping_mul(beside)))
}

/// What a program's work is, for the kernel: one program, so many times, and nothing
/// that it knows of.
fn due_of(work: &Work, runs: (u64, u64)) -> Due {
    let verified = together(work, runs, |work| Some(work.verified())).unwrap_or(0);
    Due { clients: 1, rounds: 0, verified: verified..=verified, messages: Messages::Unknown }
}

/// What the kernel counted of programs, and the digest that they reported,
/// against what was asked for.
fn check_programs(
    work: Option<&Work>,
    runs: (u64, u64),
    told: Option<Programs>,
    check: &mut impl FnMut(bool, String),
) {
    let Some(told) = told else { return check(false, "nothing was told of programs".to_owned()) };
    let Programs { digest, channels_created: created, channels_destroyed: destroyed, .. } = told;
    check(
        created == destroyed,
        format!("the kernel counts {created} channels created and {destroyed} destroyed"),
    );
    let Some(work) = work else { return };
    if let Some(due) = together(work, runs, Work::channels) {
        check(created == due, format!("{created} channels were created, {due} were due"));
    }
    // The kernel adds up what programs report.
    let due = together(work, runs, |work| Some(work.digest())).unwrap_or(0);
    check(digest == due, format!("the digest is {digest:016x}, {due:016x} was due"));
}

/// Where interrupts came, against where they were asked for, and none for nothing.
fn check_interrupts(
    asked: Option<Interrupted>,
    told: Option<Interrupts>,
    ids: &[u64],
    check: &mut impl FnMut(bool, String),
) {
    let (Some(asked), Some(told)) = (&asked, told) else {
        return check(asked.is_none() && told.is_none(), "interrupts are not told".to_owned());
    };
    let Interrupted { hart, here, elsewhere } = asked;
    let id = told.hartid;
    check(ids.contains(&id), format!("interrupts came on hart {id}, which did not come up"));
    let is_it = hart.is_none_or(|hart| hart == id);
    check(is_it, format!("interrupts came on hart {id}, {hart:?} was asked for"));
    let on_it = format!("{} interrupts on hart {id}, {here:?} were due", told.here);
    check(here.contains(&told.here), on_it);
    let others = format!("{} interrupts on other harts, {elsewhere} were due", told.elsewhere);
    check(told.elsewhere == *elsewhere, others);
    check(told.stray == 0, format!("{} interrupts for nothing", told.stray));
}

/// Whether the machine booted on a hart that its tree calls unusable: firmware
/// chooses, and the kernel uses the hart that it runs on.
fn boots_on_a_skipped_hart(records: &[Record]) -> bool {
    records.iter().any(|record| match record {
        Record::Boot { boot_hart, .. } => records.iter().any(
            |other| matches!(other, Record::HartSkipped { hartid, .. } if hartid == boot_hart),
        ),
        _ => false,
    })
}

/// What the guest announced must be what it was asked for.
fn check_announced(due: &Due, up: u64, records: &[Record], check: &mut impl FnMut(bool, String)) {
    for record in records {
        let Record::Start { harts, clients, rounds, .. } = *record else { continue };
        let (asked, wanted) = (due.rounds, due.clients);
        check(rounds == asked, format!("{rounds} rounds were begun, {asked} were asked for"));
        let clients = u64::from(clients);
        check(clients == wanted, format!("{clients} clients were begun, {wanted} were due"));
        check(u64::from(harts) == up, format!("begun on {harts} harts, {up} came up"));
    }
}

/// The work that was done, against what was asked for and against the kernel's
/// own counters.
fn check_work(
    scenario: Scenario,
    due: &Due,
    outcome: &Outcome,
    check: &mut impl FnMut(bool, String),
) {
    let Outcome { round_trips, kernel_sends: sends, kernel_replies: replies, .. } = *outcome;
    let (least, most) = (*due.verified.start(), *due.verified.end());
    let in_words = match least {
        _ if least == most => format!("{least} were due"),
        _ if most == u64::MAX => format!("at least {least} were due"),
        _ => format!("{least} to {most} were due"),
    };
    let is_due = due.verified.contains(&round_trips);
    check(is_due, format!("{round_trips} verified, {in_words}"));
    let is_alone = scenario == Scenario::Ports && outcome.harts == 1;
    check(is_alone || round_trips > 0, "nothing was done".to_owned());
    check(outcome.canaries > 0, "no stack canary was checked".to_owned());
    // Every message is answered in the end, if only because nobody is there.
    check(sends == replies, format!("{sends} sends, {replies} replies"));
    let beside = outcome.kstress.unwrap_or(0);
    let fewest = match due.messages {
        Messages::Exactly(messages) => messages.saturating_add(kstress_messages(outcome.kstress)),
        Messages::EachUnit => round_trips.saturating_add(beside),
        Messages::Unknown => beside,
    };
    let is_exact = matches!(due.messages, Messages::Exactly(_));
    let covers = |n: u64| n == fewest || !is_exact && n > fewest;
    check(covers(sends), format!("{sends} sends, the work makes {fewest}"));
    check(covers(replies), format!("{replies} replies, the work makes {fewest}"));
    if scenario == Scenario::Ports {
        let ops = outcome.remote_ops;
        check(
            ops >= round_trips,
            format!("{ops} ring operations for {round_trips} round trips between harts"),
        );
    }
}

fn count(records: &[Record], which: impl Fn(&Record) -> bool) -> u64 {
    records.iter().filter(|r| which(r)).count() as u64
}
