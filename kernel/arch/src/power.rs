// SPDX-License-Identifier: Apache-2.0
//! How the machine ends.
//!
//! A status leaves through the `sifive_test` device: a 32-bit register that
//! takes 0x3333 in its low half to fail with the code in its high half. Where
//! there is none, SBI system reset ends the machine without a status.

use core::sync::atomic::{AtomicUsize, Ordering};

use skimmer_abi::exit::ExitStatus;

use crate::{
    addr::{PhysAddr, to_virtual},
    csr, sbi, time,
};

static TEST_DEVICE: AtomicUsize = AtomicUsize::new(0);

const FINISH_WITH_CODE: u32 = 0x3333;

/// How long the test device has to end the machine.
const DEVICE_PATIENCE_MS: u64 = 5_000;

/// Names the test device that the device tree has.
pub fn set_test_device(registers: PhysAddr) {
    TEST_DEVICE.store(to_virtual(registers), Ordering::Relaxed);
}

/// Ends the machine with `status`.
pub fn exit(status: ExitStatus) -> ! {
    let device = TEST_DEVICE.load(Ordering::Relaxed);
    if device != 0 {
        let register = core::ptr::with_exposed_provenance_mut::<u32>(device);
        // SAFETY: the device tree names a sifive_test register there, and the
        // linear map shows it; nothing else uses the device.
        unsafe { register.write_volatile(FINISH_WITH_CODE | u32::from(status as u8) << 16) };
        // The machine ends a little later; firmware's way out would overtake
        // the status, so it is only for a device that does nothing.
        pause(DEVICE_PATIENCE_MS);
    }
    sbi::shut_down(status != ExitStatus::Success);
    loop {
        csr::wait_for_interrupt();
    }
}

/// Lets guest time pass.
pub(crate) fn pause(milliseconds: u64) {
    let start = time::now();
    while time::nanos(time::now().wrapping_sub(start)) < milliseconds * 1_000_000 {
        core::hint::spin_loop();
    }
}
