// SPDX-License-Identifier: Apache-2.0
//! Kernel stacks, and the switch between them.
//!
//! A stack is one block of memory with nothing mapped below it
//! (`stack_memory`). At its low end stands a header with the saved stack pointer,
//! and above the header the canary: what runs off the stack meets the canary
//! first, then the header, then the guard. The switch checks both stacks'
//! canaries (law canaries-everywhere). At the high end a place is kept free for the frame from
//! which a thread goes to U-mode.

use alloc::boxed::Box;
use core::{
    arch::global_asm,
    cell::{Cell, UnsafeCell},
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};

use skimmer_core::{sched::Switch, table::OutOfMemory, waiting::Timeout};
use skimmer_sync::irq::IrqOff;

use crate::{
    cpu::{self, Riscv},
    csr, fp,
    message::Owns,
    paging::{self, UserSpace},
    stack_memory,
    trap::TrapFrame,
    user,
};

global_asm!(include_str!("switch.S"));

unsafe extern "C" {
    fn skimmer_switch(from: *mut usize, to: *const usize);
    fn skimmer_go(_: usize, to: *const usize) -> !;
    fn skimmer_message_resume();
    fn skimmer_thread_start();
}

/// Bytes of a kernel stack, header and canary included. Also its alignment.
pub const STACK_SIZE: usize = 16 * 1024;

/// Words that [`skimmer_switch`] keeps on the stack.
const SAVED_WORDS: usize = 14;

/// Their bytes.
pub(crate) const SWITCH_FRAME: usize = SAVED_WORDS * size_of::<usize>();

/// Where the user frame stands in a stack.
const USER_FRAME: usize = STACK_SIZE - size_of::<TrapFrame>();

/// Where the stack pointer of a parked thread points. The stack's alignment leaves these
/// bits free.
const PARKED_AT: usize = USER_FRAME - SWITCH_FRAME;

const CANARY_WORDS: usize = 4;
const CANARY: u64 = 0x5afe_57ac_c0de_ca11;

/// What a thread runs first.
pub type Entry = Box<dyn FnOnce() + Send>;

/// Whom a thread belongs to: whatever the image says.
pub type Owner = &'static dyn Owns;

/// What a thread needs that runs a program.
#[derive(Clone, Copy)]
pub struct Program {
    /// Where it begins.
    pub start: user::Start,
    /// Whom it belongs to.
    pub owner: Owner,
    /// What its owner calls it.
    pub name: u64,
    /// Its address space.
    pub space: &'static UserSpace,
}

impl core::fmt::Debug for Program {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Program thread {}", self.name)
    }
}

/// What is special about a thread's next call, in one word that each call looks at. For its
/// home hart: atomic, as a handler may write it while the thread does.
pub(crate) struct Special(AtomicU32);

impl Special {
    /// The thread is to end before it goes back to U-mode.
    const CONDEMNED: u32 = 1;
    /// The call has a timeout.
    const TIMED: u32 = 2;
    /// Its last message went to another hart: a guess at the next.
    const AFAR: u32 = 4;

    #[inline]
    fn has(&self, what: u32) -> bool {
        self.0.load(Ordering::Relaxed) & what != 0
    }

    /// Whether nothing is, but for what was guessed.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.has(Self::CONDEMNED | Self::TIMED)
    }

    /// Whether nothing is.
    #[inline(always)]
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    #[inline]
    fn set(&self, what: u32, is_so: bool) {
        if self.has(what) == is_so {
            return;
        }
        if is_so {
            self.0.fetch_or(what, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!what, Ordering::Relaxed);
        }
    }
}

/// The low end of a stack.
#[repr(C)]
struct Header {
    stack_pointer: UnsafeCell<usize>,
    /// What a thread that has not begun will run.
    entry: Cell<Option<Box<Entry>>>,
    /// What makes it the thread of a program; none for threads of the kernel.
    program: Option<Program>,
    /// The program's space, or null: the thread runs in whatever is loaded.
    space: Cell<*const UserSpace>,
    /// What is special about the thread's next call.
    special: Special,
    /// The timeout of that call, if it says that there is one.
    timeout: Cell<Option<Timeout>>,
    /// Whether `fp` holds the thread's floating-point registers.
    is_fp_parked: Cell<bool>,
    /// The thread is blocked in a call of messages, and has nothing on its stack.
    is_parked: Cell<bool>,
    fp: UnsafeCell<fp::Registers>,
    #[cfg(feature = "bug-replace-window")]
    has_begun: Cell<bool>,
    canary: UnsafeCell<[u64; CANARY_WORDS]>,
}

