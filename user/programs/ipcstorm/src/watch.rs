// SPDX-License-Identifier: Apache-2.0
//! What is wrong is counted by name, and the first times it is said in words.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_rt::report::Check;

use crate::note::Bill;

/// Lines that one process prints of what is wrong.
const LINES: u64 = 4;

/// How often something was wrong in this process.
static WRONG: AtomicU64 = AtomicU64::new(0);

impl Bill {
    /// Counts a check that did not hold, and says why.
    pub(crate) fn fail(&mut self, check: Check, why: fmt::Arguments<'_>) {
        self.errors += 1;
        if self.failed == 0 {
            self.failed = check as u64;
        }
        if WRONG.fetch_add(1, Ordering::Relaxed) < LINES {
            skimmer_rt::eprint_line(format_args!("ipcstorm: {}: {why}", check.name()));
        }
    }

    /// Counts a check if it did not hold. Whether it did.
    pub(crate) fn check(&mut self, check: Check, holds: bool, why: fmt::Arguments<'_>) -> bool {
        if !holds {
            self.fail(check, why);
        }
        holds
    }
}
