// SPDX-License-Identifier: Apache-2.0
//! How a program begins: the first instructions, which give its own image its
//! addresses, and the call of its `main`.
//!
//! What is expected of the kernel: the program counter at the ELF entry plus
//! the bias, sp at the end of the first thread's stack (aligned to 16 bytes, or
//! it is cut here), a0 with the address of [`Start`], which stays readable for
//! ever; data that the file does not hold zeroed. gp is not used: the linker
//! relaxes nothing to it. tp is 0 at first, and has the thread's tid once it takes
//! a lock (`thread::tag`): there is no thread-local storage. fcsr is
//! taken to be 0 and the floating-point registers to be usable when they are
//! first used.

use skimmer_abi::call::Start;

use crate::args::Args;
use crate::{env, process};

/// Status of a program whose arguments or environment are no UTF-8.
pub const BAD_START: i64 = 102;

/// The kernel's way in. Relocates the image, then [`begin`]s. The image is
/// linked at 0, so that where its start is, is what must be added; each entry
/// is an offset, a kind (3, R_RISCV_RELATIVE; there is no other, for nothing is
/// linked dynamically) and an addend.
///
/// # Safety
/// For the kernel only.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        "lla  t0, __image_start",
        "lla  t1, __rela_start",
        "lla  t2, __rela_end",
        "2: bgeu t1, t2, 3f",
        "ld   t3, 0(t1)",
        "ld   t4, 8(t1)",
        "ld   t5, 16(t1)",
        "addi t4, t4, -3",
        "bnez t4, 4f",
        "add  t3, t3, t0",
        "add  t5, t5, t0",
        "sd   t5, 0(t3)",
        "addi t1, t1, 24",
        "j    2b",
        // Backtraces end here.
        "3: li ra, 0",
        "li   fp, 0",
        "andi sp, sp, -16",
        "tail {begin}",
        "4: unimp",
        begin = sym begin,
    )
}

unsafe extern "Rust" {
    /// Defined by [`program!`](crate::program).
    safe fn skimmer_main(args: Args) -> i64;
}

/// Runs the program and ends the process with what it says.
extern "C" fn begin(start: *const Start) -> ! {
    // SAFETY: the kernel passes the address of it, and never takes it back.
    let start = unsafe { &*start };
    let arguments = text(start.arguments, start.arguments_length);
    let environment = text(start.environment, start.environment_length);
    let (Some(arguments), Some(environment)) = (arguments, environment) else {
        crate::eprint_line(format_args!("the arguments or the environment are no UTF-8"));
        process::exit(BAD_START)
    };
    env::set(start, environment);
    process::exit(skimmer_main(Args::new(arguments)))
}

/// A block of texts that the kernel left.
fn text(address: u64, length: u64) -> Option<&'static str> {
    if length == 0 {
        return Some("");
    }
    let address = core::ptr::with_exposed_provenance::<u8>(usize::try_from(address).ok()?);
    // SAFETY: the kernel says that so many bytes are there; it never changes
    // them or takes them back.
    let bytes = unsafe { core::slice::from_raw_parts(address, usize::try_from(length).ok()?) };
    core::str::from_utf8(bytes).ok()
}

/// Tells of the panic and ends the process.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::sync::atomic::{AtomicBool, Ordering};
    /// Set by the first to panic: what panics while it tells of a panic only ends.
    static PANICS: AtomicBool = AtomicBool::new(false);
    if !PANICS.swap(true, Ordering::Relaxed) {
        crate::eprint_line(format_args!("{info}"));
    }
    process::exit(process::PANICKED)
}
