// SPDX-License-Identifier: Apache-2.0
//! The boots of `cargo xtask test` as a table: what is booted, and exactly
//! how it must end. A boot that must fail passes the test only by failing in
//! the way that is named, with its evidence on disk.

use std::time::Duration;

use skimmer_abi::record::MAX_FAULT_FRAMES;
use skimmer_abi::scenario::Scenario;

use crate::boot::Booted;
use crate::evidence::file;
use crate::record::{FaultInfo, Outcome, PanicInfo, Record, SkipReason};
use crate::schedule::Schedule;
use crate::tree::Tree;
use crate::verdict::Kind;

/// One boot.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name, and its directory's.
    pub name: &'static str,
    /// The workload.
    pub scenario: Scenario,
    /// `--rounds`.
    pub rounds: Option<u64>,
    /// `--program`, and what it is given.
    pub program: Option<(&'static str, &'static [&'static str])>,
    /// `--append`.
    pub append: &'static [&'static str],
    /// `--machine`.
    pub machine: &'static str,
    /// `--harts`.
    pub harts: u32,
    /// `--memory`, in MiB.
    pub mib: u64,
    /// `--cpu`.
    pub cpu: Option<&'static str>,
    /// `--schedule`.
    pub schedule: Schedule,
    /// `--disk`.
    pub disks: &'static [&'static str],
    /// `--qemu-arg`.
    pub extra: &'static [&'static str],
    /// What is changed in QEMU's own device tree, if anything.
    pub tree: Option<fn(&mut Tree) -> anyhow::Result<()>>,
    /// The host kills QEMU as soon as the first hart is up.
    pub kill: bool,
    /// The failure that must be found; `None`: it must pass.
    pub expect: Option<Kind>,
    /// Evidence that must be there, and what it must contain; ` … ` stands for
    /// anything between two parts.
    pub evidence: &'static [(&'static str, &'static str)],
    /// What else must hold.
    pub check: fn(&Booted) -> bool,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The demo on eight harts, from which the others differ.
pub(super) const PORTS: Case = Case {
    name: "ports",
    scenario: Scenario::Ports,
    rounds: None,
    program: None,
    append: &[],
    machine: "virt",
    harts: 8,
    mib: 256,
    cpu: None,
    schedule: Schedule::Parallel,
    disks: &[],
    extra: &[],
    tree: None,
    kill: false,
    expect: None,
    evidence: &[],
    check: |_| true,
};

/// A program on eight harts.
const PROGRAM: Case = Case { scenario: Scenario::Program, ..PORTS };

const HELLO: Case = Case { program: Some(("hello", &[])), ..PROGRAM };

/// With "hello, " before it the console's 256 bytes of a line end within the "é".
const LONG: &str = concat!(
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxé-goes-on",
);
const LONG_ENDS: &str = "é-goes-on";

/// The same beside a ping-pong between two harts.
const WITH_KSTRESS: Case = Case { append: &["with=kstress"], ..PORTS };

