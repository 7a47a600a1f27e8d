// SPDX-License-Identifier: Apache-2.0
//! Calls of messages, which give the hart from one thread to another.
//!
//! Such a call saves in the thread's frame all that a call must keep (trap.S), and runs
//! with interrupts masked on a kernel stack that holds nothing yet. So the thread can be
//! blocked by leaving it there, *parked*: nothing on its stack is needed again. The
//! hart goes on at the frame of another parked thread, whose results the caller knows;
//! or at any thread by the usual switch. A switch to a parked thread comes out at
//! `skimmer_message_resume`.
//!
//! What takes longer goes on in the same call with interrupts open, and may be blocked
//! with what it has on its stack.

use core::{any::Any, ptr::NonNull};

use skimmer_abi::call::Call as Number;
use skimmer_core::{hart::Hart, sched::Switch, straight::Passed, waiting::Timeout};
use skimmer_sync::irq::IrqOff;

use crate::{
    cpu::{self, Riscv},
    off_times, stack,
    trap::TrapFrame,
    user::{self, Call},
};

unsafe extern "C" {
    // It does not return. Its type does not say so: what leads to a call that does not is
    // compiled as what hardly ever happens, and this is what happens most.
    fn skimmer_message_leave(frame: NonNull<TrapFrame>);
}

/// What owns threads that run programs: calls of messages come to it, with the thread's
/// name.
pub trait Owns: Any + Send + Sync {
    /// MsgSend the short way. It returns where that cannot be, and nothing has been done.
    fn send_straight(&'static self, name: u64, call: Call<'_>, entry: Parkable);

    /// The same of MsgReplyReceive.
    fn answer_straight(&'static self, name: u64, call: Call<'_>, entry: Parkable);

    /// The same of MsgSend and MsgReplyReceive, to another hart.
    fn send_afar(&'static self, name: u64, call: Call<'_>, entry: Parkable);

    /// Likewise.
    fn answer_afar(&'static self, name: u64, call: Call<'_>, entry: Parkable);

    /// The same of MsgReply.
    fn reply_straight(&'static self, call: Call<'_>, entry: Parkable);

    /// The same of MsgReceive.
    fn receive_straight(&'static self, name: u64, call: Call<'_>, entry: Parkable);

    /// Any call of messages, from where its thread can be parked; there is no timeout.
    fn message(&'static self, name: u64, call: &mut Call<'_>, entry: Parkable) -> Next;

    /// Such a call of a thread that has set a timeout, or is to end. Interrupts are open.
    fn message_slow(&'static self, name: u64, timeout: Option<Timeout>, call: &mut Call<'_>);

    /// A thread that was parked in such a call has been woken. Interrupts are open.
    fn message_woken(&'static self, name: u64, call: &mut Call<'_>);
}

/// Where the hart goes on: at the frame of the thread that made the call, or of another
/// that was parked.
#[derive(Debug)]
#[must_use = "trap.S goes on there"]
pub struct Next(NonNull<TrapFrame>);

/// Where a call of messages begins: interrupts are masked, and stay so until it is
/// decided what becomes of the thread. Nothing is on its stack that it needs again.
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// // It is this thread's, on this hart.
/// fn smuggle(entry: skimmer_arch::message::Parkable) {
///     send(entry);
/// }
/// ```
#[derive(Debug)]
pub struct Parkable {
    irq: IrqOff,
}

impl Parkable {
    #[inline]
    fn new() -> Self {
        // SAFETY: trap.S calls with interrupts masked, and a thread stays on its hart; every
        // way to open them consumes this.
        Self { irq: unsafe { IrqOff::assume(cpu::this_hart()) } }
    }

    /// Opens this hart's state. Whoever is blocked in `f` is to be parked next.
    #[inline(always)]
    pub fn decide<R>(&self, f: impl FnOnce(&mut Hart<Riscv>, &IrqOff) -> R) -> R {
        cpu::decide(&self.irq, f)
    }

    /// The thread goes on, with what the call says.
    pub fn back(self, call: &mut Call<'_>) -> Next {
        cpu::preempt_if_due(&self.irq);
        let frame = call.frame();
        user::before_return(frame);
        Next(NonNull::from(frame))
    }

