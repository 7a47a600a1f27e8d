// SPDX-License-Identifier: Apache-2.0
//! Device trees. What is accepted is walked from end to end and asked all that
//! a kernel asks; regions do not wrap around, contexts are of their harts; and
//! whatever `dtoolkit` accepts too must mean the same to both.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../../drivers/fdt/tests/suite/builder.rs"]
mod builder;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../../drivers/fdt/tests/suite/damage.rs"]
mod damage;
#[path = "../../../drivers/fdt/tests/suite/findings.rs"]
mod findings;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../../drivers/fdt/tests/suite/oracle.rs"]
mod oracle;
#[path = "../../../drivers/fdt/tests/suite/surveyor.rs"]
mod surveyor;

fuzz_target!(|blob: &[u8]| {
    skimmer_fuzz::count(damage::exercise(blob).is_ok());
    oracle::agree(blob);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    skimmer_fuzz::mutate(data, size, max_size, seed, damage::damage)
});
