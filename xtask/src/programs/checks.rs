// SPDX-License-Identifier: Apache-2.0
//! What `cargo xtask test` does with programs short of running them: each is
//! built, the package comes out the same twice, and the template makes a
//! program that builds.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{archive, build, build_in, names, names_in, template};
use crate::process;
use crate::setup::Tools;
use crate::setup::compiler::Compiler;
use crate::tally::Tally;
use crate::workspace::{root, target_dir};

/// A check and its name.
type Check = (&'static str, fn(&Compiler) -> Result<String>);

/// All of them.
const CHECKS: &[Check] = &[
    ("every program is an image that can be loaded", |c| images(c)),
    ("the same sources give the same package", |c| same_twice(c)),
    ("the template builds and is picked up", |c| template_builds(c)),
];

/// Makes them.
///
/// # Errors
/// When the user interrupts.
pub fn all(tools: &Tools) -> Result<Tally> {
    let mut tally = Tally::default();
    for (name, check) in CHECKS {
        process::check_interrupt()?;
        let came = check(&tools.compiler).map_err(|error| format!("{error:#}"));
        tally.take(&format!("programs: {name}"), came);
    }
    Ok(tally)
}

fn images(compiler: &Compiler) -> Result<String> {
    let programs = build(compiler)?;
    ensure!(programs.iter().any(|p| p.name == "init"), "there is no init");
    let bytes: usize = programs.iter().map(|p| p.image.len()).sum();
    Ok(format!("{} programs, {} KiB", programs.len(), bytes / 1024))
}

/// Links all programs again, elsewhere.
fn same_twice(compiler: &Compiler) -> Result<String> {
    let first = archive::pack(&build(compiler)?)?;
    let elsewhere = target_dir().join("programs-again");
    let again = build_in(compiler, &root(), &names()?, &elsewhere)?;
    let again = archive::pack(&again)?;
    ensure!(first == again, "two builds differ");
    Ok(format!("{} KiB", first.len() / 1024))
}

/// In a checkout of its own, whose only program comes from the template.
fn template_builds(compiler: &Compiler) -> Result<String> {
    const NAME: &str = "from-the-template";
    let scratch = tempfile::Builder::new().prefix("template-").tempdir_in(target_dir())?;
    let scratch = scratch.path();
    imitate(scratch)?;
    template::create(scratch, NAME)?;
    let names = names_in(scratch)?;
    ensure!(names == [NAME], "found {names:?}");
    // The libraries that lie there are the same.
    let target = compiler.target_dir().join("programs");
    let built = build_in(compiler, scratch, &names, &target)?;
    Ok(format!("{} bytes", built[0].image.len()))
}

/// A checkout with what a program needs.
fn imitate(scratch: &Path) -> Result<()> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml"))?;
    std::fs::write(scratch.join("Cargo.toml"), with_members(&manifest)?)?;
    for file in ["Cargo.lock", "rust-toolchain.toml"] {
        std::fs::copy(root().join(file), scratch.join(file))
            .with_context(|| format!("cannot copy {file}"))?;
    }
    std::fs::create_dir_all(scratch.join("user"))?;
    for dir in ["abi", "user/rt"] {
        std::os::unix::fs::symlink(root().join(dir), scratch.join(dir))?;
    }
    Ok(())
}

/// The workspace's manifest with the programs as its only members.
fn with_members(manifest: &str) -> Result<String> {
    let (before, rest) = manifest.split_once("members = [").context("no members")?;
    let (_, after) = rest.split_once("]\n").context("the members do not end")?;
    let (between, rest) = after.split_once("default-members = [").context("no default members")?;
    let (_, after) = rest.split_once("]\n").context("the default members do not end")?;
    Ok(format!("{before}members = [\"{}/*\"]\n{between}{after}", super::FOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_keeps_all_but_its_members() {
        let manifest = "[workspace]\nresolver = \"3\"\nmembers = [\n  \"abi\",\n]\n# x\n\
                        default-members = [\n \"abi\",\n]\n\n[profile.release]\n";
        assert_eq!(
            with_members(manifest).expect("read"),
            "[workspace]\nresolver = \"3\"\nmembers = [\"user/programs/*\"]\n# x\n\n[profile.release]\n"
        );
    }
}
