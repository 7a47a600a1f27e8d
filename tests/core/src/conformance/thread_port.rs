// SPDX-License-Identifier: Apache-2.0
//! Thread ports, as the suite plays with them.

use skimmer_core::{
    hart::Hart,
    ids::ThreadId,
    message::{AbortNote, Message, Payload, Received, Replied, Words},
    thread_port::ThreadPort,
};
use skimmer_sync::irq::IrqOff;

use super::PortUnderTest;
use crate::fake::Fake;

impl PortUnderTest for ThreadPort<Fake> {
    fn open(hart: &mut Hart<Fake>, _: &IrqOff) -> (ThreadId, ()) {
        (hart.current(), ())
    }

    fn message(words: Words) -> Message<Fake> {
        Message::new(Payload::Words(words))
    }

    fn fill(message: &mut Message<Fake>, words: Words) {
        message.set_words(words);
    }

    fn request(message: &Received<Fake>) -> Words {
        message.payload().words()
    }

    fn answer(message: &mut Received<Fake>, words: Words) {
        message.answer(words);
    }

    fn status(reply: &Replied<Fake>) -> i64 {
        reply.status()
    }

    fn words(reply: &Replied<Fake>) -> Words {
        reply.words()
    }

    fn into_idle(reply: Replied<Fake>) -> Message<Fake> {
        reply.into_idle()
    }

    fn note() -> AbortNote {
        AbortNote::new()
    }
}
