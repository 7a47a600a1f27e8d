// SPDX-License-Identifier: Apache-2.0
//! The long run over damaged blobs:
//! `cargo run --release -p skimmer-fdt --example damage -- --count 10000000`.
//!
//! `--minutes` bounds a run by time instead, `--report FILE` adds to a report. A panic or a broken promise ends
//! it with a failure.

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/suite/builder.rs"]
mod builder;
#[path = "../tests/suite/damage.rs"]
mod damage;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let part = |turns, seed| damage::run(turns, seed, |_| {});
    skimmer_damage::Campaign::of_command_line(env!("CARGO_PKG_NAME"))?
        .run("Device trees", part)
        .map(drop)
}
