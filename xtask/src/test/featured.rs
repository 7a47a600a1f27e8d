// SPDX-License-Identifier: Apache-2.0
//! Boots of a kernel that is built with a feature: each must pass, and then
//! show what the feature is for.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::boot::{Boot, Booted};
use crate::build::{self, Kernel, Profile};
use crate::cli::BootArgs;
use crate::process;
use crate::setup::Tools;
use crate::workspace::target_dir;

/// A boot.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, and its directory's.
    pub name: &'static str,
    /// The options of `cargo xtask run` beside the feature: the same by hand.
    pub words: &'static str,
    /// What a boot that passed must have shown; in words what it did.
    pub judge: fn(&Booted) -> Result<String>,
}

/// Takes a boot's name, when it began, and a remark or what was wrong.
pub type Report<'a> = &'a mut dyn FnMut(&str, Instant, Result<String, String>);

/// Builds the kernel with the feature, with a copy in `dir`, and makes those of
/// its boots that are wanted.
///
/// # Errors
/// When the user interrupts.
pub fn all(
    feature: &str,
    cases: &[Case],
    tools: &Tools,
    dir: &Path,
    wanted: impl Fn(&str) -> bool,
    report: Report<'_>,
) -> Result<()> {
    let mut built = None;
    for case in cases.iter().filter(|case| wanted(case.name)) {
        process::check_interrupt()?;
        let start = Instant::now();
        let result = match built.get_or_insert_with(|| kernel(feature, tools, dir)) {
            Ok(kernel) => {
                one(case, feature, tools, &kernel.elf).map_err(|error| format!("{error:#}"))
            }
            Err(error) => Err(format!("its kernel: {error:#}")),
        };
        process::check_interrupt()?;
        report(case.name, start, result);
    }
    Ok(())
}

fn kernel(feature: &str, tools: &Tools, dir: &Path) -> Result<Kernel> {
    build::kernel(&tools.compiler, &Profile::with(feature))?.keep_copy(&dir.join(feature))
}

fn one(case: &Case, feature: &str, tools: &Tools, elf: &Path) -> Result<String> {
    let words = format!("--features {feature} {}", case.words);
    let dir = target_dir().join("test").join(case.name);
    let spec = Boot::of(&BootArgs::of_words(&words, tools)?, tools, elf, &dir).packed(tools)?;
    (case.judge)(&spec.passed()?).with_context(|| format!("by hand: {}", spec.reproduce))
}
