// SPDX-License-Identifier: Apache-2.0
//! One bug's trial: its kernel is built and booted until it fails, then the
//! good kernel is booted with the same seeds; one with a delay in it, with all.
//!
//! Invariant: nothing is tried again, whatever went wrong is a reason in the
//! [`Row`], and a row without a reason is a bug that was caught as meant.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::check::{Catch, Check, one_line};
use super::kernels::{Built, Kernels};
use super::table::{Bug, DELAY_MARK, MARK, build_args, has_mark};
use crate::boot::{Boot, Booted, boot};
use crate::build::Kernel;
use crate::cli::BootArgs;
use crate::process;
use crate::record::Record;
use crate::setup::Tools;
use crate::setup::compiler::Choice;
use crate::soak::record::{derive_seed, name};
use crate::workspace::short;

/// What came of one bug.
#[derive(Clone, Debug)]
pub struct Row {
    /// The bug.
    pub bug: &'static Bug,
    /// The SHA-256 of the kernel with the bug, if it was built.
    pub kernel: Option<String>,
    /// The same of the good kernel.
    pub good: Option<String>,
    /// The seeds that the kernel with the bug was booted with, in order.
    pub seeds: Vec<u64>,
    /// What those boots took, together.
    pub took: Duration,
    /// What caught the last of them.
    pub catch: Option<Catch>,
    /// How to see that again.
    pub reproduce: Option<String>,
    /// Boots that the good kernel had to pass.
    pub control_boots: u32,
    /// Boots of the good kernel that passed.
    pub passed: u32,
    /// The firmware's SBI implementation id and version.
    pub firmware: Option<(u64, u64)>,
    /// What is not as it must be.
    pub wrong: Vec<String>,
}

impl Row {
    /// Nothing has come of it yet.
    #[must_use]
    pub const fn new(bug: &'static Bug) -> Self {
        Self {
            bug,
            kernel: None,
            good: None,
            seeds: Vec::new(),
            took: Duration::ZERO,
            catch: None,
            reproduce: None,
            control_boots: 0,
            passed: 0,
            firmware: None,
            wrong: Vec::new(),
        }
    }

    /// Whether the bug was caught as meant, and the good kernel passed.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.wrong.is_empty()
    }
}

/// Everything that the trials share.
#[derive(Debug)]
pub struct Trials<'a> {
    /// The tools.
    pub tools: &'a Tools,
    /// Which compiler was asked for.
    pub compiler: Choice,
    /// The most boots of a kernel with a bug.
    pub boots: u32,
    /// What the seeds are derived from.
    pub seed: u64,
    /// Where the boots leave their files.
    pub dir: &'a Path,
    /// The kernels, with bugs and without.
    pub kernels: &'a Kernels<'a>,
}

