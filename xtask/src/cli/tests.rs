// SPDX-License-Identifier: Apache-2.0
//! Tests of the command line.

use skimmer_abi::scenario::Scenario;

use super::*;
use crate::schedule::{Plan, Schedule};

fn refused(words: &[&str]) -> String {
    let all = ["cargo xtask"].iter().chain(words).copied();
    parse(all).map(|_| ()).expect_err("must be refused").to_string()
}

#[test]
fn the_command_line_is_consistent() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let said = refused(&["run", "--scenario", "nonsense"]);
    for scenario in Scenario::ALL {
        assert!(said.contains(scenario.name()), "{said}");
    }
    assert!(refused(&["run", "--harts", "0"]).contains("at least one hart"));
    assert!(refused(&["run", "--harts", "many"]).contains("not a number"));
    assert!(refused(&["run", "--memory", "12Q"]).contains("no unit"));
    assert!(refused(&["run", "--disk", "1M,blocks=7"]).contains("512 or 4096"));
    assert!(refused(&["run", "--disk", "1M,namespaces=17"]).contains("1 to 16 namespaces"));
    assert!(refused(&["run", "--disk", "1M,nonsense"]).contains("root-port"));
    assert!(refused(&["run", "--disk-seed", "x"]).contains("invalid digit"));
    assert!(refused(&["run", "--rounds", "ten"]).contains("invalid digit"));
    assert!(refused(&["run", "--timeout", "0"]).contains("timeout"));
    assert!(refused(&["run", "--append", "a b"]).contains("key=value"));
    assert!(refused(&["run", "--features", "bug-nonsense"]).contains("bug-crit-switch"));
    assert!(refused(&["run", "--program", "nonsense"]).contains("hogs, hostile, init"));
    assert!(refused(&["run", "--program", "hello", "--", "a b"]).contains("spaces"));
    assert!(refused(&["run", "--program", "hello", "--", "a,b"]).contains("commas"));
    assert!(refused(&["run", "--program", "init", "--scenario", "ports"]).contains("--scenario"));
    assert!(refused(&["mutants", "nonsense"]).contains("crit-switch"));
    assert!(refused(&["mutants", "--boots", "0"]).contains("boots"));
}

#[test]
fn the_command_of_the_mutants_parses_to_the_same() {
    let parse_mutants = |line: &str| {
        let words = std::iter::once("cargo xtask").chain(line.split_whitespace());
        match parse(words).expect("parses").command {
            Command::Mutants(args) => args,
            other => panic!("{other:?}"),
        }
    };
    let line = parse_mutants("mutants crit-switch bss-args --seed 7 --qemu /q").command_line();
    let again = line.strip_prefix("cargo xtask ").expect("prefix");
    assert_eq!(parse_mutants(again).command_line(), line);
    assert!(line.contains("crit-switch bss-args --boots 20 --seed 7 --qemu /q"), "{line}");
}

#[test]
fn a_mix_becomes_one_schedule_and_its_rounds() {
    let words = ["cargo xtask", "soak", "--boots", "1", "--schedule", "mix", "--harts", "2"];
    let Command::Soak(args) = parse(words).expect("parses").command else { panic!("soak") };
    let mut args = *args;
    args.boot.workload.scenario = Some("flood".to_owned());
    let cut = |rounds: Option<u64>, schedule: Schedule| {
        let workload = WorkloadArgs { rounds, ..args.boot.workload.clone() };
        let seed = (0..).find(|s| Plan::Mix.schedule(*s) == schedule).expect("some seed");
        let BootArgs { workload, machine, .. } =
            BootArgs { workload, ..args.boot.clone() }.one_of(seed);
        assert_eq!(machine.schedule, Plan::Always(schedule));
        assert_eq!(workload.seed, seed);
        workload.rounds
    };
    assert_eq!(cut(None, Schedule::Parallel), None);
    assert_eq!(cut(Some(7), Schedule::Rr(2)), Some(7));
    assert_eq!(cut(None, Schedule::OneInsn), Some(100));
    assert_eq!(cut(Some(7), Schedule::OneInsn), Some(1));
}

