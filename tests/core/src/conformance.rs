// SPDX-License-Identifier: Apache-2.0
//! What every message port must do, written once. [`crate::conformance!`]
//! makes a test of each check for one implementation.
//!
//! Each check runs in many orders, with the client beside the server and
//! elsewhere, and again and again in one world: no order may leave a thread
//! blocked or a block of memory allocated.
//!
//! Ports differ in how many messages one sender may have on their way, and in whether a
//! message outlives its sender; both are said ([`PortUnderTest`]). Where a check wants
//! several of a sender that may have but one, each has a sender of its own ([`Batch`]).

use std::{
    cell::{Cell, RefCell},
    hint::black_box,
    rc::Rc,
};

use skimmer_core::{ids::ThreadId, message::Words, port::MsgPort};

use crate::{census, fake::Fake, script::Me, seed::Seed, world::World};

pub mod aborts;
mod batch;
mod channel_port;
pub mod ends;
pub mod full;
pub mod order;
mod thread_port;

pub use batch::Batch;
pub use channel_port::{Arena, Letter};

/// What the suite needs of an implementation to play with it.
pub trait PortUnderTest: MsgPort<Fake, Room: Default> + 'static {
    /// Whether a sender may have several messages on their way.
    const HAS_MANY_AWAY: bool;
    /// Whether a message is served whose sender has gone.
    const OUTLIVES_SENDER: bool;

    /// Whatever it keeps for ever, before anything is counted.
    fn prepare(_: &World) {}
    /// Makes a port that the current thread serves.
    fn open(me: &Me) -> impl Future<Output = (Self::Address, Self::Own)>;
    /// It goes, before its thread does.
    fn close(_: &Me, _: Self::Own) -> impl Future<Output = ()> {
        async {}
    }
    /// The sender goes, whatever becomes of its message.
    fn leave(me: &Me, ticket: Self::InFlight) -> impl Future<Output = ()>;
    /// A message at rest.
    fn message(words: Words) -> Self::Idle;
    /// Fills one that came back.
    fn fill(message: &mut Self::Idle, words: Words);
    /// What a request carries.
    fn request(message: &Self::Received) -> Words;
    /// Sets the answer.
    fn answer(message: &mut Self::Received, words: Words);
    /// What the replier said.
    fn status(reply: &Self::Replied) -> i64;
    /// The answer.
    fn words(reply: &Self::Replied) -> Words;
    /// The message, at rest again.
    fn into_idle(reply: Self::Replied) -> Self::Idle;
    /// A request to abort.
    fn note() -> Self::Note;
}

/// One check: plays its scene in the world and leaves it as it was.
pub type Check = fn(&Stage<'_>, &mut Seed);

/// Where a scene is played: the server on hart 0, clients where they are told.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'w> {
    /// The harts.
    pub world: &'w World,
    /// Whether clients are on other harts than the server.
    pub across: bool,
}

/// How urgent the suite's threads are: equals, so that every order can come.
pub const LEVEL: u8 = 10;

impl Stage<'_> {
    /// The hart of a client.
    #[must_use]
    pub const fn hart(&self, client: usize) -> usize {
        if self.across { 1 + client % (self.world.harts() - 1) } else { 0 }
    }

    /// A client.
    pub fn client<F: Future<Output = ()> + 'static>(
        &self,
        number: usize,
        body: impl FnOnce(Me) -> F,
    ) -> ThreadId {
        self.world.spawn(self.hart(number), "client", LEVEL, body)
    }

    /// A server: opens its port, then does `body`, which must block before it
    /// does anything else.
    ///
    /// # Panics
    /// If it does not come to open its port.
    pub fn server<P: PortUnderTest, F: Future<Output = ()> + 'static>(
        &self,
        seed: &mut Seed,
        body: impl FnOnce(Me, P::Own) -> F + 'static,
    ) -> (P::Address, ThreadId) {
        self.server_on::<P, F>(0, seed, body)
    }

    /// The same on another hart.
    ///
    /// # Panics
    /// If it does not come to open its port.
    pub fn server_on<P: PortUnderTest, F: Future<Output = ()> + 'static>(
        &self,
        hart: usize,
        seed: &mut Seed,
        body: impl FnOnce(Me, P::Own) -> F + 'static,
    ) -> (P::Address, ThreadId) {
        let address = Rc::new(Cell::new(None));
        let place = address.clone();
        let id = self.world.spawn(hart, "server", LEVEL, |me| async move {
            let (address, own) = P::open(&me).await;
            place.set(Some(address));
            body(me.clone(), own).await;
            P::close(&me, own).await;
        });
        self.world.settle(seed);
        (address.get().expect("the server has opened its port"), id)
    }
}

