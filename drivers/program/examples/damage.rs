// SPDX-License-Identifier: Apache-2.0
//! The long run over damaged archives and programs:
//! `cargo run --release -p skimmer-program --example damage -- --count 5000000`.
//!
//! Breaks `--count` files for each reader, or as many as fit in `--minutes`
//! for each. A panic or a broken promise ends it with a failure.

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/suite/builder.rs"]
mod builder;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/suite/damage.rs"]
mod damage;
#[path = "../tests/suite/examine.rs"]
mod examine;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/suite/package.rs"]
mod package;
#[path = "../tests/suite/telling.rs"]
mod telling;

use damage::Reader;
use skimmer_damage::Campaign;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let campaign = Campaign::of_command_line(env!("CARGO_PKG_NAME"))?;
    for reader in [Reader::Archive, Reader::Program] {
        let part = |turns, seed| damage::run(reader, turns, seed, |_| {});
        campaign.run(&format!("{reader:?}"), part)?;
    }
    Ok(())
}
