// SPDX-License-Identifier: Apache-2.0
//! `--disk SIZE[,…]`: what a test disk is to be, in words.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::fault::{Fault, Operation};
use super::slices::{least, slices};

/// The sizes of a block that QEMU and the driver know.
const BLOCKS: [u64; 2] = [512, 4096];

/// Units of a size, largest first.
const UNITS: [(&str, u64); 3] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

/// The most namespaces of a drive that anybody has asked for.
const MOST_NAMESPACES: u32 = 16;

/// The largest disk: every block of it is written on the host.
const MOST: u64 = 64 << 30;

/// What a test disk is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpec {
    /// Its size.
    pub bytes: u64,
    /// The size of a block.
    pub block: u64,
    /// How many namespaces its drive has: the disk is these, one behind the other.
    pub namespaces: u32,
    /// Whether its drive stands behind a PCIe root port, on a bus of its own.
    pub root_port: bool,
    /// Whether the guest may write: then each boot has a copy of its own.
    pub write: bool,
    /// Whether the guest pulls it, where a scenario does that.
    pub pulled: bool,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

impl DiskSpec {
    /// How many blocks.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.bytes / self.block
    }

    /// Where its namespaces are, in bytes, by their ids from 1.
    #[must_use]
    pub fn slices(&self) -> Vec<Range<u64>> {
        slices(self.bytes, self.namespaces)
    }

    fn take(&mut self, word: &str) -> Result<(), String> {
        let (key, value) = word.split_once('=').map_or((word, None), |(k, v)| (k, Some(v)));
        match (key, value) {
            ("blocks", Some(value)) => {
                let known = BLOCKS.into_iter().find(|size| value == size.to_string());
                self.block = known.ok_or(format!("blocks are 512 or 4096 bytes, not `{value}`"))?;
            }
            ("namespaces", Some(value)) => {
                let count = value.parse().ok().filter(|n| (1..=MOST_NAMESPACES).contains(n));
                let why = || format!("a drive has 1 to {MOST_NAMESPACES} namespaces");
                self.namespaces = count.ok_or_else(why)?;
            }
            ("root-port", None) => self.root_port = true,
            ("write", None) => self.write = true,
            ("pulled", None) => self.pulled = true,
            _ => match Fault::parse(key, value) {
                Some(fault) => self.faults.push(fault?),
                None => return Err(format!("there is no option `{word}`; {OPTIONS}")),
            },
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if !self.bytes.is_multiple_of(self.block) {
            return Err(format!("{} bytes are no whole number of blocks", self.bytes));
        }
        if self.namespaces > 1 && self.bytes < least(self.namespaces) {
            let (count, least) = (self.namespaces, least(self.namespaces) >> 10);
            return Err(format!("{count} namespaces need a disk of at least {least}K"));
        }
        for fault in &self.faults {
            if let Fault::Fails { block: Some(block), .. } = fault
                && *block >= self.blocks()
            {
                return Err(format!("there is no block {block}, only {}", self.blocks()));
            }
            let writes = matches!(
                fault,
                Fault::Full { .. }
                    | Fault::Fails { operation: Operation::Write | Operation::Flush, .. }
            );
            if writes && !self.write {
                return Err(format!("`{fault}` is of writing: add `write`"));
            }
        }
        if self.faults.iter().filter(|fault| fault.counts()).count() > 1 {
            return Err("a drive dies once, or is full once".to_owned());
        }
        if self.pulled && !self.root_port {
            return Err("what is pulled is in a slot: add `root-port`".to_owned());
        }
        Ok(())
    }
}

/// What can follow the size.
const OPTIONS: &str = "options are blocks=512|4096, namespaces=N, root-port, write, pulled, \
                       fails=OPERATION[@BLOCK], fails-once=OPERATION[@BLOCK], full, full-after=N, \
                       dies-after=N";

impl FromStr for DiskSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(',');
        let bytes = size(words.next().unwrap_or_default())?;
        let mut spec = Self {
            bytes,
            block: BLOCKS[0],
            namespaces: 1,
            root_port: false,
            write: false,
            pulled: false,
            faults: Vec::new(),
        };
        words.try_for_each(|word| spec.take(word))?;
        spec.check()?;
        Ok(spec)
    }
}

