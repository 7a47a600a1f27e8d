// SPDX-License-Identifier: Apache-2.0
//! Every call with every argument that is no good: it must answer with an error
//! of the contract, or do what such arguments allow.

use core::arch::global_asm;

use skimmer_abi::call::{Call, Figure, Spawn};
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
    // In a segment of its own, which is execute-only (user/rt/program.ld).
    ".pushsection .sealed, \"ax\"",
    ".balign 8",
    // u64 faults_sealed(): 42.
    ".global faults_sealed",
    "faults_sealed: li a0, 42",
    "ret",
    ".balign 64",
    ".popsection",
);

unsafe extern "C" {
    safe static faults_text: [u8; 64];
    safe static faults_half: [u16; 2];
    safe fn faults_sealed() -> u64;
}

/// What a structure of all ones asks for is never allowed.
static CONSTANTS: [u8; 64] = [0xff; 64];

/// An address that can be executed and not read.
pub(crate) fn sealed() -> u64 {
    faults_sealed as *const () as u64
}

/// Runs what is there.
pub(crate) fn sealed_runs() -> i64 {
    i64::from(faults_sealed() != 42)
}

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
const UNKNOWN: &[u64] = &[14, 15, 63, 1 << 31, 1 << 32, 1 << 63, u64::MAX];

/// Every call with every pair of first arguments, and the second for all the
/// others; then a few of which only one argument is bad. How many answers were
/// wrong.
pub(crate) fn all() -> i64 {
    let values = [0, HOLE, constants(), text(), sealed(), LINEAR, u64::MAX, NOWHERE];
    let known = Call::ALL.iter().map(|call| *call as u64);
    let mut wrong = 0;
    for number in known.chain(UNKNOWN.iter().copied()) {
        for first in values {
            for second in values {
                wrong += i64::from(!is_right(number, first, second));
            }
        }
    }
    wrong + values.into_iter().map(nearly_good).sum::<i64>()
}

fn is_right(number: u64, first: u64, second: u64) -> bool {
    let call = Call::from_number(number);
    match call {
        // They do not come back: other ways try them.
        Some(Call::ProcessExit | Call::ThreadExit) => return true,
        // It would be believed.
        Some(Call::Report) if is_readable(first) => return true,
        _ => {}
    }
    let due = call.map_or(Due::No(&[Errno::ENOSYS]), |call| due(call, first, second));
    answers(number, [first, second, second, second, second, second, second], &due)
}

/// Makes a call, and says so if it answers anything else.
fn answers(number: u64, arguments: [u64; 7], due: &Due) -> bool {
    // SAFETY: no argument names memory of ours that can be written.
    let status = unsafe { raw::any_call(number, arguments) };
    let is_right = match (due, u64::try_from(status)) {
        (Due::Yes(is_right), Ok(result)) => is_right(result),
        (Due::No(errors), Err(_)) => {
            Errno::from_status(status).is_some_and(|errno| errors.contains(&errno))
        }
        _ => false,
    };
    if !is_right {
        let [first, second, ..] = arguments;
        println!("faults: call {number} ({first:#x}, {second:#x}) answered {status}");
    }
    is_right
}

