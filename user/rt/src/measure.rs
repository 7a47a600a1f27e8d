// SPDX-License-Identifier: Apache-2.0
//! What things cost in instructions, for `cargo xtask bench`. The counter counts
//! instructions only where the emulator's clock does (`--schedule rr`), and
//! those of all harts then; elsewhere it counts something else.

use core::sync::atomic::{AtomicU64, Ordering};

pub use skimmer_abi::call::Counts;
use skimmer_abi::call::{Call, Figure};

use crate::{Result, raw};

/// What the kernel has counted since boot; none if it was not built to count.
///
/// # Errors
/// None is known.
pub fn counts() -> Result<Option<Counts>> {
    let mut counts = Counts::default();
    // SAFETY: the kernel writes a `Counts` there, which is ours.
    let is_counted = unsafe { raw::answer(Call::Counts, [raw::address(&raw mut counts)]) }?;
    Ok((is_counted == 1).then_some(counts))
}

/// Tells the host what something costs: so many operations took together so
/// many instructions, and the kernel counted that.
///
/// # Errors
/// EINVAL: the name is too long.
pub fn figure(
    name: &str,
    operations: u64,
    instructions: u64,
    counts: Option<Counts>,
) -> Result<()> {
    let told = Figure {
        name: raw::address(name.as_ptr()),
        name_length: name.len() as u64,
        operations,
        instructions,
        is_counted: u64::from(counts.is_some()),
        counts: counts.unwrap_or_default(),
    };
    // SAFETY: the kernel only reads it, and the name.
    unsafe { raw::answer(Call::Figure, [raw::address(&told)]) }.map(|_| ())
}

/// The counter.
#[inline]
#[must_use]
pub fn now() -> u64 {
    #[cfg(target_os = "none")]
    {
        let count: u64;
        // Not to be moved: it marks a place in the program.
        // SAFETY: reads a counter.
        unsafe { core::arch::asm!("rdinstret {}", out(reg) count, options(nostack)) };
        count
    }
    #[cfg(not(target_os = "none"))]
    0
}

/// Makes a call that does nothing, `n` times; with two instructions around each.
pub fn nulls(n: u64) {
    calls(Call::Nop, n);
}

/// Lets others run, `n` times; with two instructions around each.
pub fn yields(n: u64) {
    calls(Call::Yield, n);
}

/// Creates and destroys a channel, `n` times; with five instructions around
/// each pair.
pub fn channels(n: u64) {
    #[cfg(target_os = "none")]
    // SAFETY: the two calls touch no memory, and the channel is nobody else's.
    unsafe {
        core::arch::asm!(
            "2: li a7, {create}",
            "li   a0, 0",
            "ecall",
            "li   a7, {destroy}",
            "ecall",
            "addi {n}, {n}, -1",
            "bnez {n}, 2b",
            n = inout(reg) n => _,
            create = const Call::ChannelCreate as u64,
            destroy = const Call::ChannelDestroy as u64,
            out("a0") _, out("a7") _,
            options(nostack),
        );
    }
    let _ = n;
}

fn calls(call: Call, n: u64) {
    debug_assert!(matches!(call, Call::Nop | Call::Yield), "it takes no arguments");
    #[cfg(target_os = "none")]
    // SAFETY: the call takes no arguments and touches no memory.
    unsafe {
        core::arch::asm!(
            "2: ecall",
            "addi {n}, {n}, -1",
            "bnez {n}, 2b",
            n = inout(reg) n => _,
            in("a7") call as u64,
            out("a0") _,
            options(nostack),
        );
    }
    let _ = (call, n);
}

/// Lets others run for ever; with one instruction around each call.
pub fn yield_forever() -> ! {
    loop {
        #[cfg(not(target_os = "none"))]
        core::hint::spin_loop();
        // This loop never ends by itself.
        #[cfg(target_os = "none")]
        // SAFETY: the call touches no memory.
        unsafe {
            core::arch::asm!(
                "2: ecall",
                "j 2b",
                in("a7") Call::Yield as u64,
                out("a0") _,
                options(nostack),
            );
        }
    }
}

/// Lets others run until `stop` is not 0; with two instructions around each
/// call.
pub fn yield_until(stop: &AtomicU64) {
    #[cfg(target_os = "none")]
    // SAFETY: the call touches no memory; the word is read as an atomic is.
    unsafe {
        core::arch::asm!(
            "2: ecall",
            "ld   {seen}, 0({stop})",
            "beqz {seen}, 2b",
            seen = out(reg) _,
            stop = in(reg) stop.as_ptr(),
            in("a7") Call::Yield as u64,
            out("a0") _,
            options(nostack),
        );
    }
    let _ = stop.load(Ordering::Relaxed);
}

/// `n` turns of a loop of two instructions: what the counter's step is.
pub fn turns(n: u64) {
    #[cfg(target_os = "none")]
    // SAFETY: counts down.
    unsafe {
        core::arch::asm!("2: addi {n}, {n}, -1", "bnez {n}, 2b", n = inout(reg) n => _,
            options(nostack));
    }
    let _ = n;
}

/// Two threads that only the timer takes turns of.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Duel {
    /// Who ran last: 0, 1; or 2: both stop.
    pub who: AtomicU64,
    /// Times that the other one was seen to have run.
    pub changes: AtomicU64,
    /// Turns of the loop, by each.
    pub turns: [AtomicU64; 2],
}

/// Instructions of a turn of the loop of [`duel`].
pub const DUEL_TURN: u64 = 4;
/// More of them when the other one was seen to have run.
pub const DUEL_CHANGE: u64 = 6;

/// Runs as `me` (0 or 1) until it sees the `limit`th change, or is told to stop.
///
/// # Panics
/// When `me` is another.
pub fn duel(duel: &Duel, me: u64, limit: u64) {
    let turns = &duel.turns[usize::from(me != 0)];
    assert!(me < 2, "two threads take turns");
    #[cfg(target_os = "none")]
    // SAFETY: the words are read and written as atomics are.
    unsafe {
        core::arch::asm!(
            "ld   {count}, 0({turns})",
            "2: addi {count}, {count}, 1",
            "sd   {count}, 0({turns})",
            "ld   {seen}, 0({duel})",
            "beq  {seen}, {me}, 2b",
            "beq  {seen}, {stop}, 3f",
            "sd   {me}, 0({duel})",
            "ld   {seen}, 8({duel})",
            "addi {seen}, {seen}, 1",
            "sd   {seen}, 8({duel})",
            "bltu {seen}, {limit}, 2b",
            "3:",
            count = out(reg) _,
            seen = out(reg) _,
            turns = in(reg) turns.as_ptr(),
            duel = in(reg) core::ptr::from_ref(duel),
            me = in(reg) me,
            stop = in(reg) 2_u64,
            limit = in(reg) limit,
            options(nostack),
        );
    }
    let _ = (turns, limit);
}

/// Reaches for the address that the counter is, so that whoever hears of the
/// fault knows when it came.
pub fn fault_now() {
    #[cfg(target_os = "none")]
    // SAFETY: nothing is mapped below 4 GiB; if something is, it is only read.
    unsafe {
        core::arch::asm!("rdinstret {at}", "lb {at}, 0({at})", at = out(reg) _, options(nostack));
    }
}
