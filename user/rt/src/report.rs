// SPDX-License-Identifier: Apache-2.0
//! What a workload tells the harness.

use skimmer_abi::call::Call;
pub use skimmer_abi::call::Report;
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
