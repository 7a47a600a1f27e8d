// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask new-program`: a package that builds and is picked up by itself.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::FOLDER;

/// What a new program's files are made from.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("src/main.rs", include_str!("template/main.rs.in")),
];

/// Stands for the name in them.
const NAME: &str = "@NAME@";

/// Names that cargo or rustc has another use for.
const TAKEN: &[&str] =
    &["alloc", "build", "core", "deps", "examples", "incremental", "std", "test", "xtask"];

/// The longest name.
const LONGEST: usize = 64;

/// Makes the program's package in the checkout at `root`. Its folder.
///
/// # Errors
/// When the name is none or taken, or the files cannot be written.
pub fn create(root: &Path, name: &str) -> Result<PathBuf> {
    check_name(name)?;
    let dir = root.join(FOLDER).join(name);
    ensure!(!dir.exists(), "there is a program named {name} already");
    for (path, text) in FILES {
        let path = dir.join(path);
        let parent = path.parent().unwrap_or(&dir);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make {}", parent.display()))?;
        std::fs::write(&path, text.replace(NAME, name))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(dir)
}

/// Whether a program can have that name: it is a folder, a package, a file of
/// the boot package and a word of the kernel's command line.
///
/// # Errors
/// When it cannot.
pub fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || !name.chars().all(is_plain) || name.ends_with('-') || name.len() > LONGEST {
        bail!(
            "`{name}`: a program's name has small letters, digits and hyphens, begins with a \
             letter and has at most {LONGEST} of them"
        );
    }
    ensure!(!TAKEN.contains(&name), "`{name}` means something else to the compiler");
    ensure!(!name.starts_with("skimmer-"), "`{name}`: such names are the system's own");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "hello", "net-driver", "x2"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(LONGEST + 1);
        for bad in [
            "",
            "-a",
            "a-",
            "Hello",
            "a b",
            "a/b",
            "..",
            "2x",
            "é",
            "a_b",
            "core",
            "skimmer-x",
            &long,
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_page_about_programs_shows_the_first_one() {
        let read = |path: &str| {
            std::fs::read_to_string(crate::workspace::root().join(path)).expect("it is there")
        };
        let (page, hello) =
            (read("docs/writing-a-program.md"), read("user/programs/hello/src/main.rs"));
        let (_licence, program) = hello.split_once('\n').expect("lines");
        assert!(page.contains(program));
    }

    #[test]
    fn a_new_program_has_its_name_everywhere_and_overwrites_nothing() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = create(root.path(), "my-program").expect("made");
        for (path, _) in FILES {
            let text = std::fs::read_to_string(dir.join(path)).expect("written");
            assert!(text.contains("my-program") && !text.contains(NAME), "{path}: {text}");
        }
        assert_eq!(super::super::names_in(root.path()).expect("read"), ["my-program"]);
        assert!(create(root.path(), "my-program").is_err());
    }
}
