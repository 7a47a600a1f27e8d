// SPDX-License-Identifier: Apache-2.0
//! Archives. What is accepted has entries that lie in the archive one behind
//! the other, and each name leads to the last entry of that name; damage
//! anywhere is told to whoever looks for anything. `cpio_reader` must read the
//! same in it.
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

fuzz_target!(|archive: &[u8]| {
    skimmer_fuzz::count(examine::archive(archive).is_ok());
    oracle::archive(archive);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    skimmer_fuzz::mutate(data, size, max_size, seed, damage::damage_archive)
});
