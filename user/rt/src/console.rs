// SPDX-License-Identifier: Apache-2.0
//! Text to the kernel's debug console. It is gathered first, so that a line
//! (of up to 256 bytes) is one call and other threads' text stays out of it.

use core::fmt::{self, Write as _};

use skimmer_abi::call::Call;

use crate::raw;

/// Prints to the debug console, without a new line at the end.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::print(::core::format_args!($($text)*)) };
}

/// Prints a line to the debug console.
#[macro_export]
macro_rules! println {
    () => { $crate::print(::core::format_args!("\n")) };
    ($($text:tt)*) => {
        $crate::print(::core::format_args!("{}\n", ::core::format_args!($($text)*)))
    };
}

/// Writes to the debug console. What it does not take is lost.
pub fn print(text: fmt::Arguments<'_>) {
    let mut gathered = Gathered::new(write);
    // Writing to the console does not fail, and a `Display` that does is the
    // program's business.
    let _ = gathered.write_fmt(text);
    gathered.flush();
}

/// A line about the program itself, with the number of its process.
pub fn eprint_line(text: fmt::Arguments<'_>) {
    match crate::process::id() {
        Ok(pid) => print(format_args!("process {:#x}: {text}\n", pid.number())),
        Err(_) => print(format_args!("{text}\n")),
    }
}

fn write(mut text: &[u8]) {
    while !text.is_empty() {
        let call = [raw::address(text.as_ptr()), text.len() as u64];
        // SAFETY: the kernel only reads the text.
        let Ok(written @ 1..) = (unsafe { raw::answer(Call::DebugWrite, call) }) else { return };
        text = text.get(written as usize..).unwrap_or_default();
    }
}

/// Text that waits to be written.
struct Gathered<F: FnMut(&[u8])> {
    bytes: [u8; 512],
    length: usize,
    sink: F,
}

impl<F: FnMut(&[u8])> Gathered<F> {
    const fn new(sink: F) -> Self {
        Self { bytes: [0; 512], length: 0, sink }
    }

    fn flush(&mut self) {
        if self.length > 0 {
            (self.sink)(&self.bytes[..self.length]);
        }
        self.length = 0;
    }

    /// Writes up to the last new line, or if there is none all but a character
    /// that goes on.
    fn make_room(&mut self) {
        let bytes = &self.bytes[..self.length];
        let begun = || bytes.utf8_chunks().last().map_or(0, |end| end.invalid().len());
        let line = bytes.iter().rposition(|b| *b == b'\n').map(|at| at + 1);
        let end = line.unwrap_or_else(|| self.length - begun());
        (self.sink)(&self.bytes[..end]);
        self.bytes.copy_within(end..self.length, 0);
        self.length -= end;
    }
}

impl<F: FnMut(&[u8])> fmt::Write for Gathered<F> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.length == self.bytes.len() {
                self.make_room();
            }
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned as _;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn calls(text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let mut gathered = Gathered::new(|b| seen.push(String::from_utf8(b.to_vec()).unwrap()));
        gathered.write_fmt(format_args!("{text}{}", "")).unwrap();
        gathered.flush();
        seen
    }

    #[test]
    fn a_line_is_one_call() {
        assert_eq!(calls("hello\n"), ["hello\n"]);
        assert_eq!(calls(""), [""; 0]);
    }

    #[test]
    fn long_text_is_cut_at_lines() {
        let line = "x".repeat(199) + "\n";
        let seen = calls(&line.repeat(4));
        assert_eq!(seen, [line.repeat(2), line.repeat(2)]);
        let seen = calls(&"y".repeat(1000));
        assert_eq!(seen.concat(), "y".repeat(1000));
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn no_character_is_cut() {
        let text = "x".to_owned() + &"é".repeat(500);
        assert_eq!(calls(&text).concat(), text);
    }
}