/// The end of a stack that a hart is to come up on.
#[derive(Clone, Copy, Debug)]
pub struct Beginning(usize);

impl Beginning {
    pub(crate) const fn address(self) -> usize {
        self.0
    }
}

/// Where a thread's stack pointer is kept: its stack's header.
#[derive(Clone, Copy, Debug)]
pub struct Saved(NonNull<Header>);

/// A kernel stack. Dropping it frees the memory.
#[derive(Debug)]
pub struct KernelStack {
    header: NonNull<Header>,
}

// SAFETY: the stack's memory belongs to this handle; what it holds for the
// thread that will run on it is `Send`.
unsafe impl Send for KernelStack {}

impl KernelStack {
    /// A stack for a thread that runs `entry`.
    ///
    /// # Errors
    /// When memory is out.
    pub fn new(entry: Entry) -> Result<Self, OutOfMemory> {
        let stack = Self::empty()?;
        stack.header().entry.set(Some(Box::new(entry)));
        stack.prepare_first_switch();
        Ok(stack)
    }

    /// A stack for a hart to come up on.
    ///
    /// # Errors
    /// When memory is out.
    pub fn empty() -> Result<Self, OutOfMemory> {
        Self::with(None)
    }

    /// A stack for a thread that runs a program.
    ///
    /// # Errors
    /// When memory is out.
    pub fn of_program(program: Program) -> Result<Self, OutOfMemory> {
        let stack = Self::with(Some(program))?;
        stack.prepare_first_switch();
        Ok(stack)
    }

    fn with(program: Option<Program>) -> Result<Self, OutOfMemory> {
        let memory = stack_memory::take()?;
        // SAFETY: fresh memory of the stack's size and alignment.
        Ok(unsafe { Self::in_memory(memory, program) })
    }

    /// # Safety
    /// `memory` is a block of the stack's size and alignment, whose low end
    /// nothing else uses.
    unsafe fn in_memory(memory: NonNull<u8>, program: Option<Program>) -> Self {
        let header = memory.cast::<Header>();
        let fresh = Header {
            stack_pointer: UnsafeCell::new(0),
            entry: Cell::new(None),
            program,
            space: Cell::new(program.map_or(core::ptr::null(), |it| core::ptr::from_ref(it.space))),
            special: Special(AtomicU32::new(0)),
            timeout: Cell::new(None),
            is_fp_parked: Cell::new(false),
            is_parked: Cell::new(false),
            fp: UnsafeCell::new(fp::Registers::zero()),
            #[cfg(feature = "bug-replace-window")]
            has_begun: Cell::new(false),
            canary: UnsafeCell::new([CANARY; CANARY_WORDS]),
        };
        // SAFETY: aligned by the block's alignment, and inside it.
        unsafe { header.write(fresh) };
        Self { header }
    }

    const fn header(&self) -> &Header {
        // SAFETY: made in `in_memory`, valid as long as the handle.
        unsafe { self.header.as_ref() }
    }

    /// Where it begins to grow down: below the place of the user frame.
    #[must_use]
    pub fn top(&self) -> usize {
        self.header.addr().get() + USER_FRAME
    }

    /// Whether the thread runs a program.
    pub(crate) const fn is_of_program(&self) -> bool {
        self.header().program.is_some()
    }

    /// For the named bug: whether the thread runs a program, and for the first time.
    #[cfg(feature = "bug-replace-window")]
    pub(crate) fn begins_now(&self) -> bool {
        !self.header().has_begun.replace(true) && self.is_of_program()
    }

    /// The thread is to end before it goes back to U-mode. For its home hart.
    pub(crate) fn condemn(&self) {
        self.header().special.set(Special::CONDEMNED, true);
    }

    /// Where a hart begins on it.
    #[must_use]
    pub fn begin(&self) -> Beginning {
        Beginning(self.top())
    }

