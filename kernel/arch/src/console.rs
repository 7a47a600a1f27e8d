// SPDX-License-Identifier: Apache-2.0
//! The console: whole lines, at quiescent points only (law no-hot-prints).
//!
//! Text and records share it. A record is encoded and written in one piece, so
//! two harts never mix within a line. A panic takes no lock: other harts have
//! been told to stop, and one that held the lock will never give it back.

use core::{
    fmt::{self, Write},
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
};

use skimmer_abi::record::{Envelope, MAX_LINE, Record, encode};
use skimmer_sync::{
    irq::IrqOff,
    lock::{Guard, SpinLock},
};

use crate::{irq::masked, off_times, sbi};

static LOCK: SpinLock<()> = SpinLock::new(());
static SEQUENCE: AtomicU32 = AtomicU32::new(0);
static IS_PANICKING: AtomicBool = AtomicBool::new(false);

/// How bytes leave: not asked yet, debug console, legacy putchar.
static MEANS: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const DEBUG_CONSOLE: u8 = 1;
const LEGACY: u8 = 2;

/// From now on nobody waits for the console.
pub(crate) fn enter_panic() {
    IS_PANICKING.store(true, Ordering::Relaxed);
}

/// Prints a line for people.
#[macro_export]
macro_rules! println {
    ($($arguments:tt)*) => { $crate::console::print_line(format_args!($($arguments)*)) };
}

/// Prints a line for people. Longer than [`MAX_LINE`] bytes, it is cut.
pub fn print_line(text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; MAX_LINE + 1], length: 0 };
    // A line that is too long is cut, and that is all that can go wrong.
    let _ = line.write_fmt(text);
    line.end();
}

/// Sends a record to the host.
pub fn send(record: Record<'_>) {
    masked(|irq| {
        let _turn = take_turn(irq);
        // Numbered in the order in which they leave.
        let seq = SEQUENCE.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; MAX_LINE];
        match encode(&Envelope { seq, record }, &mut bytes) {
            Ok(encoded) => write_bytes(encoded),
            // The host sees the gap in the sequence and counts it as a failure.
            Err(_) => write_bytes(b"a record was too long to send"),
        }
        write_bytes(b"\n");
    });
}

/// Waits for the console, unless a panic has it.
fn take_turn(irq: &IrqOff) -> Option<Guard<'_, ()>> {
    (!IS_PANICKING.load(Ordering::Relaxed)).then(|| off_times::lock(&LOCK, irq))
}

struct Line {
    bytes: [u8; MAX_LINE + 1],
    length: usize,
}

impl Line {
    fn push(&mut self, text: &[u8]) {
        let room = &mut self.bytes[self.length..MAX_LINE];
        let taken = text.len().min(room.len());
        room[..taken].copy_from_slice(&text[..taken]);
        self.length += taken;
    }

    fn end(mut self) {
        self.bytes[self.length] = b'\n';
        let line = &self.bytes[..=self.length];
        masked(|irq| {
            let _turn = take_turn(irq);
            write_bytes(line);
        });
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

fn write_bytes(bytes: &[u8]) {
    if MEANS.load(Ordering::Relaxed) == UNKNOWN {
        let means = if sbi::has_debug_console() { DEBUG_CONSOLE } else { LEGACY };
        MEANS.store(means, Ordering::Relaxed);
    }
    if MEANS.load(Ordering::Relaxed) == DEBUG_CONSOLE {
        sbi::console_write(bytes);
    } else {
        bytes.iter().copied().for_each(sbi::legacy_putchar);
    }
}
