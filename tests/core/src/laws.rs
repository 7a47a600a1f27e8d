// SPDX-License-Identifier: Apache-2.0
//! What must not compile, each beside its nearest neighbour that must: the
//! neighbour shows that the case fails for the reason it names and for no
//! other. (The error codes are checked where the compiler lets them be:
//! `RUSTC_BOOTSTRAP=1 cargo test --doc`.)
//!
//! # runq-irq-off: the run queue is reached with the proof in hand
//! ```
//! # use skimmer_core::{ids::Priority, list::Links, runq::RunQueue};
//! # use skimmer_sync::irq::IrqOff;
//! fn wake(queue: &mut RunQueue, links: &mut impl Links, irq: &IrqOff) {
//!     queue.push_back(irq, links, 7, Priority::new(10));
//! }
//! ```
//! ```compile_fail,E0061
//! # use skimmer_core::{ids::Priority, list::Links, runq::RunQueue};
//! # use skimmer_sync::irq::IrqOff;
//! fn wake(queue: &mut RunQueue, links: &mut impl Links, irq: &IrqOff) {
//!     queue.push_back(links, 7, Priority::new(10));
//! }
//! ```
//! ```
//! # use skimmer_core::{hart::Hart, ids::ThreadId, machine::Machine};
//! # use skimmer_sync::irq::IrqOff;
//! fn wake<M: Machine>(hart: &mut Hart<M>, id: ThreadId, irq: &IrqOff) {
//!     let _ = hart.schedule(irq, id);
//! }
//! ```
//! ```compile_fail,E0061
//! # use skimmer_core::{hart::Hart, ids::ThreadId, machine::Machine};
//! # use skimmer_sync::irq::IrqOff;
//! fn wake<M: Machine>(hart: &mut Hart<M>, id: ThreadId, irq: &IrqOff) {
//!     let _ = hart.schedule(id);
//! }
//! ```
//!
//! # The proof cannot be made in safe code
//! ```
//! # use skimmer_sync::irq::{HartIndex, IrqOff};
//! // SAFETY: nobody acts for this hart; the example only compiles.
//! fn forge() -> IrqOff { unsafe { IrqOff::assume(HartIndex::new(0)) } }
//! ```
//! ```compile_fail,E0133
//! # use skimmer_sync::irq::{HartIndex, IrqOff};
//! fn forge() -> IrqOff { IrqOff::assume(HartIndex::new(0)) }
//! ```
//!
//! # home-hart-only: per-hart data stays on its hart
//! ```
//! # use skimmer_sync::{cell::HartCell, irq::IrqOff};
//! fn copy(cell: &HartCell<u64>, irq: &IrqOff) {
//!     let mut kept = None;
//!     cell.with(irq, |value| kept = Some(*value));
//! }
//! ```
//! ```compile_fail,E0521
//! # use skimmer_sync::{cell::HartCell, irq::IrqOff};
//! fn leak(cell: &HartCell<u64>, irq: &IrqOff) {
//!     let mut kept = None;
//!     cell.with(irq, |value| kept = Some(value));
//! }
//! ```
//! ```
//! # use skimmer_sync::irq::{HartIndex, IrqOff};
//! fn send<T: Send>(_: T) {}
//! fn name(irq: IrqOff) { send::<HartIndex>(irq.hart()); }
//! ```
//! ```compile_fail,E0277
//! # use skimmer_sync::irq::{HartIndex, IrqOff};
//! fn send<T: Send>(_: T) {}
//! fn smuggle(irq: IrqOff) { send::<IrqOff>(irq); }
//! ```
//! A message that was taken stays with the thread that took it, and a ticket
//! with the thread that sent:
//! ```
//! # use skimmer_core::{machine::Machine, message::{Message, Received}};
//! fn send<T: Send>(_: T) {}
//! fn idle<M: Machine>(message: Message<M>) { send(message); }
//! ```
//! ```compile_fail,E0277
//! # use skimmer_core::message::InFlight;
//! fn send<T: Send>(_: T) {}
//! fn ticket(ticket: InFlight) { send(ticket); }
//! ```
//! ```compile_fail,E0277
//! # use skimmer_core::{machine::Machine, message::{Message, Received}};
//! fn send<T: Send>(_: T) {}
//! fn taken<M: Machine>(message: Received<M>) { send(message); }
//! ```
//!
//! # reply-once: a message is held by one side at a time
//! ```
//! # use skimmer_core::{hart::Hart, machine::Machine, message::Received};
//! # use skimmer_core::{port::MsgPort, thread_port::ThreadPort};
//! # use skimmer_sync::irq::IrqOff;
//! fn once<M: Machine>(hart: &mut Hart<M>, irq: &IrqOff, message: Received<M>) {
//!     let _ = ThreadPort::<M>::reply(hart, irq, message, 0);
//! }
//! ```
//! ```compile_fail,E0382
//! # use skimmer_core::{hart::Hart, machine::Machine, message::Received};
//! # use skimmer_core::{port::MsgPort, thread_port::ThreadPort};
//! # use skimmer_sync::irq::IrqOff;
//! fn twice<M: Machine>(hart: &mut Hart<M>, irq: &IrqOff, message: Received<M>) {
//!     let _ = ThreadPort::<M>::reply(hart, irq, message, 0);
//!     let _ = ThreadPort::<M>::reply(hart, irq, message, 0);
//! }
//! ```
//! Nor is one sent, or filled, that is on its way:
//! ```
//! # use skimmer_core::{hart::Hart, ids::ThreadId, machine::Machine, message::Message};
//! # use skimmer_core::{port::MsgPort, thread_port::ThreadPort};
//! # use skimmer_sync::irq::IrqOff;
//! fn send<M: Machine>(hart: &mut Hart<M>, irq: &IrqOff, to: ThreadId, mut message: Message<M>) {
//!     message.set_words([0; 8]);
//!     let _ = ThreadPort::<M>::send(hart, irq, to, message);
//! }
//! ```
//! ```compile_fail,E0382
//! # use skimmer_core::{hart::Hart, ids::ThreadId, machine::Machine, message::Message};
//! # use skimmer_core::{port::MsgPort, thread_port::ThreadPort};
//! # use skimmer_sync::irq::IrqOff;
//! fn send<M: Machine>(hart: &mut Hart<M>, irq: &IrqOff, to: ThreadId, mut message: Message<M>) {
//!     let _ = ThreadPort::<M>::send(hart, irq, to, message);
//!     message.set_words([0; 8]);
//! }
//! ```
//! And a ticket claims one reply:
//! ```
//! # use skimmer_core::{hart::Hart, machine::Machine, message::InFlight};
//! # use skimmer_core::{port::MsgPort, thread_port::ThreadPort};
//! # use skimmer_sync::irq::IrqOff;
//! fn claim<M: Machine>(hart: &mut Hart<M>, irq: &IrqOff, ticket: InFlight) {
//!     let _ = ThreadPort::<M>::wait_reply(hart, irq, ticket);
//! }
//! ```
//! ```compile_fail,E0382
//! # use skimmer_core::{hart::Hart, machine::Machine, message::InFlight};
//! # use skimmer_core::{port::MsgPort, thread_port::ThreadPort};
//! # use skimmer_sync::irq::IrqOff;
//! fn claim<M: Machine>(hart: &mut Hart<M>, irq: &IrqOff, ticket: InFlight) {
//!     let _ = ThreadPort::<M>::wait_reply(hart, irq, ticket);
//!     let _ = ThreadPort::<M>::wait_reply(hart, irq, ticket);
//! }
//! ```
//!
//! # nothing-between-block-and-switch: who has blocked can only switch
//! ```
//! # use skimmer_core::{hart::Hart, machine::Machine, sched::Switch};
//! # use skimmer_sync::irq::IrqOff;
//! fn stop<M: Machine>(hart: &mut Hart<M>, irq: &IrqOff) -> Switch<M> {
//!     hart.answer_doorbell(irq);
//!     let blocked = hart.deschedule_self(irq);
//!     blocked.switch(irq)
//! }
//! ```
//! ```compile_fail,E0499
//! # use skimmer_core::{hart::Hart, machine::Machine, sched::Switch};
//! # use skimmer_sync::irq::IrqOff;
//! fn stop<M: Machine>(hart: &mut Hart<M>, irq: &IrqOff) -> Switch<M> {
//!     let blocked = hart.deschedule_self(irq);
//!     hart.answer_doorbell(irq);
//!     blocked.switch(irq)
//! }
//! ```
//!
//! # switch-window-closed: a switch is followed once
//! ```
//! # use skimmer_core::{machine::Machine, sched::Switch};
//! fn follow<M: Machine>(switch: Switch<M>) { let _ = switch.into_parts(); }
//! ```
//! ```compile_fail,E0382
//! # use skimmer_core::{machine::Machine, sched::Switch};
//! fn follow<M: Machine>(switch: Switch<M>) {
//!     let _ = switch.into_parts();
//!     let _ = switch.into_parts();
//! }
//! ```
//!
//! # A channel is reached under its lock
//! ```
//! # use skimmer_core::channel::{Channel, ChannelId, Waiters, table::ChannelTable};
//! # use skimmer_sync::irq::IrqOff;
//! fn look(table: &ChannelTable, waiters: &'static Waiters, id: ChannelId, irq: &IrqOff) {
//!     let mut kept = None;
//!     let _ = table.with(irq, waiters, id, |channel| kept = Some(channel.flags()));
//! }
//! ```
//! ```compile_fail,E0521
//! # use skimmer_core::channel::{Channel, ChannelId, Waiters, table::ChannelTable};
//! # use skimmer_sync::irq::IrqOff;
//! fn leak(table: &ChannelTable, waiters: &'static Waiters, id: ChannelId, irq: &IrqOff) {
//!     let mut kept = None;
//!     let _ = table.with(irq, waiters, id, |channel| kept = Some(channel));
//! }
//! ```
//! And the links of those who wait there with the proof that it is held:
//! ```
//! # use skimmer_sync::{irq::IrqOff, lock::SpinLock, locked::LockedCell};
//! fn unlink(cell: &LockedCell<u32>, channel: &SpinLock<()>, irq: &IrqOff) {
//!     let mut guard = channel.lock(irq);
//!     let (_, mut held) = guard.parts();
//!     cell.release(&mut held);
//! }
//! ```
//! ```compile_fail,E0505
//! # use skimmer_sync::{irq::IrqOff, lock::SpinLock, locked::LockedCell};
//! fn unlink(cell: &LockedCell<u32>, channel: &SpinLock<()>, irq: &IrqOff) {
//!     let mut guard = channel.lock(irq);
//!     let (_, mut held) = guard.parts();
//!     drop(guard);
//!     cell.release(&mut held);
//! }
//! ```
