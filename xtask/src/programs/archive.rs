// SPDX-License-Identifier: Apache-2.0
//! The boot package: a cpio archive (newc) that knows no time and no owner.

use anyhow::{Context as _, Result};
use cpio::newc::{Builder, trailer};

use super::Program;

/// A regular file that all may read and run.
const MODE: u32 = 0o100_555;

/// The archive of those programs, in that order.
///
/// # Errors
/// When one is larger than the format can say.
pub fn pack(programs: &[Program]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (at, program) in programs.iter().enumerate() {
        let size = u32::try_from(program.image.len()).context("a program is too large")?;
        // The trailer has no number; programs count from 1.
        let number = u32::try_from(at + 1)?;
        let entry = Builder::new(&program.name).ino(number).mode(MODE).nlink(1).mtime(0);
        let mut writer = entry.write(&mut bytes, size);
        std::io::Write::write_all(&mut writer, &program.image)?;
        writer.finish()?;
    }
    trailer(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn program(name: &str, image: &[u8]) -> Program {
        Program { name: name.to_owned(), elf: "nowhere".into(), image: image.to_vec() }
    }

    #[test]
    fn what_is_packed_is_there() {
        let programs = [program("init", b"12345"), program("b", b""), program("long-name", b"xyz")];
        let bytes = pack(&programs).expect("packs");
        assert_eq!(bytes.len() % 4, 0);
        let mut rest: &[u8] = &bytes;
        for due in &programs {
            let mut reader = cpio::newc::Reader::new(rest).expect("an entry");
            let mut image = Vec::new();
            reader.read_to_end(&mut image).expect("its bytes");
            let entry = reader.entry();
            assert_eq!((entry.name(), &image), (due.name.as_str(), &due.image));
            assert_eq!((entry.mtime(), entry.uid(), entry.gid()), (0, 0, 0));
            rest = reader.finish().expect("the next");
        }
        assert!(cpio::newc::Reader::new(rest).expect("the trailer").entry().is_trailer());
    }

    #[test]
    fn the_same_programs_give_the_same_package() {
        let programs = [program("a", b"1"), program("b", b"2")];
        assert_eq!(pack(&programs).expect("packs"), pack(&programs).expect("packs"));
    }
}
