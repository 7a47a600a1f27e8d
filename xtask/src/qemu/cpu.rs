// SPDX-License-Identifier: Apache-2.0
//! Whether an emulator knows the properties of the CPU that it is asked for.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::spec::Machine;

/// What QEMU says of a property that it does not have, around its name.
const BEFORE: &str = "Property '";
const AFTER: &str = "' not found";

/// The property of the machine's CPU that this QEMU does not have, if any. It is
/// asked to load a kernel that is not there, for which it makes the CPU first.
///
/// # Errors
/// When QEMU cannot be started.
pub fn missing(machine: &Machine) -> Result<Option<String>> {
    let Some(cpu) = machine.cpu.as_deref().filter(|cpu| cpu.contains(',')) else {
        return Ok(None);
    };
    let words = ["-display", "none", "-kernel", "/nonexistent", "-cpu", cpu, "-machine"];
    let said = Command::new(&machine.qemu).args(words).arg(&machine.machine).output();
    let said = said.with_context(|| format!("cannot start {}", machine.qemu.display()))?;
    Ok(named(&String::from_utf8_lossy(&said.stderr)))
}

/// Refuses a machine that this QEMU cannot be.
///
/// # Errors
/// When a property is missing: no boot is made, and none counts.
pub fn demand(machine: &Machine) -> Result<()> {
    match missing(machine)? {
        Some(property) => bail!("skipped, no boots: this QEMU has no CPU property `{property}`"),
        None => Ok(()),
    }
}

/// The name without the type that it is of.
fn named(said: &str) -> Option<String> {
    let (name, _) = said.split_once(BEFORE)?.1.split_once(AFTER)?;
    Some(name.rsplit('.').next().unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_that_is_not_there_is_named() {
        let said = "qemu-system-riscv64: can't apply global rv64-riscv-cpu.svadu=off: \
                    Property 'rv64-riscv-cpu.svadu' not found";
        assert_eq!(named(said).as_deref(), Some("svadu"));
        assert_eq!(named("qemu-system-riscv64: could not load kernel '/nonexistent'"), None);
    }
}
