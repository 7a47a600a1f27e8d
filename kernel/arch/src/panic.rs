// SPDX-License-Identifier: Apache-2.0
//! The end of a kernel that found itself wrong: every other hart stops, the
//! cause goes to the host as a record and to people as text, and the machine
//! ends with a failure status.

use core::{
    fmt::Write,
    panic::PanicInfo,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use skimmer_abi::{
    exit::ExitStatus,
    record::{MAX_FRAMES, PanicInfo as PanicRecord, Record},
};

use crate::{
    console, cpu, csr, power, println, sbi, stack, stack_memory,
    trap::{TrapFrame, cause_name},
};

/// The id of the hart that panicked first, plus one; 0 while all is well.
static PANICKING: AtomicU64 = AtomicU64::new(0);

/// Whether the host has been told.
static IS_RECORDED: AtomicBool = AtomicBool::new(false);

/// How long the machine stands after the record of a panic, so that a host that
/// watches can stop it there and look at every hart.
const PAUSE_MS: u64 = 500;

/// Parks this hart if another one has panicked.
#[inline]
pub(crate) fn stop_if_panicking() {
    if PANICKING.load(Ordering::Relaxed) != 0 {
        park();
    }
}

#[cold]
fn park() -> ! {
    // A doorbell that nobody answers would end each wait at once.
    csr::disable_interrupt_sources();
    loop {
        csr::wait_for_interrupt();
    }
}

/// Lets one hart through. A panic while panicking ends the machine at once.
fn begin() {
    csr::mask_interrupts();
    let me = cpu::this_hartid().wrapping_add(1);
    match PANICKING.compare_exchange(0, me, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        // The report itself went wrong: what is known goes out.
        Err(first) if first == me => finish_early(),
        Err(_) => park(),
    }
    console::enter_panic();
    for hart in cpu::harts().iter().filter(|hart| hart.hartid() != cpu::this_hartid()) {
        sbi::send_ipi(hart.hartid());
    }
}

/// A trap that nobody handles.
pub(crate) fn trap(frame: &TrapFrame) -> ! {
    report(frame, cause_name(frame.scause))
}

/// A trap, of whatever kind, that found no room on the thread's stack.
pub(crate) fn overrun(frame: &TrapFrame) -> ! {
    report(frame, "kernel stack overrun")
}

/// A trap from U-mode that came to stand on the program's stack.
pub(crate) fn astray(frame: &TrapFrame) -> ! {
    report(frame, "user-trap-on-kernel-stack: a trap from U-mode on the program's stack")
}

fn report(frame: &TrapFrame, name: &str) -> ! {
    begin();
    println!(
        "PANIC on hart {}: {name} at {:#x}, address {:#x}, instruction {}, sstatus {:#x}",
        cpu::this_hartid(),
        frame.sepc,
        frame.stval,
        Instruction::at(frame.sepc),
        frame.sstatus
    );
    for (row, registers) in frame.registers.chunks_exact(4).enumerate() {
        println!(
            "  x{:<2} {:#018x} {:#018x} {:#018x} {:#018x}",
            4 * row,
            registers[0],
            registers[1],
            registers[2],
            registers[3]
        );
    }
    let mut trace = Backtrace::walk(frame.registers[8], frame.registers[2]);
    trace.push_front(frame.registers[1]);
    finish(&PanicRecord {
        hartid: cpu::this_hartid(),
        message: name,
        file: "",
        line: 0,
        scause: Some(frame.scause),
        pc: frame.sepc,
        stval: frame.stval,
        frames: trace.frames,
        depth: trace.depth,
    })
}

#[panic_handler]
fn assertion(info: &PanicInfo<'_>) -> ! {
    begin();
    let mut text = Text { bytes: [0; 160], length: 0 };
    // Text that does not fit is cut.
    let _ = write!(text, "{}", info.message());
    let (file, line) = info.location().map_or(("", 0), |l| (l.file(), l.line()));
    let fp = csr::frame_pointer() as u64;
    let trace = Backtrace::walk(fp, fp - 16);
    println!("PANIC on hart {} at {file}:{line}: {}", cpu::this_hartid(), info.message());
    // What a call keeps is as it was; the rest is the report's own by now.
    for (name, value) in csr::kept_registers() {
        println!("  {name:<8} {value:#018x}");
    }
    finish(&PanicRecord {
        hartid: cpu::this_hartid(),
        message: text.as_str(),
        file,
        line,
        scause: None,
        pc: trace.frames[0],
        stval: 0,
        frames: trace.frames,
        depth: trace.depth,
    })
}

/// The record of a panic whose report did not get that far.
fn finish_early() -> ! {
    if !IS_RECORDED.swap(true, Ordering::Relaxed) {
        console::send(Record::Panic(PanicRecord {
            hartid: cpu::this_hartid(),
            message: "panic while reporting a panic; the console has the first",
            file: "",
            line: 0,
            scause: None,
            pc: 0,
            stval: 0,
            frames: [0; MAX_FRAMES],
            depth: 0,
        }));
    }
    power::exit(ExitStatus::Panic)
}

fn finish(record: &PanicRecord<'_>) -> ! {
    for frame in &record.frames[..usize::from(record.depth)] {
        println!("  from {frame:#x}");
    }
    if !IS_RECORDED.swap(true, Ordering::Relaxed) {
        console::send(Record::Panic(*record));
    }
    power::pause(PAUSE_MS);
    power::exit(ExitStatus::Panic)
}

/// Return addresses, innermost first.
struct Backtrace {
    frames: [u64; MAX_FRAMES],
    depth: u8,
}

impl Backtrace {
    /// Walks the frame pointers from `fp`. Every step must stay on the stack
    /// that holds `sp`, or has run off it to there, and go up, so that a damaged
    /// chain ends the walk.
    fn walk(fp: u64, sp: u64) -> Self {
        let mut trace = Self { frames: [0; MAX_FRAMES], depth: 0 };
        let (Ok(mut fp), Ok(sp)) = (usize::try_from(fp), usize::try_from(sp)) else { return trace };
        let (low, high) = stack::bounds(stack_memory::above_guard(sp));
        while fp > low + 16 && fp <= high && fp.is_multiple_of(8) && fp != 0 {
            let Some(place) = trace.frames.get_mut(usize::from(trace.depth)) else { break };
            let (Some(ra), Some(next)) = (read_stack(fp - 8), read_stack(fp - 16)) else { break };
            if ra == 0 {
                break;
            }
            *place = ra as u64;
            trace.depth += 1;
            if next <= fp {
                break;
            }
            fp = next;
        }
        trace
    }

    /// Puts the return address of a leaf function, which has no frame, first.
    fn push_front(&mut self, ra: u64) {
        if self.frames[0] == ra {
            return;
        }
        self.frames.rotate_right(1);
        self.frames[0] = ra;
        self.depth = (self.depth + 1).min(MAX_FRAMES as u8);
    }
}

/// Reads a word of the stack that is being walked.
fn read_stack(address: usize) -> Option<usize> {
    let is_guard = stack_memory::is_in_region(address) && stack_memory::physical(address).is_none();
    if address < crate::addr::LINEAR_BASE || is_guard {
        return None;
    }
    let word = core::ptr::with_exposed_provenance::<usize>(address);
    // SAFETY: aligned, and in the block that held the stack pointer. If that
    // was wild, this faults, and the fault ends the report early.
    Some(unsafe { word.read_volatile() })
}

/// An instruction, if it can be read.
enum Instruction {
    Unknown,
    Compressed(u16),
    Whole(u32),
}

impl Instruction {
    /// The one at `pc`, which is believed only inside the kernel's text: there
    /// every byte can be read.
    fn at(pc: u64) -> Self {
        let Some(low) = read_text(pc) else { return Self::Unknown };
        // Two set bits say that there is a second half.
        if low & 0b11 != 0b11 {
            return Self::Compressed(low);
        }
        match read_text(pc.wrapping_add(2)) {
            Some(high) => Self::Whole(u32::from(high) << 16 | u32::from(low)),
            None => Self::Unknown,
        }
    }
}

impl core::fmt::Display for Instruction {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Compressed(half) => write!(f, "{half:#06x}"),
            Self::Whole(word) => write!(f, "{word:#010x}"),
        }
    }
}

/// Reads half a word of the kernel's text.
fn read_text(address: u64) -> Option<u16> {
    let address = usize::try_from(address).ok()?;
    let text = crate::addr::text();
    if !address.is_multiple_of(2) || !text.contains(&address) || !text.contains(&(address + 1)) {
        return None;
    }
    let half = core::ptr::with_exposed_provenance::<u16>(address);
    // SAFETY: aligned, and between the ends of the text, which is mapped and
    // readable for ever and never written.
    Some(unsafe { half.read_volatile() })
}

struct Text {
    bytes: [u8; 160],
    length: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        match str::from_utf8(&self.bytes[..self.length]) {
            Ok(text) => text,
            // Cut inside a character.
            Err(error) => str::from_utf8(&self.bytes[..error.valid_up_to()]).unwrap_or(""),
        }
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = &mut self.bytes[self.length..];
        let taken = text.len().min(room.len());
        room[..taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}
