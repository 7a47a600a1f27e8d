// SPDX-License-Identifier: Apache-2.0
//! Device trees for tests: QEMU's own, with single properties overwritten in
//! place by values of the same length. Not a general editor.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::spec::Machine;

/// Tokens of the structure block.
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;

/// Where the header says the structure and the strings begin.
const STRUCTURE_AT: usize = 8;
const STRINGS_AT: usize = 12;

/// A flattened device tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    bytes: Vec<u8>,
}

impl Tree {
    /// The tree that QEMU makes for `machine`.
    ///
    /// # Errors
    /// When QEMU does not give it.
    pub fn of(machine: &Machine) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("tree.dtb");
        let mut command = Command::new(&machine.qemu);
        command.arg("-machine").arg(format!("{},dumpdtb={}", machine.machine, file.display()));
        command.args(["-smp", &machine.harts.to_string(), "-m", &machine.memory.to_string()]);
        command.args(["-display", "none"]);
        if let Some(cpu) = &machine.cpu {
            command.args(["-cpu", cpu]);
        }
        process::read(&mut command)?;
        Ok(Self { bytes: std::fs::read(&file).context("QEMU left no device tree")? })
    }

    /// A tree from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Overwrites property `name` of the node at `path`.
    ///
    /// # Errors
    /// When it is not there, or is not as long as `value`.
    pub fn set(&mut self, path: &str, name: &str, value: &[u8]) -> Result<()> {
        let (at, length) = self.find(path, name)?.with_context(|| format!("no {path}:{name}"))?;
        if length != value.len() {
            bail!("{path}:{name} has {length} bytes, not {}", value.len());
        }
        self.bytes[at..at + length].copy_from_slice(value);
        Ok(())
    }

    /// The value of property `name` of the node at `path`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn get(&self, path: &str, name: &str) -> Result<&[u8]> {
        let (at, length) = self.find(path, name)?.with_context(|| format!("no {path}:{name}"))?;
        self.bytes.get(at..at + length).context("the tree ends early")
    }

    /// Writes it to a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        std::fs::write(path, &self.bytes).with_context(|| format!("{}", path.display()))
    }

    /// Where the property's value lies, and its length.
    fn find(&self, path: &str, name: &str) -> Result<Option<(usize, usize)>> {
        let mut at = self.word(STRUCTURE_AT)? as usize;
        let mut here: Vec<String> = Vec::new();
        loop {
            let token = self.word(at)?;
            at += 4;
            match token {
                BEGIN_NODE => {
                    let node = self.text(at)?;
                    at = (at + node.len() + 1).next_multiple_of(4);
                    here.push(node);
                }
                END_NODE => {
                    here.pop();
                }
                PROP => {
                    let (length, name_at) = (self.word(at)? as usize, self.word(at + 4)? as usize);
                    let value = at + 8;
                    at = (value + length).next_multiple_of(4);
                    let strings = self.word(STRINGS_AT)? as usize;
                    if here.join("/") == path && self.text(strings + name_at)? == name {
                        return Ok(Some((value, length)));
                    }
                }
                NOP => {}
                _ => return Ok(None),
            }
        }
    }

    fn word(&self, at: usize) -> Result<u32> {
        let bytes = self.bytes.get(at..at + 4).context("the tree ends early")?;
        Ok(u32::from_be_bytes(bytes.try_into()?))
    }

    fn text(&self, at: usize) -> Result<String> {
        let rest = self.bytes.get(at..).context("the tree ends early")?;
        let end = rest.iter().position(|&b| b == 0).context("a name without an end")?;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, one node `/a` with the property `p` of four bytes.
    fn small() -> Tree {
        let words = |w: &[u32]| w.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
        let mut bytes = words(&[0xd00d_feed, 0, 40, 88, 40, 17, 16, 0, 2, 48]);
        bytes.extend(words(&[BEGIN_NODE, 0, BEGIN_NODE]));
        bytes.extend(*b"a\0\0\0");
        bytes.extend(words(&[PROP, 4, 0]));
        bytes.extend(*b"okay");
        bytes.extend(words(&[END_NODE, END_NODE, 9, 0]));
        bytes.extend(*b"p\0");
        Tree { bytes }
    }

    #[test]
    fn a_property_is_overwritten_in_place() {
        let mut tree = small();
        let length = tree.bytes.len();
        tree.set("/a", "p", b"fail").expect("is there");
        assert_eq!(tree.bytes.len(), length);
        assert!(tree.bytes.windows(4).any(|w| w == b"fail"));
        assert!(!tree.bytes.windows(4).any(|w| w == b"okay"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(small().set("/a", "p", b"disabled").is_err());
        assert!(small().set("/a", "q", b"fail").is_err());
        assert!(small().set("/b", "p", b"fail").is_err());
        assert!(Tree { bytes: vec![0; 10] }.set("/a", "p", b"fail").is_err());
    }
}
