// SPDX-License-Identifier: Apache-2.0
//! The named bugs as a table: what each is booted with, and the check that is
//! meant to catch it. Plain data. Lint holds it against the kernel's features
//! and against docs/races.md.

use std::path::PathBuf;

use skimmer_abi::scenario::Scenario;

use super::check::Check;
use crate::bench;
use crate::cli::{BuildArgs, DiskArgs, MachineArgs, SetupArgs, WorkloadArgs};
use crate::schedule::{Plan, Schedule};
use crate::setup::compiler::Choice;
use crate::spec::MemorySize;

/// What a kernel that has a bug built in says of it, before the bug's name:
/// as a line at boot, and so as bytes in its ELF.
pub const MARK: &str = "skimmer-bug:";

/// The same of a delay.
pub const DELAY_MARK: &str = "skimmer-delay:";

/// How the features begin that build a bug in.
pub const BUG: &str = "bug-";

/// How the features begin that build in only the delay of a bug.
pub const DELAY: &str = "delay-";

/// One bug.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// Its feature, without `bug-`.
    pub name: &'static str,
    /// `--scenario`; what a program runs under is `program`.
    pub scenario: Scenario,
    /// `--program`.
    pub program: Option<&'static str>,
    /// The program's arguments, after `--`.
    pub arguments: &'static [&'static str],
    /// `--rounds`.
    pub rounds: Option<u64>,
    /// `--append`.
    pub append: &'static [&'static str],
    /// `--harts`.
    pub harts: u32,
    /// `--schedule`.
    pub schedule: Schedule,
    /// What is meant to catch it.
    pub check: Check,
    /// The kernel that must pass the same seeds.
    pub control: Control,
}

/// Which kernel is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The default build.
    Default,
    /// The good code with the bug's delay in it: the feature `delay-NAME`,
    /// which `bug-NAME` turns on.
    Delay,
}

/// What most bugs are booted with.
const USUAL: Bug = Bug {
    name: "",
    scenario: Scenario::Msgstorm,
    program: None,
    arguments: &[],
    rounds: None,
    append: &[],
    harts: 8,
    schedule: Schedule::Parallel,
    check: Check::HotPrint,
    control: Control::Default,
};

/// The same, with a ping-pong between two harts beside it.
const BESIDE_KSTRESS: Bug = Bug { append: &["with=kstress"], ..USUAL };

/// A program instead.
const fn program(name: &'static str) -> Bug {
    Bug { scenario: Scenario::Program, program: Some(name), ..USUAL }
}

/// Each statement of the specification of messages, on one hart and on two.
const CONFORM: Bug = Bug { harts: 4, ..program("conform") };

/// What makes everybody in `ipcstorm` die now and then.
const STORM_OF_DEATHS: &[&str] = &["servers=3", "threads=4", "deaths=4"];

/// Seconds without work after which a boot is over: these workloads need few.
const PATIENCE: u64 = 30;

