// SPDX-License-Identifier: Apache-2.0
//! An ELF file, the kernel's or a program's, seen from the host: addresses into functions, files and
//! lines, and symbols into physical addresses.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _};

/// The symbols of one image.
pub struct Symbols {
    loader: addr2line::Loader,
    /// Address and name of every symbol that people wrote, by address.
    names: Vec<(u64, String)>,
    /// Where its code is.
    code: Vec<Range<u64>>,
    path: PathBuf,
}

impl std::fmt::Debug for Symbols {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Symbols").field("path", &self.path).finish_non_exhaustive()
    }
}

/// One source position; an address has several where calls were inlined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The function, demangled.
    pub function: String,
    /// File and line, where known.
    pub at: Option<String>,
}

impl Symbols {
    /// Reads the ELF at `path`.
    ///
    /// # Errors
    /// When it cannot be read as one.
    pub fn load(path: &Path) -> Result<Self> {
        let loader = addr2line::Loader::new(path)
            .map_err(|e| anyhow!("cannot read symbols of {}: {e}", path.display()))?;
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let elf = object::File::parse(&*bytes)?;
        let mut names: Vec<(u64, String)> = elf
            .symbols()
            .filter(|s| s.is_definition())
            .filter_map(|s| Some((s.address(), s.name().ok()?.to_owned())))
            .filter(|(_, name)| !name.starts_with(['.', '$']) && !name.is_empty())
            .collect();
        names.sort();
        let is_code = |s: &object::Section<'_, '_>| s.kind() == object::SectionKind::Text;
        let range = |s: object::Section<'_, '_>| s.address()..s.address().saturating_add(s.size());
        let code = elf.sections().filter(is_code).map(range).collect();
        Ok(Self { loader, names, code, path: path.to_owned() })
    }

    /// The function, not inlined, that the code at `address` is of.
    #[must_use]
    pub fn function(&self, address: u64) -> Option<String> {
        let is_code = self.code.iter().any(|code| code.contains(&address));
        is_code.then(|| self.symbol(address)).flatten()
    }

    /// The last symbol at or before `address`.
    fn symbol(&self, address: u64) -> Option<String> {
        let after = self.names.partition_point(|(at, _)| *at <= address);
        self.names.get(after.checked_sub(1)?).map(|(_, name)| demangle(name))
    }

    /// Where `address` is, innermost inlined function first. Empty when the
    /// image knows nothing about it.
    #[must_use]
    pub fn places(&self, address: u64) -> Vec<Place> {
        let mut places = Vec::new();
        if let Ok(mut frames) = self.loader.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let function = frame
                    .function
                    .and_then(|f| f.raw_name().ok().map(|name| demangle(&name)))
                    .unwrap_or_default();
                let at = frame.location.and_then(|l| {
                    let file = short_file(l.file?);
                    Some(l.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
                });
                places.push(Place { function, at });
            }
        }
        let symbol = self.symbol(address);
        match (places.last_mut(), symbol) {
            (Some(outer), Some(symbol)) if outer.function.is_empty() => outer.function = symbol,
            (None, Some(symbol)) => places.push(Place { function: symbol, at: None }),
            _ => {}
        }
        places
    }

    /// The places of a return address: of the call before it.
    #[must_use]
    pub fn caller_places(&self, return_address: u64) -> Vec<Place> {
        self.places(return_address.wrapping_sub(1))
    }
}

fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// A source file without the part of its path that only this host has.
fn short_file(file: &str) -> String {
    let root = crate::workspace::root();
    let file =
        file.strip_prefix(&*root.to_string_lossy()).map_or(file, |f| f.trim_start_matches('/'));
    file.rsplit_once("/library/")
        .map_or_else(|| file.to_owned(), |(_, rest)| format!("<std>/{rest}"))
}

/// The physical address of `symbol` in the ELF at `path`: its linked address
/// moved by the program header that it lies in. `None` when it has none.
///
/// # Errors
/// When the ELF cannot be read.
pub fn physical_address(path: &Path, symbol: &str) -> Result<Option<u64>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let elf = ElfFile64::<Endianness>::parse(&*bytes)
        .with_context(|| format!("{} is no 64-bit ELF", path.display()))?;
    let Some(address) = elf.symbols().find(|s| s.name() == Ok(symbol)).map(|s| s.address()) else {
        return Ok(None);
    };
    let endian = elf.endian();
    Ok(elf.elf_program_headers().iter().find_map(|header| {
        let offset = address.checked_sub(header.p_vaddr(endian))?;
        (header.p_type(endian) == object::elf::PT_LOAD && offset < header.p_memsz(endian))
            .then(|| header.p_paddr(endian).wrapping_add(offset))
    }))
}