    /// The same, after `f` with interrupts open: it can be preempted, and block.
    pub fn leave(self, call: &mut Call<'_>, f: impl FnOnce(&mut Call<'_>)) -> Next {
        user::with_interrupts_open(|| f(call));
        Self::new().back(call)
    }

    /// The thread is parked. The hart goes to one that is not, or that will look by itself
    /// what became of its wait.
    pub fn away(self, switch: Switch<Riscv>) -> ! {
        stack::park_and_go(&self.irq, switch)
    }

    /// The thread is parked. The hart goes to a parked thread, which finds that in a0 to
    /// a2.
    #[inline(never)]
    pub fn over(self, switch: Switch<Riscv>, results: [u64; 3]) -> Next {
        Next(stack::park_and_enter(&self.irq, switch, results))
    }

    /// The same for who has gone over to that thread's memory. It does not return.
    #[inline(always)]
    pub fn straight(self, passed: Passed<Riscv>, results: [u64; 3]) {
        Next(stack::park_and_resume(passed.into_switch(), results)).leave();
    }

    /// As [`Self::over`]. It does not return.
    #[inline(always)]
    pub fn over_at_once(self, switch: Switch<Riscv>, results: [u64; 3]) {
        Next(stack::park_and_enter(&self.irq, switch, results)).leave();
    }

    /// The thread goes on, and finds that in a0 to a2: nobody is more urgent, and it has not
    /// been condemned since the call began. It does not return.
    #[inline(always)]
    pub fn back_at_once(self, mut call: Call<'_>, results: [u64; 3]) {
        call.finish_with(results);
        Next(NonNull::from(call.frame())).leave();
    }
}

impl Next {
    /// It does not return.
    #[inline(always)]
    fn leave(self) {
        off_times::message_returns();
        // SAFETY: the frame is that of the caller or, if that is parked, of another thread which
        // goes on in U-mode, whose space is loaded; what is on this stack is not needed again.
        // Interrupts are masked.
        unsafe { skimmer_message_leave(self.0) }
    }
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_message(mut frame: NonNull<TrapFrame>) -> NonNull<TrapFrame> {
    off_times::message_entered();
    // SAFETY: the calling thread's own frame, which nobody else looks at while it runs. Who
    // goes on at it later does so when this hart has left this call for good.
    let frame = unsafe { frame.as_mut() };
    try_straight(frame);
    let Next(frame) = begin(frame);
    off_times::message_returns();
    frame
}

/// It returns where the short way cannot be gone.
#[inline(always)]
fn try_straight(frame: &mut TrapFrame) {
    let (owner, name, special) = stack::caller(frame);
    let (is_nothing, is_plain) = (special.is_nothing(), special.is_plain());
    let (call, entry) = (Call::new(frame), Parkable::new());
    let number = call.number();
    // Who talks to another hart would try in vain each time to find the other here.
    if is_nothing {
        if number == Number::MsgSend as u64 {
            owner.send_straight(name, call, entry);
        } else if number == Number::MsgReplyReceive as u64 {
            owner.answer_straight(name, call, entry);
        } else if number == Number::MsgReply as u64 {
            owner.reply_straight(call, entry);
        } else {
            owner.receive_straight(name, call, entry);
        }
    } else if is_plain {
        if number == Number::MsgSend as u64 {
            owner.send_afar(name, call, entry);
        } else if number == Number::MsgReplyReceive as u64 {
            owner.answer_afar(name, call, entry);
        } else if number == Number::MsgReceive as u64 {
            owner.receive_straight(name, call, entry);
        }
    }
}

/// The call goes the usual way. What was known of the caller is looked up again: else the
/// short way would have to keep it.
#[inline(never)]
fn begin(frame: &mut TrapFrame) -> Next {
    let (owner, name, special) = stack::caller(frame);
    let is_plain = special.is_plain();
    let (call, entry) = (&mut Call::new(frame), Parkable::new());
    if is_plain {
        owner.message(name, call, entry)
    } else {
        // Whatever this call is, a timeout was for it.
        let timeout = stack::take_timeout();
        entry.leave(call, |call| owner.message_slow(name, timeout, call))
    }
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_message_resumed(frame: &mut TrapFrame) {
    // As of any thread that begins: out of the section in which it was switched to.
    cpu::set_critical_depth(0);
    stack::unpark(frame);
    let (owner, name, _) = stack::caller(frame);
    user::with_interrupts_open(|| owner.message_woken(name, &mut Call::new(frame)));
    user::before_return(frame);
    off_times::message_returns();
}
