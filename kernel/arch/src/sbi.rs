// SPDX-License-Identifier: Apache-2.0
//! Firmware calls (RISC-V SBI specification): starting harts, ringing
//! doorbells, the console, the end of the machine.

use core::arch::asm;

use sbi_rt::{HartMask, Physical};

use crate::{addr::to_physical, off_times};

/// State of a hart as firmware knows it (SBI, HSM extension).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HartState {
    /// It runs code of ours.
    Started,
    /// It is on its way.
    Starting,
    /// It is not coming.
    Absent,
}

/// Asks firmware to start `hartid` at physical address `entry`.
///
/// # Errors
/// The SBI error code.
pub(crate) fn start_hart(hartid: u64, entry: usize, argument: usize) -> Result<(), i64> {
    let answer = sbi_rt::hart_start(hart_number(hartid), entry, argument);
    if answer.error == 0 { Ok(()) } else { Err(answer.error.cast_signed() as i64) }
}

/// What firmware says of `hartid`.
#[must_use]
pub fn hart_state(hartid: u64) -> HartState {
    let answer = sbi_rt::hart_get_status(hart_number(hartid));
    match (answer.error, answer.value) {
        (0, 0) => HartState::Started,
        (0, 2) => HartState::Starting,
        _ => HartState::Absent,
    }
}

/// Makes a call of firmware that may be part of what is measured. A kernel that
/// counts (feature `bench`) counts its instructions; off-times are without them.
#[inline(always)]
fn counted<R>(call: impl FnOnce() -> R) -> R {
    #[cfg(feature = "bench")]
    let start = crate::csr::instret();
    let result = off_times::in_firmware(call);
    #[cfg(feature = "bench")]
    skimmer_sync::tally::FIRMWARE.add(crate::csr::instret() - start);
    result
}

/// Makes a supervisor software interrupt pending on `hartid`.
pub(crate) fn send_ipi(hartid: u64) {
    // What the target is to see must be out before the doorbell is.
    // SAFETY: orders memory accesses, nothing else.
    unsafe { asm!("fence rw, o") };
    // An error means that there is no such hart; the caller took the id from a
    // hart that runs.
    let _ = counted(|| sbi_rt::send_ipi(HartMask::from_mask_base(1, hart_number(hartid))));
}

/// Makes the timer fire when `time` reaches `deadline`; clears one that fired.
pub(crate) fn set_timer(deadline: u64) {
    // It cannot fail (SBI, TIME extension).
    let _ = counted(|| sbi_rt::set_timer(deadline));
}

/// Firmware's implementation id and version.
#[must_use]
pub fn implementation() -> (u64, u64) {
    (sbi_rt::get_sbi_impl_id() as u64, sbi_rt::get_sbi_impl_version() as u64)
}

/// Ends the machine by firmware's means. Returns if it has none.
pub(crate) fn shut_down(is_failure: bool) {
    if is_failure {
        sbi_rt::system_reset(sbi_rt::Shutdown, sbi_rt::SystemFailure);
    } else {
        sbi_rt::system_reset(sbi_rt::Shutdown, sbi_rt::NoReason);
    }
}

/// Whether firmware has the debug console extension.
pub(crate) fn has_debug_console() -> bool {
    sbi_rt::probe_extension(sbi_rt::Console).is_available()
}

/// Writes through the debug console. The bytes lie in memory that is linearly
/// mapped or in the image.
pub(crate) fn console_write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let address = to_physical(bytes.as_ptr().addr()).get();
        let answer = counted(|| sbi_rt::console_write(Physical::new(bytes.len(), address, 0)));
        if answer.error != 0 {
            return;
        }
        bytes = bytes.get(answer.value..).unwrap_or_default();
    }
}

/// Writes a byte by the legacy extension 0x01, for firmware without the debug
/// console.
pub(crate) fn legacy_putchar(byte: u8) {
    // SAFETY: an SBI call; the legacy ones change no register but a0.
    counted(|| unsafe { asm!("ecall", inout("a0") usize::from(byte) => _, in("a7") 1) });
}

/// Hart ids are XLEN bits wide (SBI, "hartid"), and XLEN is 64 here.
const fn hart_number(hartid: u64) -> usize {
    const { assert!(size_of::<usize>() == size_of::<u64>()) };
    hartid as usize
}
