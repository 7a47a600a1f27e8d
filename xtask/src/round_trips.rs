// SPDX-License-Identifier: Apache-2.0
//! How long round trips between programs took, and what else `ipcstorm` tells as
//! figures, in which the number of instructions is another one. Pure.

use serde::{Deserialize, Serialize};

use crate::record::Record;

/// What the names of all of them begin with.
pub const PREFIX: &str = "ipcstorm/";

/// Runs of `chanstorm` beside it, and the fewest between two looks.
pub const CHANSTORM: &str = "ipcstorm/chanstorm";

/// Round trips between programs, in nanoseconds of guest time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundTrips {
    /// How many there were of short messages.
    pub count: u64,
    /// The least time.
    pub least: u64,
    /// What half of them did not exceed.
    pub median: u64,
    /// What 99 in a hundred did not exceed.
    pub percent99: u64,
    /// The greatest.
    pub most: u64,
}

impl RoundTrips {
    /// Of these records; none where nobody told of any.
    #[must_use]
    pub fn of(records: &[Record]) -> Option<Self> {
        let of = |name: &str| figures(records, &format!("{PREFIX}{name}")).last();
        let (count, least) = of("least")?;
        let value = |name| of(name).map(|(_, value)| value);
        let (median, percent99, most) = (value("median")?, value("percent99")?, value("most")?);
        Some(Self { count, least, median, percent99, most })
    }

    /// Whether they can be times of a distribution.
    #[must_use]
    pub const fn are_in_order(&self) -> bool {
        let Self { count, least, median, percent99, most } = *self;
        count > 0 && least > 0 && least <= median && median <= percent99 && percent99 <= most
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { count, least, median, percent99, most } = *self;
        format!(
            "{count} of short messages: {} to {} µs, half up to {}, 99 % up to {}",
            micros(least),
            micros(most),
            micros(median),
            micros(percent99)
        )
    }
}

/// Nanoseconds as microseconds.
#[must_use]
pub fn micros(nanos: u64) -> String {
    format!("{:.1}", nanos as f64 / 1e3)
}

/// The figures of that name: operations, and the other number.
pub fn figures(records: &[Record], due: &str) -> impl Iterator<Item = (u64, u64)> {
    records.iter().filter_map(move |record| match record {
        Record::Figure { name, operations, instructions, .. } if name == due => {
            Some((*operations, *instructions))
        }
        _ => None,
    })
}

/// Such a figure in words; `None` for others.
#[must_use]
pub fn in_words(name: &str, count: u64, value: u64) -> Option<String> {
    let which = name.strip_prefix(PREFIX)?;
    Some(match which {
        "chanstorm" => format!("chanstorm beside it: {count} runs, {value} at least between looks"),
        "exact" => format!("of {count} looks at its priority a server had the client's in {value}"),
        "least" | "median" | "percent99" | "most" => {
            format!("round trips of short messages, {which} of {count}: {} µs", micros(value))
        }
        what => format!("{count} times {what}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, operations: u64, instructions: u64) -> Record {
        Record::Figure { name: name.to_owned(), operations, instructions, counts: None }
    }

    #[test]
    fn they_are_read_from_figures() {
        let mut records = vec![
            figure("ipcstorm/least", 9, 1_000),
            figure("ipcstorm/median", 9, 2_500),
            figure("ipcstorm/percent99", 9, 70_000),
        ];
        assert_eq!(RoundTrips::of(&records), None);
        records.push(figure("ipcstorm/most", 9, 81_000));
        let told = RoundTrips::of(&records).expect("all of it");
        assert!(told.are_in_order());
        let said = "9 of short messages: 1.0 to 81.0 µs, half up to 2.5, 99 % up to 70.0";
        assert_eq!(told.words(), said);
        assert!(!RoundTrips { least: 3_000, ..told }.are_in_order());
        assert!(!RoundTrips::default().are_in_order());
    }

    #[test]
    fn their_figures_are_no_instructions() {
        let said = in_words("ipcstorm/most", 9, 1_500);
        assert_eq!(said.as_deref(), Some("round trips of short messages, most of 9: 1.5 µs"));
        assert_eq!(in_words("null call", 9, 1_500), None);
    }
}
