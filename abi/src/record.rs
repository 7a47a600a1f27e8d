// SPDX-License-Identifier: Apache-2.0
//! Typed records from guest to host, one per console line.
//!
//! A record travels as `~sk1:HEX~`, where HEX is the lower-case hexadecimal of
//! a postcard-encoded [`Envelope`] followed by its CRC-32. Anything may stand
//! before or after it on the line; a line that was cut or damaged fails the
//! end mark, the hexadecimal or the CRC, and is reported as damaged rather
//! than believed. Sequence numbers start at 0 and show a record that was lost
//! whole.

use serde::{Deserialize, Serialize};

use crate::{call::Counts, scenario::Scenario};

/// What every record line contains before its hexadecimal.
pub const MARK: &[u8] = b"~sk1:";

/// What ends the hexadecimal.
pub const END: u8 = b'~';

/// The most bytes an encoded envelope takes, CRC included.
pub const MAX_ENCODED: usize = 768;

/// The most bytes a record's line takes: mark, two digits a byte, end mark.
pub const MAX_LINE: usize = MARK.len() + 2 * MAX_ENCODED + 1;

/// The most frames a panic's backtrace carries.
pub const MAX_FRAMES: usize = 24;

/// The most frames the backtrace of a program's fault carries.
pub const MAX_FAULT_FRAMES: usize = 16;

/// The most bytes of a program's name in a record.
pub const MAX_PROGRAM: usize = 64;

/// A record with its place in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// Counts the records of one boot from 0.
    pub seq: u32,
    /// What it says.
    #[serde(borrow)]
    pub record: Record<'a>,
}

/// Why a hart that the device tree names is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkipReason {
    /// Its `status` is not "okay".
    Disabled,
    /// It names no `mmu-type`, or one without Sv39.
    NoMmu,
    /// Its `reg` cannot be read.
    BadId,
}

/// How a scenario ended, and the numbers it vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which workload.
    pub scenario: Scenario,
    /// Harts that took part.
    pub harts: u32,
    /// Round trips (or units of the scenario's own work) that were verified.
    pub round_trips: u64,
    /// Checks that failed. Success means 0.
    pub errors: u64,
    /// What the kernel's counters say was sent, over all harts.
    pub kernel_sends: u64,
    /// What the kernel's counters say was replied, over all harts.
    pub kernel_replies: u64,
    /// Operations that went through a ring between two harts.
    pub remote_ops: u64,
    /// Times a sender found a ring full and waited for space.
    pub ring_waits: u64,
    /// Doorbells sent.
    pub doorbells: u64,
    /// Thread switches.
    pub switches: u64,
    /// Stack canaries that were checked at the end, all whole.
    pub canaries: u64,
    /// Times a thread lost its hart without giving it up.
    pub preemptions: u64,
    /// Round trips of `kstress` beside the scenario, from before its first to
    /// after its last operation; none if it was not asked for.
    pub kstress: Option<u64>,
    /// Time the workload took, in nanoseconds of guest time.
    pub nanos: u64,
    /// Worst off-times; none unless the kernel was built with `off-times`.
    pub off_times: Option<OffTimes>,
    /// What programs did; none where none was asked for.
    pub programs: Option<Programs>,
    /// Where devices interrupted; none where none was asked to.
    pub interrupts: Option<Interrupts>,
    /// What drives did; none where none was asked to.
    pub drives: Option<Drives>,
    /// What ran beside the program of [`Scenario::All`]; none of others.
    pub beside: Option<Beside>,
}

impl Beside {
    /// Runs at the least: so often is looked whether everything goes on.
    pub const RUNS: u64 = 10;

    /// Looks at the least at a program that is run once and tells as it goes.
    pub const LOOKS: u64 = 5;
}

impl Outcome {
    /// Of a scenario of which nothing has been counted yet.
    #[must_use]
    pub const fn of(scenario: Scenario) -> Self {
        Self {
            scenario,
            harts: 0,
            round_trips: 0,
            errors: 0,
            kernel_sends: 0,
            kernel_replies: 0,
            remote_ops: 0,
            ring_waits: 0,
            doorbells: 0,
            switches: 0,
            canaries: 0,
            preemptions: 0,
            kstress: None,
            nanos: 0,
            off_times: None,
            programs: None,
            interrupts: None,
            drives: None,
            beside: None,
        }
    }
}

/// What the programs of a boot did, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    /// The sum of the digests that they reported, wrapping.
    pub digest: u64,
    /// Channels that they created, as the kernel counts them.
    pub channels_created: u64,
    /// Of those, channels that were destroyed and whose slots were freed.
    pub channels_destroyed: u64,
    /// Messages that they sent and that were received, and those that were answered, as
    /// the kernel counts them; none where it does not.
    pub messages: Option<Exchanged>,
}

