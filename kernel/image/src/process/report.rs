// SPDX-License-Identifier: Apache-2.0
//! Tells the host of programs' faults: it has their files, and makes functions
//! and lines of addresses.

use core::sync::atomic::{AtomicUsize, Ordering};

use skimmer_abi::record::{FaultInfo, MAX_FAULT_FRAMES, MAX_PROGRAM, Record};
use skimmer_arch::{console, user::Fault, user_copy};
use skimmer_core::{backtrace::Backtrace, process::Tid};

use super::Process;

/// The most faults of a boot that are told: a program that faults on purpose
/// must not keep the console busy.
const MOST: usize = 64;

/// All faults so far.
static FAULTS: AtomicUsize = AtomicUsize::new(0);

/// Tells of the fault that ended the process of the calling thread.
pub(super) fn tell(process: &Process, me: Tid, fault: &Fault) {
    if FAULTS.fetch_add(1, Ordering::Relaxed) >= MOST {
        return;
    }
    let (frame, ra) = fault.frame;
    // What cannot be read ends the walk.
    let trace = Backtrace::walk(frame, |link| user_copy::read_words(link).ok());
    let image = process.image();
    let base = image.base as u64;
    let mut frames = [0; MAX_FAULT_FRAMES];
    for (place, address) in frames.iter_mut().zip(trace.frames()) {
        *place = address.wrapping_sub(base);
    }
    console::send(Record::Fault(FaultInfo {
        pid: process.pid(),
        thread: me.to_word(),
        program: &image.name[..image.name.floor_char_boundary(MAX_PROGRAM)],
        base,
        scause: fault.cause,
        pc: fault.pc,
        stval: fault.address,
        sp: fault.stack,
        ra: ra.wrapping_sub(base),
        frames,
        depth: trace.frames().len() as u8,
    }));
}

/// Faults that were not told.
pub(crate) fn faults_left_out() -> usize {
    FAULTS.load(Ordering::Relaxed).saturating_sub(MOST)
}
