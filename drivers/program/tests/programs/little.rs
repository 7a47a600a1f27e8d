// SPDX-License-Identifier: Apache-2.0
//! The smallest program with code, constants that need relocation in a PIE,
//! data and zeros: what `README.md` beside it makes two ELF files of.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicUsize, Ordering};

static STEPS: [fn() -> usize; 2] = [one, two];
static DATA: AtomicUsize = AtomicUsize::new(7);
static ZEROS: [AtomicUsize; 1024] = [const { AtomicUsize::new(0) }; 1024];

fn one() -> usize {
    DATA.fetch_add(1, Ordering::Relaxed)
}

fn two() -> usize {
    ZEROS[DATA.load(Ordering::Relaxed) % 1024].fetch_add(1, Ordering::Relaxed)
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {
        STEPS[DATA.load(Ordering::Relaxed) % 2]();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
