// SPDX-License-Identifier: Apache-2.0
//! A digest of a sequence of numbers, to compare what two runs did.

/// FNV-1a over the numbers' bytes. Not against anyone who means harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl Digest {
    /// Of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes in one more number.
    pub fn add(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The digest as a number.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fnv_1a_and_knows_the_order() {
        let of = |numbers: &[u64]| {
            let mut digest = Digest::new();
            numbers.iter().for_each(|n| digest.add(*n));
            digest.value()
        };
        assert_eq!(of(&[]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(of(&[u64::from_le_bytes(*b"skimmer\0")]), fnv(b"skimmer\0"));
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
    }

    fn fnv(bytes: &[u8]) -> u64 {
        bytes.iter().fold(14_695_981_039_346_656_037, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
        })
    }
}