/// Messages between programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanged {
    /// That were sent.
    pub sent: u64,
    /// That a server has answered, in whatever way.
    pub answered: u64,
}

/// Interrupts of devices, by the hart that claimed them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupts {
    /// The id of the hart that the source was on at the end.
    pub hartid: u64,
    /// Claimed there.
    pub here: u64,
    /// Claimed on all others, while the source was there.
    pub elsewhere: u64,
    /// Nothing to claim, or something that was not that hart's, or masked.
    pub stray: u64,
}

/// What ran beside a program, between its beginning and its last end. It was run again
/// and again, and looked at after each run; or it was run once, and looked at after
/// what it told. Where something did not move between two looks, the next stretch counts
/// as part of it, up to [`Beside::RUNS`] in a row: a host may stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Times that the program was run.
    pub runs: u64,
    /// Stretches that were looked at: of one run each, or from one thing that the
    /// program told to another, unless something did not move in it.
    pub windows: u64,
    /// Units that the program told in the stretch that had the fewest.
    pub least_program: u64,
    /// Reads of drives that were verified meanwhile.
    pub reads: u64,
    /// Of these, in the stretch that had the fewest.
    pub least_reads: u64,
    /// Round trips of `msgstorm` in the stretch that had the fewest.
    pub least_storm: u64,
    /// Round trips of `kstress` in the stretch that had the fewest.
    pub least_kstress: u64,
}

/// What drives did, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drives {
    /// How many took part.
    pub drives: u32,
    /// Queue pairs of all of them.
    pub queue_pairs: u64,
    /// Reads that were verified.
    pub reads: u64,
    /// Different places of 4 KiB among them, where nothing but such places is read.
    pub distinct: u64,
    /// Blocks that were verified, every byte of them.
    pub blocks: u64,
    /// Blocks that were written.
    pub written: u64,
    /// Completions that were found because an interrupt told of them.
    pub by_interrupt: u64,
    /// Completions that were found otherwise.
    pub polled: u64,
    /// Of those, completions of which no interrupt told, though it had time to.
    pub missed: u64,
    /// Completions that should not have been.
    pub stray: u64,
    /// How often a controller was reset.
    pub resets: u64,
    /// From a read's submission to where its completion was found.
    pub latency: Latency,
}

/// How times are distributed, in ticks of guest time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// The least.
    pub least: u64,
    /// What half of them do not exceed.
    pub median: u64,
    /// What 99 in a hundred do not exceed.
    pub percent99: u64,
    /// The greatest.
    pub most: u64,
}

/// The worst off-times of all harts while the workload ran, in steps of the
/// counter `instret`: instructions where the emulator counts them, else its
/// host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffTimes {
    /// Interrupts masked, waiting for locks not counted.
    pub masked: u64,
    /// Preemption deferred, waiting for locks not counted.
    pub deferred: u64,
    /// Interrupts masked while another hart was seen to run.
    pub masked_shared: u64,
    /// Preemption deferred while another hart was seen to run.
    pub deferred_shared: u64,
    /// Waiting for a lock.
    pub lock_wait: u64,
    /// Times that interrupts were masked or preemption was deferred.
    pub intervals: u64,
    /// Of those, times in which another hart was seen to run.
    pub set_apart: u64,
    /// Steps of the counter, on the hart that waited for the workload's end,
    /// while it ran.
    pub steps: u64,
    /// Nanoseconds of guest time in which it made them.
    pub nanos: u64,
}

/// Requests for memory that a kernel built with `shortage` refused on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Requests in all, those that were granted included.
    pub asked: u64,
    /// Refused: blocks smaller than a frame.
    pub small: u64,
    /// Refused: frames, for pages and tables.
    pub frames: u64,
    /// Refused: kernel stacks.
    pub stacks: u64,
    /// Refused: whatever else is large.
    pub large: u64,
}

impl Shortage {
    /// Refused in all.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.small + self.frames + self.stacks + self.large
    }
}

/// A stretch of a test disk that the guest has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskWritten {
    /// The drive's number, as its serial number states it
    /// ([`crate::disk::drive_of`]).
    pub drive: u32,
    /// The first block.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// What they state now; more than [`crate::disk::AS_MADE`].
    pub generation: u64,
}

/// What a command asks of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DriveOperation {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Bringing what was written to the medium.
    Flush,
}

