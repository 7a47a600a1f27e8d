// SPDX-License-Identifier: Apache-2.0
//! The harness against a fake emulator: a shell script that prints what a
//! guest would print and ends as a machine would end. Shows that each way to
//! fail is a failure, without a kernel.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use skimmer_abi::record::{DiskWritten, Envelope, MAX_LINE, Record, encode};
use skimmer_abi::scenario::Scenario;
use tempfile::TempDir;

use super::{Boot, Booted, boot};
use crate::disk::Disk;
use crate::ram::tests::small;
use crate::spec::{Machine, Workload};
use crate::verdict::tests::outcome;
use crate::verdict::{Ending, Kind};

const SEED: u64 = 3;

fn line(seq: u32, record: Record<'_>) -> String {
    let mut buffer = [0; MAX_LINE];
    let line = encode(&Envelope { seq, record }, &mut buffer).expect("fits");
    String::from_utf8(line.to_vec()).expect("ASCII")
}

/// The console of a boot that goes well.
fn good_console() -> Vec<String> {
    let records = [
        Record::Boot {
            version: "0.1.0",
            boot_hart: 0,
            harts: 2,
            memory: 1 << 28,
            ring_bytes: 64,
            sbi: (1, 1),
            seed: SEED,
        },
        Record::HartUp { hartid: 0, index: 0 },
        Record::HartUp { hartid: 1, index: 1 },
        Record::Start { scenario: Scenario::Ports, harts: 2, clients: 1, rounds: 14 },
        Record::End(outcome()),
    ];
    (0..).zip(records).map(|(seq, record)| line(seq, record)).collect()
}

struct Fake {
    dir: TempDir,
    machine: Machine,
}

impl Fake {
    /// An emulator that prints `console` and then does `ending`.
    fn new(console: &[String], ending: &str) -> Self {
        let dir = TempDir::new().expect("a directory");
        // A fixed program that reads a script: a program that was just
        // written may still be open in a child of another test.
        let script = dir.path().join("script");
        let mut text = String::new();
        for line in console {
            writeln!(text, "echo '{line}'").expect("a string");
        }
        writeln!(text, "{ending}").expect("a string");
        std::fs::write(&script, text).expect("writable");
        let machine = Machine {
            qemu: Path::new(env!("CARGO_MANIFEST_DIR")).join("src/boot/fake-qemu.sh"),
            extra: vec![script.display().to_string()],
            ..small()
        };
        Self { dir, machine }
    }

    fn evidence(&self) -> PathBuf {
        self.dir.path().join("boot")
    }

    fn boot(&self, timeout: Duration) -> Booted {
        let workload = Workload {
            scenario: Scenario::Ports,
            rounds: None,
            seed: SEED,
            program: None,
            arguments: vec![],
            append: vec![],
        };
        let spec = Boot {
            machine: self.machine.clone(),
            // Any ELF does: it has no inspection root, so the console counts.
            elf: Path::new("/proc/self/exe"),
            u_boot: None,
            gdb: Path::new("/bin/false"),
            workload,
            dir: &self.evidence(),
            timeout,
            wait: false,
            reproduce: "cargo xtask run".to_owned(),
        };
        boot(&spec, &mut |_| {}).expect("a boot")
    }
}

fn kind(console: &[String], ending: &str) -> Option<Kind> {
    Fake::new(console, ending).boot(Duration::from_secs(30)).verdict.kind()
}

#[test]
fn a_good_boot_passes() {
    assert_eq!(kind(&good_console(), "exit 85"), None);
}

#[test]
fn a_boot_killed_half_way_fails() {
    let half = &good_console()[..3];
    assert_eq!(kind(half, "kill -9 $$"), Some(Kind::Killed));
    assert_eq!(kind(half, "kill -15 $$"), Some(Kind::Killed));
    assert_eq!(kind(half, "exit 0"), Some(Kind::NoRecord));
}

#[test]
fn a_success_record_with_a_wrong_exit_fails() {
    assert_eq!(kind(&good_console(), "exit 0"), Some(Kind::WrongExit));
    assert_eq!(kind(&good_console(), "exit 86"), Some(Kind::WrongExit));
    assert_eq!(kind(&good_console(), "kill -9 $$"), Some(Kind::Killed));
}

#[test]
fn a_right_exit_without_a_record_fails() {
    assert_eq!(kind(&good_console()[..4], "exit 85"), Some(Kind::NoRecord));
    assert_eq!(kind(&[], "exit 85"), Some(Kind::NoRecord));
}

#[test]
fn a_record_cut_by_the_end_fails() {
    let mut console = good_console();
    let last = console.last_mut().expect("not empty");
    last.truncate(last.len() - 10);
    assert_eq!(kind(&console, "exit 85"), Some(Kind::Damaged));
}

#[test]
fn a_lost_record_fails() {
    let mut console = good_console();
    console.remove(2);
    assert_eq!(kind(&console, "exit 85"), Some(Kind::RecordLost));
}

