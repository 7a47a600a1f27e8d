// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask package` and `cargo xtask new-program`.

use anyhow::Result;

use super::{FOLDER, template};
use crate::setup;
use crate::setup::Wishes;
use crate::workspace::{root, short};

/// Builds every program, packs them, and says what is in the package.
///
/// # Errors
/// When one cannot be built.
pub fn package(wishes: &Wishes) -> Result<bool> {
    let tools = setup::ensure(wishes)?;
    let package = super::package(&tools.compiler)?;
    for program in &package.programs {
        println!("{:>8} bytes  {:<16} {}", program.image.len(), program.name, short(&program.elf));
    }
    println!("{}", short(&package.path));
    Ok(true)
}

/// Makes a program from the template and says what to do with it.
///
/// # Errors
/// When the name is no good or taken.
pub fn new_program(name: &str) -> Result<bool> {
    template::create(&root(), name)?;
    println!("{FOLDER}/{name}: edit src/main.rs, then `cargo xtask run --program {name}`");
    Ok(true)
}