/// Every bug.
pub const BUGS: &[Bug] = &[
    Bug {
        name: "runq-unmasked",
        check: Check::Panic { text: "hart state opened twice" },
        ..BESIDE_KSTRESS
    },
    Bug {
        name: "switch-window",
        check: Check::Panic { text: "switch-window-closed" },
        ..BESIDE_KSTRESS
    },
    Bug {
        name: "crit-switch",
        scenario: Scenario::Ports,
        check: Check::Panic { text: "crit-across-switch" },
        ..USUAL
    },
    Bug {
        name: "lost-doorbell",
        check: Check::Hang { text: "asleep with mail pending" },
        control: Control::Delay,
        ..BESIDE_KSTRESS
    },
    Bug {
        name: "wake-foreign",
        scenario: Scenario::Threads,
        check: Check::Panic { text: "home-hart-only: a foreign hart's state" },
        ..USUAL
    },
    Bug { name: "hot-print", check: Check::HotPrint, ..USUAL },
    Bug {
        name: "bss-args",
        scenario: Scenario::Ports,
        check: Check::BadInput { text: "device tree" },
        ..USUAL
    },
    Bug {
        name: "stale-message",
        scenario: Scenario::Threads,
        check: Check::GuestCheck { name: "ids-never-alias" },
        ..USUAL
    },
    Bug {
        name: "sret-sie",
        check: Check::Panic { text: "sie-off-before-sstatus" },
        ..BESIDE_KSTRESS
    },
    Bug { name: "stack-stomp", check: Check::Panic { text: "canaries-everywhere" }, ..USUAL },
    Bug {
        name: "chid-generation",
        arguments: &["rounds=20"],
        check: Check::GuestCheck { name: "ids-never-alias: the chid" },
        ..program("chanstorm")
    },
    // 1,024,000 channels: one of them is the millionth.
    Bug {
        name: "leak-channel",
        arguments: &["rounds=500"],
        check: Check::GuestCheck { name: "the kernel counts the channels" },
        ..program("chanstorm")
    },
    // 2,000 processes: two of them are the thousandth.
    Bug {
        name: "leak-process",
        arguments: &["plain=1", "rounds=500"],
        check: Check::GuestCheck { name: "the kernel's heap is as it was" },
        ..program("spawnstorm")
    },
    Bug {
        name: "shootdown",
        check: Check::GuestCheck { name: "memory that was given back" },
        ..program("faults")
    },
    Bug {
        name: "frame-dirty",
        check: Check::GuestCheck { name: "memory that a program is given" },
        ..program("faults")
    },
    Bug {
        name: "sscratch",
        check: Check::Panic { text: "user-trap-on-kernel-stack" },
        ..program("hello")
    },
    // The source goes round all harts, and each leaves it enabled.
    Bug {
        name: "irq-two-harts",
        scenario: Scenario::Ist,
        check: Check::GuestCheck { name: "one-irq-one-hart" },
        ..USUAL
    },
    // One thread: nothing else reaches the hart on which the child spins, and
    // goes on doing so while all others sleep.
    Bug {
        name: "kill-entry",
        arguments: &["threads=1"],
        check: Check::Hang { text: " program " },
        ..program("spawnstorm")
    },
    Bug {
        name: "dear-call",
        arguments: &["one"],
        harts: 1,
        schedule: Schedule::Rr(0),
        check: Check::Cost { figure: "null-call" },
        ..program(bench::PROGRAM)
    },
    Bug { name: "reply-twice", check: Check::Case { name: "ids/stale-rcvid" }, ..CONFORM },
    Bug { name: "rcvid-foreign", check: Check::Case { name: "ids/foreign-rcvid" }, ..CONFORM },
    Bug {
        name: "inherit-stuck",
        check: Check::Case { name: "priority/own-where-nobody-waits" },
        ..CONFORM
    },
    Bug {
        name: "unlock-early",
        arguments: STORM_OF_DEATHS,
        rounds: Some(200),
        // What is written too late damages an answer, or what is beside one.
        check: Check::EitherCheck {
            names: ["a message arrives as it was sent", "no byte around a message's place"],
        },
        control: Control::Delay,
        ..program("ipcstorm")
    },
    Bug {
        name: "destroy-sleeper",
        check: Check::Case { name: "channel/destroyed-under-clients" },
        ..CONFORM
    },
    Bug {
        name: "replace-window",
        arguments: &["plain=1"],
        check: Check::Panic { text: "switch-window-closed" },
        ..program("spawnstorm")
    },
];

/// A bug that a fake device shows, in a driver's own tests. Most of them no boot
/// can show.
#[derive(Clone, Copy, Debug)]
pub struct OnFake {
    /// Its feature, without `bug-`.
    pub name: &'static str,
    /// The package that has it.
    pub package: &'static str,
    /// The test in the package's `suite` that is meant to catch it.
    pub test: &'static str,
    /// What the test says then.
    pub says: &'static str,
}

/// One of the PLIC: QEMU takes every completion. A source on two harts is shown by
/// boots of `ist`, too.
const fn plic(name: &'static str, test: &'static str, says: &'static str) -> OnFake {
    OnFake { name, package: "skimmer-plic", test, says }
}

/// One of NVMe: QEMU's drive reads an entry on a host whose memory is not weak.
const fn nvme(name: &'static str, test: &'static str, says: &'static str) -> OnFake {
    OnFake { name, package: "skimmer-nvme", test, says }
}

/// Every one of these, once for each test that catches it.
pub const ON_FAKES: &[OnFake] = &[
    plic("plic-eoi-order", "named::a_line_that_was_served_comes_again", "the line is lost"),
    plic("plic-eoi-order", "traffic::no_line_is_lost", "is lost: its device has work"),
    plic("irq-two-harts", "named::a_source_interrupts_one_hart", "one-irq-one-hart"),
    plic("irq-two-harts", "traffic::no_line_is_lost", "one-irq-one-hart"),
    nvme("nvme-phase", "queues::phase_tags_right_across_wraps", "is taken before it is posted"),
    nvme(
        "nvme-fence",
        "queues::the_entry_is_visible_before_the_doorbell",
        "the doorbell before entry",
    ),
];

/// The names of all bugs.
pub fn names() -> impl Iterator<Item = &'static str> {
    let mut on_fakes: Vec<&str> = ON_FAKES.iter().map(|bug| bug.name).collect();
    on_fakes.dedup();
    on_fakes.retain(|name| find(name).is_none());
    BUGS.iter().map(|bug| bug.name).chain(on_fakes)
}

/// The bug of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Bug> {
    BUGS.iter().find(|bug| bug.name == name)
}

