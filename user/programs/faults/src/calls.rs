// SPDX-License-Identifier: Apache-2.0
//! Every call with every argument that is no good: it must answer with an error
//! of the contract, or do what such arguments allow.

use core::arch::global_asm;

use skimmer_abi::call::Call;
use skimmer_rt::{Errno, println, raw};

use crate::ways::{HOLE, LINEAR, NOWHERE};

global_asm!(
    ".pushsection .text.faults, \"ax\"",
    ".balign 8",
    ".global faults_text",
    "faults_text: .fill 64, 1, 0xff",
    // Four bytes whose second half alone is no instruction.
    ".global faults_half",
    "faults_half: .word 0x000002b7",
    ".popsection",
);

unsafe extern "C" {
    safe static faults_text: [u8; 64];
    safe static faults_half: [u16; 2];
}

/// What a structure of all ones asks for is never allowed.
static CONSTANTS: [u8; 64] = [0xff; 64];

/// An address that can be read and executed.
pub(crate) fn text() -> u64 {
    raw::address(&raw const faults_text)
}

/// An address that can be read.
pub(crate) fn constants() -> u64 {
    raw::address(&raw const CONSTANTS)
}

/// An address that can be executed, in the middle of an instruction.
pub(crate) fn half() -> u64 {
    raw::address(&raw const faults_half) + 2
}

/// Numbers of no call.
const UNKNOWN: &[u64] = &[7, 14, 15, 63, 1 << 31, 1 << 32, 1 << 63, u64::MAX];

/// Every call with every pair of first arguments, and the second for all the
/// others. How many answers were wrong.
pub(crate) fn all() -> i64 {
    let values = [0, HOLE, constants(), text(), LINEAR, u64::MAX, NOWHERE];
    let known = Call::ALL.iter().map(|call| *call as u64);
    let mut wrong = 0;
    for number in known.chain(UNKNOWN.iter().copied()) {
        for first in values {
            for second in values {
                wrong += i64::from(!is_right(number, first, second));
            }
        }
    }
    wrong
}

fn is_right(number: u64, first: u64, second: u64) -> bool {
    let call = Call::from_number(number);
    let is_readable = first == constants() || first == text();
    match call {
        // They do not come back: other ways try them.
        Some(Call::ProcessExit | Call::ThreadExit) => return true,
        // It would be believed.
        Some(Call::Report) if is_readable => return true,
        _ => {}
    }
    // SAFETY: no argument names memory of ours that can be written.
    let status = unsafe { raw::call(number, [first, second, second, second, second, second]) };
    let is_right = match (call, u64::try_from(status)) {
        (None, _) => status == Errno::ENOSYS.status(),
        (Some(call), Ok(result)) => may_succeed(call, first, second, result),
        (Some(_), Err(_)) => Errno::from_status(status).is_some_and(|errno| errno != Errno::ENOSYS),
    };
    if !is_right {
        println!("faults: call {number} ({first:#x}, {second:#x}) answered {status}");
    }
    is_right
}

/// Whether the call may do something with such arguments; takes it back.
fn may_succeed(call: Call, first: u64, second: u64, result: u64) -> bool {
    match call {
        Call::Nop | Call::Yield => result == 0,
        Call::Clock | Call::ProcessSelf | Call::ThreadSelf => true,
        Call::DebugWrite => second == 0 && result == 0,
        Call::PriorityGet => first == 0 && (1..=255).contains(&result),
        // There is nobody else.
        Call::ThreadDestroy => first == u64::MAX && result == 0,
        Call::ChannelCreate => first == 0 && undo(Call::ChannelDestroy, result, 0),
        // A length that is an address may be possible.
        Call::MemoryMap => first != 0 && undo(Call::MemoryUnmap, result, first),
        _ => false,
    }
}

fn undo(call: Call, first: u64, second: u64) -> bool {
    // SAFETY: nobody uses what was just made.
    unsafe { raw::answer(call, [first, second]) }.is_ok()
}
