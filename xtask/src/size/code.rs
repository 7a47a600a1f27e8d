// SPDX-License-Identifier: Apache-2.0
//! Whose machine code the kernel is, byte by byte: it is from a line of a source file,
//! and a file is of a crate. What was inlined from Rust's libraries is of whoever of us
//! called it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind};

use crate::workspace::root;

/// Bytes of code by the directory of the crate, from the root; those of no crate of
/// ours (Rust's libraries and dependencies) by none.
pub(super) type Bytes = BTreeMap<Option<PathBuf>, u64>;

/// Where assembly is: it has symbols that nobody mangled and no lines.
const ASSEMBLY: &str = "kernel/arch";

/// The code of the ELF file, by the crates in these directories.
pub(super) fn of(elf: &Path, crates: &[PathBuf]) -> Result<Bytes> {
    let loader = addr2line::Loader::new(elf)
        .map_err(|e| anyhow!("cannot read the lines of {}: {e}", elf.display()))?;
    let bytes = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let file = object::File::parse(&*bytes)?;
    let is_assembly = assembly(&file);
    let mut owned = Bytes::new();
    let unknown = |range: Range<u64>, owned: &mut Bytes| {
        for at in range {
            let of = is_assembly(at).then(|| PathBuf::from(ASSEMBLY));
            *owned.entry(of).or_default() += 1;
        }
    };
    for section in file.sections().filter(|it| it.kind() == SectionKind::Text) {
        let (mut at, end) = (section.address(), section.address() + section.size());
        let lines = loader.find_location_range(at, end).map_err(|e| anyhow!("no lines: {e}"))?;
        for (from, length, place) in lines {
            let (from, to) = (from.max(at), (from + length).min(end));
            unknown(at..from, &mut owned);
            let of = place.file.and_then(|source| owner(source, crates));
            let of = of.or_else(|| caller(&loader, from, crates));
            *owned.entry(of).or_default() += to.saturating_sub(from);
            at = at.max(to);
        }
        unknown(at..end, &mut owned);
    }
    Ok(owned)
}

/// The crate of the innermost function of ours that what is at `address` was inlined
/// into.
fn caller(loader: &addr2line::Loader, address: u64, crates: &[PathBuf]) -> Option<PathBuf> {
    let mut frames = loader.find_frames(address).ok()?;
    while let Ok(Some(frame)) = frames.next() {
        let source = frame.location.and_then(|at| at.file);
        if let Some(of) = source.and_then(|source| owner(source, crates)) {
            return Some(of);
        }
    }
    None
}

/// Says whether the code at an address is assembly: the last symbol before it is a
/// plain word.
fn assembly(file: &object::File<'_>) -> impl Fn(u64) -> bool {
    let symbols = file.symbols().filter(|it| it.is_definition());
    let mut names: Vec<(u64, bool)> = symbols
        .filter_map(|it| Some((it.address(), it.name().ok()?.to_owned())))
        .filter(|(_, name)| !name.is_empty() && !name.starts_with(['.', '$']))
        .map(|(at, name)| (at, rustc_demangle::try_demangle(&name).is_err()))
        .collect();
    names.sort_unstable();
    move |address| {
        let after = names.partition_point(|(at, _)| *at <= address);
        after.checked_sub(1).and_then(|last| names.get(last)).is_some_and(|(_, plain)| *plain)
    }
}

/// The crate whose source that is.
fn owner(source: &str, crates: &[PathBuf]) -> Option<PathBuf> {
    let path = Path::new(source);
    let path = path.strip_prefix(root()).unwrap_or(path);
    crates.iter().find(|dir| path.starts_with(dir)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_crate_in_whose_directory_it_is() {
        let crates = ["abi", "kernel/core"].map(PathBuf::from);
        let own = root().join("kernel/core/src/runq.rs");
        let of = |source: &str| owner(source, &crates).map(|it| it.display().to_string());
        assert_eq!(of(&own.to_string_lossy()).as_deref(), Some("kernel/core"));
        assert_eq!(of("abi/src/lib.rs").as_deref(), Some("abi"));
        assert_eq!(of("/rustc/0/library/core/src/option.rs"), None);
        assert_eq!(of("/elsewhere/abi/src/lib.rs"), None);
    }
}
