// SPDX-License-Identifier: Apache-2.0
//! What failed of drives, against what was injected: not less, and not more.
//!
//! The guest is not told what is wrong with a drive, and tells every command that
//! failed; each block of such a command it tries twice more by itself. So a fault
//! that lasts shows as a block that failed the last time, and one that happens
//! once as one that did not.

use skimmer_abi::scenario::Scenario;

use super::Expected;
use crate::disk::{DiskSpec, Fault, Operation};
use crate::record::{DriveFault, DriveOperation, DriveTold, Outcome, Record};

/// The last attempt.
const LAST: u32 = 2;

/// Unrecovered Read Error and Write Fault (NVM Express Base 2.0, section
/// 3.3.3.2.1, "Media and Data Integrity Errors"), as QEMU answers; a flush that
/// fails is a write that does.
const READ_ERROR: u16 = 0x281;
const WRITE_FAULT: u16 = 0x280;

/// Commands in flight when a drive is pulled, and of those the ones that it is
/// given afterwards.
const IN_FLIGHT: u64 = 8;
const AFTER_THE_PULL: u64 = 4;

/// Nanoseconds of guest time in which every command of a drive that is gone must
/// have ended.
const SOON: u64 = 5_000_000_000;

/// Checks what was told of drives that may fail; nothing may be where none was
/// asked for.
pub(super) fn check(
    expected: &Expected,
    outcome: &Outcome,
    records: &[Record],
    check: &mut impl FnMut(bool, String),
) {
    let tolds = records.iter().filter_map(|r| match r {
        Record::DriveTold(told) => Some(*told),
        _ => None,
    });
    let tolds: Vec<DriveTold> = tolds.collect();
    let faults = records.iter().filter_map(|r| match r {
        Record::DriveFault(fault) => Some(*fault),
        _ => None,
    });
    let faults: Vec<DriveFault> = faults.collect();
    if expected.scenario != Scenario::NvmeFaults {
        let is_nothing = tolds.is_empty() && faults.is_empty();
        return check(is_nothing, "failures of drives are told, and nobody asked".to_owned());
    }
    let mut drives: Vec<u32> = tolds.iter().map(|told| told.drive).collect();
    drives.sort_unstable();
    let due: Vec<u32> = (0..).take(expected.specs.len()).collect();
    check(drives == due, format!("drives {drives:?} are told of, {due:?} were due"));
    let is_known = faults.iter().all(|fault| due.contains(&fault.drive));
    check(is_known, "a drive failed that is not there".to_owned());
    let reads: u64 = tolds.iter().map(|told| told.reads).sum();
    let all = outcome.round_trips;
    check(reads == all, format!("drives tell of {reads} reads, {all} were verified"));
    let is_trouble = expected.specs.iter().any(|spec| !is_good(spec));
    for told in &tolds {
        let Some(spec) = expected.specs.get(told.drive as usize) else { continue };
        let faults: Vec<DriveFault> =
            faults.iter().filter(|fault| fault.drive == told.drive).copied().collect();
        let mut say = |holds: bool, what: String| {
            check(holds, format!("drive {}, {spec}: {what}", told.drive));
        };
        for operation in [Operation::Read, Operation::Write, Operation::Flush] {
            Asked::of(spec, operation).check(told, &faults, &mut say);
        }
        check_drive(spec, told, &mut say);
        let is_read = !is_good(spec) || !is_trouble || told.beside > 0;
        say(is_read, "it was not read while others failed".to_owned());
    }
}

/// Whether nothing was to happen to a drive.
const fn is_good(spec: &DiskSpec) -> bool {
    spec.faults.is_empty() && !spec.pulled
}

/// What is of a drive as a whole: its death, its end, its blocks, its namespaces'
/// flushes.
fn check_drive(spec: &DiskSpec, told: &DriveTold, say: &mut impl FnMut(bool, String)) {
    let DriveTold { blocks, reads, writes, flushes, gone, refused, nanos, .. } = *told;
    let death = spec.faults.iter().find_map(|fault| match fault {
        Fault::Dies { after } => Some(u64::from(*after)),
        _ => None,
    });
    if let Some(after) = death {
        let done = reads.saturating_add(writes);
        say(done == after, format!("{done} reads and writes succeeded, {after} were to"));
        say(told.failed_reads > 0, "no read failed after its death".to_owned());
    }
    let bad = Asked::of(spec, Operation::Read);
    if !bad.is_all && !bad.is_counted {
        let due = spec.blocks().saturating_sub(bad.lasting.len() as u64);
        say(blocks == due, format!("{blocks} blocks were verified, {due} were due"));
    }
    let bad = Asked::of(spec, Operation::Flush);
    if !bad.is_all && !bad.is_counted {
        let due = u64::from(spec.namespaces);
        say(flushes == due, format!("{flushes} flushes succeeded, {due} were to: one each"));
    }
    if !spec.pulled {
        let is_there = gone == 0 && refused == 0;
        return say(is_there, format!("{gone} commands ended as it was gone, {refused} refused"));
    }
    let due = AFTER_THE_PULL..=IN_FLIGHT;
    say(due.contains(&gone), format!("{gone} commands ended as it was gone, {due:?} were due"));
    say(refused == 1, format!("{refused} commands were refused as it was gone, one was due"));
    let is_soon = nanos > 0 && nanos <= SOON;
    say(is_soon, format!("{nanos} ns until every command of a drive that is gone had ended"));
}

