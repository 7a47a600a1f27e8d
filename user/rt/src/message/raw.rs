// SPDX-License-Identifier: Apache-2.0
//! The same calls with addresses and lengths as plain numbers, right or wrong:
//! for programs that pass bad ones on purpose. What comes back is what the
//! registers say.

use skimmer_abi::call::Call;

use crate::raw::message_call;

/// What a1 says when [`reply_receive`] has answered and could not receive.
pub const ANSWERED: u64 = 2;

/// `MsgSend`: the status, or the negative of an error; and 0, or that error's
/// number.
///
/// # Safety
/// The kernel reads `length` bytes at `message`, and writes up to `room` bytes at
/// `reply` until this returns; what it reaches there is the caller's.
#[inline]
#[must_use]
pub unsafe fn send(coid: u64, message: u64, length: u64, reply: u64, room: u64) -> (i64, u64) {
    // SAFETY: passed on to our caller.
    let (status, errno, _) =
        unsafe { message_call(Call::MsgSend, coid, message, length, reply, room, 0, 0) };
    (status, errno)
}

/// `MsgReceive`: the name of the message, or the negative of an error; bytes
/// copied; bytes sent.
///
/// # Safety
/// The kernel writes up to `room` bytes at `into`, and a `MsgInfo` at `info` if
/// that is not 0, until this returns; what it reaches there is the caller's.
#[inline]
#[must_use]
pub unsafe fn receive(chid: u64, into: u64, room: u64, info: u64) -> (i64, u64, u64) {
    // SAFETY: passed on to our caller.
    unsafe { message_call(Call::MsgReceive, chid, into, room, info, 0, 0, 0) }
}

/// `MsgReply`: 0, or the negative of an error.
///
/// # Safety
/// The kernel reads `length` bytes at `answer`; what it reaches there is the
/// caller's.
#[inline]
#[must_use]
pub unsafe fn reply(id: u64, status: i64, answer: u64, length: u64) -> i64 {
    let status = status.cast_unsigned();
    // SAFETY: passed on to our caller.
    unsafe { message_call(Call::MsgReply, id, status, answer, length, 0, 0, 0) }.0
}

/// `MsgReplyReceive`: as [`receive`]. When it fails the second number is 1 if
/// that was the answer, and [`ANSWERED`] if the answer was given.
///
/// # Safety
/// The kernel reads `length` bytes at `answer`, and then writes up to `room` bytes
/// at `into`, which may be the same place, until this returns; what it reaches
/// there is the caller's.
#[inline]
#[must_use]
pub unsafe fn reply_receive(
    id: u64,
    status: i64,
    answer: u64,
    length: u64,
    chid: u64,
    into: u64,
    room: u64,
) -> (i64, u64, u64) {
    let (call, status) = (Call::MsgReplyReceive, status.cast_unsigned());
    // SAFETY: passed on to our caller.
    unsafe { message_call(call, id, status, answer, length, chid, into, room) }
}

/// `MsgError`: 0, or the negative of an error.
///
/// # Safety
/// None is needed: the call touches no memory of the caller.
#[inline]
#[must_use]
pub unsafe fn error(id: u64, errno: u64) -> i64 {
    // SAFETY: the call touches no memory.
    unsafe { message_call(Call::MsgError, id, errno, 0, 0, 0, 0, 0) }.0
}

/// `MsgInfo`: 0, or the negative of an error.
///
/// # Safety
/// The kernel writes a `MsgInfo` at `info`; what it reaches there is the caller's.
#[inline]
#[must_use]
pub unsafe fn info(id: u64, info: u64) -> i64 {
    // SAFETY: passed on to our caller.
    unsafe { message_call(Call::MsgInfo, id, info, 0, 0, 0, 0, 0) }.0
}
