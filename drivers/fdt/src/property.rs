// SPDX-License-Identifier: Apache-2.0
//! One property and the types its value can have (section 2.2.4).
//!
//! Role: typed reading of a value's bytes.
//! Invariant: a value that does not have the type asked for is a
//! [`ValueError`], never a guess.

use crate::bytes::{be32, be64, until_nul};
use crate::error::ValueError;
use crate::region::Cells;

/// A property as it stands in the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, without padding.
    pub value: &'a [u8],
    /// Where its tag is in the structure block.
    pub(crate) at: usize,
}

impl<'a> Property<'a> {
    /// The value as one 32-bit number.
    ///
    /// # Errors
    /// When the value does not have four bytes.
    pub fn u32(&self) -> Result<u32, ValueError> {
        match self.value.len() {
            4 => be32(self.value, 0).ok_or(ValueError::BadLength),
            _ => Err(ValueError::BadLength),
        }
    }

    /// The value as one 64-bit number.
    ///
    /// # Errors
    /// When the value does not have eight bytes.
    pub fn u64(&self) -> Result<u64, ValueError> {
        match self.value.len() {
            8 => be64(self.value, 0).ok_or(ValueError::BadLength),
            _ => Err(ValueError::BadLength),
        }
    }

    /// The value as a number of either width, for properties that may have
    /// both.
    ///
    /// # Errors
    /// When the value has neither four bytes nor eight.
    pub fn number(&self) -> Result<u64, ValueError> {
        self.u32().map(u64::from).or_else(|_| self.u64())
    }

    /// The value as a string, up to its first NUL.
    ///
    /// # Errors
    /// When there is no NUL, or what is before it is not UTF-8.
    pub fn string(&self) -> Result<&'a str, ValueError> {
        let bytes = until_nul(self.value, 0, self.value.len()).ok_or(ValueError::BadString)?;
        core::str::from_utf8(bytes).map_err(|_| ValueError::BadString)
    }

    /// The value as a list of strings.
    ///
    /// # Errors
    /// When the last string has no NUL, or any of them is not UTF-8.
    pub fn strings(&self) -> Result<Strings<'a>, ValueError> {
        let text = core::str::from_utf8(self.value).map_err(|_| ValueError::BadString)?;
        let text = text.strip_suffix('\0').ok_or(ValueError::BadString)?;
        Ok(Strings { rest: Some(text) })
    }

    /// The value as a list of 32-bit numbers.
    ///
    /// # Errors
    /// When its length is not a multiple of four.
    pub fn words(&self) -> Result<Words<'a>, ValueError> {
        match self.value.as_chunks::<4>() {
            (words, []) => Ok(Words { words: words.iter() }),
            _ => Err(ValueError::BadLength),
        }
    }

    /// The value as cells to be taken one after the other.
    pub fn cells(&self) -> Cells<'a> {
        Cells::new(self.value)
    }
}

/// The strings of a list. Never empty; a string in it may be.
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        match text.split_once('\0') {
            Some((first, rest)) => {
                self.rest = Some(rest);
                Some(first)
            }
            None => self.rest.take(),
        }
    }
}

/// The numbers of a list.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    words: core::slice::Iter<'a, [u8; 4]>,
}

impl Iterator for Words<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.words.next().map(|word| u32::from_be_bytes(*word))
    }
}