/// Plays a check in many orders, on one hart and on three.
///
/// # Panics
/// If it fails, or leaks.
pub fn run<P: PortUnderTest>(check: Check) {
    let leak = || std::mem::forget(black_box(Box::new(0u8)));
    assert_ne!(census::leaks(leak), 0, "the census is not taken");
    for across in [false, true] {
        for number in 0..12 {
            let world = World::new(3);
            P::prepare(&world);
            let stage = Stage { world: &world, across };
            let mut seed = Seed::new(number);
            let stacks = world.ledger.live();
            let leaks = census::leaks(|| {
                check(&stage, &mut seed);
                world.finish(&mut seed);
                assert_eq!(world.ledger.live(), stacks, "every stack is freed, once");
            });
            assert_eq!(leaks, 0, "blocks leaked (across: {across}, seed {number})");
        }
    }
}

/// Something that a scene writes down.
#[derive(Debug)]
pub struct Log<T>(Rc<RefCell<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T> Log<T> {
    /// Writes a line.
    pub fn add(&self, line: T) {
        self.0.borrow_mut().push(line);
    }

    /// The lines so far, which are erased.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        self.0.take()
    }
}

/// Words that say who sent what.
#[must_use]
pub const fn words(client: usize, round: usize) -> Words {
    let (client, round) = (client as u64, round as u64);
    [client, round, client ^ !round, 3, 4, 5, 6, client << 32 | round]
}

/// What the server must answer to [`words`].
#[must_use]
pub fn answer_to(words: Words) -> Words {
    words.map(|word| word.rotate_left(7) ^ 0x5a5a)
}

/// Answers a message as [`check_reply`] expects it.
pub async fn answer<P: PortUnderTest>(me: &Me, mut message: P::Received) {
    let request = P::request(&message);
    P::answer(&mut message, answer_to(request));
    me.reply::<P>(message, status_of(request)).await;
}

/// What [`answer`] says of a request.
#[must_use]
pub const fn status_of(words: Words) -> i64 {
    words[1].cast_signed() + 1
}

/// Checks that a reply belongs to that request.
///
/// # Panics
/// If it does not.
pub fn check_reply<P: PortUnderTest>(reply: &P::Replied, request: Words) {
    assert_eq!(P::words(reply), answer_to(request), "the reply is another client's or message's");
    assert_eq!(P::status(reply), status_of(request));
}

/// Serves `count` requests, one after the other.
pub async fn serve<P: PortUnderTest>(me: &Me, port: P::Own, count: usize) {
    for _ in 0..count {
        let message = me.wait::<P>(port).await;
        answer::<P>(me, message).await;
    }
}

/// Makes a test of every check, for one implementation.
#[macro_export]
macro_rules! conformance {
    ($port:ty) => {
        $crate::conformance!(@ $port, order: round_trip, get_does_not_wait, first_in_first_out,
            replies_in_any_order, right_client, wakes_receiver, wakes_for_own_reply_only);
        $crate::conformance!(@ $port, ends: gone, gone_with_queue, gone_at_any_time,
            sender_gone_before_reply, sender_gone_before_taken);
        $crate::conformance!(@ $port, aborts: before_taken, after_taken, after_reply, one_of_many,
            of_nobody, at_any_time);
        $crate::conformance!(@ $port, full: of_requests, of_replies, of_aborts, of_both);
    };
    (@ $port:ty, $part:ident: $($check:ident),+) => {
        mod $part {
            use super::*;
            $(#[test]
            fn $check() {
                $crate::conformance::run::<$port>($crate::conformance::$part::$check::<$port>);
            })+
        }
    };
}
