// SPDX-License-Identifier: Apache-2.0
//! Programs. What is accepted has segments that lie in the file, share no page
//! and are never writable and executable; an entry in code; a place within
//! bounds. `object` must read the same in it.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../../drivers/program/tests/suite/builder.rs"]
mod builder;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../../drivers/program/tests/suite/damage.rs"]
mod damage;
#[allow(dead_code, reason = "the other target uses the rest of it")]
#[path = "../../../drivers/program/tests/suite/examine.rs"]
mod examine;
#[allow(dead_code, reason = "the other target uses the rest of it")]
#[path = "../../../drivers/program/tests/suite/oracle.rs"]
mod oracle;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../../drivers/program/tests/suite/package.rs"]
mod package;
#[path = "../../../drivers/program/tests/suite/telling.rs"]
mod telling;

fuzz_target!(|file: &[u8]| {
    skimmer_fuzz::count(examine::program(file).is_ok());
    oracle::program(file);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    skimmer_fuzz::mutate(data, size, max_size, seed, damage::damage_program)
});