/// Every boot but those of drives and of `sifive_u`, the quick ones first.
pub const CASES: &[Case] = &[
    PORTS,
    Case { name: "ports-1-hart", harts: 1, ..PORTS },
    Case { name: "ports-2-harts", harts: 2, ..PORTS },
    Case { name: "ports-3-harts", harts: 3, ..PORTS },
    Case { name: "ports-16-harts", harts: 16, ..PORTS },
    Case { name: "ports-64-harts", harts: 64, ..PORTS },
    Case { name: "ports-100000", rounds: Some(100_000), ..PORTS },
    Case { name: "ports-rr", schedule: Schedule::Rr(0), ..PORTS },
    Case { name: "ports-rr-shift-3", schedule: Schedule::Rr(3), ..PORTS },
    Case { name: "ports-one-insn", schedule: Schedule::OneInsn, ..PORTS },
    Case { name: "ports-128M", mib: 128, ..PORTS },
    Case { name: "ports-2G", mib: 2048, ..PORTS },
    Case { name: "ports-bare-cpu", cpu: Some("rv64,sstc=off"), ..PORTS },
    // A controller that is not known is told, and boot goes on.
    Case {
        name: "ports-aplic",
        machine: "virt,aia=aplic-imsic",
        evidence: &[(file::CONSOLE, "no interrupt controller: the device tree names no PLIC")],
        ..PORTS
    },
    Case {
        name: "tree-disabled-hart",
        harts: 4,
        tree: Some(|tree| tree.set("/cpus/cpu@2", "status", b"fail\0")),
        check: |booted| skipped(booted, 2, SkipReason::Disabled) && up(booted) == 3,
        ..PORTS
    },
    Case {
        name: "tree-hart-without-mmu",
        harts: 4,
        tree: Some(|tree| {
            let old = tree.get("/cpus/cpu@1", "mmu-type")?;
            tree.set("/cpus/cpu@1", "mmu-type", &b"riscv,none\0"[..old.len().min(11)])
        }),
        // QEMU may boot on that very hart: then it runs, whatever the tree says.
        check: |booted| {
            let boots = usize::from(booted_on(booted, 1));
            skipped(booted, 1, SkipReason::NoMmu) && up(booted) == 3 + boots
        },
        ..PORTS
    },
    Case {
        name: "tree-hart-that-is-not-there",
        harts: 4,
        tree: Some(|tree| tree.set("/cpus/cpu@3", "reg", &[0, 0, 0, 77])),
        // The tree promises four. Nothing else may be wrong.
        expect: Some(Kind::NumbersWrong),
        check: |booted| up(booted) == 3 && booted.verdict.problems.len() == 1,
        ..PORTS
    },
    // Nobody waits for what that hart still has of the memory of the dead.
    Case {
        name: "tree-hart-that-is-not-there-program",
        harts: 4,
        tree: Some(|tree| tree.set("/cpus/cpu@3", "reg", &[0, 0, 0, 77])),
        program: Some(("chanstorm", &[])),
        rounds: Some(5),
        expect: Some(Kind::NumbersWrong),
        check: |booted| up(booted) == 3 && booted.verdict.problems.len() == 1,
        ..PROGRAM
    },
    Case { name: "harts-by-the-front-door", append: &["door=front"], ..PORTS },
    Case { name: "threads", scenario: Scenario::Threads, ..PORTS },
    Case { name: "threads-1-hart", scenario: Scenario::Threads, harts: 1, ..PORTS },
    Case { name: "flood-2-harts", scenario: Scenario::Flood, harts: 2, ..PORTS },
    Case { name: "flood", scenario: Scenario::Flood, ..PORTS },
    Case { name: "msgstorm", scenario: Scenario::Msgstorm, ..PORTS },
    Case {
        name: "msgstorm-with-kstress",
        scenario: Scenario::Msgstorm,
        append: &["with=kstress"],
        check: |booted| kstress(booted).is_some_and(|count| count >= 2),
        ..PORTS
    },
    Case { name: "threads-with-kstress", scenario: Scenario::Threads, ..WITH_KSTRESS },
    Case {
        name: "kstress-1-hart",
        harts: 1,
        expect: Some(Kind::BadInput),
        evidence: &[(file::CONSOLE, "kstress needs two harts")],
        ..WITH_KSTRESS
    },
    Case { name: "msgstorm-2-harts", scenario: Scenario::Msgstorm, harts: 2, ..PORTS },
    Case { name: "preempt", scenario: Scenario::Preempt, ..PORTS },
    // Took a tenth of a second for each step, and more, while steps only spun.
    Case {
        name: "preempt-rr",
        scenario: Scenario::Preempt,
        schedule: Schedule::Rr(0),
        check: |booted| guest_time(booted).is_some_and(|time| time.as_millis() < 500),
        ..PORTS
    },
    Case { name: "ist-1-hart", scenario: Scenario::Ist, harts: 1, ..PORTS },
    Case {
        name: "ist-on-hart-3",
        scenario: Scenario::Ist,
        append: &["hart=3", "with=kstress"],
        check: |booted| interrupts_on(booted, 3) == Some(300),
        ..PORTS
    },
    // A host bridge that is not known, or over RAM, is told, and boot goes on.
    Case {
        name: "tree-pci-unfamiliar",
        tree: Some(|tree| tree.set("/soc/pci@30000000", "compatible", b"pci-host-unfamiliar-0\0")),
        evidence: &[(file::CONSOLE, "a PCI host bridge is not used: it is of no kind")],
        ..PORTS
    },
    Case {
        name: "tree-pci-in-ram",
        tree: Some(|tree| tree.set("/soc/pci@30000000", "reg", &PCI_IN_RAM)),
        evidence: &[(
            file::CONSOLE,
            "a PCI host bridge is not used: its configuration space: they would lie in RAM",
        )],
        ..PORTS
    },
    // Registers that the tree places over RAM are not touched.
    Case {
        name: "tree-plic-in-ram",
        tree: Some(|tree| tree.set("/soc/plic@c000000", "reg", &PLIC_IN_RAM)),
        evidence: &[(
            file::CONSOLE,
            "no interrupt controller: its registers: they would lie in RAM",
        )],
        ..PORTS
    },
    // The last context is connected to nothing, as contexts of harts without S-mode are.
    Case {
        name: "tree-plic-without-a-context",
        harts: 2,
        tree: Some(|tree| {
            let mut contexts = tree.get("/soc/plic@c000000", "interrupts-extended")?.to_vec();
            contexts.iter_mut().rev().take(4).for_each(|byte| *byte = 0xff);
            tree.set("/soc/plic@c000000", "interrupts-extended", &contexts)
        }),
        evidence: &[(file::CONSOLE, "interrupts: no device can interrupt hart")],
        ..PORTS
    },
    Case { name: "unknown-key", append: &["colour=blue"], expect: Some(Kind::BadInput), ..PORTS },
    Case { name: "bad-number", append: &["clients=many"], expect: Some(Kind::BadInput), ..PORTS },
    Case {
        name: "program-without-a-name",
        scenario: Scenario::Program,
        expect: Some(Kind::BadInput),
        ..PORTS
    },
    Case { name: "program-hello", program: Some(("hello", &["founders"])), ..PROGRAM },
    Case { name: "program-hello-1-hart", harts: 1, ..HELLO },
    Case {
        name: "program-with-a-long-line",
        program: Some(("hello", &[LONG])),
        evidence: &[(file::CONSOLE, LONG_ENDS)],
        ..PROGRAM
    },
    Case { name: "program-hello-64-harts", harts: 64, ..HELLO },
    Case { name: "echo-1-hart", harts: 1, program: Some(("echo", &[])), ..PROGRAM },
    Case { name: "echo-8-harts", harts: 8, program: Some(("echo", &[])), ..PROGRAM },
    Case { name: "kv-1-hart", harts: 1, program: Some(("kv", &[])), ..PROGRAM },
    Case { name: "kv-4-harts", harts: 4, program: Some(("kv", &[])), ..PROGRAM },
    Case { name: "program-by-init", program: Some(("init", &["hello", "there"])), ..PROGRAM },
    // Its child ends with a failure, and so must it.
    Case {
        name: "program-that-fails",
        program: Some(("init", &["init"])),
        expect: Some(Kind::GuestErrors),
        ..PROGRAM
    },
    Case {
        name: "program-faults",
        program: Some(("faults", &[])),
        harts: 3,
        evidence: &[(file::FAULTS, CHAIN), (file::FAULTS, ASTRAY)],
        check: follows_no_bad_chain,
        ..PROGRAM
    },
    // The first program itself, so that the boot fails.
    Case {
        name: "program-that-faults",
        program: Some(("faults", &["chain"])),
        harts: 1,
        expect: Some(Kind::GuestErrors),
        evidence: &[(file::FAULTS, CHAIN)],
        ..PROGRAM
    },
    Case {
        name: "program-faults-too-often",
        program: Some(("faults", &["times=2"])),
        check: |booted| faults(booted).count() == 64 && says(booted, "not shown"),
        ..PROGRAM
    },
    Case {
        name: "program-faults-without-sstc",
        program: Some(("faults", &[])),
        cpu: Some("rv64,sstc=off"),
        ..PROGRAM
    },
    Case { name: "program-spawnstorm", program: Some(("spawnstorm", &["rounds=50"])), ..PROGRAM },
    // Harts that trap where others set the A and D bits of a page's entry.
    Case {
        name: "program-faults-without-svadu",
        program: Some(("faults", &[])),
        cpu: Some("rv64,svadu=off"),
        ..PROGRAM
    },
    Case {
        name: "program-chanstorm-without-svadu",
        program: Some(("chanstorm", &["rounds=50"])),
        cpu: Some("rv64,svadu=off"),
        ..PROGRAM
    },
    Case {
        name: "program-chanstorm-8G",
        program: Some(("chanstorm", &["rounds=50"])),
        mib: 8192,
        ..PROGRAM
    },
    Case {
        name: "program-faults-with-vectors",
        program: Some(("faults", &[])),
        cpu: Some("rv64,v=true"),
        ..PROGRAM
    },
    Case { name: "program-hello-without-float", cpu: Some("rv64,d=off,f=off"), ..HELLO },
    // Its `float` is refused like any instruction that this machine does not have.
    Case {
        name: "program-faults-without-float",
        program: Some(("faults", &["float"])),
        cpu: Some("rv64,d=off,f=off"),
        expect: Some(Kind::GuestErrors),
        evidence: &[(file::FAULTS, "illegal instruction")],
        ..PROGRAM
    },
    // Any block of the kernel's heap that one of them left would fail it. (20,000
    // take a minute: docs/evidence.)
    Case {
        name: "program-spawnstorm-3000",
        program: Some(("spawnstorm", &["plain=1", "rounds=750"])),
        check: |booted| verified(booted) == Some(3000),
        ..PROGRAM
    },
    Case {
        name: "program-chanstorm",
        program: Some(("chanstorm", &["rounds=50", "processes=0"])),
        append: &["with=kstress"],
        ..PROGRAM
    },
    Case {
        name: "program-chanstorm-processes",
        program: Some(("chanstorm", &["rounds=50", "processes=16"])),
        append: &["with=kstress"],
        ..PROGRAM
    },
    Case {
        name: "program-conform-1-hart",
        program: Some(("conform", &[])),
        harts: 1,
        schedule: Schedule::Rr(0),
        ..PROGRAM
    },
    Case { name: "program-conform", program: Some(("conform", &[])), harts: 4, ..PROGRAM },
    Case {
        name: "program-hogs",
        program: Some(("hogs", &[])),
        harts: 1,
        schedule: Schedule::Rr(0),
        ..PROGRAM
    },
    // A rate is promised where all time is instructions: on one hart, of which each
    // of the three families has a third. In parallel the host's load is in it.
    Case {
        name: "program-hostile",
        harts: 3,
        program: Some(("hostile", &["share=0"])),
        check: |booted| verified(booted) > Some(0),
        ..PROGRAM
    },
    Case {
        name: "program-hostile-1-hart",
        harts: 1,
        schedule: Schedule::Rr(0),
        program: Some(("hostile", &["share=50"])),
        check: |booted| verified(booted) > Some(0),
        ..PROGRAM
    },
    Case {
        name: "program-hostile-128M",
        harts: 3,
        mib: 128,
        program: Some(("hostile", &["share=0", "millis=100"])),
        check: |booted| verified(booted) > Some(0),
        ..PROGRAM
    },
    Case {
        name: "lie-record",
        scenario: Scenario::LieRecord,
        expect: Some(Kind::WrongExit),
        ..PORTS
    },
    Case {
        name: "lie-status",
        scenario: Scenario::LieStatus,
        expect: Some(Kind::NoRecord),
        ..PORTS
    },
    Case {
        name: "killed-half-way",
        kill: true,
        rounds: Some(1_000_000),
        expect: Some(Kind::Killed),
        ..PORTS
    },
    Case {
        name: "panic",
        scenario: Scenario::Panic,
        expect: Some(Kind::Panic),
        evidence: &[(file::PANIC, "faults.rs:"), (file::DEBUGGER, "Thread 8")],
        ..PORTS
    },
    Case {
        name: "fault",
        scenario: Scenario::Fault,
        expect: Some(Kind::Panic),
        evidence: &[
            (file::PANIC, "trap: load page fault"),
            (file::PANIC, "stval 0x0"),
            (file::CONSOLE, FAULTING),
            (file::DEBUGGER, "Thread 8"),
        ],
        check: tells_its_fault,
        ..PORTS
    },
    Case {
        name: "fault-bad-frame",
        scenario: Scenario::FaultBadFrame,
        expect: Some(Kind::Panic),
        evidence: &[
            (file::PANIC, "trap: load page fault"),
            (file::PANIC, "stval 0x0"),
            (file::CONSOLE, FAULTING),
        ],
        check: tells_its_fault,
        ..PORTS
    },
    Case {
        name: "stomp",
        scenario: Scenario::Stomp,
        expect: Some(Kind::Panic),
        evidence: &[(file::PANIC, "canaries-everywhere")],
        ..PORTS
    },
    // At the harts that the guards' pages must be seen on, which did not map
    // them.
    Case { name: "overflow-1", harts: 1, ..OVERFLOW },
    OVERFLOW,
    Case { name: "overflow-64", harts: 64, ..OVERFLOW },
    Case {
        name: "hang",
        scenario: Scenario::Hang,
        expect: Some(Kind::Hang),
        evidence: &[
            (file::DEBUGGER, "Thread 8"),
            (file::DEBUGGER, "idle"),
            (file::MONITOR, "CPU#7"),
            (file::COUNTERS, "yes"),
            (file::REPRODUCE, "cargo xtask run --scenario hang"),
            ("sk-state.txt", "nothing is inconsistent"),
            ("sk-backtraces.txt", "faults::hang"),
        ],
        ..PORTS
    },
];