    /// Whether nothing ran off the stack.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        Saved(self.header).is_whole()
    }

    /// Whether `address` lies in the stack.
    pub(crate) fn holds(&self, address: usize) -> bool {
        bounds(address).0 == self.header.addr().get()
    }

    pub(crate) const fn saved(&self) -> Saved {
        Saved(self.header)
    }

    /// Makes the first switch to this stack return to `skimmer_thread_start`
    /// with s1 naming the header and s0 = 0, where backtraces end.
    fn prepare_first_switch(&self) {
        let mut frame = [0usize; SAVED_WORDS];
        frame[0] = skimmer_thread_start as *const () as usize;
        frame[2] = self.header.expose_provenance().get();
        let at = self.top() - size_of_val(&frame);
        let words = self.header.as_ptr().with_addr(at).cast::<[usize; SAVED_WORDS]>();
        // SAFETY: the top of this stack, which nothing runs on yet.
        unsafe { words.write(frame) };
        // SAFETY: nobody else reaches the header before the first switch.
        unsafe { *self.header().stack_pointer.get() = at };
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        drop(self.header().entry.take());
        // SAFETY: from `take` in `with`, and the handle was the last user.
        unsafe { stack_memory::give_back(self.header.cast()) };
    }
}

impl Saved {
    const fn stack_pointer(self) -> *mut usize {
        // SAFETY: a `Saved` comes from a live stack's thread, and a thread is
        // freed only after it has switched away for good.
        unsafe { self.0.as_ref() }.stack_pointer.get()
    }

    /// The address space that this thread runs in, if it is a program's.
    #[inline]
    pub(crate) fn space(&self) -> Option<&'static UserSpace> {
        // SAFETY: null, or a space that lives for ever (`Program::space`).
        unsafe { self.header().space.get().as_ref() }
    }

    /// Changes to the address space that this thread is about to run in.
    #[inline]
    fn enter_space(self, irq: &IrqOff) {
        if let Some(space) = self.space() {
            space.load(irq);
        }
    }

    /// Parks the floating-point registers if this thread, which runs, has them.
    #[inline]
    fn park_fp(self) {
        if fp::are_on() {
            // SAFETY: as in `stack_pointer`.
            let header = unsafe { self.0.as_ref() };
            // SAFETY: the running thread's own, and it is here.
            fp::save(unsafe { &mut *header.fp.get() });
            header.is_fp_parked.set(true);
        }
    }

    #[inline]
    fn unpark(self) {
        self.header().is_parked.set(false);
        self.unpark_fp();
    }

    /// Gives this thread, which runs again, its floating-point registers back.
    #[inline]
    fn unpark_fp(self) {
        // SAFETY: as in `stack_pointer`.
        let header = unsafe { self.0.as_ref() };
        if header.is_fp_parked.replace(false) {
            // SAFETY: as in `park_fp`.
            fp::load(unsafe { &*header.fp.get() });
        }
    }

    const fn header(&self) -> &Header {
        // SAFETY: as in `stack_pointer`.
        unsafe { self.0.as_ref() }
    }

    /// Whether the thread can be gone on with at its frame.
    pub(crate) const fn is_parked(self) -> bool {
        self.header().is_parked.get()
    }

    /// Leaves the calling thread at its frame, with nothing on its stack. A switch to it
    /// comes out at `skimmer_message_resume`.
    #[inline(always)]
    fn park(self) {
        let at = self.0.addr().get() | PARKED_AT;
        let words = self.0.as_ptr().with_addr(at).cast::<usize>();
        // SAFETY: trap.S leaves this place below the frame free for that.
        unsafe { words.write(skimmer_message_resume as *const () as usize) };
        // s0: where backtraces end.
        let chain = words.wrapping_add(1);
        // SAFETY: as above.
        unsafe { chain.write(0) };
        // SAFETY: the thread's own, which runs here and leaves.
        unsafe { self.stack_pointer().write(at) };
        self.header().is_parked.set(true);
        self.park_fp();
    }

    #[inline]
    fn is_whole(self) -> bool {
        // SAFETY: as in `stack_pointer`.
        let canary = unsafe { self.0.as_ref() }.canary.get();
        // SAFETY: inside the header. Volatile, for a stack that overflows
        // writes it behind the compiler's back.
        let words = unsafe { canary.read_volatile() };
        // A comparison of arrays would be a call.
        words.iter().fold(0, |differs, word| differs | (word ^ CANARY)) == 0
    }
}

