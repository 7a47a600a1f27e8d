// SPDX-License-Identifier: Apache-2.0
//! The little of protobuf's wire format that a trace needs: numbers, fixed
//! words, bytes, and messages in messages. Fields keep the order in which they
//! are written.

use anyhow::{Context as _, Result, bail};

/// Wire types.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;

/// The most bytes of a number.
const LONGEST_VARINT: u32 = 10;

/// A message that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// With a number.
    #[must_use]
    pub fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3 | VARINT);
        self.varint(value);
        self
    }

    /// With a number of a fixed 64 bits.
    #[must_use]
    pub fn fixed(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3 | FIXED64);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// With a text.
    #[must_use]
    pub fn text(self, field: u32, value: &str) -> Self {
        self.put(field, value.as_bytes())
    }

    /// With a message.
    #[must_use]
    pub fn message(self, field: u32, value: &Self) -> Self {
        self.put(field, &value.bytes)
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn put(mut self, field: u32, value: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | BYTES);
        self.varint(value.len() as u64);
        self.bytes.extend(value);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.bytes.push(value.to_le_bytes()[0]);
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number, of either kind.
    Number(u64),
    /// Bytes: a text or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message, in order.
///
/// # Errors
/// When it ends early or holds what we never write.
pub fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let value = match key & 7 {
            VARINT => Value::Number(take_varint(&mut bytes)?),
            FIXED64 => {
                let (word, rest) = bytes.split_first_chunk().context("a word ends early")?;
                bytes = rest;
                Value::Number(u64::from_le_bytes(*word))
            }
            BYTES => {
                let length = usize::try_from(take_varint(&mut bytes)?)?;
                let (value, rest) = bytes.split_at_checked(length).context("bytes end early")?;
                bytes = rest;
                Value::Bytes(value)
            }
            other => bail!("wire type {other}"),
        };
        fields.push((key >> 3, value));
    }
    Ok(fields)
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for step in 0..LONGEST_VARINT {
        let (&first, rest) = bytes.split_first().context("a number ends early")?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << (7 * step);
        if first < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number without an end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Message::default().number(1, 300).number(2, u64::MAX);
        let bytes = Message::default().text(5, "hi").message(60, &inner).fixed(47, 9).into_bytes();
        let read = fields(&bytes).expect("reads");
        assert_eq!(read[0], (5, Value::Bytes(b"hi")));
        assert_eq!(read[2], (47, Value::Number(9)));
        let Value::Bytes(inner) = read[1].1 else { panic!("a message") };
        let inner = fields(inner).expect("reads");
        assert_eq!(inner, [(1, Value::Number(300)), (2, Value::Number(u64::MAX))]);
        // The example of the format's own documentation.
        assert_eq!(Message::default().number(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
    }

    #[test]
    fn what_is_cut_is_refused() {
        let bytes = Message::default().text(5, "hi").fixed(1, 2).into_bytes();
        for end in [1, 2, 3, 5, bytes.len() - 1] {
            assert!(fields(&bytes[..end]).is_err(), "{end}");
        }
        assert!(fields(&[0xff; 20]).is_err());
    }
}
