// SPDX-License-Identifier: Apache-2.0
//! The long run over damaged blobs:
//! `cargo run --release -p skimmer-fdt --example damage -- --count 10000000`.
//!
//! Each thread breaks blobs from its own seed, so a run repeats for the same
//! `--count`, `--seed` and `--threads`. A panic ends it with a failure.

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/suite/builder.rs"]
mod builder;
#[path = "../tests/suite/damage.rs"]
mod damage;

use damage::Tally;
use std::error::Error;
use std::thread;
use std::time::Instant;

struct Options {
    count: u64,
    seed: u64,
    threads: u64,
}

impl Options {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut options = Options { count: 1_000_000, seed: 1, threads: 2 };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} needs a number"))?;
            let number: u64 = value.parse().map_err(|_| format!("{value} is no number"))?;
            match name.as_str() {
                "--count" => options.count = number,
                "--seed" => options.seed = number,
                "--threads" => options.threads = number.max(1),
                _ => return Err(format!("unknown argument {name}").into()),
            }
        }
        Ok(options)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { count, seed, threads } = Options::read()?;
    let begin = Instant::now();
    let share = move |thread| count / threads + u64::from(thread < count % threads);
    let workers: Vec<_> = (0..threads)
        .map(|thread| thread::spawn(move || damage::run(share(thread), seed + thread, |_| {})))
        .collect();
    let mut total = Tally::default();
    for worker in workers {
        let tally = worker.join().map_err(|_| "a damaged blob made the walker panic")?;
        total.blobs += tally.blobs;
        total.refused_by_header += tally.refused_by_header;
        total.refused_by_structure += tally.refused_by_structure;
        total.walked += tally.walked;
    }
    println!("{total}");
    println!("seed {seed}, {threads} threads, {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}