/// A command that a drive has failed, or several of one block each in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveFault {
    /// The drive's number.
    pub drive: u32,
    /// What was asked.
    pub operation: DriveOperation,
    /// How it failed, as the drive says: the type of the status code, and below it
    /// eight bits of status code (NVM Express Base 2.0, section 3.3.3.2.1).
    pub status: u16,
    /// 0: the command as it was planned. 1: a block of that by itself, 2: the same
    /// again.
    pub attempt: u32,
    /// The first block.
    pub first: u64,
    /// How many; none of a flush.
    pub count: u64,
}

impl DriveFault {
    /// How many commands have failed.
    #[must_use]
    pub const fn commands(&self) -> u64 {
        if self.attempt == 0 || self.count == 0 { 1 } else { self.count }
    }
}

/// What came of the commands of one drive that may fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveTold {
    /// The drive's number.
    pub drive: u32,
    /// Different blocks that were verified as the host made them.
    pub blocks: u64,
    /// Reads that were verified.
    pub reads: u64,
    /// Writes that succeeded.
    pub writes: u64,
    /// Flushes that succeeded.
    pub flushes: u64,
    /// Reads that the drive has failed.
    pub failed_reads: u64,
    /// Writes that the drive has failed.
    pub failed_writes: u64,
    /// Flushes that the drive has failed.
    pub failed_flushes: u64,
    /// Commands that ended because the drive was gone.
    pub gone: u64,
    /// Commands that were refused because it was gone.
    pub refused: u64,
    /// Reads that were verified after some drive had failed or gone.
    pub beside: u64,
    /// Nanoseconds of guest time from where it was pulled to the end of the last
    /// command that was in flight.
    pub nanos: u64,
}

impl DriveTold {
    /// Of a drive of which nothing is known yet.
    #[must_use]
    pub const fn of(drive: u32) -> Self {
        Self {
            drive,
            blocks: 0,
            reads: 0,
            writes: 0,
            flushes: 0,
            failed_reads: 0,
            failed_writes: 0,
            failed_flushes: 0,
            gone: 0,
            refused: 0,
            beside: 0,
            nanos: 0,
        }
    }
}

/// What the host needs to know of a panic. The registers go to the console as
/// text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicInfo<'a> {
    /// The hart's id in the machine.
    pub hartid: u64,
    /// What went wrong, in words.
    pub message: &'a str,
    /// Source file, empty when a trap and not an assertion was the cause.
    pub file: &'a str,
    /// Source line.
    pub line: u32,
    /// `scause` of the trap, if a trap was the cause.
    pub scause: Option<u64>,
    /// Where it happened.
    pub pc: u64,
    /// `stval` of the trap, else 0.
    pub stval: u64,
    /// Return addresses, innermost first; only the first `depth` count.
    pub frames: [u64; MAX_FRAMES],
    /// How many of `frames` count.
    pub depth: u8,
}

/// A fault of a program, which ended its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultInfo<'a> {
    /// The process.
    pub pid: u64,
    /// The thread, as its process knows it.
    pub thread: u64,
    /// The program's name in the boot package, at most [`MAX_PROGRAM`] bytes.
    pub program: &'a str,
    /// What was added to the addresses of the program's file.
    pub base: u64,
    /// `scause`.
    pub scause: u64,
    /// Where it happened.
    pub pc: u64,
    /// `stval`.
    pub stval: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The return address in its register, less `base`: the caller, or what an
    /// earlier call has left there.
    pub ra: u64,
    /// Return addresses from the stack, innermost first, each less `base`; only
    /// the first `depth` count. The program can have put anything there.
    pub frames: [u64; MAX_FAULT_FRAMES],
    /// How many of `frames` count.
    pub depth: u8,
}

/// What became of a case that a program has tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseTold<'a> {
    /// Its name.
    pub name: &'a str,
    /// The clause of the specification that it is about.
    pub clause: &'a str,
    /// What was seen that should not be; empty if it holds.
    pub seen: &'a str,
    /// Who takes part in it was on two harts.
    pub is_apart: bool,
    /// Whether it holds.
    pub holds: bool,
    /// What was counted in it: observations, or what the case is about.
    pub count: u64,
    /// What that is held against; 0 where it is nothing.
    pub beside: u64,
}

