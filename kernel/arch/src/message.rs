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

use core::marker::PhantomData;

use skimmer_core::{hart::Hart, sched::Switch};
use skimmer_sync::irq::IrqOff;

use crate::{
    cpu::{self, Riscv},
    off_times, stack,
    trap::TrapFrame,
    user::{self, Call},
};

// Defined by the image; the other end of the wiring.
unsafe extern "Rust" {
    /// A call of messages, of which something is special. Interrupts are open.
    safe fn skimmer_message_slow(call: &mut Call<'_>);
    /// A thread that was parked has been woken. Interrupts are open.
    safe fn skimmer_message_woken(call: &mut Call<'_>);
}

/// What becomes of a thread that has made such a call.
#[derive(Debug)]
#[must_use = "the current thread has changed; the machine must follow"]
pub enum Next {
    /// It goes on, with what the call says.
    Back,
    /// It is parked. The hart goes to a thread that has been told everything, or was not
    /// parked.
    Away(Switch<Riscv>),
    /// It is parked. The hart goes to a parked thread, which finds that in a0 to a2.
    Straight(Switch<Riscv>, [u64; 3]),
}

/// Where a call of messages begins: interrupts are masked, and the stack is empty.
#[derive(Debug)]
pub struct Parkable(PhantomData<*const ()>);

impl Parkable {
    /// Opens this hart's state. Whoever is blocked in `f` is parked by what the call
    /// returns ([`Next`]).
    #[inline]
    pub fn decide<R>(&self, f: impl FnOnce(&mut Hart<Riscv>, &IrqOff) -> R) -> R {
        cpu::decide(f)
    }

    /// Leaves it: `f` runs with interrupts open and can be preempted, and block.
    pub fn leave(self, f: impl FnOnce()) -> Next {
        user::with_interrupts_open(f);
        Next::Back
    }
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_message(frame: &mut TrapFrame) -> *const TrapFrame {
    off_times::call_entered();
    let program = stack::plain_program(frame);
    let call = &mut Call::new(frame);
    let next = match program {
        Some((owner, name)) => owner.message_call(name, call, Parkable(PhantomData)),
        None => Parkable(PhantomData).leave(|| skimmer_message_slow(call)),
    };
    let frame = match next {
        Next::Back => {
            cpu::preempt_if_due();
            user::before_return(frame);
            core::ptr::from_ref(frame)
        }
        Next::Away(switch) => stack::park_and_go(switch),
        Next::Straight(switch, results) => stack::park_and_resume(switch, results),
    };
    off_times::call_returns();
    frame
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_message_resumed(frame: &mut TrapFrame) {
    // As of any thread that begins: out of the section in which it was switched to.
    cpu::set_critical_depth(0);
    stack::unpark(frame);
    user::with_interrupts_open(|| skimmer_message_woken(&mut Call::new(frame)));
    user::before_return(frame);
    off_times::call_returns();
}
