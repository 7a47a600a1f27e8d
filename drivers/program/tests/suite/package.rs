// SPDX-License-Identifier: Apache-2.0
//! Writes archives with the crate `cpio`.

use cpio::newc::{Builder, trailer};
use std::io::Write as _;

/// A regular file that its owner may execute.
pub(crate) const FILE: u32 = 0o100_755;
pub(crate) const DIRECTORY: u32 = 0o040_755;
pub(crate) const LINK: u32 = 0o120_777;

/// Name, mode and data of an entry.
pub(crate) type Item = (String, u32, Vec<u8>);

pub(crate) fn item(name: &str, mode: u32, data: &[u8]) -> Item {
    (name.to_owned(), mode, data.to_vec())
}

/// The entries without the trailer.
pub(crate) fn open(items: &[Item]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, mode, data) in items {
        let size = u32::try_from(data.len()).expect("small");
        let mut writer = Builder::new(name).mode(*mode).write(&mut archive, size);
        writer.write_all(data).expect("to memory");
        writer.finish().expect("to memory");
    }
    archive
}

/// A whole archive.
pub(crate) fn archive(items: &[Item]) -> Vec<u8> {
    trailer(open(items)).expect("to memory")
}

/// As a boot package looks.
pub(crate) fn usual() -> Vec<u8> {
    archive(&[
        item(".", DIRECTORY, b""),
        item("./init", FILE, b"the first program"),
        item("/sbin/driver", FILE, &[0x5a; 61]),
        item("etc", DIRECTORY, b""),
        item("etc/motd", 0o100_644, b"07070107070100000000"),
        item("empty", FILE, b""),
        item("first", LINK, b"init"),
        item("init", FILE, b"the second one"),
    ])
}
