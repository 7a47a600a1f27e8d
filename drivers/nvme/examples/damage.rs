// SPDX-License-Identifier: Apache-2.0
//! The long run over damaged Identify data:
//! `cargo run --release -p skimmer-nvme --example damage -- --count 10000000`.
//!
//! Begins with structures as a drive has them, changes some bytes, cuts some
//! off, and holds what the readers make of it against what they promise. The
//! same `--count` and `--seed` are the same run. A panic or a broken promise
//! ends it with a failure.

use std::error::Error;

use skimmer_nvme::identify::{IDENTIFY_BYTES, namespace_list};
use skimmer_nvme::{ControllerInfo, Namespace};

/// Offsets that mean something to one of the readers.
const TELLING: &[usize] =
    &[0, 1, 7, 8, 15, 24, 25, 26, 77, 128, 129, 130, 132, 134, 512, 513, 516, 519, 525];

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// A structure that is right for every reader at once.
fn sound() -> Vec<u8> {
    let mut data = vec![0; IDENTIFY_BYTES];
    data[..8].copy_from_slice(&0x0001_0000_0000u64.to_le_bytes());
    data[77] = 5;
    data[130] = 9;
    data[512..514].copy_from_slice(&[0x66, 0x44]);
    data[516..520].copy_from_slice(&256u32.to_le_bytes());
    data
}

fn damage(data: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = match random.below(3) {
            0 => random.below(IDENTIFY_BYTES),
            1 => random.below(600),
            _ => TELLING[random.below(TELLING.len())],
        };
        data[at] = [0, 1, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(6)];
    }
    if random.below(20) == 0 {
        data.truncate(random.below(IDENTIFY_BYTES));
    }
}

/// Whether controller and namespace were accepted.
fn examine(data: &[u8]) -> (bool, bool) {
    let mut found = vec![];
    let _ = namespace_list(data, 0, u32::MAX - 1, 100, &mut found);
    assert!(found.len() <= 100 && found.windows(2).all(|pair| pair[0] < pair[1]));
    let Ok(info) = ControllerInfo::parse(data) else { return (false, false) };
    assert!(info.most_bytes >= 4096);
    let Ok(Some(namespace)) = Namespace::parse(1, data, &info) else { return (true, false) };
    assert!(matches!(namespace.block_size, 512 | 4096));
    assert!(namespace.blocks.checked_mul(namespace.block_size.into()).is_some());
    let bytes = u64::from(namespace.most_blocks) * u64::from(namespace.block_size);
    assert!((1..=65536).contains(&namespace.most_blocks) && bytes <= info.most_bytes);
    (true, true)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut count, mut seed) = (1_000_000u64, 1u64);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let number = arguments.next().ok_or(format!("{name} needs a number"))?.parse()?;
        match name.as_str() {
            "--count" => count = number,
            "--seed" => seed = number,
            _ => return Err(format!("unknown argument {name}").into()),
        }
    }
    let mut random = Random(seed.max(1));
    let (mut controllers, mut namespaces) = (0u64, 0u64);
    let sound = sound();
    let mut data = vec![];
    for _ in 0..count {
        data.clone_from(&sound);
        damage(&mut data, &mut random);
        let (controller, namespace) = examine(&data);
        controllers += u64::from(controller);
        namespaces += u64::from(namespace);
    }
    println!("{count} damaged structures, seed {seed}: no panic, no broken promise;");
    println!("  {controllers} still a controller, {namespaces} a namespace of it too");
    Ok(())
}