#[test]
fn a_workload_that_is_a_program_goes_by_its_name() {
    let by = |words: &str| {
        let words = std::iter::once("cargo xtask").chain(words.split_whitespace());
        match parse(words).expect("parses").command {
            Command::Run(args) => *args,
            other => panic!("{other:?}"),
        }
    };
    for name in crate::workloads::NAMES {
        let one = by(&format!("run --scenario {name} --seed 7"));
        let other = by(&format!("run --program {name} --seed 7"));
        assert_eq!(one.boot.workload.workload(7), other.boot.workload.workload(7));
        assert_eq!(one.boot.workload.name(), *name);
        assert!(one.boot.run_line().contains(&format!("--scenario {name} ")));
    }
    let all = by("run --scenario all --rounds 3 --seed 7");
    let told = all.boot.workload.workload(7);
    assert_eq!((told.scenario, told.program.as_deref()), (Scenario::All, Some("chanstorm")));
    assert!(
        told.bootargs().starts_with("scenario=all seed=7 init=chanstorm args=threads=16,rounds=3,")
    );
    assert_eq!(all.boot.workload.name(), "all");
    let usual = by("run --scenario all").boot.workload.workload(7);
    assert!(usual.bootargs().contains(",rounds=100,"), "{}", usual.bootargs());
    assert!(all.boot.run_line().contains("--scenario all "));
    let args = by("run --scenario chanstorm -- rounds=3");
    assert!(args.boot.workload.check().is_ok());
    assert!(args.boot.run_line().ends_with(" -- rounds=3"));
    let said = |words: &str| by(words).boot.check().expect_err("refused").to_string();
    assert!(said("run -- world").contains("--program"));
    assert!(said("run --scenario fault -- world").contains("`world`"));
    assert!(said("run --scenario chanstorm -- round=3").contains("does not know `round=3`"));
}

#[test]
fn a_run_of_which_nothing_is_said_has_everything() {
    let line = |words: &str| {
        let words = ["cargo xtask", "run"].into_iter().chain(words.split_whitespace());
        let Command::Run(args) = parse(words).expect("parses").command else { panic!("run") };
        args.boot.or_all().complete().run_line()
    };
    for words in ["", "--harts 2", "--seed 3 --memory 1G"] {
        let line = line(words);
        assert!(line.contains("--scenario ipcstorm ") && line.contains("--disk 64M "), "{line}");
    }
    for words in ["--harts 1", "--machine sifive_u", "--rounds 9", "--append x=1", "--disk 1M"] {
        assert!(line(words).contains("--scenario ports "), "{words}: {}", line(words));
    }
    assert!(line("--scenario flood").contains("--scenario flood "));
    assert!(line("--program hello").contains("--program hello "));
}

#[test]
fn a_mix_cuts_the_rounds_of_programs_too() {
    let seed = (0..).find(|s| Plan::Mix.part(*s) > 1).expect("some seed");
    let bootargs = |words: &str| {
        let words = format!("cargo xtask run --schedule mix --seed {seed} {words}");
        let words = std::iter::once("cargo xtask").chain(words.split_whitespace().skip(2));
        let Command::Run(args) = parse(words).expect("parses").command else { panic!("run") };
        let one = args.boot.one_of(seed);
        (one.workload.workload(seed).bootargs(), one.run_line())
    };
    let (told, line) = bootargs("--scenario chanstorm");
    assert!(told.contains(",rounds=50,"), "{told}");
    assert!(line.contains("--rounds 50 ") && line.contains("--schedule one-insn"), "{line}");
    let (told, line) = bootargs("--program spawnstorm --rounds 5000 -- rounds=40 threads=2");
    assert!(told.contains("threads=2,rounds=2,"), "{told}");
    assert!(line.contains("--rounds 2 ") && line.ends_with(" -- threads=2"), "{line}");
    assert!(!bootargs("--scenario faults").1.contains("--rounds"));
}