#[inline]
fn check(from: Saved, to: Saved) {
    assert!(from.is_whole(), "canaries-everywhere: the outgoing thread overran its stack");
    assert!(to.is_whole(), "canaries-everywhere: the incoming thread's stack was overrun");
}

/// Gives the hart to the thread that policy has chosen; returns when this one
/// is chosen again.
///
/// # Panics
/// When one of the two stacks has been overrun.
#[inline]
pub(crate) fn switch(irq: &IrqOff, switch: Switch<Riscv>) {
    let (from, to) = switch.into_parts();
    check(from, to);
    let depth = cpu::critical_depth();
    assert!(depth > 0, "crit-across-switch: a thread leaves its hart outside a critical section");
    from.park_fp();
    to.enter_space(irq);
    // SAFETY: a `Switch` is made by the hart's own policy only, and names its
    // current thread and one that is suspended; interrupts are masked until
    // the new stack is live.
    unsafe { skimmer_switch(from.stack_pointer(), to.stack_pointer()) };
    // The depth is the thread's own, and it is back.
    cpu::set_critical_depth(depth);
    from.unpark_fp();
}

/// Parks the calling thread, and gives the hart to the one that policy has chosen.
pub(crate) fn park_and_go(irq: &IrqOff, switch: Switch<Riscv>) -> ! {
    let (from, to) = switch.into_parts();
    check(from, to);
    from.park();
    to.enter_space(irq);
    // SAFETY: a `Switch` names the current thread, of which nothing on this stack is
    // needed again, and one that is suspended; interrupts are masked until the new stack
    // is live.
    unsafe { skimmer_go(0, to.stack_pointer()) }
}

/// Parks the calling thread, and says where a parked one goes on, which finds that in
/// its registers. Its space is loaded.
#[inline(always)]
pub(crate) fn park_and_resume(switch: Switch<Riscv>, results: [u64; 3]) -> NonNull<TrapFrame> {
    let (from, to) = switch.into_parts();
    resume(from, to, results)
}

#[inline(always)]
fn resume(from: Saved, to: Saved, results: [u64; 3]) -> NonNull<TrapFrame> {
    // The other was looked at as it was parked, and has run nothing since.
    assert!(from.is_whole(), "canaries-everywhere: the outgoing thread overran its stack");
    from.park();
    to.unpark();
    let at = to.0.addr() | USER_FRAME;
    let mut frame = to.0.with_addr(at).cast::<TrapFrame>();
    // SAFETY: the thread's frame, which nobody else looks at while it is parked.
    user::finish(unsafe { frame.as_mut() }, results);
    frame
}

/// The same where its space is to be loaded first.
#[inline(always)]
pub(crate) fn park_and_enter(
    irq: &IrqOff,
    switch: Switch<Riscv>,
    results: [u64; 3],
) -> NonNull<TrapFrame> {
    let (from, to) = switch.into_parts();
    assert!(to.is_parked(), "who is not parked has something on its stack");
    to.enter_space(irq);
    resume(from, to, results)
}

/// The thread of that frame, which was parked, runs again.
pub(crate) fn unpark(frame: &TrapFrame) {
    Saved(NonNull::from(header_under(frame))).unpark();
}

/// The first Rust code of a new thread: with interrupts masked, and in the
/// critical section that it was born in.
#[unsafe(no_mangle)]
extern "C" fn skimmer_thread_main(header: usize) -> ! {
    let header = core::ptr::with_exposed_provenance::<Header>(header);
    // SAFETY: `prepare_first_switch` put it there; this thread runs on that
    // very stack, so it is alive.
    let header = unsafe { &*header };
    let entry = header.entry.take();
    cpu::begin_thread();
    if let Some(program) = &header.program {
        user::enter(program.start);
    }
    if let Some(entry) = entry {
        entry();
    }
    cpu::exit_thread()
}

/// The stack that holds `address`, if it were a kernel stack's: its lowest and
/// its end address. For backtraces, which check every step against them.
pub(crate) const fn bounds(address: usize) -> (usize, usize) {
    let base = address & !(STACK_SIZE - 1);
    (base, base + STACK_SIZE)
}