/// What a call must answer.
#[derive(Clone, Copy)]
enum Due {
    /// A result that is right.
    Yes(fn(u64) -> bool),
    /// One of those errors.
    No(&'static [Errno]),
}

const fn any(_: u64) -> bool {
    true
}

const fn zero(result: u64) -> bool {
    result == 0
}

/// What is due to such arguments: none is the name of anything, none is memory
/// that can be written, and a length that is one of them is too long.
fn due(call: Call, first: u64, second: u64) -> Due {
    // What is read before it is looked at.
    let told = Due::No(if is_readable(first) { &[Errno::EINVAL] } else { &[Errno::EFAULT] });
    match call {
        Call::Nop | Call::Yield => Due::Yes(zero),
        Call::Clock | Call::ProcessSelf | Call::ThreadSelf => Due::Yes(any),
        Call::DebugWrite if second == 0 => Due::Yes(zero),
        Call::DebugWrite => Due::No(&[Errno::EINVAL]),
        // All ones: a name too long, no such priority, no such hart.
        Call::Report | Call::Figure | Call::Verdict | Call::ProcessSpawn | Call::ThreadCreate => {
            told
        }
        Call::Counts | Call::ProcessHoldings | Call::ProcessWait => Due::No(&[Errno::EFAULT]),
        Call::ThreadJoin if second != 0 => Due::No(&[Errno::EFAULT]),
        Call::ThreadJoin | Call::ThreadDetach | Call::ProcessKill => Due::No(&[Errno::ESRCH]),
        // There is nobody else.
        Call::ThreadDestroy if first == u64::MAX => Due::Yes(zero),
        Call::ThreadDestroy => Due::No(&[Errno::ESRCH]),
        Call::PriorityGet if first == 0 => Due::Yes(|result| (1..=255).contains(&result)),
        Call::PriorityGet => Due::No(&[Errno::ESRCH]),
        Call::PrioritySet if first == 0 || second == 0 => Due::No(&[Errno::EINVAL]),
        Call::PrioritySet => Due::No(&[Errno::ESRCH]),
        Call::ChannelCreate if first == 0 => Due::Yes(|id| undo(Call::ChannelDestroy, id)),
        Call::ChannelCreate | Call::ChannelDestroy => Due::No(&[Errno::EINVAL]),
        // So much memory there is not, or we may not have it.
        Call::MemoryMap if first != 0 && second == 0 => Due::No(&[Errno::EAGAIN, Errno::ENOMEM]),
        Call::MemoryMap | Call::MemoryUnmap => Due::No(&[Errno::EINVAL]),
        Call::ConnectAttach if first != 0 => Due::No(&[Errno::ENOREMOTE]),
        // No index, and no flags; nor a channel.
        Call::ConnectAttach if second != 0 => Due::No(&[Errno::EINVAL]),
        Call::ConnectAttach => Due::No(&[Errno::ESRCH]),
        Call::ConnectDetach | Call::TimerTimeout => Due::No(&[Errno::EINVAL]),
        Call::MsgSend => Due::No(&[Errno::EBADF, Errno::EFAULT, Errno::EOVERFLOW]),
        Call::MsgReceive if first == u64::MAX => Due::Yes(zero),
        Call::MsgReceive => Due::No(&[Errno::ESRCH, Errno::EFAULT, Errno::EOVERFLOW]),
        Call::MsgReply | Call::MsgReplyReceive => Due::No(&[Errno::ESRCH, Errno::EOVERFLOW]),
        Call::MsgError => Due::No(&[Errno::ESRCH, Errno::EINVAL]),
        Call::MsgInfo => Due::No(&[Errno::ESRCH]),
        Call::ProcessExit | Call::ThreadExit => Due::No(&[]),
    }
}

/// Calls of which only one address is bad: that of a short text. How many
/// answers were wrong.
fn nearly_good(text: u64) -> i64 {
    const SHORT: u64 = 8;
    let spawn = Spawn { name: text, name_length: SHORT, ..Spawn::default() };
    let figure = Figure { name: text, name_length: SHORT, ..Figure::default() };
    // What can be read there is no UTF-8, and shown as nothing.
    let (shown, named) = if is_readable(text) {
        (Due::Yes(|bytes| bytes == SHORT), Due::No(&[Errno::EINVAL]))
    } else {
        (Due::No(&[Errno::EFAULT]), Due::No(&[Errno::EFAULT]))
    };
    let calls = [
        (Call::DebugWrite, [text, SHORT], shown),
        (Call::Figure, [raw::address(&raw const figure), 0], named),
        (Call::ProcessSpawn, [raw::address(&raw const spawn), 0], named),
    ];
    let wrong = calls.iter().filter(|(call, [first, second], due)| {
        !answers(*call as u64, [*first, *second, 0, 0, 0, 0, 0], due)
    });
    wrong.map(|_| 1).sum()
}

fn is_readable(address: u64) -> bool {
    address == constants() || address == text()
}

fn undo(call: Call, first: u64) -> bool {
    // SAFETY: nobody uses what was just made.
    unsafe { raw::answer(call, [first]) }.is_ok()
}
