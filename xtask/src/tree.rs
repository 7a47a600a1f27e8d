// SPDX-License-Identifier: Apache-2.0
//! Device trees as the host needs them: a user's file, checked before it is
//! booted, and for tests QEMU's own, with single properties overwritten in
//! place by values of the same length. Not a general editor.

use std::collections::BTreeMap;
use std::ops::Range;
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

/// What a flattened device tree begins with.
const MAGIC: u32 = 0xd00d_feed;

/// Where the header says how long the whole is.
const TOTAL_SIZE_AT: usize = 4;

/// What an `mmu-type` says of a hart that can run the kernel.
const MMU_TYPES: &[&[u8]] = &[b"riscv,sv39\0", b"riscv,sv48\0", b"riscv,sv57\0"];

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

    /// The tree in a file of the user's.
    ///
    /// # Errors
    /// When it is not a regular file that can be read, or not a whole tree as
    /// far as its header tells.
    pub fn load(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).context("cannot read it")?;
        if !file.metadata()?.is_file() {
            bail!("it is no regular file");
        }
        let mut tree = Self { bytes: std::fs::read(path).context("cannot read it")? };
        let (Ok(magic), Ok(size)) = (tree.word(0), tree.word(TOTAL_SIZE_AT)) else {
            bail!("it is no device tree: it has {} bytes", tree.bytes.len());
        };
        if magic != MAGIC {
            bail!("it is no device tree: it begins with {magic:#010x}, not {MAGIC:#010x}");
        }
        if size as usize > tree.bytes.len() {
            bail!("it is cut: its header says {size} bytes, it has {}", tree.bytes.len());
        }
        tree.bytes.truncate(size as usize);
        Ok(tree)
    }

    /// How many harts the kernel can use: those that are not disabled and have
    /// an MMU that it knows.
    ///
    /// # Errors
    /// When the tree is damaged.
    pub fn usable_harts(&self) -> Result<u32> {
        #[derive(Default)]
        struct Hart {
            disabled: bool,
            mmu: bool,
        }
        let mut harts: BTreeMap<String, Hart> = BTreeMap::new();
        self.walk(|path, name, value| {
            if path
                .strip_prefix("/cpus/")
                .is_some_and(|cpu| cpu.starts_with("cpu@") && !cpu.contains('/'))
            {
                let value = self.bytes.get(value).unwrap_or_default();
                let hart = harts.entry(path.to_owned()).or_default();
                match name {
                    "status" => hart.disabled = !matches!(value, b"okay\0" | b"ok\0"),
                    "mmu-type" => hart.mmu = MMU_TYPES.contains(&value),
                    _ => {}
                }
            }
            false
        })?;
        Ok(harts.values().filter(|hart| hart.mmu && !hart.disabled).count().try_into()?)
    }

    /// Ticks of the harts' clock in a second.
    ///
    /// # Errors
    /// When the tree does not say.
    pub fn timebase(&self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.get("/cpus", "timebase-frequency")?.try_into()?))
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
        let mut found = None;
        self.walk(|node, property, value| {
            let it = node == path && property == name;
            if it {
                found = Some((value.start, value.len()));
            }
            it
        })?;
        Ok(found)
    }

    /// Shows every property with its node's path and where its value lies,
    /// until `visit` has seen enough.
    fn walk(&self, mut visit: impl FnMut(&str, &str, Range<usize>) -> bool) -> Result<()> {
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
                    let name = self.text(strings + name_at)?;
                    if visit(&here.join("/"), &name, value..value + length) {
                        return Ok(());
                    }
                }
                NOP => {}
                _ => return Ok(()),
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

    fn refused(bytes: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("writable");
        Tree::load(file.path()).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_file_is_a_whole_tree_or_none() {
        let tree = with_harts(&[]);
        let bytes = &tree.bytes;
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), [&bytes[..], b"padding"].concat()).expect("writable");
        assert_eq!(Tree::load(file.path()).expect("whole"), tree);
        assert!(refused(b"").contains("0 bytes"));
        assert!(refused(b"\xd0\x0d\xfe\xed\0").contains("5 bytes"));
        assert!(refused(&bytes[..bytes.len() - 1]).contains("it is cut"));
        assert!(refused(b"/dts-v1/;\n/ { };\n").contains("it is no device tree"));
        assert!(
            Tree::load(Path::new("/")).expect_err("a directory").to_string().contains("regular")
        );
        assert!(
            Tree::load(Path::new("/dev/zero"))
                .expect_err("a device")
                .to_string()
                .contains("regular")
        );
    }

    /// Harts by their `status` and `mmu-type`.
    fn with_harts(harts: &[(Option<&[u8]>, &[u8])]) -> Tree {
        let padded = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let word = u32::to_be_bytes;
        let mut nodes =
            [&word(BEGIN_NODE)[..], &[0; 4], &word(BEGIN_NODE), b"cpus\0\0\0\0"].concat();
        for (number, (status, mmu)) in harts.iter().enumerate() {
            nodes.extend(word(BEGIN_NODE));
            nodes.extend(padded(format!("cpu@{number}\0").as_bytes()));
            for (name, value) in [(0, *status), (7, Some(*mmu))] {
                let Some(value) = value else { continue };
                nodes.extend([word(PROP), word(value.len() as u32), word(name)].concat());
                nodes.extend(padded(value));
            }
            nodes.extend(word(END_NODE));
        }
        nodes.extend([END_NODE, END_NODE, 9].map(word).concat());
        let strings_at = 40 + nodes.len() as u32;
        let texts = b"status\0mmu-type\0";
        let size = strings_at + texts.len() as u32;
        let header = [MAGIC, size, 40, strings_at, 40, 17, 16, 0, 16, nodes.len() as u32];
        Tree { bytes: [&header.map(word).concat()[..], &nodes, texts].concat() }
    }

    #[test]
    fn harts_that_the_kernel_can_use_are_counted() {
        let sv48 = &b"riscv,sv48\0"[..];
        let tree = with_harts(&[
            (None, sv48),
            (Some(b"okay\0"), b"riscv,sv39\0"),
            (Some(b"fail\0"), sv48),
            (Some(b"okay\0"), b"riscv,none\0"),
            (Some(b"disabled\0"), b"riscv,none\0"),
        ]);
        assert_eq!(tree.usable_harts().expect("whole"), 2);
        assert_eq!(small().usable_harts().expect("whole"), 0);
        assert!(Tree { bytes: tree.bytes[..100].to_vec() }.usable_harts().is_err());
    }

    /// Of its five harts, one has no MMU. (The tests of drivers/fdt say where the
    /// file is from.)
    #[test]
    fn the_tree_of_sifive_u_is_understood() {
        let bytes = include_bytes!("../../drivers/fdt/tests/trees/qemu-sifive-u-5.dtb");
        let tree = Tree { bytes: bytes.to_vec() };
        assert_eq!(tree.usable_harts().expect("whole"), 4);
        assert_eq!(tree.timebase().expect("whole"), 1_000_000);
        assert!(small().timebase().is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(small().set("/a", "p", b"disabled").is_err());
        assert!(small().set("/a", "q", b"fail").is_err());
        assert!(small().set("/b", "p", b"fail").is_err());
        assert!(Tree { bytes: vec![0; 10] }.set("/a", "p", b"fail").is_err());
    }
}
