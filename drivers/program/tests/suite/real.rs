// SPDX-License-Identifier: Apache-2.0
//! What a compiler and linker make: two committed files, and the same two
//! made anew where the compiler has the target.

use crate::{examine, oracle};
use skimmer_program::image::{Kind, Program, Protection};
use std::path::{Path, PathBuf};
use std::process::Command;

const FIXED: &[u8] = include_bytes!("../programs/little-fixed.elf");
const PIE: &[u8] = include_bytes!("../programs/little-pie.elf");
const TARGET: &str = "riscv64gc-unknown-none-elf";

#[track_caller]
fn check(file: &[u8], kind: Kind) {
    assert!(examine::program(file).is_ok_and(|segments| segments >= 3));
    assert!(oracle::program(file));
    let program = Program::parse(file, 1 << 20).unwrap();
    assert_eq!(program.kind(), kind);
    for protection in [Protection::ReadOnly, Protection::ReadExecute, Protection::ReadWrite] {
        assert!(program.segments().any(|segment| segment.protection() == protection));
    }
    // The array of zeros.
    assert!(program.segments().any(|segment| segment.size() >= segment.bytes().len() + 8192));
}

#[test]
fn the_committed_programs() {
    check(FIXED, Kind::Fixed);
    check(PIE, Kind::Pie);
}

#[test]
fn cut_anywhere() {
    for whole in [FIXED, PIE] {
        let program = Program::parse(whole, 1 << 20).unwrap();
        let start = whole.as_ptr().addr();
        let end = |segment: &[u8]| segment.as_ptr().addr() - start + segment.len();
        let needed = program.segments().map(|segment| end(segment.bytes())).max().unwrap();
        for length in 0..whole.len() {
            assert_eq!(examine::program(&whole[..length]).is_ok(), length >= needed);
        }
    }
}

#[test]
fn programs_made_now() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let library = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .expect("rustc runs");
    let library = PathBuf::from(String::from_utf8_lossy(&library.stdout).trim());
    if !library.is_dir() {
        println!("no {TARGET} here: only the committed programs are read");
        return;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/little.rs");
    let make = |name: &str, model: &str, link: &str| {
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let status = Command::new(&rustc)
            .args(["--edition", "2024", "--target", TARGET, "-C", "opt-level=s"])
            .args(["-C", "panic=abort", "-C", "strip=symbols", "-C", model, "-C", link])
            .arg("-o")
            .args([&made, &source])
            .status()
            .expect("rustc runs");
        assert!(status.success());
        std::fs::read(made).expect("just made")
    };
    check(&make("fixed.elf", "relocation-model=static", "link-args="), Kind::Fixed);
    let pie = "link-args=-pie --no-dynamic-linker -z text";
    check(&make("pie.elf", "relocation-model=pie", pie), Kind::Pie);
    // One that wants an interpreter.
    let dynamic = "link-args=-pie --dynamic-linker /lib/ld.so";
    let dynamic = make("dynamic.elf", "relocation-model=pie", dynamic);
    assert!(examine::program(&dynamic).is_err());
}