/// What was injected into one kind of commands.
struct Asked {
    operation: Operation,
    /// Blocks that always fail.
    lasting: Vec<u64>,
    /// Blocks that fail once.
    once: Vec<u64>,
    /// Commands that fail once, whatever they are of.
    any_once: u64,
    /// All of them fail.
    is_all: bool,
    /// All of them fail after some.
    is_counted: bool,
    /// Of writes, how many succeed before.
    succeed: Option<u64>,
}

impl Asked {
    fn of(spec: &DiskSpec, kind: Operation) -> Self {
        let mut asked = Self {
            operation: kind,
            lasting: Vec::new(),
            once: Vec::new(),
            any_once: 0,
            // What is for reading is not written.
            is_all: kind == Operation::Write && !spec.write,
            is_counted: false,
            succeed: None,
        };
        for fault in &spec.faults {
            match *fault {
                Fault::Fails { operation, block, once } if operation == kind => match (block, once)
                {
                    (Some(block), true) => asked.once.push(block),
                    (Some(block), false) => asked.lasting.push(block),
                    (None, true) => asked.any_once += 1,
                    (None, false) => asked.is_all = true,
                },
                Fault::Full { after } if kind == Operation::Write => {
                    asked.is_all |= after == 0;
                    asked.is_counted |= after > 0;
                    asked.succeed = Some(u64::from(after));
                }
                Fault::Dies { .. } => asked.is_counted = true,
                Fault::Fails { .. } | Fault::Full { .. } => {}
            }
        }
        asked.lasting.sort_unstable();
        asked.lasting.dedup();
        asked.once.retain(|block| !asked.lasting.contains(block));
        asked
    }

    fn check(&self, told: &DriveTold, faults: &[DriveFault], say: &mut impl FnMut(bool, String)) {
        let name = self.operation.name();
        let (kind, status, good, bad) = match self.operation {
            Operation::Read => (DriveOperation::Read, READ_ERROR, told.reads, told.failed_reads),
            Operation::Write => {
                (DriveOperation::Write, WRITE_FAULT, told.writes, told.failed_writes)
            }
            Operation::Flush => {
                (DriveOperation::Flush, WRITE_FAULT, told.flushes, told.failed_flushes)
            }
        };
        let mine: Vec<&DriveFault> = faults.iter().filter(|f| f.operation == kind).collect();
        let named: u64 = mine.iter().map(|fault| fault.commands()).sum();
        say(named == bad, format!("{bad} failed commands ({name}), {named} are named"));
        for fault in mine.iter().filter(|fault| fault.status != status) {
            let other = fault.status;
            say(false, format!("{name} failed with status {other:#05x}, {status:#05x} was due"));
        }
        if let Some(due) = self.succeed {
            say(good == due, format!("{good} commands ({name}) succeeded, {due} were to"));
        }
        if self.is_all || self.is_counted {
            let is_sure = self.is_all || self.succeed.is_some();
            say(!is_sure || bad > 0, format!("no command ({name}) failed"));
            say(!self.is_all || good == 0, format!("{good} commands ({name}) did not fail"));
        } else {
            self.check_blocks(&mine, say);
        }
    }

    /// Every failure is of a block that was to fail, and every such block failed,
    /// as often as it was to.
    fn check_blocks(&self, mine: &[&DriveFault], say: &mut impl FnMut(bool, String)) {
        let name = self.operation.name();
        let covers = |fault: &DriveFault, block: u64| {
            block.checked_sub(fault.first).is_some_and(|at| at < fault.count)
        };
        let of = |blocks: &[u64], fault: &DriveFault| {
            blocks.iter().filter(|block| covers(fault, **block)).count() as u64
        };
        let first = || mine.iter().filter(|fault| fault.attempt == 0);
        let untouched = first().filter(|fault| of(&self.lasting, fault) == 0);
        let (own, rest): (Vec<&DriveFault>, Vec<&DriveFault>) =
            untouched.partition(|fault| of(&self.once, fault) > 0);
        // Each of them has used up one that fails once.
        let most = self.once.len() as u64;
        say(own.len() as u64 <= most, format!("{} failures of {most} that fail once", own.len()));
        let (due, count) = (self.any_once, rest.len() as u64);
        say(count == due, format!("{count} commands ({name}) failed for no block, {due} were to"));
        for fault in mine.iter().filter(|fault| fault.attempt > 0) {
            let known = of(&self.lasting, fault)
                + if fault.attempt < LAST { of(&self.once, fault) } else { 0 };
            let DriveFault { first, count, attempt, .. } = fault;
            let what = format!("{name} of {count} from {first} on failed at attempt {attempt}");
            say(*count > 0 && known == *count, what);
        }
        for block in &self.lasting {
            let is_it = |f: &&&DriveFault| f.attempt == LAST && covers(f, *block);
            let is_there = mine.iter().any(|f| is_it(&f));
            say(is_there, format!("{name} of block {block} did not fail to the last"));
        }
        for block in &self.once {
            let is_there = mine.iter().any(|f| f.attempt < LAST && covers(f, *block));
            say(is_there, format!("{name} of block {block} did not fail once"));
        }
    }
}
