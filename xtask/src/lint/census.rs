// SPDX-License-Identifier: Apache-2.0
//! The unsafe census: how much there is, where, and that all of it is where
//! it may be, is explained, and has not grown unnoticed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Metadata;
use serde::{Deserialize, Serialize};

use super::arrows::{Room, room};
use super::sources::{Source, with_extensions};
use super::tokens::{self, Kind};
use crate::workspace::root;

/// The committed counts.
const FILE: &str = "xtask/unsafe-census.json";

/// One crate's count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Blocks.
    pub blocks: usize,
    /// Functions with a precondition.
    pub functions: usize,
    /// Implementations of unsafe traits.
    pub implementations: usize,
    /// Unsafe traits and foreign declarations.
    pub other: usize,
    /// Attributes such as `unsafe(no_mangle)`: names shared with the linker.
    pub attributes: usize,
}

impl Count {
    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Block => self.blocks += 1,
            Kind::Function => self.functions += 1,
            Kind::Implementation => self.implementations += 1,
            Kind::Trait | Kind::Extern => self.other += 1,
            Kind::Attribute => self.attributes += 1,
        }
    }

    const fn exceeds(self, other: Self) -> bool {
        self.blocks > other.blocks
            || self.functions > other.functions
            || self.implementations > other.implementations
            || self.other > other.other
            || self.attributes > other.attributes
    }
}

/// Counts by crate.
pub type Census = BTreeMap<String, Count>;

/// The programs that do on purpose what programs must not.
const MISBEHAVING: [&str; 3] =
    ["user/programs/conform", "user/programs/faults", "user/programs/hostile"];

/// What crates of a room may have, test code apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Licence {
    /// Unsafe code, explained.
    Unsafe,
    /// Names shared with the linker, each one allowed by itself.
    Names,
    /// What the run-time library's macro expands to.
    Expanded,
    /// Nothing.
    Nothing,
}

impl Licence {
    fn of(room: Room, dir: &Path) -> Self {
        match room {
            Room::Sync | Room::Arch | Room::Runtime | Room::Tests => Self::Unsafe,
            Room::Image => Self::Names,
            Room::Program if MISBEHAVING.iter().any(|it| dir == Path::new(it)) => Self::Unsafe,
            Room::Program => Self::Expanded,
            _ => Self::Nothing,
        }
    }

    /// What the crate's root must say.
    const fn header(self) -> &'static str {
        match self {
            Self::Unsafe => "",
            Self::Names | Self::Expanded => "#![deny(unsafe_code)]",
            Self::Nothing => "#![forbid(unsafe_code)]",
        }
    }

    fn admits(self, count: Count) -> bool {
        let nothing = Count::default();
        match self {
            Self::Unsafe => true,
            Self::Names => Count { attributes: 0, ..count } == nothing,
            Self::Expanded | Self::Nothing => count == nothing,
        }
    }
}

/// Takes the census and holds it against the committed one.
///
/// # Errors
/// Says what is unexplained, out of place, or has grown.
pub fn check(metadata: &Metadata, update: bool) -> Result<String> {
    let sources = with_extensions(&["rs"])?;
    let mut census = Census::new();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let manifest = package.manifest_path.as_std_path();
        let dir = manifest.parent().unwrap_or(manifest);
        let dir = dir.strip_prefix(root()).unwrap_or(dir);
        let count = count_crate(dir, &sources, &mut wrong, false)?;
        let in_tests = count_crate(dir, &sources, &mut wrong, true)?;
        let Some(room) = room(dir) else { continue };
        let licence = Licence::of(room, dir);
        if !licence.admits(count) {
            wrong.push(format!("{}: unsafe code has no place here", package.name));
        }
        for target in package.targets.iter().filter(|t| t.is_lib() || t.is_bin()) {
            wrong.extend(missing_header(target.src_path.as_std_path(), licence.header()));
        }
        census.insert(package.name.to_string(), count);
        census.insert(format!("{} (its tests)", package.name), in_tests);
    }
    census.retain(|_, count| *count != Count::default());
    compare(&census, update, &mut wrong)?;
    let table = table(&census);
    if !wrong.is_empty() {
        bail!("{}\n{table}", wrong.join("\n"));
    }
    Ok(table)
}

