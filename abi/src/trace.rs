// SPDX-License-Identifier: Apache-2.0
//! The trace: per hart, a ring of fixed-size records that overwrites its
//! oldest. Written by its hart only, read by the host out of guest memory
//! while the machine stands still or after it has ended.

use core::sync::atomic::{AtomicU64, Ordering};

/// Records in each hart's ring. A power of two.
pub const RECORDS: usize = 8192;

/// What happened. The numbers are the host's, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// `thread` gave the hart to the thread in `b`, for the [`Reason`] in `a`.
    Switch = 1,
    /// `thread` made the thread in `b` of its own hart ready.
    WakeLocal = 2,
    /// `thread` asked the home hart of the thread in `b` to make it ready.
    WakeRemote = 3,
    /// A doorbell was rung on the hart in `a`.
    DoorbellSent = 4,
    /// This hart's doorbell was answered; `a` operations were taken.
    DoorbellTaken = 5,
    /// A trap was taken: `a` is the low part of `scause`, with its top bit for
    /// interrupts; `b` is `sepc`.
    TrapEnter = 6,
    /// The trap returns.
    TrapExit = 7,
    /// `thread` sent message number `a` to the thread in `b`.
    PortSend = 8,
    /// `thread` replied to message number `a` of the thread in `b`.
    PortReply = 9,
    /// A timer fired.
    Timer = 10,
    /// An interrupt of the source in `a` was claimed, and the source masked.
    InterruptClaim = 11,
    /// The thread in `b` was told of an interrupt of the source in `a`.
    InterruptPost = 12,
    /// `thread` unmasked the source in `a`, and waits for it.
    InterruptUnmask = 13,
    /// `thread` sent a message to a channel, of which `a` is the index: the message is
    /// `b`.
    MsgSend = 14,
    /// `thread` received message `b` at the channel of that index.
    MsgReceive = 15,
    /// `thread` answered message `b` of the channel of that index.
    MsgReply = 16,
    /// The thread in `b` was given the priority in `a` because of a message.
    Boost = 17,
    /// The wait of the thread in `b` at a channel is over, without a message or an
    /// answer: `a` is the number of the error.
    Unblock = 18,
}

impl Event {
    /// The event of that number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Switch,
            2 => Self::WakeLocal,
            3 => Self::WakeRemote,
            4 => Self::DoorbellSent,
            5 => Self::DoorbellTaken,
            6 => Self::TrapEnter,
            7 => Self::TrapExit,
            8 => Self::PortSend,
            9 => Self::PortReply,
            10 => Self::Timer,
            11 => Self::InterruptClaim,
            12 => Self::InterruptPost,
            13 => Self::InterruptUnmask,
            14 => Self::MsgSend,
            15 => Self::MsgReceive,
            16 => Self::MsgReply,
            17 => Self::Boost,
            18 => Self::Unblock,
            _ => return None,
        })
    }
}

/// Why a thread gave up its hart: argument `a` of [`Event::Switch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// It waits for something.
    Blocked = 0,
    /// Something more urgent became ready, or its time slice ended.
    Preempted = 1,
    /// It let its equals run.
    Yielded = 2,
    /// It exited.
    Exited = 3,
    /// It waits at a channel, and gave the hart straight to the thread that it has woken
    /// there: which received its message, or was answered.
    Handed = 4,
}

/// One record, as plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The `time` register.
    pub time: u64,
    /// The current thread's id in one word.
    pub thread: u64,
    /// The event's number.
    pub event: u8,
    /// First argument.
    pub a: u32,
    /// Second argument.
    pub b: u64,
}

/// A record in memory: time; thread; event in the top byte and `a` below; `b`.
#[derive(Debug, Default)]
#[repr(C, align(32))]
pub struct Slot([AtomicU64; 4]);

/// Bytes of a record in memory.
pub const RECORD_SIZE: usize = 32;

const _: () = assert!(size_of::<Slot>() == RECORD_SIZE);
const _: () = assert!(RECORDS.is_power_of_two());

/// One hart's ring.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// Records written since boot; the next goes to this number modulo the
    /// ring's length.
    count: &'static AtomicU64,
    slots: &'static [Slot],
}

impl Ring {
    /// A ring in `slots` that counts in `count`, where the host looks for it.
    #[must_use]
    pub const fn new(count: &'static AtomicU64, slots: &'static [Slot]) -> Self {
        Self { count, slots }
    }

    /// Writes a record. Only the ring's own hart calls this, with interrupts
    /// masked: the count is a load and a store.
    #[inline]
    pub fn write(&self, record: Record) {
        self.write_all([record]);
    }

    /// Writes several, one behind the other.
    #[inline(always)]
    pub fn write_all<const N: usize>(&self, records: [Record; N]) {
        let mut count = self.count.load(Ordering::Relaxed);
        for record in records {
            #[expect(clippy::cast_possible_truncation, reason = "taken modulo the ring's length")]
            let Some(Slot(words)) = self.slots.get(count as usize & (RECORDS - 1)) else { return };
            words[0].store(record.time, Ordering::Relaxed);
            words[1].store(record.thread, Ordering::Relaxed);
            let packed = (record.event as u64) << 56 | record.a as u64;
            words[2].store(packed, Ordering::Relaxed);
            words[3].store(record.b, Ordering::Relaxed);
            count = count.wrapping_add(1);
        }
        self.count.store(count, Ordering::Relaxed);
    }

    /// Records written since boot.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The records that are still there, oldest first. For a quiet hart.
    pub fn records(&self) -> impl Iterator<Item = Record> + use<> {
        let Self { slots, .. } = *self;
        let count = self.count();
        (count.saturating_sub(slots.len() as u64)..count).filter_map(move |number| {
            #[expect(clippy::cast_possible_truncation, reason = "taken modulo the ring's length")]
            let Slot(words) = slots.get(number as usize & (RECORDS - 1))?;
            Some(unpack(core::array::from_fn(|word| words[word].load(Ordering::Relaxed))))
        })
    }
}

/// The record in four words of guest memory.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the fields of the packed word")]
pub const fn unpack(words: [u64; 4]) -> Record {
    Record {
        time: words[0],
        thread: words[1],
        event: (words[2] >> 56) as u8,
        a: words[2] as u32,
        b: words[3],
    }
}
