// SPDX-License-Identifier: Apache-2.0
//! What a workload tells the harness.

use skimmer_abi::call::Call;
pub use skimmer_abi::call::Report;
use skimmer_abi::call::Verdict;
pub use skimmer_abi::check::Check;

use crate::{Result, raw};

/// Tells what this process vouches for. The kernel adds up what all processes
/// of a boot report.
///
/// # Errors
/// ENOSYS where the kernel takes no reports.
pub fn report(report: &Report) -> Result<()> {
    // SAFETY: the kernel only reads it.
    unsafe { raw::answer(Call::Report, [raw::address(report)]) }.map(|_| ())
}

/// What became of a case that a program has tried, for the host, which knows what
/// cases there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Case<'a> {
    /// Its name.
    pub name: &'a str,
    /// The clause of the specification that it is about.
    pub clause: &'a str,
    /// What was seen that should not be; none if the case holds.
    pub seen: Option<&'a str>,
    /// Whether who took part was on two harts.
    pub is_apart: bool,
    /// What was counted in it: observations, or what the case is about.
    pub count: u64,
    /// What that is held against; 0 where it is nothing.
    pub beside: u64,
}

impl Case<'_> {
    /// Tells the host.
    ///
    /// # Errors
    /// EINVAL: a text is longer than 120 bytes.
    pub fn tell(&self) -> Result<()> {
        let seen = self.seen.unwrap_or_default();
        let told = Verdict {
            name: raw::address(self.name.as_ptr()),
            name_length: self.name.len() as u64,
            clause: raw::address(self.clause.as_ptr()),
            clause_length: self.clause.len() as u64,
            seen: raw::address(seen.as_ptr()),
            seen_length: seen.len() as u64,
            is_apart: u64::from(self.is_apart),
            holds: u64::from(self.seen.is_none()),
            count: self.count,
            beside: self.beside,
        };
        // SAFETY: the kernel only reads it, and the texts.
        unsafe { raw::answer(Call::Verdict, [raw::address(&told)]) }.map(|_| ())
    }
}