/// What the guest tells the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record<'a> {
    /// The kernel found its device tree and starts the harts.
    Boot {
        /// The kernel's version.
        version: &'a str,
        /// The hart that booted.
        boot_hart: u64,
        /// Usable harts in the device tree, the boot hart included.
        harts: u32,
        /// Usable memory in bytes.
        memory: u64,
        /// Memory that the rings between all pairs of harts take, in bytes.
        ring_bytes: u64,
        /// Firmware's SBI implementation id and version.
        sbi: (u64, u64),
        /// The seed that perturbs this boot.
        seed: u64,
    },
    /// A hart of the device tree is not used.
    HartSkipped {
        /// Its id, if it could be read.
        hartid: u64,
        /// Why.
        reason: SkipReason,
    },
    /// A hart did not start.
    HartFailed {
        /// Its id.
        hartid: u64,
        /// The SBI error of `hart_start`.
        error: i64,
    },
    /// A hart runs its idle thread.
    HartUp {
        /// Its id in the machine.
        hartid: u64,
        /// Its place among the harts in use, counted from 0.
        index: u32,
    },
    /// The scenario begins.
    Start {
        /// Which.
        scenario: Scenario,
        /// Harts that take part.
        harts: u32,
        /// Client threads.
        clients: u32,
        /// Round trips asked for.
        rounds: u64,
    },
    /// What something costs, as a program measured it.
    Figure {
        /// Of what.
        name: &'a str,
        /// Operations that were measured.
        operations: u64,
        /// Instructions that they took together.
        instructions: u64,
        /// What the kernel counted meanwhile, if it was built to count.
        counts: Option<Counts>,
    },
    /// What became of a case that a program has tried.
    Case(CaseTold<'a>),
    /// A program's process ended by a fault.
    Fault(FaultInfo<'a>),
    /// The first check of the scenario that failed.
    CheckFailed {
        /// What should have held.
        name: &'a str,
    },
    /// How much memory was refused on purpose. Before the end.
    Shortage(Shortage),
    /// Blocks of a test disk that the guest has written and flushed; of those that
    /// it names more than once the last counts. All that it does not name must be
    /// as the host made it. Before the end.
    DiskWritten(DiskWritten),
    /// Commands that a drive has failed. Before the end.
    DriveFault(DriveFault),
    /// What came of a drive that may fail. Before the end.
    DriveTold(DriveTold),
    /// The scenario ended by itself.
    End(Outcome),
    /// The command line or the device tree asked for what cannot be done.
    BadInput {
        /// What is wrong with it.
        message: &'a str,
    },
    /// The kernel panicked.
    Panic(PanicInfo<'a>),
}

/// Why a line with a record's mark is not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// The end mark is missing or a character is no digit: the line was cut.
    Cut,
    /// The checksum or the encoding is wrong.
    Checksum,
    /// It is longer than any record.
    TooLong,
}

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// Writes the line of `envelope` (without a line feed) and returns its bytes.
///
/// # Errors
/// `TooLong` when the texts it borrows do not fit [`MAX_ENCODED`].
pub fn encode<'b>(
    envelope: &Envelope<'_>,
    line: &'b mut [u8; MAX_LINE],
) -> Result<&'b [u8], Damaged> {
    let mut raw = [0; MAX_ENCODED];
    let raw =
        postcard::to_slice_crc32(envelope, &mut raw, CRC.digest()).map_err(|_| Damaged::TooLong)?;
    let (mark, rest) = line.split_at_mut(MARK.len());
    mark.copy_from_slice(MARK);
    for (pair, byte) in rest.chunks_exact_mut(2).zip(raw.iter()) {
        pair[0] = digit(byte >> 4);
        pair[1] = digit(byte & 15);
    }
    let end = MARK.len() + 2 * raw.len();
    line[end] = END;
    Ok(&line[..=end])
}

/// The record on a console line, whatever stands around it. `None` when the
/// line has no record's mark. `scratch` holds what the record borrows.
#[must_use]
pub fn decode<'s>(
    line: &[u8],
    scratch: &'s mut [u8; MAX_ENCODED],
) -> Option<Result<Envelope<'s>, Damaged>> {
    let at = line.windows(MARK.len()).rposition(|w| w == MARK)?;
    Some(decode_hex(&line[at + MARK.len()..], scratch))
}

fn decode_hex<'s>(
    text: &[u8],
    scratch: &'s mut [u8; MAX_ENCODED],
) -> Result<Envelope<'s>, Damaged> {
    let end = text.iter().position(|&c| c == END).ok_or(Damaged::Cut)?;
    let hex = &text[..end];
    if hex.len() > 2 * MAX_ENCODED {
        return Err(Damaged::TooLong);
    }
    if !hex.len().is_multiple_of(2) {
        return Err(Damaged::Cut);
    }
    for (byte, pair) in scratch.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    match postcard::take_from_bytes_crc32(&scratch[..hex.len() / 2], CRC.digest()) {
        Ok((envelope, [])) => Ok(envelope),
        // Bytes behind the checksum are covered by none.
        Ok(_) | Err(_) => Err(Damaged::Checksum),
    }
}

const fn digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    }
}

const fn value(digit: u8) -> Result<u8, Damaged> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(Damaged::Cut),
    }
}
