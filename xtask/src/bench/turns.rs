// SPDX-License-Identifier: Apache-2.0
//! Every instruction that the emulator executes, as it tells them, and the turn of
//! a loop among them.
//!
//! Invariant: what is kept is some turns long, however long the machine runs.

use std::collections::{HashMap, VecDeque};
use std::io::BufRead;

use anyhow::{Context as _, Result, ensure};

use crate::process;

/// Turns in a row that must be the same, instruction by instruction.
const ALIKE: usize = 3;

/// Instructions after which nothing is expected any more.
const MOST: u64 = 2_000_000_000;

/// How often the user is asked whether they still want it.
const ASK_EVERY: u64 = 1 << 20;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// The instruction there is next.
    Next(u64),
    /// The one before was not executed: something came first.
    NotYet,
    /// Something else.
    Nothing,
}

/// How it says that the instruction before was not executed: something interrupted,
/// or it must be translated in another way, because it is a device's.
const NOT_YET: &[&str] = &["Stopped execution", "cpu_io_recompile: rewound"];

/// What QEMU says with `-d exec`, an instruction at a time:
/// `Trace CPU: HOST [FLAGS/PC/FLAGS/FLAGS] SYMBOL`.
fn said(line: &str) -> Said {
    if NOT_YET.iter().any(|begins| line.starts_with(begins)) {
        return Said::NotYet;
    }
    let pc = line.strip_prefix("Trace ").and_then(|rest| rest.split('/').nth(1));
    let pc = pc.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    pc.map_or(Said::Nothing, Said::Next)
}

/// Reads what QEMU says until a loop of a program (`is_program` knows its
/// instructions) has made turns of `cost` instructions that are all the same.
/// Gives one of them.
///
/// # Errors
/// When there are none, or the user interrupts.
pub(super) fn find(
    log: impl BufRead,
    cost: usize,
    is_program: impl Fn(u64) -> bool,
) -> Result<Vec<u64>> {
    let mut turns = Turns::of(cost);
    let mut pending = None;
    let mut rest = Vec::new();
    for (number, line) in log.lines().enumerate() {
        let line = line.context("what QEMU says cannot be read")?;
        if (number as u64).is_multiple_of(ASK_EVERY) {
            process::check_interrupt()?;
        }
        // An instruction is known to be executed when the next line is no objection.
        match said(&line) {
            Said::NotYet => pending = None,
            Said::Nothing => rest.push(line),
            Said::Next(pc) => {
                let executed = pending.replace(pc);
                if executed.is_some_and(|pc| turns.push(pc, is_program(pc))) {
                    return Ok(turns.last());
                }
            }
        }
        ensure!(turns.count < MOST, "it does not end");
    }
    process::check_interrupt()?;
    turns.none(&rest)
}

/// The end of what was executed, and where a loop may be.
struct Turns {
    cost: usize,
    /// Instructions so far.
    count: u64,
    /// The last of them.
    window: VecDeque<u64>,
    /// Where each instruction of a program was last, and how many turns of that
    /// cost it has ended in a row.
    seen: HashMap<u64, (u64, usize)>,
    /// Turns of another cost, for people.
    lengths: HashMap<u64, u64>,
}

impl Turns {
    fn of(cost: usize) -> Self {
        let window = VecDeque::with_capacity(cost * ALIKE + 1);
        Self { cost, count: 0, window, seen: HashMap::new(), lengths: HashMap::new() }
    }

    /// Takes an instruction. Whether it has just ended as many turns as are needed.
    fn push(&mut self, pc: u64, is_program: bool) -> bool {
        let mut is_found = false;
        if is_program {
            let (last, turns) = self.seen.get(&pc).copied().unwrap_or((self.count, 0));
            let length = self.count - last;
            *self.lengths.entry(length).or_default() += 1;
            let turns = if length == self.cost as u64 { turns + 1 } else { 0 };
            self.seen.insert(pc, (self.count, turns));
            is_found = turns >= ALIKE && self.is_alike();
        }
        if !is_found {
            self.count += 1;
            self.window.push_back(pc);
            if self.window.len() > self.cost * ALIKE {
                self.window.pop_front();
            }
        }
        is_found
    }

    /// Whether the turns in the window are the same.
    fn is_alike(&self) -> bool {
        let pairs = self.window.iter().zip(self.window.iter().skip(self.cost));
        self.window.len() == self.cost * ALIKE && { pairs }.all(|(one, other)| one == other)
    }

    /// The last turn.
    fn last(&self) -> Vec<u64> {
        self.window.iter().skip(self.cost * (ALIKE - 1)).copied().collect()
    }

    /// Says why none was found.
    fn none(&self, said: &[String]) -> Result<Vec<u64>> {
        let cost = self.cost as u64;
        let near = |length: u64| length.abs_diff(cost) * 4 < cost;
        let near = self.lengths.iter().filter(|(length, _)| near(**length));
        let near = near.max_by_key(|(length, times)| (**times, **length));
        let near = near.map_or_else(
            || "nor near it".to_owned(),
            |(length, times)| format!("the most usual near it is {length}, seen {times} times"),
        );
        let said = said.last().map_or_else(String::new, |said| format!(" (QEMU: {said})"));
        ensure!(
            false,
            "of {} instructions, no {ALIKE} turns of a program's loop in a row are the same and \
             take {cost}; {near}{said}",
            self.count
        );
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pc: u64) -> String {
        format!("Trace 0: 0x7fba6d08fb00 [0000000000000000/{pc:016x}/00209001/ff020201] name\n")
    }

    fn log(pcs: impl IntoIterator<Item = u64>) -> String {
        pcs.into_iter().map(line).collect()
    }

    /// Programs are below 100.
    fn turn(log: &str, cost: usize) -> Result<Vec<u64>> {
        find(log.as_bytes(), cost, |pc| pc < 100)
    }

    #[test]
    fn lines_are_understood() {
        assert_eq!(said(line(0xffff_ffff_8020_0000).trim()), Said::Next(0xffff_ffff_8020_0000));
        assert_eq!(
            said("Stopped execution of TB chain before 0x7f [0000000080000000] x"),
            Said::NotYet
        );
        for other in ["", "Trace 0", "Trace 0: 0x7 [0/x/0/0]", "qemu: fatal"] {
            assert_eq!(said(other), Said::Nothing);
        }
    }

    #[test]
    fn a_turn_is_found_when_three_are_the_same() {
        let three = log([7, 500, 501].into_iter().cycle().skip(1).take(3 * 3 + 4));
        assert_eq!(turn(&three, 3).expect("found"), [7, 500, 501]);
        // The length is right, what is in it is not.
        let unlike = log([7, 500, 501, 7, 502, 501].into_iter().cycle().take(60));
        assert!(turn(&unlike, 3).is_err());
        let said = turn(&log([7, 500].into_iter().cycle().take(50)), 3).expect_err("shorter");
        assert!(format!("{said}").contains("no 3 turns"), "{said}");
        // Only a program's instruction is where a loop begins.
        assert!(turn(&log([700, 500].into_iter().cycle().take(50)), 2).is_err());
    }

    #[test]
    fn what_was_put_off_is_not_counted() {
        let mut text = log([7, 500]);
        text += "Stopped execution of TB chain before 0x7f [0] x\n";
        text += &log([500]);
        text += "cpu_io_recompile: rewound execution of TB to 0\n";
        text += &log([500, 501, 7, 500, 501, 7, 500, 501, 7, 500]);
        assert_eq!(turn(&text, 3).expect("found"), [7, 500, 501]);
    }
}