#[test]
fn a_guest_that_never_ends_meets_the_backstop_and_leaves_evidence() {
    let fake = Fake::new(&good_console()[..4], "sleep 1000");
    let start = Instant::now();
    let booted = fake.boot(Duration::from_secs(2));
    assert_eq!(booted.verdict.kind(), Some(Kind::Timeout));
    assert!(start.elapsed() < Duration::from_secs(20));
    for name in ["console.log", "qemu-command.txt", "reproduce.txt", "harts-gdb.txt"] {
        assert!(fake.evidence().join(name).is_file(), "{name}");
    }
}

#[test]
fn an_emulator_that_does_not_start_is_told_in_its_own_words() {
    let fake = Fake::new(&[], "echo 'qemu: bad option' >&2; exit 1");
    let booted = fake.boot(Duration::from_secs(30));
    assert_eq!(booted.ending, Ending::QemuFailed("qemu: bad option".to_owned()));
    assert_eq!(booted.verdict.kind(), Some(Kind::QemuFailed));
}

#[test]
fn a_disk_is_there_for_the_machine_verified_and_gone() {
    let boot = |console: &[String], ending: &str| {
        let mut fake = Fake::new(console, "");
        let image = fake.evidence().join("disk-0.img");
        let script = fake.dir.path().join("script");
        let ending = ending.replace("DISK", &image.display().to_string());
        let text = std::fs::read_to_string(&script).expect("there") + &ending + "\nexit 85\n";
        std::fs::write(&script, text).expect("writable");
        fake.machine.disks = Disk::of(&["64K,write".parse().expect("a disk")], 7);
        let booted = fake.boot(Duration::from_secs(30));
        assert!(!image.exists());
        let told = std::fs::read_to_string(fake.evidence().join("disks.txt")).unwrap_or_default();
        let command = std::fs::read_to_string(fake.evidence().join("qemu-command.txt"));
        (booted, told, command.expect("there"))
    };
    let (booted, told, command) = boot(&good_console(), "test -w DISK || exit 1");
    assert_eq!((booted.verdict.kind(), told.as_str()), (None, ""));
    assert_eq!((booted.disks[0].blocks, booted.disks[0].wrong), (128, 0));
    assert!(command.contains(" disks=1 disk_seed=7"), "{command}");
    assert!(command.contains("nvme,id=drive0,drive=disk0"), "{command}");
    // One byte, and nobody has told of it.
    let one = "printf x | dd of=DISK bs=1 seek=1000 conv=notrunc 2>/dev/null";
    let (booted, told, _) = boot(&good_console(), one);
    assert_eq!(booted.verdict.kind(), Some(Kind::DiskWrong));
    assert!(told.contains("block 1: torn, wrong from byte 488 on"), "{told}");
    // What was not written as it is told.
    let mut console = good_console();
    let written = DiskWritten { drive: 0, first: 2, count: 1, generation: 1 };
    console.insert(4, line(4, Record::DiskWritten(written)));
    console[5] = line(5, Record::End(outcome()));
    let (booted, told, _) = boot(&console, "");
    assert_eq!(booted.verdict.kind(), Some(Kind::DiskWrong));
    assert!(told.contains("block 2: its generation 0"), "{told}");
    // Without an outcome nobody knows.
    let (booted, told, _) = boot(&good_console()[..4], one);
    assert_eq!((booted.verdict.kind(), told.as_str()), (Some(Kind::NoRecord), ""));
}

#[test]
fn nothing_is_left_behind() {
    let fake = Fake::new(&[], "sleep 4242 & echo $! ; echo $$; sleep 1000");
    fake.boot(Duration::from_secs(1));
    let console = std::fs::read_to_string(fake.evidence().join("console.log")).expect("a log");
    for pid in console.lines() {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let gone = state.is_empty() || state.contains(") Z ");
        assert!(gone, "process {pid} is still there: {state}");
    }
}

#[test]
fn without_an_exit_device_the_host_ends_the_machine_when_the_outcome_came() {
    let mut fake = Fake::new(&good_console(), "sleep 1000");
    fake.machine.machine = "sifive_u".to_owned();
    let start = Instant::now();
    let booted = fake.boot(Duration::from_secs(60));
    assert_eq!(booted.ending, Ending::EndedAfterOutcome);
    assert_eq!(booted.verdict.kind(), None);
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn without_an_exit_device_what_comes_after_the_outcome_counts() {
    let mut console = good_console();
    let last = line(5, Record::BadInput { message: "afterwards" });
    let mut fake = Fake::new(&console, &format!("sleep 0.05; echo '{last}'; sleep 1000"));
    fake.machine.machine = "sifive_u".to_owned();
    assert_eq!(fake.boot(Duration::from_secs(60)).verdict.kind(), Some(Kind::BadInput));
    console.truncate(4);
    let mut fake = Fake::new(&console, "exit 0");
    fake.machine.machine = "sifive_u".to_owned();
    assert_eq!(fake.boot(Duration::from_secs(60)).verdict.kind(), Some(Kind::NoRecord));
}