/// A `reg` of 6 MiB at 0x8800_0000, in the middle of RAM.
const PLIC_IN_RAM: [u8; 16] = [0, 0, 0, 0, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0x60, 0, 0];

/// A `reg` of 16 MiB at 0x8800_0000.
const PCI_IN_RAM: [u8; 16] = [0, 0, 0, 0, 0x88, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];

/// The backtrace of a program that faults three calls deep.
pub(super) const CHAIN: &str = "died: load page fault at 0x1 … , address 0x3fdead0000 … faults::ways::read at \
                     user/programs/faults/src/ways.rs: … faults::chain::innermost at \
                     user/programs/faults/src/chain.rs: … faults::chain::between at \
                     user/programs/faults/src/chain.rs: … faults::chain::outermost at \
                     user/programs/faults/src/chain.rs: … faults::chain::whole … faults::main";

/// That of one that has jumped where nothing is: whence it did.
pub(super) const ASTRAY: &str = "died: instruction page fault at 0x3fdead0000, address 0x3fdead0000 …  \
                      0: 0x0000003fdead0000  ? …  1: 0x … faults::ways::jump at … faults::main";

/// A thread that recurses without end.
const OVERFLOW: Case = Case {
    name: "overflow",
    scenario: Scenario::Overflow,
    expect: Some(Kind::Panic),
    evidence: &[(file::PANIC, "kernel stack overrun"), (file::PANIC, "faults::fall")],
    check: |booted| booted.records.iter().any(is_overrun_into_guard),
    ..PORTS
};

