// SPDX-License-Identifier: Apache-2.0
//! Standard output whose reader may go away (`cargo xtask run | head`). That
//! ends what is under way as Ctrl-C does: quietly, and with nothing left
//! behind.
//!
//! This crate's `println!` is the one below, not the standard library's, which
//! panics.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::process;

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Prints a line through [`line`].
macro_rules! println {
    ($($words:tt)*) => { $crate::out::line(format_args!($($words)*)) };
}

/// Prints a line; when nobody reads it, stops what is under way.
pub fn line(words: fmt::Arguments<'_>) {
    if is_closed() {
        return;
    }
    if let Err(error) = write(&mut std::io::stdout().lock(), words) {
        CLOSED.store(true, Ordering::SeqCst);
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("error: cannot write to standard output: {error}");
        }
        process::stop();
    }
}

/// Whether nobody reads any more what is printed.
#[must_use]
pub fn is_closed() -> bool {
    CLOSED.load(Ordering::SeqCst)
}

fn write(out: &mut impl Write, words: fmt::Arguments<'_>) -> std::io::Result<()> {
    writeln!(out, "{words}")?;
    out.flush()
}
