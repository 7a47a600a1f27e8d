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
    csr, sbi,
};

static TEST_DEVICE: AtomicUsize = AtomicUsize::new(0);

const FINISH_WITH_CODE: u32 = 0x3333;

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
    }
    sbi::shut_down(status != ExitStatus::Success);
    loop {
        csr::wait_for_interrupt();
    }
}