/// Whether it is the panic of a store that did not happen: a page fault in a
/// guard, which bit 14 of an address tells from a stack, by the trap entry.
fn is_overrun_into_guard(record: &Record) -> bool {
    const STORE_PAGE_FAULT: u64 = 15;
    const GUARD: u64 = 1 << 14;
    matches!(record, Record::Panic(panic) if panic.message == "kernel stack overrun"
        && panic.scause == Some(STORE_PAGE_FAULT)
        && panic.stval & GUARD != 0)
}

/// Whether a hart was left out for that reason.
fn skipped(booted: &Booted, id: u64, why: SkipReason) -> bool {
    booted.records.contains(&Record::HartSkipped { hartid: id, reason: why })
}

/// Whether that hart booted.
fn booted_on(booted: &Booted, id: u64) -> bool {
    let told = |r: &Record| matches!(r, Record::Boot { boot_hart, .. } if *boot_hart == id);
    booted.records.iter().any(told)
}

/// What the guest told at the end.
fn outcome(booted: &Booted) -> Option<&Outcome> {
    booted
        .records
        .iter()
        .find_map(|r| if let Record::End(outcome) = r { Some(outcome) } else { None })
}

/// Units of work that the guest verified.
fn verified(booted: &Booted) -> Option<u64> {
    outcome(booted).map(|it| it.round_trips)
}