/// Unsafe blocks of the crate in `dir`, its tests apart.
///
/// # Errors
/// When a source is no Rust.
pub fn blocks(dir: &Path, sources: &[Source]) -> Result<usize> {
    Ok(count_crate(dir, sources, &mut Vec::new(), false)?.blocks)
}

fn count_crate(
    dir: &Path,
    sources: &[Source],
    wrong: &mut Vec<String>,
    tests: bool,
) -> Result<Count> {
    let mut count = Count::default();
    for source in sources.iter().filter(|s| s.path.starts_with(dir) && s.is_test() == tests) {
        let found = tokens::find(&source.text)
            .with_context(|| format!("cannot read {}", source.path.display()))?;
        for item in found {
            count.add(item.kind);
            if !item.explained {
                let (path, line) = (source.path.display(), item.line);
                wrong.push(format!("{path}:{line}: unsafe {:?} without its reason", item.kind));
            }
        }
    }
    Ok(count)
}

/// The complaint about a crate root that does not say what it must.
fn missing_header(path: &Path, header: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let there = header.is_empty() || text.lines().any(|line| line.trim() == header);
    (!there).then(|| format!("{}: must say {header}", crate::workspace::short(path)))
}

fn compare(census: &Census, update: bool, wrong: &mut Vec<String>) -> Result<()> {
    let path: PathBuf = root().join(FILE);
    if update {
        let text = serde_json::to_string_pretty(census)? + "\n";
        std::fs::write(&path, text).with_context(|| format!("cannot write {FILE}"))?;
        println!("lint: {FILE} says the present counts now: commit it with its reason");
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
    let known: Census =
        serde_json::from_str(&text).with_context(|| format!("{FILE} is damaged"))?;
    wrong.extend(growth(&known, census));
    Ok(())
}

/// Crates that have more unsafe code than is known.
fn growth(known: &Census, census: &Census) -> Vec<String> {
    let mut grown = Vec::new();
    for (name, count) in census {
        let before = known.get(name).copied().unwrap_or_default();
        if count.exceeds(before) {
            grown.push(format!(
                "{name}: more unsafe code than {FILE} knows ({before:?} → {count:?}); if it must \
                 be, `cargo xtask lint --update-census` and say why in the commit"
            ));
        }
    }
    grown
}

fn table(census: &Census) -> String {
    let mut text = format!(
        "{:<32} {:>6} {:>9} {:>15} {:>5} {:>10}\n",
        "crate", "blocks", "functions", "implementations", "other", "attributes"
    );
    for (name, c) in census {
        let Count { blocks, functions, implementations, other, attributes } = c;
        let _ = writeln!(
            text,
            "{name:<32} {blocks:>6} {functions:>9} {implementations:>15} {other:>5} {attributes:>10}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_and_shrinking_is_not() {
        let census = |blocks| {
            let count = Count { blocks, ..Count::default() };
            Census::from([("a".to_owned(), count)])
        };
        assert!(growth(&census(2), &census(2)).is_empty());
        assert!(growth(&census(2), &census(1)).is_empty());
        assert_eq!(growth(&census(2), &census(3)).len(), 1);
        assert_eq!(growth(&Census::new(), &census(1)).len(), 1);
    }

    #[test]
    fn unsafe_code_has_its_place() {
        let block = Count { blocks: 1, ..Count::default() };
        let name = Count { attributes: 1, ..Count::default() };
        let of = |room| Licence::of(room, Path::new("somewhere"));
        for room in [Room::Abi, Room::Core, Room::Driver, Room::Host, Room::Program] {
            assert!(!of(room).admits(block), "{room:?}");
            assert!(!of(room).admits(name), "{room:?}");
        }
        assert!(of(Room::Image).admits(name) && !of(Room::Image).admits(block));
        for room in [Room::Sync, Room::Arch, Room::Runtime] {
            assert!(of(room).admits(block), "{room:?}");
        }
        assert!(Licence::of(Room::Program, Path::new(MISBEHAVING[0])).admits(block));
    }
}
