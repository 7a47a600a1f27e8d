// SPDX-License-Identifier: Apache-2.0
//! What a program is told when it starts.

use core::fmt;
use core::str::FromStr;

/// The arguments of the program. Its name is none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args {
    text: &'static str,
}

impl Args {
    /// Those in `text`: each ends with a NUL.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { text }
    }

    /// Each, in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'static str> {
        texts(self.text)
    }

    /// The first.
    #[must_use]
    pub fn first(self) -> Option<&'static str> {
        self.iter().next()
    }

    /// The value of the last argument `key=value`, if one has that key.
    #[must_use]
    pub fn value(self, key: &str) -> Option<&'static str> {
        self.iter()
            .rev()
            .find_map(|word| word.split_once('=').filter(|(k, _)| *k == key))
            .map(|p| p.1)
    }

    /// The same as a number, or whatever else can be read from text; `usual`
    /// where there is none of that key.
    ///
    /// # Errors
    /// When the value is none.
    pub fn number<T: FromStr>(self, key: &'static str, usual: T) -> Result<T, BadArgument> {
        let Some(value) = self.value(key) else { return Ok(usual) };
        value.parse().map_err(|_| BadArgument { key, value })
    }
}

/// An argument that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadArgument {
    /// Its key.
    pub key: &'static str,
    /// What stands there.
    pub value: &'static str,
}

impl fmt::Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}: that makes no sense", self.key, self.value)
    }
}

impl core::error::Error for BadArgument {}

/// The texts of a block in which each ends with a NUL.
pub(crate) fn texts(block: &'static str) -> impl DoubleEndedIterator<Item = &'static str> {
    block.split_terminator('\0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn words(text: &'static str) -> Vec<&'static str> {
        Args::new(text).iter().collect()
    }

    #[test]
    fn each_argument_ends_with_a_nul() {
        assert_eq!(words(""), [""; 0]);
        assert_eq!(words("\0"), [""]);
        assert_eq!(words("a\0b c\0\0"), ["a", "b c", ""]);
        assert_eq!(words("not ended"), ["not ended"]);
    }

    #[test]
    fn values_are_found_by_their_keys() {
        let args = Args::new("chan\0rounds=10\0rounds=20\0x\0y=\0");
        assert_eq!(args.first(), Some("chan"));
        assert_eq!(args.value("rounds"), Some("20"));
        assert_eq!(args.value("y"), Some(""));
        assert_eq!(args.value("x"), None);
        assert_eq!(args.number("rounds", 7_u32), Ok(20));
        assert_eq!(args.number("seed", 7_u64), Ok(7));
        assert_eq!(args.number("y", 7_u64), Err(BadArgument { key: "y", value: "" }));
    }
}
