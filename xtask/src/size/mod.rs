// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask size`: how large the kernel is, crate by crate: lines, unsafe blocks,
//! machine code. And the table of it in README.

mod code;
mod lines;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::build::{self, Profile};
use crate::cli::SizeArgs;
use crate::lint::{census, sources};
use crate::readme::Place;
use crate::setup;
use crate::workspace::root;

/// Where the table is in README.
const PLACE: Place = Place { name: "sizes", command: "cargo xtask size --update" };

/// What code may differ from what README says, in a hundred, and in bytes where that is
/// more. The pinned compiler makes the same code of the same source wherever the checkout
/// lies; a newer one, which set-up takes where there is no rustup, does not.
const TOLERANCE: (u64, u64) = (2, 256);

/// What is no crate of ours.
const OTHERS: &str = "Rust's libraries, dependencies";

const SUM: &str = "together";

/// What a crate amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    /// Lines and unsafe blocks; of what is not ours nobody counts them.
    source: Option<(usize, usize)>,
    /// Bytes of code.
    code: u64,
}

/// Shows the sizes, and writes README's if that is asked for.
///
/// # Errors
/// When the kernel cannot be built or read.
pub fn size(args: &SizeArgs) -> Result<bool> {
    let tools = setup::ensure(&args.setup.wishes())?;
    let kernel = build::kernel(&tools.compiler, &Profile::default())?;
    let table = table(&measured(&kernel.elf)?);
    print!("{table}");
    if args.update {
        PLACE.write(&table)?;
        println!("README.md has it now");
    }
    Ok(true)
}

/// Whether README says of that kernel what is so.
///
/// # Errors
/// Says what is not.
pub fn check(elf: &Path) -> Result<String> {
    let measured = measured(elf)?;
    let wrong = differences(&read(&PLACE.read()?)?, &measured);
    ensure!(wrong.is_empty(), "README.md: {}: `{}`", wrong.join("; "), PLACE.command);
    Ok(format!("{} crates", measured.len() - 2))
}

/// All rows of a kernel.
fn measured(elf: &Path) -> Result<Vec<Row>> {
    let crates = crates()?;
    let bytes = code::of(elf, &crates)?;
    let of = |dir: Option<&PathBuf>| bytes.get(&dir.cloned()).copied().unwrap_or_default();
    let mut rows = source_rows(&crates)?;
    for (row, dir) in rows.iter_mut().zip(&crates) {
        row.code = of(Some(dir));
    }
    rows.push(Row { name: OTHERS.to_owned(), source: None, code: of(None) });
    let all = sum(&rows);
    rows.push(all);
    Ok(rows)
}

/// The rows of crates of ours as their sources tell, without code.
fn source_rows(crates: &[PathBuf]) -> Result<Vec<Row>> {
    let rust = sources::with_extensions(&["rs"])?;
    let all = sources::with_extensions(&["rs", "S"])?;
    let row = |dir: &PathBuf| {
        let source = (lines::of_crate(dir, &all)?, census::blocks(dir, &rust)?);
        Ok(Row { name: format!("`{}/`", dir.display()), source: Some(source), code: 0 })
    };
    crates.iter().map(row).collect()
}

fn sum(rows: &[Row]) -> Row {
    let own = || rows.iter().filter_map(|row| row.source);
    Row {
        name: SUM.to_owned(),
        source: Some((own().map(|it| it.0).sum(), own().map(|it| it.1).sum())),
        code: rows.iter().map(|row| row.code).sum(),
    }
}

/// The crates of ours that the kernel is linked from, by their directories.
fn crates() -> Result<Vec<PathBuf>> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .context("cannot read the workspace")?;
    let find = |name: &str| metadata.packages.iter().find(|it| *it.name == name);
    let mut linked = BTreeSet::new();
    let mut due = vec![build::PACKAGE.to_owned()];
    while let Some(name) = due.pop() {
        let Some(package) = find(&name) else { continue };
        if !linked.insert(name) {
            continue;
        }
        let is_linked = |kind| kind == DependencyKind::Normal;
        let needed = package.dependencies.iter().filter(|it| is_linked(it.kind));
        due.extend(needed.map(|it| it.name.clone()));
    }
    let mut dirs: Vec<PathBuf> = linked.iter().filter_map(|it| find(it).map(dir)).collect();
    dirs.sort();
    Ok(dirs)
}