#[test]
fn the_command_to_reproduce_parses_to_the_same() {
    let words = "run --scenario flood --rounds 5 --seed 7 --harts 3 --memory 1G --schedule rr-shift=2 \
                 --qemu-arg=-icount --qemu-arg shift=0 --append x=1 --debug";
    let parse_run = |line: &str| {
        let words = std::iter::once("cargo xtask").chain(line.split_whitespace());
        match parse(words).expect("parses").command {
            Command::Run(args) => args,
            other => panic!("{other:?}"),
        }
    };
    for program in
        ["run --program hello --seed 7 -- world rounds=3", "run --program init --harts 2 --debug"]
    {
        let line = parse_run(program).boot.run_line();
        let again = line.strip_prefix("cargo xtask ").expect("prefix");
        assert_eq!(parse_run(again).boot.run_line(), line);
        assert!(!line.contains("--scenario"), "{line}");
    }
    let line = parse_run(words).boot.run_line();
    let again = line.strip_prefix("cargo xtask ").expect("prefix");
    assert_eq!(parse_run(again).boot.run_line(), line);
    assert!(line.contains("--schedule rr-shift=2"), "{line}");
    assert!(line.contains("--seed 7") && line.contains("--qemu-arg=-icount"), "{line}");
}

#[test]
fn disks_are_part_of_what_is_reproduced_and_of_what_the_guest_is_told() {
    let by = |words: &str| {
        let words = std::iter::once("cargo xtask").chain(words.split_whitespace());
        match parse(words).expect("parses").command {
            Command::Run(args) => *args,
            other => panic!("{other:?}"),
        }
    };
    let args = by("run --disk 1g,blocks=4096,root-port --disk 64M,write --disk-seed 9 --seed 5");
    let line = args.boot.run_line();
    assert!(line.contains("--disk 1G,blocks=4096,root-port --disk 64M,write --disk-seed 9"));
    assert_eq!(by(line.strip_prefix("cargo xtask ").expect("prefix")).boot.run_line(), line);
    // Another boot of a soak has the same disks.
    let disks = args.boot.one_of(6).machine.disks.disks();
    assert_eq!(disks.iter().map(|d| (d.number, d.seed)).collect::<Vec<_>>(), [(0, 9), (1, 10)]);
    assert_eq!(crate::disk::bootargs(&disks), " disks=2 disk_seed=9");
    assert_eq!(crate::disk::bootargs(&[]), "");
    let parts = by("run --disk 1M,write,namespaces=3");
    assert!(parts.boot.run_line().contains("--disk 1M,namespaces=3,write "));
    let pulled = by("run --disk 1M,root-port,pulled --disk 1M --disk 1M,root-port,pulled");
    let disks = pulled.boot.machine.disks.disks();
    assert_eq!(crate::disk::bootargs(&disks), " disks=3 disk_seed=1 pull=5");
    assert!(!by("run").boot.run_line().contains("disk"));
    let said = by("run --disk 1M --machine sifive_u").boot.check().expect_err("refused");
    assert!(said.to_string().contains("only `virt` has PCI"), "{said}");
    assert!(by("run --disk 1M --machine virt,aia=aplic").boot.check().is_ok());
}

#[test]
fn where_harts_take_turns_nothing_of_spawnstorm_runs_without_end() {
    let arguments = |schedule: &str, harts: &str, more: &[&str]| {
        let words = ["run", "--scenario", "spawnstorm", "--schedule", schedule, "--harts", harts];
        let all = ["cargo xtask"].iter().chain(&words).chain(more).copied();
        let Command::Run(args) = parse(all).expect("it is right").command else {
            panic!("it is a run");
        };
        args.boot.one_of(1).workload.arguments
    };
    assert_eq!(arguments("rr", "8", &[]), ["steps=200"]);
    assert_eq!(arguments("rr-shift=3", "2", &[]), ["steps=200"]);
    assert_eq!(arguments("rr", "8", &["--", "steps=0"]), ["steps=0"]);
    for (schedule, harts) in [("rr", "1"), ("parallel", "8"), ("one-insn", "8")] {
        assert!(arguments(schedule, harts, &[]).is_empty(), "{schedule}, {harts}");
    }
}

#[test]
fn a_machine_has_the_harts_that_it_has() {
    let harts = |words: &str| {
        let all = ["cargo xtask", "run"].into_iter().chain(words.split_whitespace());
        match parse(all).expect("parses").command {
            Command::Run(args) => args.boot.machine.harts,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(harts(""), 8);
    assert_eq!(harts("--machine sifive_u"), 5);
    assert_eq!(harts("--machine sifive_u --harts 3"), 3);
}
