// SPDX-License-Identifier: Apache-2.0
//! System calls as they are: a number, six arguments, a result. The only place
//! with the instruction. Everything else of this crate goes through
//! [`answer`], and programs need none of it.

use skimmer_abi::call::Call;
use skimmer_abi::errno::Errno;

/// Makes the call of that number, known or not, but none of messages: these keep
/// fewer registers ([`any_call`]). Less than 0 is the negative of
/// an [`Errno`].
///
/// # Safety
/// The call may do whatever its number means to the memory that its arguments
/// name and to the threads of the process; the caller answers for it.
#[cfg(target_os = "none")]
#[inline]
pub unsafe fn call(number: u64, arguments: [u64; 6]) -> i64 {
    let [a0, a1, a2, a3, a4, a5] = arguments;
    let result: i64;
    // SAFETY: the kernel changes a0 only, and of memory what the caller of
    // this function answers for.
    unsafe {
        core::arch::asm!(
            "ecall",
            inlateout("a0") a0 => result,
            in("a1") a1, in("a2") a2, in("a3") a3, in("a4") a4, in("a5") a5,
            in("a7") number,
            options(nostack),
        );
    }
    result
}

/// The same on the host, where there is no such kernel: every call is unknown.
///
/// # Safety
/// None is needed here; see the other one.
#[cfg(not(target_os = "none"))]
pub unsafe fn call(_number: u64, _arguments: [u64; 6]) -> i64 {
    Errno::ENOSYS.status()
}

/// Makes a call of messages: a0, a1 and a2 as the kernel leaves them.
///
/// A round trip of a message is counted in instructions, so this is nothing but
/// the registers: arguments that a call does not take cost one each.
///
/// # Safety
/// As [`call`].
#[cfg(target_os = "none")]
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "they are the registers")]
pub(crate) unsafe fn message_call(
    call: Call,
    a0: u64,
    a1: u64,
    a2: u64,
    a3: u64,
    a4: u64,
    a5: u64,
    a6: u64,
) -> (i64, u64, u64) {
    let (status, first, second);
    // SAFETY: these calls change what a function may change, and of memory what
    // the caller of this function answers for.
    unsafe {
        core::arch::asm!(
            "ecall",
            inlateout("a0") a0 => status,
            inlateout("a1") a1 => first,
            inlateout("a2") a2 => second,
            in("a3") a3, in("a4") a4, in("a5") a5, in("a6") a6,
            in("a7") call as u64,
            clobber_abi("C"),
            options(nostack),
        );
    }
    (status, first, second)
}

/// The same on the host, where there is no such kernel: every call is unknown.
///
/// # Safety
/// None is needed here; see the other one.
#[cfg(not(target_os = "none"))]
#[expect(clippy::too_many_arguments, reason = "they are the registers")]
pub(crate) unsafe fn message_call(
    _call: Call,
    _a0: u64,
    _a1: u64,
    _a2: u64,
    _a3: u64,
    _a4: u64,
    _a5: u64,
    _a6: u64,
) -> (i64, u64, u64) {
    (Errno::ENOSYS.status(), Errno::ENOSYS as u64, 0)
}

/// Makes the call of any number, one of messages perhaps: a0 as the kernel leaves it.
///
/// # Safety
/// As [`call`].
#[cfg(target_os = "none")]
#[inline(never)]
pub unsafe fn any_call(number: u64, arguments: [u64; 7]) -> i64 {
    let [a0, a1, a2, a3, a4, a5, a6] = arguments;
    let result: i64;
    // SAFETY: no call changes more than a function may, and of memory what the caller
    // of this function answers for.
    unsafe {
        core::arch::asm!(
            "ecall",
            inlateout("a0") a0 => result,
            in("a1") a1, in("a2") a2, in("a3") a3, in("a4") a4, in("a5") a5, in("a6") a6,
            in("a7") number,
            clobber_abi("C"),
            options(nostack),
        );
    }
    result
}

/// The same on the host, where there is no such kernel: every call is unknown.
///
/// # Safety
/// None is needed here; see the other one.
#[cfg(not(target_os = "none"))]
pub unsafe fn any_call(_number: u64, _arguments: [u64; 7]) -> i64 {
    Errno::ENOSYS.status()
}

/// Makes a call and reads its answer.
///
/// # Errors
/// What the call answers.
///
/// # Panics
/// When the kernel answers with a number that the contract does not know.
///
/// # Safety
/// As [`call`].
pub unsafe fn answer<const N: usize>(call: Call, arguments: [u64; N]) -> Result<u64, Errno> {
    const { assert!(N <= 6, "a call has at most six arguments") };
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    // SAFETY: passed on to our caller.
    read(unsafe { self::call(call as u64, all) })
}

/// The result or the error that a status stands for.
fn read(status: i64) -> Result<u64, Errno> {
    match u64::try_from(status) {
        Ok(result) => Ok(result),
        Err(_) => match Errno::from_status(status) {
            Some(errno) => Err(errno),
            None => panic!("the kernel answered {status}, which is no error of the contract"),
        },
    }
}

/// The address of something, as a call's argument: the kernel may read there,
/// and write if the pointer may.
pub fn address<T: ?Sized>(place: *const T) -> u64 {
    place.cast::<u8>().expose_provenance() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_result_or_an_error() {
        assert_eq!(read(0), Ok(0));
        assert_eq!(read(i64::MAX), Ok(i64::MAX as u64));
        assert_eq!(read(-22), Err(Errno::EINVAL));
    }

    #[test]
    #[should_panic(expected = "-5")]
    fn an_error_outside_the_contract_is_told() {
        let _ = read(-5);
    }
}