fn dir(package: &Package) -> PathBuf {
    let manifest = package.manifest_path.as_std_path();
    let dir = manifest.parent().unwrap_or(manifest);
    dir.strip_prefix(root()).unwrap_or(dir).to_owned()
}

fn table(rows: &[Row]) -> String {
    let mut text =
        "| crate | lines | unsafe blocks | bytes of code |\n|---|---:|---:|---:|\n".to_owned();
    for Row { name, source, code } in rows {
        let [lines, blocks] = source
            .map_or(["", ""].map(ToOwned::to_owned), |it| [it.0, it.1].map(|it| it.to_string()));
        let _ = writeln!(text, "| {name} | {lines} | {blocks} | {code} |");
    }
    text
}

/// A table as it was written.
fn read(table: &str) -> Result<Vec<Row>> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, lines, blocks, code] = cells.as_slice() else { return None };
        let source = lines.parse().ok().zip(blocks.parse().ok());
        Some(Row { name: (*name).to_owned(), source, code: code.parse().ok()? })
    };
    let rows = table.lines().skip(2);
    rows.map(|line| row(line).with_context(|| format!("README.md: {line}"))).collect()
}

/// What is said otherwise than it is.
fn differences(said: &[Row], is: &[Row]) -> Vec<String> {
    let names = |rows: &[Row]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    if names(said) != names(is) {
        return vec!["other crates".to_owned()];
    }
    let (hundredths, bytes) = TOLERANCE;
    let is_wrong = |(said, is): &(&Row, &Row)| {
        let most = (is.code * hundredths / 100).max(bytes);
        said.source != is.source || said.code.abs_diff(is.code) > most
    };
    let words = |(said, is): (&Row, &Row)| {
        let Row { source, code, .. } = is;
        format!("{}: {:?}, {} bytes said, {source:?}, {code} are", is.name, said.source, said.code)
    };
    said.iter().zip(is).filter(is_wrong).map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(code: u64, lines: usize) -> Row {
        Row { name: "a".to_owned(), source: Some((lines, 3)), code }
    }

    /// The code is held against the kernel by `cargo xtask test`.
    #[test]
    fn readme_has_the_present_lines_and_unsafe_blocks() {
        let said = read(&PLACE.read().expect("a place")).expect("a table");
        let mut is = source_rows(&crates().expect("readable")).expect("readable");
        is.push(Row { name: OTHERS.to_owned(), source: None, code: 0 });
        is.push(sum(&is));
        for (row, said) in is.iter_mut().zip(&said) {
            row.code = said.code;
        }
        let wrong = differences(&said, &is);
        assert!(wrong.is_empty(), "README.md: `{}`: {}", PLACE.command, wrong.join("; "));
        let (all, parts) = said.split_last().expect("rows");
        assert_eq!(*all, sum(parts));
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let others = Row { name: OTHERS.to_owned(), source: None, code: 7 };
        let rows = [row(4096, 10), others, row(1, 2)];
        assert_eq!(read(&table(&rows)).expect("a table"), rows);
        assert!(read("| a |\n|---|\n| b |\n").is_err());
    }

    #[test]
    fn lines_are_exact_and_code_nearly() {
        let wrong = |said, is| differences(&[said], &[is]).len();
        assert_eq!(wrong(row(100_000, 10), row(100_000, 10)), 0);
        assert_eq!(wrong(row(98_000, 10), row(100_000, 10)), 0);
        assert_eq!(wrong(row(97_999, 10), row(100_000, 10)), 1);
        assert_eq!(wrong(row(256, 10), row(0, 10)), 0);
        assert_eq!(wrong(row(0, 11), row(0, 10)), 1);
        assert_eq!(differences(&[row(0, 1)], &[]), ["other crates"]);
    }

    #[test]
    fn the_kernel_is_linked_from_what_it_names() {
        let crates = crates().expect("readable");
        let has = |dir: &str| crates.iter().any(|it| it == Path::new(dir));
        for dir in ["abi", "kernel/arch", "kernel/core", "kernel/image", "kernel/sync"] {
            assert!(has(dir), "{dir}");
        }
        assert!(has("drivers/nvme") && !has("xtask") && !has("user/rt"));
    }
}
