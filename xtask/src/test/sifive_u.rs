// SPDX-License-Identifier: Apache-2.0
//! Boots of the same image on QEMU's `sifive_u`.

use skimmer_abi::scenario::Scenario;

use super::scenarios::{ASTRAY, CHAIN, Case, PORTS, interrupts_on, up};
use crate::boot::Booted;
use crate::evidence::file;
use crate::record::Record;
use crate::schedule::Schedule;
use crate::verdict::{Kind, failed_checks};

/// The storm on SiFive's board: a hart without an MMU, contexts of the interrupt
/// controller that are irregular for that, another clock, neither PCI nor a device
/// to exit through.
const SIFIVE_U: Case = Case {
    name: "sifive-u",
    scenario: Scenario::Msgstorm,
    append: &["with=kstress"],
    machine: "sifive_u",
    harts: 5,
    evidence: &[
        (file::CONSOLE, "a PLIC of 53 sources, for 4 of 4 harts"),
        (file::CONSOLE, "no PCI: the device tree names no host bridge"),
    ],
    check: |booted| left_out(booted, 0) && up(booted) == 4,
    ..PORTS
};

/// Every such boot.
pub const CASES: &[Case] = &[
    SIFIVE_U,
    Case { name: "sifive-u-rr", schedule: Schedule::Rr(0), ..SIFIVE_U },
    Case { name: "sifive-u-one-insn", schedule: Schedule::OneInsn, ..SIFIVE_U },
    Case { name: "sifive-u-preempt", scenario: Scenario::Preempt, append: &[], ..SIFIVE_U },
    Case {
        name: "sifive-u-2-harts",
        harts: 2,
        scenario: Scenario::Ports,
        append: &[],
        evidence: &[(file::CONSOLE, "a PLIC of 53 sources, for 1 of 1 harts")],
        check: |booted| up(booted) == 1,
        ..SIFIVE_U
    },
    Case { name: "sifive-u-128M", mib: 128, check: |booted| has_memory(booted, 128), ..SIFIVE_U },
    Case { name: "sifive-u-8G", mib: 8192, check: |booted| has_memory(booted, 8192), ..SIFIVE_U },
    Case {
        name: "sifive-u-programs",
        scenario: Scenario::Program,
        program: Some(("chanstorm", &["rounds=50", "processes=0"])),
        ..SIFIVE_U
    },
    Case {
        name: "sifive-u-faults",
        scenario: Scenario::Program,
        program: Some(("faults", &[])),
        evidence: &[(file::FAULTS, CHAIN), (file::FAULTS, ASTRAY)],
        ..SIFIVE_U
    },
    // By a serial port, through the supervisor context of each hart.
    Case {
        name: "sifive-u-ist-on-hart-3",
        scenario: Scenario::Ist,
        append: &["hart=3", "with=kstress"],
        check: |booted| interrupts_on(booted, 3) == Some(300),
        ..SIFIVE_U
    },
    // The contexts of harts 3 and 4 are named the wrong way round.
    Case {
        name: "sifive-u-contexts-that-are-exchanged",
        scenario: Scenario::Ist,
        append: &[],
        tree: Some(|tree| {
            let path = "/soc/interrupt-controller@c000000";
            let mut contexts = tree.get(path, "interrupts-extended")?.to_vec();
            for byte in 0..4 {
                contexts.swap(6 * 8 + byte, 8 * 8 + byte);
            }
            tree.set(path, "interrupts-extended", &contexts)
        }),
        expect: Some(Kind::GuestErrors),
        check: |booted| failed_checks(&booted.records).any(|it| it.starts_with("one-irq-one-hart")),
        ..SIFIVE_U
    },
    // The tree promises four. Nothing else may be wrong.
    Case {
        name: "sifive-u-hart-that-is-not-there",
        tree: Some(|tree| tree.set("/cpus/cpu@4", "reg", &[0, 0, 0, 77])),
        expect: Some(Kind::NumbersWrong),
        check: |booted| up(booted) == 3 && booted.verdict.problems.len() == 1,
        ..SIFIVE_U
    },
    // The debugger finds the harts that run the kernel.
    Case {
        name: "sifive-u-panic",
        scenario: Scenario::Panic,
        append: &[],
        expect: Some(Kind::Panic),
        evidence: &[
            (file::PANIC, "faults.rs:"),
            (file::DEBUGGER, "sifive-e51 … sifive-u54 … panic::park"),
            ("sk-state.txt", "nothing is inconsistent"),
        ],
        ..SIFIVE_U
    },
];

/// Whether a hart was left out, whatever the reason (newer firmware marks a
/// hart without an MMU as disabled before the kernel sees it).
fn left_out(booted: &Booted, id: u64) -> bool {
    let told = |r: &Record| matches!(r, Record::HartSkipped { hartid, .. } if *hartid == id);
    booted.records.iter().any(told)
}

/// Whether the kernel found so many MiB of memory, but for what a 64th and 8 MiB
/// account for: firmware, itself, and books of what there is.
fn has_memory(booted: &Booted, mib: u64) -> bool {
    let least = mib - mib / 64 - 8;
    booted.records.iter().any(|record| {
        matches!(record, Record::Boot { memory, .. } if (least..mib).contains(&(memory >> 20)))
    })
}