/// How long the workload took in guest time.
fn guest_time(booted: &Booted) -> Option<Duration> {
    outcome(booted).map(|it| Duration::from_nanos(it.nanos))
}

/// The instruction that faults on purpose: `ld t0, 0(zero)`.
const FAULTING: &str = "instruction 0x00003283";

/// Whether the line of a fault says its cause by name, where it was, the
/// address it was about and the instruction, and all of it agrees with the
/// record.
fn tells_its_fault(booted: &Booted) -> bool {
    let told =
        booted.records.iter().find_map(|r| if let Record::Panic(p) = r { Some(p) } else { None });
    told.is_some_and(|panic| {
        let PanicInfo { hartid, message, pc, stval, .. } = panic;
        let due =
            format!("PANIC on hart {hartid}: {message} at {pc:#x}, address {stval:#x}, {FAULTING}");
        message == "load page fault" && booted.texts.iter().any(|t| t.line.starts_with(&due))
    })
}

/// The faults of programs.
fn faults(booted: &Booted) -> impl Iterator<Item = &FaultInfo> {
    booted.records.iter().filter_map(|r| if let Record::Fault(it) = r { Some(it) } else { None })
}

/// Whether a line of the console says that.
fn says(booted: &Booted, part: &str) -> bool {
    booted.texts.iter().any(|text| text.line.contains(part))
}