/// The header of the stack that holds `address`.
///
/// # Safety
/// `address` is in a kernel stack that lives for `'s`.
const unsafe fn header_of<'s>(address: usize) -> &'s Header {
    let header = core::ptr::with_exposed_provenance::<Header>(address & !(STACK_SIZE - 1));
    // SAFETY: the caller's promise; every kernel stack begins with one.
    unsafe { &*header }
}

/// The header of the stack that the caller runs on.
#[inline(always)]
fn own_header<'s>() -> &'s Header {
    // SAFETY: who runs is on a kernel stack, which is not freed before it has left it for
    // good; nobody here keeps the header for longer.
    unsafe { header_of(csr::stack_pointer()) }
}

/// The header of the stack at whose high end that frame is.
#[inline(always)]
fn header_under(frame: &TrapFrame) -> &Header {
    // SAFETY: the frame of the running thread, which is on its own stack.
    unsafe { header_of(core::ptr::from_ref(frame).addr()) }
}

/// Whether the thread of that frame, which runs, has been condemned.
#[inline]
pub(crate) fn is_condemned(frame: &TrapFrame) -> bool {
    header_under(frame).special.has(Special::CONDEMNED)
}

/// Whom the calling thread belongs to, and by what name; none if it is the
/// kernel's.
#[inline]
#[must_use]
pub fn own_program() -> Option<(Owner, u64)> {
    own_header().program.as_ref().map(|program| (program.owner, program.name))
}

/// Whose that frame's thread is, by what name, and what is special about its call.
#[inline(always)]
pub(crate) fn caller(frame: &TrapFrame) -> (Owner, u64, &Special) {
    let header = header_under(frame);
    match &header.program {
        Some(program) => (program.owner, program.name, &header.special),
        None => unreachable!("only programs make system calls"),
    }
}

/// The calling thread's program ends: from now on the thread is the kernel's,
/// and its space is loaded for it no more.
pub fn leave_space() {
    own_header().space.set(core::ptr::null());
}

/// Changes back to the address space of the calling thread's program.
pub(crate) fn enter_own_space(irq: &IrqOff) {
    Saved(NonNull::from(own_header())).enter_space(irq);
}

/// The same where it is not known which space is in satp.
#[cold]
pub(crate) fn enter_own_space_anew(irq: &IrqOff) {
    paging::forget_loaded();
    enter_own_space(irq);
}

/// Takes the timeout that was set for this call, if one was.
#[inline]
#[must_use]
pub fn take_timeout() -> Option<Timeout> {
    let header = own_header();
    if !header.special.has(Special::TIMED) {
        return None;
    }
    header.special.set(Special::TIMED, false);
    header.timeout.take()
}

/// Sets the timeout of the calling thread's next call.
pub fn set_timeout(timeout: Option<Timeout>) {
    let header = own_header();
    header.timeout.set(timeout);
    header.special.set(Special::TIMED, timeout.is_some());
}

/// The calling thread's message has gone to a thread of another hart, or of this one.
#[inline]
pub fn note_afar(is_afar: bool) {
    own_header().special.set(Special::AFAR, is_afar);
}

/// Whether the calling thread has been condemned. With interrupts masked the
/// answer stays true until they open.
#[inline]
#[must_use]
pub fn am_condemned() -> bool {
    own_header().special.has(Special::CONDEMNED)
}

/// Writes the calling thread's user frame and returns its address.
pub(crate) fn set_user_frame(frame: TrapFrame) -> usize {
    let (base, _) = bounds(csr::stack_pointer());
    let place = base + USER_FRAME;
    // SAFETY: the place is kept free at the top of every kernel stack, and the
    // caller runs on this one.
    unsafe { core::ptr::with_exposed_provenance_mut::<TrapFrame>(place).write(frame) };
    place
}

/// Bytes between the caller's frame and its stack's canary; 0 once it is past.
#[inline(never)]
#[must_use]
pub fn room() -> usize {
    let here = csr::frame_pointer();
    let (base, _) = bounds(here - 16);
    here.saturating_sub(base + size_of::<Header>())
}
