// SPDX-License-Identifier: Apache-2.0
//! The long run over damaged archives and programs:
//! `cargo run --release -p skimmer-program --example damage -- --count 5000000`.
//!
//! Breaks `--count` files for each reader. Each thread works from its own
//! seed, so a run repeats for the same `--count`, `--seed` and `--threads`. A
//! panic or a broken promise ends it with a failure.

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
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/suite/random.rs"]
mod random;

use damage::{Reader, Tally};
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
    let share = move |thread| count / threads + u64::from(thread < count % threads);
    for reader in [Reader::Archive, Reader::Program] {
        let begin = Instant::now();
        let work = move |thread| damage::run(reader, share(thread), seed + thread, |_| {});
        let workers: Vec<_> =
            (0..threads).map(|thread| thread::spawn(move || work(thread))).collect();
        let mut total = Tally::default();
        for worker in workers {
            total.join(worker.join().map_err(|_| "a damaged file made a reader panic")?);
        }
        let time = begin.elapsed().as_secs_f64();
        println!("{reader:?}: {total}");
        println!("  seed {seed}, {threads} threads, {time:.0} s");
    }
    Ok(())
}