impl Trials<'_> {
    /// Tries one bug.
    ///
    /// # Errors
    /// When a boot cannot be made at all, or the user interrupts.
    pub fn run(&self, bug: &'static Bug) -> Result<Row> {
        let mut row = Row::new(bug);
        let Some(kernel) = self.mutant(&mut row)? else { return Ok(row) };
        self.hunt(&mut row, &kernel)?;
        self.control(&mut row)?;
        Ok(row)
    }

    /// The kernel with the bug in it; `None` if there is none.
    fn mutant(&self, row: &mut Row) -> Result<Option<Kernel>> {
        let bug = row.bug;
        let kernel = match self.built(&bug.feature())? {
            Ok(kernel) => kernel,
            Err(why) => {
                row.wrong.push(format!("does not build: {why}"));
                return Ok(None);
            }
        };
        row.kernel = Some(kernel.identity.clone());
        if has_mark(&std::fs::read(&kernel.elf)?, MARK, bug.name) {
            return Ok(Some(kernel));
        }
        row.wrong.push(format!("does not contain its bug: no `{MARK}{}` in the ELF", bug.name));
        Ok(None)
    }

    /// Boots the kernel with the bug until a boot fails.
    fn hunt(&self, row: &mut Row, kernel: &Kernel) -> Result<()> {
        let bug = row.bug;
        for number in 0..self.boots {
            let seed = derive_seed(self.seed, number);
            let made = self.boot(bug, kernel, vec![bug.feature()], number)?;
            row.seeds.push(seed);
            row.took += made.booted.took;
            row.firmware = row.firmware.or_else(|| firmware(&made.booted.records));
            row.catch = match bug.check.catch(&made.booted) {
                None => self.beside(row, &made.booted, number)?,
                caught => caught,
            };
            if let Some(catch) = &row.catch {
                row.reproduce = Some(made.reproduce);
                if !catch.as_meant {
                    row.wrong.push(format!(
                        "caught by another check: {}: {} ({} was meant); evidence in {}",
                        catch.by,
                        catch.diagnosis,
                        bug.check,
                        short(&made.dir)
                    ));
                }
                return Ok(());
            }
        }
        row.wrong.push(format!("not caught in {} boots", self.boots));
        Ok(())
    }

    /// What is seen of a bug only beside the good kernel: the boot passed.
    fn beside(&self, row: &mut Row, booted: &Booted, number: u32) -> Result<Option<Catch>> {
        if !matches!(row.bug.check, Check::Cost { .. }) {
            return Ok(None);
        }
        match self.good_kernel(row.bug)? {
            Ok(kernel) => {
                let good = self.boot(row.bug, &kernel, Vec::new(), number)?;
                Ok(row.bug.check.catch_beside(booted, &good.booted))
            }
            Err(why) => {
                row.wrong.push(why);
                Ok(None)
            }
        }
    }

    /// Boots the good kernel with the seeds of the other, and with all of them
    /// if it has a delay.
    fn control(&self, row: &mut Row) -> Result<()> {
        let bug = row.bug;
        let kernel = match self.good_kernel(bug)? {
            Ok(kernel) => kernel,
            Err(why) => {
                row.wrong.push(why);
                return Ok(());
            }
        };
        row.good = Some(kernel.identity.clone());
        let hunted = u32::try_from(row.seeds.len()).unwrap_or(self.boots);
        row.control_boots = bug.control_boots(hunted, self.boots);
        for number in 0..row.control_boots {
            let seed = derive_seed(self.seed, number);
            let features = bug.delay().into_iter().collect();
            let made = self.boot(bug, &kernel, features, number)?;
            if let Some(problem) = made.booted.verdict.problems.first() {
                row.wrong.push(format!(
                    "the good kernel fails seed {seed}: {}; evidence in {}",
                    one_line(&problem.to_string()),
                    short(&made.dir)
                ));
                return Ok(());
            }
            row.passed += 1;
        }
        Ok(())
    }

    /// A kernel by its name. `Ok(Err)`: the compiler refused, and has said why.
    fn built(&self, name: &str) -> Result<Built> {
        let built = self.kernels.wait(name);
        process::check_interrupt()?;
        Ok(built)
    }

    /// The good kernel for a bug. `Ok(Err)`: there is none.
    fn good_kernel(&self, bug: &Bug) -> Result<Built> {
        let name = bug.control_name();
        let kernel = match self.built(&name)? {
            Ok(kernel) => kernel,
            Err(why) => return Ok(Err(format!("the good kernel ({name}) does not build: {why}"))),
        };
        let elf = std::fs::read(&kernel.elf)?;
        if has_mark(&elf, MARK, "") {
            return Ok(Err(format!(
                "the good kernel ({name}) contains a bug: `{MARK}` in the ELF"
            )));
        }
        if has_mark(&elf, DELAY_MARK, bug.name) != bug.delay().is_some() {
            return Ok(Err(format!("the good kernel ({name}) does not contain just its delay")));
        }
        Ok(Ok(kernel))
    }

    /// Makes one boot; its files are kept if it failed.
    fn boot(&self, bug: &Bug, kernel: &Kernel, features: Vec<String>, number: u32) -> Result<Made> {
        process::check_interrupt()?;
        let seed = derive_seed(self.seed, number);
        let which = features.first().map_or("default", String::as_str);
        let dir = self.dir.join(bug.name).join(format!("{which}-{}", name(number)));
        let args = BootArgs {
            workload: bug.workload(seed),
            machine: bug.machine(self.tools.qemu_asked.clone(), self.compiler),
            build: build_args(features),
        };
        let spec = Boot::of(&args, self.tools, &kernel.elf, &dir).packed(self.tools)?;
        let booted = boot(&spec, &mut |_| {}).with_context(|| format!("a boot of {}", bug.name))?;
        process::check_interrupt()?;
        let reproduce = spec.reproduce;
        if booted.verdict.passed() {
            std::fs::remove_dir_all(&dir)?;
        }
        Ok(Made { booted, dir, reproduce })
    }
}

/// A boot, where its files are, and how to see it again.
struct Made {
    booted: Booted,
    dir: PathBuf,
    reproduce: String,
}

fn firmware(records: &[Record]) -> Option<(u64, u64)> {
    records.iter().find_map(|r| if let Record::Boot { sbi, .. } = r { Some(*sbi) } else { None })
}