/// Whether the chains of frames that the program `faults` has made up were
/// followed as far as they lead anywhere. Each is known by where it faults.
fn follows_no_bad_chain(booted: &Booted) -> bool {
    const FAULTS: u64 = 0x8000;
    const BACK: u64 = 0x1234;
    const LENGTHS: &[usize] = &[0, 0, 0, 0, 1, 1, 1, MAX_FAULT_FRAMES];
    (FAULTS..).step_by(8).zip(LENGTHS).all(|(at, length)| {
        let mut faults = faults(booted).filter(|fault| fault.stval == at);
        faults.next().is_some_and(|fault| fault.frames == vec![BACK; *length])
    })
}

/// The round trips that `kstress` told.
fn kstress(booted: &Booted) -> Option<u64> {
    outcome(booted)?.kstress
}

/// Interrupts on that hart, if the source was there at the end.
pub(super) fn interrupts_on(booted: &Booted, id: u64) -> Option<u64> {
    outcome(booted)?.interrupts.filter(|told| told.hartid == id).map(|told| told.here)
}

/// Harts that came up.
pub(super) fn up(booted: &Booted) -> usize {
    booted.records.iter().filter(|r| matches!(r, Record::HartUp { .. })).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::{drives, sifive_u};

    #[test]
    fn names_are_unique_and_every_scenario_is_booted() {
        let all = || CASES.iter().chain(sifive_u::CASES).chain(drives::CASES);
        let mut names: Vec<&str> = all().map(|c| c.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().count());
        for scenario in Scenario::ALL {
            assert!(all().any(|c| c.scenario == *scenario), "{}", scenario.name());
        }
    }
}
