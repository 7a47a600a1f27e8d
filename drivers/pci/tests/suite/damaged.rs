// SPDX-License-Identifier: Apache-2.0
//! Hardware that does not obey: nothing panics, all ends within a number of
//! accesses that is known beforehand.

use std::cell::Cell;
use std::collections::HashMap;

use proptest::prelude::*;
use skimmer_pci::{BusRange, Command, ConfigAddress, ConfigSpace, Tree};

use crate::fake::Fake;
use crate::plan::{ROOMY, build, plan, windows};

/// Accesses to one function, from its first to its last: its header, six BARs,
/// 48 capabilities, two passes over its registers.
const EACH: u64 = 256;

fn mixed(mut value: u64) -> u64 {
    for _ in 0..2 {
        value = (value ^ value >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    value ^ value >> 29
}

/// Goes through all that there is, whatever comes of it.
fn all<C: ConfigSpace>(config: &mut C, range: BusRange, windows: &[skimmer_pci::Window]) -> Tree {
    let mut tree = Tree::scan(config, range).unwrap();
    tree.place(config, windows).unwrap();
    for index in 0..tree.functions().len() {
        let _ = tree.enable(config, index, Command::all());
        let intx = tree.intx(index);
        assert!(intx.is_none_or(|intx| intx.function.bus() == range.first()));
        for bar in tree.bars(&tree.functions()[index]) {
            assert!(bar.size().is_power_of_two());
            assert!(bar.place().is_none_or(|place| place.bus % bar.size() == 0));
        }
    }
    tree
}

/// Answers at random.
struct Noise {
    seed: u64,
    accesses: Cell<u64>,
}

impl ConfigSpace for Noise {
    fn read32(&self, _: ConfigAddress) -> u32 {
        self.accesses.set(self.accesses.get() + 1);
        mixed(self.seed ^ self.accesses.get()) as u32
    }

    fn write32(&mut self, _: ConfigAddress, _: u32) {
        self.accesses.set(self.accesses.get() + 1);
    }
}

/// There is something at every address, mostly a bridge, and it keeps what is
/// written, as far as a mask at random lets it.
struct Everything {
    seed: u64,
    /// One register in this many has a mask; the others keep all.
    strange: u64,
    kept: HashMap<ConfigAddress, u32>,
    accesses: Cell<u64>,
}

impl Everything {
    fn random(&self, address: ConfigAddress) -> u64 {
        let function = u64::from(address.function.cell());
        mixed(self.seed ^ function << 16 ^ u64::from(address.register.offset()))
    }
}

impl ConfigSpace for Everything {
    fn read32(&self, address: ConfigAddress) -> u32 {
        self.accesses.set(self.accesses.get() + 1);
        match (address.register.offset(), self.kept.get(&address)) {
            (0, _) => 0x0001_1234,
            (8, _) => 0x0604_0000,
            (0xc, _) => 0x0081_0000,
            (_, Some(kept)) => *kept,
            (_, None) => self.random(address) as u32,
        }
    }

    fn write32(&mut self, address: ConfigAddress, value: u32) {
        self.accesses.set(self.accesses.get() + 1);
        let random = self.random(address);
        let mask =
            if random.is_multiple_of(self.strange) { (random >> 32) as u32 } else { u32::MAX };
        let fixed = random as u32;
        self.kept.insert(address, fixed & !mask | value & mask);
    }
}

/// Obeys for a while, then is gone, or lies now and then.
struct Failing {
    fake: Fake,
    lives: u64,
    seed: u64,
    /// One answer in this many is made up.
    lies: Option<u64>,
}

impl ConfigSpace for Failing {
    fn read32(&self, address: ConfigAddress) -> u32 {
        let answer = self.fake.read32(address);
        let now = self.fake.accesses.get();
        let random = mixed(self.seed ^ now);
        match self.lies {
            None if now > self.lives => u32::MAX,
            Some(one_in) if random.is_multiple_of(one_in) => (random >> 32) as u32,
            _ => answer,
        }
    }

    fn write32(&mut self, address: ConfigAddress, value: u32) {
        if self.lies.is_some() || self.fake.accesses.get() <= self.lives {
            self.fake.write32(address, value);
        }
    }
}

#[test]
fn something_at_every_address_ends() {
    for strange in [1 << 40, 3] {
        let accesses = Cell::new(0);
        let mut config = Everything { seed: 7, strange, kept: HashMap::new(), accesses };
        let tree = all(&mut config, BusRange::new(0, 255).unwrap(), &ROOMY);
        assert!(tree.functions().len() <= 65536);
        assert!(strange == 3 || tree.functions().len() == 65536);
        assert!(config.accesses.get() < 65536 * EACH, "{}", config.accesses.get());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn noise_ends(seed: u64, first in 0..255_u8, windows in windows()) {
        let range = BusRange::new(first, 255).unwrap();
        let mut config = Noise { seed, accesses: Cell::new(0) };
        let tree = all(&mut config, range, &windows);
        let most = tree.buses().len() as u64 * 256;
        prop_assert!(config.accesses.get() < most * EACH);
    }

    #[test]
    fn who_is_gone_midway_has_no_place(plan in plan(30), lives in 0..4000_u64) {
        let fake = build(&plan, 0);
        let mut config = Failing { fake, lives, seed: 0, lies: None };
        let range = config.fake.range;
        let mut tree = Tree::scan(&mut config, range).unwrap();
        config.lives = 0;
        tree.place(&mut config, &ROOMY).unwrap();
        for (index, function) in tree.functions().iter().enumerate() {
            prop_assert!(tree.bars(function).iter().all(|bar| bar.place().is_none()));
            prop_assert!(tree.enable(&mut config, index, Command::MEMORY).is_err());
        }
    }

    #[test]
    fn gone_at_any_time_ends(plan in plan(30), lives in 0..20000_u64, windows in windows()) {
        let mut config = Failing { fake: build(&plan, 0), lives, seed: 0, lies: None };
        let range = config.fake.range;
        let tree = all(&mut config, range, &windows);
        prop_assert!(config.fake.accesses.get() < tree.buses().len() as u64 * 256 * EACH);
    }

    #[test]
    fn lies_now_and_then_end(plan in plan(30), seed: u64, one_in in 2..500_u64, windows in windows()) {
        let fake = build(&plan, 0);
        let mut config = Failing { fake, lives: 0, seed, lies: Some(one_in) };
        let range = config.fake.range;
        let tree = all(&mut config, range, &windows);
        prop_assert!(config.fake.accesses.get() < tree.buses().len() as u64 * 256 * EACH);
    }
}
