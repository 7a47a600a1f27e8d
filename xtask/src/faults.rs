// SPDX-License-Identifier: Apache-2.0
//! Programs' faults for people: the guest tells addresses, the program's file
//! says what is there.
//!
//! What is in a record of a fault, the program can have made up: names are no
//! paths before they were looked at, and an address may be anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use skimmer_abi::record::MAX_FAULT_FRAMES;

use crate::evidence::{add_frame, cause_in_words};
use crate::programs;
use crate::record::FaultInfo;
use crate::symbols::Symbols;

/// The symbols of the programs of a boot, read when they are asked for.
#[derive(Debug, Default)]
pub struct Programs {
    package: Option<PathBuf>,
    read: BTreeMap<String, Option<Symbols>>,
}

impl Programs {
    /// Those of a boot package, if there is one.
    #[must_use]
    pub fn of(package: Option<&Path>) -> Self {
        Self { package: package.map(Path::to_owned), read: BTreeMap::new() }
    }

    /// Those of the program of that name.
    pub fn symbols(&mut self, name: &str) -> Option<&Symbols> {
        if !self.read.contains_key(name) {
            let elf = self.package.as_ref().and_then(|package| programs::elf_beside(package, name));
            let symbols = elf.and_then(|elf| Symbols::load(&elf).ok());
            self.read.insert(name.to_owned(), symbols);
        }
        self.read.get(name)?.as_ref()
    }
}

/// A fault with its backtrace; without `symbols`, in numbers.
#[must_use]
pub fn report(fault: &FaultInfo, symbols: Option<&Symbols>) -> String {
    let FaultInfo { pid, thread, program, base, pc, stval, sp, .. } = fault;
    let cause = cause_in_words(fault.scause);
    let mut text = format!(
        "{program} (pid {pid:#x}) died: {cause} at {pc:#x}, address {stval:#x}\n  \
         thread {thread:#x}, stack pointer {sp:#x}, file at {base:#x}\n"
    );
    // What is no code of the program's is left a number.
    let place = |at: u64| symbols.filter(|it| it.function(at).is_some()).map(|it| it.places(at));
    add_frame(&mut text, 0, *pc, &place(pc.wrapping_sub(*base)).unwrap_or_default());
    let callers = caller(fault, symbols).into_iter().chain(fault.frames.iter().copied());
    for (number, back) in (1..).zip(callers) {
        // The call before it.
        let places = place(back.wrapping_sub(1)).unwrap_or_default();
        add_frame(&mut text, number, back.wrapping_add(*base), &places);
    }
    if fault.frames.len() == MAX_FAULT_FRAMES {
        text += "      deeper ones are not told\n";
    }
    text
}

/// The return address in its register, where the stack does not have it: the
/// function that faulted has not saved it, or a jump has gone astray. In any
/// other function an earlier call has left there a place of the same function.
fn caller(fault: &FaultInfo, symbols: Option<&Symbols>) -> Option<u64> {
    let at = symbols?.function(fault.pc.wrapping_sub(fault.base));
    let caller = symbols?.function(fault.ra.wrapping_sub(1));
    let is_news = caller.is_some() && caller != at && fault.frames.first() != Some(&fault.ra);
    is_news.then_some(fault.ra)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> FaultInfo {
        FaultInfo {
            pid: 3,
            thread: 1,
            program: "hello".to_owned(),
            base: 0x1_0000_0000,
            scause: 15,
            pc: 0x1_0000_2000,
            stval: 0x10,
            sp: 0x2000,
            ra: 0x3000,
            frames: vec![0x4000, 0_u64.wrapping_sub(0x1_0000_0000)],
        }
    }

    #[test]
    fn a_fault_without_symbols_still_shows_its_addresses() {
        let text = report(&sample(), None);
        let due = "hello (pid 0x3) died: store page fault at 0x100002000, address 0x10\n";
        assert!(text.starts_with(due), "{text}");
        for part in ["0: 0x0000000100002000  ?", "1: 0x0000000100004000  ?", "2: 0x00000000000000"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_trace_that_was_cut_says_so() {
        let mut fault = sample();
        let says = |fault: &FaultInfo| report(fault, None).contains("not told");
        assert!(!says(&fault));
        fault.frames = vec![0x4000; MAX_FAULT_FRAMES];
        assert!(says(&fault));
    }

    #[test]
    fn a_name_that_is_a_path_is_no_program() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut programs = Programs::of(Some(&dir.path().join("package")));
        for name in ["", "..", "/bin/sh", "../../bin/sh", "hello"] {
            assert!(programs.symbols(name).is_none(), "{name}");
        }
    }
}