impl fmt::Display for DiskSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.into_iter().find(|(_, scale)| self.bytes.is_multiple_of(*scale));
        let (unit, scale) = unit.unwrap_or(("", 1));
        write!(f, "{}{unit}", self.bytes / scale)?;
        if self.block != BLOCKS[0] {
            write!(f, ",blocks={}", self.block)?;
        }
        if self.namespaces != 1 {
            write!(f, ",namespaces={}", self.namespaces)?;
        }
        if self.root_port {
            f.write_str(",root-port")?;
        }
        if self.write {
            f.write_str(",write")?;
        }
        if self.pulled {
            f.write_str(",pulled")?;
        }
        self.faults.iter().try_for_each(|fault| write!(f, ",{fault}"))
    }
}

fn size(text: &str) -> Result<u64, String> {
    let say = |why: &str| format!("{why}; write a disk's size like 64K, 256M or 1G");
    let upper = text.to_ascii_uppercase();
    let (digits, scale) = UNITS
        .into_iter()
        .find_map(|(unit, scale)| Some((upper.strip_suffix(unit)?, scale)))
        .ok_or_else(|| say(&format!("`{text}` has no unit")))?;
    let number: u64 = digits.parse().map_err(|_| say(&format!("`{digits}` is no number")))?;
    match number.checked_mul(scale) {
        Some(0) => Err(say("a disk needs a block")),
        Some(bytes) if bytes <= MOST => Ok(bytes),
        _ => Err(say(&format!("more than {} GiB are never made", MOST >> 30))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        text.parse::<DiskSpec>().expect_err(text)
    }

    #[test]
    fn what_is_asked_for_is_read_and_written_alike() {
        for text in [
            "64K",
            "3M",
            "1G,blocks=4096,root-port,write",
            "1M,fails=read@7,fails-once=read@2047,dies-after=5",
            "1M,write,fails=write,fails=flush,full",
            "1M,root-port,write,pulled,full-after=3",
            "48K,namespaces=3",
            "2M,blocks=4096,namespaces=16,root-port,write,pulled,fails=read@7",
        ] {
            assert_eq!(text.parse::<DiskSpec>().expect(text).to_string(), text);
        }
        let spec: DiskSpec = "1g,write,blocks=4096,blocks=512".parse().expect("read");
        assert_eq!(spec.to_string(), "1G,write");
        assert_eq!((spec.blocks(), spec.root_port), (1 << 21, false));
        let whole: DiskSpec = "1M,namespaces=2,namespaces=1".parse().expect("read");
        assert_eq!((whole.to_string(), whole.slices().len()), ("1M".to_owned(), 1));
        assert_eq!("1M,blocks=4096".parse::<DiskSpec>().expect("read").blocks(), 256);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        for text in ["", "M", "1", "1.5G", "-1G", "12Q", "é", "99999999999999999999G"] {
            assert!(said(text).contains("like 64K, 256M or 1G"), "{text}");
        }
        assert!(said("0M").contains("needs a block"));
        assert!(said("65G").contains("more than 64 GiB"));
        assert!(said("1M,blocks=1024").contains("512 or 4096 bytes, not `1024`"));
        assert!(said("1K,blocks=4096").contains("no whole number"));
        for text in ["1M,namespaces=0", "1M,namespaces=17", "1M,namespaces=x", "1M,namespaces="] {
            assert!(said(text).contains("1 to 16 namespaces"), "{text}");
        }
        assert!(said("47K,namespaces=3").contains("at least 48K"));
        assert!(said("1M,namespaces").contains("namespaces=N"));
        for text in ["1M,nonsense", "1M,", "1M,root-port=1", "1M,blocks", "1M,full=1", "1M,fails"] {
            assert!(said(text).contains("options are blocks="), "{text}: {}", said(text));
        }
        assert!(said("1M,fails=read@2048").contains("no block 2048, only 2048"));
        assert!(said("1M,fails=read@x").contains("`x` is no block"));
        assert!(said("1M,fails=trim").contains("read, write or flush"));
        assert!(said("1M,write,fails=flush@1").contains("flush is of all blocks"));
        assert!(said("1M,full").contains("add `write`"));
        assert!(said("1M,write,full-after=0").contains("at least 1 and at most 500"));
        assert!(said("1M,write,full-after=1,dies-after=2").contains("dies once"));
        assert!(said("1M,pulled").contains("add `root-port`"));
        assert!(said("1M,fails=write@1").contains("add `write`"));
        assert!(said("1M,dies-after=501").contains("at most 500"));
        assert!(said("1M,dies-after=many").contains("at most 500"));
        assert!(said("1M,dies-after=1,dies-after=2").contains("dies once"));
    }
}
