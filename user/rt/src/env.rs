// SPDX-License-Identifier: Apache-2.0
//! What surrounds a program: its environment and the machine's harts.
//!
//! State: set once, before `main` begins.

use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use skimmer_abi::call::Start;

use crate::args::texts;

/// The environment's text.
static TEXT: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
/// Bytes of it.
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static HARTS: AtomicU64 = AtomicU64::new(1);

/// Takes in what the kernel said. Only before there is a second thread.
#[cfg_attr(not(target_os = "none"), allow(dead_code, reason = "the host has no start code"))]
pub(crate) fn set(start: &Start, environment: &'static str) {
    TEXT.store(environment.as_ptr().cast_mut(), Ordering::Relaxed);
    LENGTH.store(environment.len(), Ordering::Relaxed);
    HARTS.store(start.harts.max(1), Ordering::Relaxed);
}

/// Harts of the machine that threads can be put on: 0 to this, less one.
#[must_use]
pub fn harts() -> u64 {
    HARTS.load(Ordering::Relaxed)
}

/// Every variable as name and value, in order.
pub fn vars() -> impl Iterator<Item = (&'static str, &'static str)> {
    texts(text()).filter_map(|variable| variable.split_once('='))
}

/// The value of a variable.
#[must_use]
pub fn var(name: &str) -> Option<&'static str> {
    vars().find(|(n, _)| *n == name).map(|(_, value)| value)
}

fn text() -> &'static str {
    let start = TEXT.load(Ordering::Relaxed);
    if start.is_null() {
        return "";
    }
    // SAFETY: the two were taken from one text that lives for ever, before any
    // other thread began.
    let bytes = unsafe { core::slice::from_raw_parts(start, LENGTH.load(Ordering::Relaxed)) };
    // SAFETY: they were taken from a `str`.
    unsafe { core::str::from_utf8_unchecked(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_by_name() {
        set(&Start { harts: 3, ..Start::default() }, "A=1\0PATH=/a=b\0noise\0");
        assert_eq!(var("A"), Some("1"));
        assert_eq!(var("PATH"), Some("/a=b"));
        assert_eq!(var("noise"), None);
        assert_eq!(vars().count(), 2);
        assert_eq!(harts(), 3);
    }
}
