// SPDX-License-Identifier: Apache-2.0
//! Thread ports, as the suite plays with them.

use skimmer_core::{
    ids::ThreadId,
    message::{AbortNote, InFlight, Message, Payload, Received, Replied, Words},
    thread_port::ThreadPort,
};

use super::PortUnderTest;
use crate::{fake::Fake, script::Me};

impl PortUnderTest for ThreadPort<Fake> {
    const HAS_MANY_AWAY: bool = true;
    const OUTLIVES_SENDER: bool = true;

    async fn open(me: &Me) -> (ThreadId, ()) {
        (me.section(|hart, _| hart.current()).await, ())
    }

    async fn leave(_: &Me, ticket: InFlight) {
        drop(ticket);
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
