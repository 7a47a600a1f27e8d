// SPDX-License-Identifier: Apache-2.0
//! Compares the walker with the tests' second opinions on trees of one's own:
//! `cargo run --release -p skimmer-fdt --example compare -- FILE.dtb…`.
//!
//! The other parser refuses names that break the specification's rules
//! (sections 2.2.1 and 2.2.4.1), as those of many real trees do. It is then
//! asked to read on all the same. A tree that the walker refuses, and a
//! disagreement, end the comparison with a failure.

#[path = "../tests/suite/findings.rs"]
mod findings;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/suite/oracle.rs"]
mod oracle;
#[path = "../tests/suite/surveyor.rs"]
mod surveyor;

use dtoolkit::fdt::Fdt as Theirs;
use skimmer_fdt::Fdt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut trees, mut nodes, mut harts, mut misnamed) = (0, 0, 0, 0);
    for path in std::env::args().skip(1) {
        let blob = std::fs::read(&path)?;
        let ours = Fdt::new(&blob).map_err(|why| format!("{path}: {why}"))?;
        let theirs = Theirs::new(&blob).unwrap_or_else(|_| {
            misnamed += 1;
            Theirs::new_unchecked(&blob)
        });
        oracle::compare(&ours, theirs);
        trees += 1;
        nodes += ours.nodes().count();
        harts += ours.harts().count();
    }
    println!("{trees} trees without a difference, {nodes} nodes and {harts} harts in them;");
    println!("  the other parser objects to names in {misnamed} of them");
    Ok(())
}
