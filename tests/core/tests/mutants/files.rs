// SPDX-License-Identifier: Apache-2.0
//! The files that are broken.

pub const CHANNEL: &str = "kernel/core/src/channel/slot.rs";
pub const CHANNEL_PORT: &str = "kernel/core/src/channel/port.rs";
pub const CHANNELS: &str = "kernel/core/src/channel/table.rs";
pub const DEADLINES: &str = "kernel/core/src/deadlines.rs";
pub const HANDOVER: &str = "kernel/core/src/handover.rs";
pub const HART: &str = "kernel/core/src/hart.rs";
pub const INTERRUPT: &str = "kernel/core/src/interrupt.rs";
pub const LIST: &str = "kernel/core/src/list.rs";
pub const MAIL: &str = "kernel/core/src/mail.rs";
pub const PORT: &str = "kernel/core/src/thread_port.rs";
pub const QUEUE: &str = "kernel/core/src/channel/queue.rs";
pub const RENDEZVOUS: &str = "kernel/core/src/channel/rendezvous.rs";
pub const RUNQ: &str = "kernel/core/src/runq.rs";
pub const SCHED: &str = "kernel/core/src/sched.rs";
pub const SHARES: &str = "kernel/core/src/shares.rs";
pub const STOCK: &str = "kernel/core/src/channel/stock.rs";
pub const STRAIGHT: &str = "kernel/core/src/straight.rs";
pub const STRAIGHT_AT: &str = "kernel/core/src/channel/straight.rs";
pub const TABLE: &str = "kernel/core/src/table.rs";
pub const WAITING: &str = "kernel/core/src/waiting.rs";