/// Every feature of the kernel that the table knows.
#[must_use]
pub fn features() -> Vec<String> {
    BUGS.iter().flat_map(|bug| [Some(bug.feature()), bug.delay()]).flatten().collect()
}

/// Whether the ELF of a kernel has the mark of that name in it; without a name,
/// any.
#[must_use]
pub fn has_mark(elf: &[u8], mark: &str, name: &str) -> bool {
    let mark = format!("{mark}{name}");
    elf.windows(mark.len()).any(|bytes| bytes == mark.as_bytes())
}

impl OnFake {
    /// The feature that builds it in.
    #[must_use]
    pub fn feature(&self) -> String {
        format!("{BUG}{}", self.name)
    }
}

impl Bug {
    /// The feature that builds it in.
    #[must_use]
    pub fn feature(&self) -> String {
        format!("{BUG}{}", self.name)
    }

    /// The feature that builds in only its delay, if it has one.
    #[must_use]
    pub fn delay(&self) -> Option<String> {
        (self.control == Control::Delay).then(|| format!("{DELAY}{}", self.name))
    }

    /// What the control kernel is called.
    #[must_use]
    pub fn control_name(&self) -> String {
        self.delay().unwrap_or_else(|| "default".to_owned())
    }

    /// How many boots its control kernel must pass, of a bug that was caught
    /// at the boot `hunted` of at most `most`. A delay that widens a window is
    /// code of its own, and harmless only as far as it was tried.
    #[must_use]
    pub const fn control_boots(&self, hunted: u32, most: u32) -> u32 {
        match self.control {
            Control::Default => hunted,
            Control::Delay => most,
        }
    }

    /// The workload of its boots.
    #[must_use]
    pub fn workload(&self, seed: u64) -> WorkloadArgs {
        WorkloadArgs {
            scenario: Some(self.scenario.name().to_owned()),
            rounds: self.rounds,
            seed,
            program: self.program.map(ToOwned::to_owned),
            arguments: self.arguments.iter().map(ToString::to_string).collect(),
            append: self.append.iter().map(ToString::to_string).collect(),
        }
    }

    /// The machine of its boots.
    #[must_use]
    pub fn machine(&self, qemu: Option<PathBuf>, compiler: Choice) -> MachineArgs {
        MachineArgs {
            harts: self.harts,
            memory: MemorySize { mib: 256 },
            cpu: None,
            machine: "virt".to_owned(),
            qemu_arg: Vec::new(),
            schedule: Plan::Always(self.schedule),
            dtb: None,
            disks: DiskArgs::default(),
            timeout: PATIENCE,
            setup: SetupArgs { qemu, compiler, no_install: true },
        }
    }

    /// What it is booted with, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = vec![self.program.unwrap_or(self.scenario.name()).to_owned()];
        words.extend(self.arguments.iter().map(ToString::to_string));
        words.extend(self.rounds.map(|rounds| format!("rounds={rounds}")));
        words.extend(self.append.iter().map(ToString::to_string));
        format!("{}, {} harts, {}", words.join(" "), self.harts, self.schedule)
    }
}

/// A build with these features of the kernel.
#[must_use]
pub fn build_args(features: Vec<String>) -> BuildArgs {
    BuildArgs { release: true, debug: false, features }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_the_beginning_of_another() {
        // The bytes of an ELF do not say where a mark ends.
        for (at, one) in BUGS.iter().enumerate() {
            for (other_at, other) in BUGS.iter().enumerate() {
                assert!(at == other_at || !other.name.starts_with(one.name), "{}", one.name);
            }
        }
    }

    #[test]
    fn the_mark_is_found_among_other_bytes() {
        let elf = b"\x7fELF built in on purpose: skimmer-bug:crit-switchmore text";
        assert!(has_mark(elf, MARK, "crit-switch"));
        assert!(has_mark(elf, MARK, ""));
        assert!(!has_mark(elf, MARK, "lost-doorbell"));
        assert!(!has_mark(elf, DELAY_MARK, ""));
        assert!(!has_mark(b"", MARK, ""));
    }

    #[test]
    fn a_bug_with_a_delay_has_two_features() {
        let bug = Bug { name: "slow", control: Control::Delay, ..USUAL };
        assert_eq!(
            (bug.feature().as_str(), bug.control_name().as_str()),
            ("bug-slow", "delay-slow")
        );
        assert_eq!(BUGS[0].control_name(), "default");
    }

    #[test]
    fn a_delay_is_tried_in_full_however_soon_its_bug_is_caught() {
        let delay = Bug { name: "slow", control: Control::Delay, ..USUAL };
        assert_eq!(delay.control_boots(1, 20), 20);
        assert_eq!(USUAL.control_boots(3, 20), 3);
    }
}
