// SPDX-License-Identifier: Apache-2.0
//! The files that are broken.

pub(crate) const AFAR: &str = "kernel/core/src/afar.rs";
pub(crate) const CHANNEL: &str = "kernel/core/src/channel/slot.rs";
pub(crate) const CHANNEL_PORT: &str = "kernel/core/src/channel/port.rs";
pub(crate) const CHANNELS: &str = "kernel/core/src/channel/table.rs";
pub(crate) const DEADLINES: &str = "kernel/core/src/deadlines.rs";
pub(crate) const HANDOVER: &str = "kernel/core/src/handover.rs";
pub(crate) const HART: &str = "kernel/core/src/hart.rs";
pub(crate) const INTERRUPT: &str = "kernel/core/src/interrupt.rs";
pub(crate) const LIST: &str = "kernel/core/src/list.rs";
pub(crate) const MAIL: &str = "kernel/core/src/mail.rs";
pub(crate) const PORT: &str = "kernel/core/src/thread_port.rs";
pub(crate) const QUEUE: &str = "kernel/core/src/channel/queue.rs";
pub(crate) const RENDEZVOUS: &str = "kernel/core/src/channel/rendezvous.rs";
pub(crate) const RUNQ: &str = "kernel/core/src/runq.rs";
pub(crate) const SCHED: &str = "kernel/core/src/sched.rs";
pub(crate) const SHARES: &str = "kernel/core/src/shares.rs";
pub(crate) const STOCK: &str = "kernel/core/src/channel/stock.rs";
pub(crate) const STRAIGHT: &str = "kernel/core/src/straight.rs";
pub(crate) const STRAIGHT_AT: &str = "kernel/core/src/channel/straight.rs";
pub(crate) const TABLE: &str = "kernel/core/src/table.rs";
pub(crate) const TRANSFER: &str = "kernel/core/src/channel/transfer.rs";
pub(crate) const WAITING: &str = "kernel/core/src/waiting.rs";
