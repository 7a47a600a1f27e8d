// SPDX-License-Identifier: Apache-2.0
//! Channels, as the suite plays with them: the memory of their users is an arena.

use std::cell::Cell;

use skimmer_abi::channel::ChannelFlags;
use skimmer_core::{
    channel::{
        port::{ChannelPort, Courier, Parcel, Place, Received, Replied, Ticket},
        rendezvous::{Carrier, Fault},
    },
    hart::Hart,
    ids::{HartIndex, ThreadId},
    message::Words,
    user::UserBytes,
};
use skimmer_sync::irq::IrqOff;

use super::PortUnderTest;
use crate::{fake::Fake, script::Me, sections::Here, world::World};

/// More than a check has at once.
const LETTERS: usize = 512;
/// Threads that a check has on one hart, at the most.
const THREADS: u32 = 64;
const SIZE: usize = size_of::<Words>();

thread_local! {
    static MEMORY: [Cell<Option<Words>>; LETTERS] =
        const { [const { Cell::new(None) }; LETTERS] };
}

/// A message's memory: nobody's once it is dropped.
#[derive(Debug)]
pub struct Letter(usize);

impl Default for Letter {
    fn default() -> Self {
        MEMORY.with(|memory| {
            let place = memory.iter().position(|it| it.get().is_none()).expect("enough letters");
            memory[place].set(Some([0; 8]));
            Self(place)
        })
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        MEMORY.with(|memory| memory[self.0].set(None));
    }
}

impl Letter {
    fn read(&self) -> Words {
        MEMORY.with(|memory| memory[self.0].get().expect("it is there"))
    }

    fn write(&self, words: Words) {
        MEMORY.with(|memory| memory[self.0].set(Some(words)));
    }
}

/// Who copies from letter to letter.
#[derive(Debug)]
pub struct Arena;

/// The same, for the calling thread.
pub struct Bearer<'a>(&'a mut Hart<Fake>);

impl std::fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a thread of {:?}", self.0)
    }
}

fn copy(from: UserBytes, to: UserBytes) -> Result<(), Fault> {
    if from.length.min(to.length) == 0 {
        return Ok(());
    }
    let place = |bytes: UserBytes| bytes.start.get() / SIZE;
    MEMORY.with(|memory| {
        let words = memory[place(from)].get().expect("what is copied is somebody's");
        assert!(memory[place(to)].get().is_some(), "copied to who has gone");
        memory[place(to)].set(Some(words));
    });
    Ok(())
}

impl Carrier for Bearer<'_> {
    fn give(&mut self, from: UserBytes, _: u64, to: UserBytes) -> Result<(), Fault> {
        copy(from, to)
    }

    fn fetch(&mut self, _: u64, from: UserBytes, to: UserBytes) -> Result<(), Fault> {
        copy(from, to)
    }

    fn can_wake(&mut self, thread: ThreadId) -> Result<(), HartIndex> {
        self.0.can_tell(thread)
    }

    fn is_connected(&mut self, _: u64, _: u64) -> bool {
        true
    }
}

impl Courier<Fake> for Arena {
    type Letter = Letter;
    type Carrier<'a> = Bearer<'a>;

    fn parcel(letter: &Letter) -> Parcel {
        let bytes = UserBytes::new(letter.0 * SIZE, SIZE);
        Parcel { owner: 0, tid: 0, coid: 0, out: bytes, into: bytes }
    }

    fn carrier<'a>(hart: &'a mut Hart<Fake>, _: &'a IrqOff) -> Bearer<'a> {
        Bearer(hart)
    }
}

impl PortUnderTest for ChannelPort<Fake, Arena> {
    const HAS_MANY_AWAY: bool = false;
    const OUTLIVES_SENDER: bool = false;

    /// Channels, threads and their records are in tables that grow and stay.
    fn prepare(world: &World) {
        let ipc = world.ipc();
        for hart in 0..world.harts() {
            let index = u16::try_from(hart).expect("few harts");
            for slot in 0..2 * THREADS {
                ipc.waiters.enrol_block(HartIndex::new(index), slot).expect("memory");
            }
            let here = Here::at(index);
            let id = ipc.table.create(&here, ChannelFlags::NONE).expect("memory");
            ipc.table.destroy(&here, ipc.waiters, id, |_| ()).expect("it is there");
            (0..THREADS).for_each(|_| {
                world.spawn(hart, "passer-by", super::LEVEL, |_| async {});
            });
        }
        world.settle(&mut crate::seed::Seed::new(0));
    }

    async fn open(me: &Me) -> (Place, Place) {
        let ipc = me.ipc().expect("prepared");
        let here = Here::at(me.id().home().get());
        let id = ipc.table.create(&here, ChannelFlags::NONE).expect("memory");
        let place = Place { table: &ipc.table, waiters: ipc.waiters, id };
        crate::script::breathe().await;
        (place, place)
    }

    async fn close(me: &Me, own: Place) {
        let ipc = me.ipc().expect("prepared");
        me.channel_destroy(ipc, own.id).await.expect("it is there");
    }

    async fn leave(me: &Me, ticket: Ticket<Letter>) {
        me.condemn().await;
        drop(me.wait_reply::<Self>(ticket).await);
    }

    fn message(words: Words) -> Letter {
        let letter = Letter::default();
        letter.write(words);
        letter
    }

    fn fill(letter: &mut Letter, words: Words) {
        letter.write(words);
    }

    fn request(message: &Received<Letter>) -> Words {
        message.letter.as_ref().expect("it has a room").read()
    }

    fn answer(message: &mut Received<Letter>, words: Words) {
        message.letter.as_ref().expect("it has a room").write(words);
    }

    fn status(reply: &Replied<Letter>) -> i64 {
        reply.status
    }

    fn words(reply: &Replied<Letter>) -> Words {
        reply.letter.read()
    }

    fn into_idle(reply: Replied<Letter>) -> Letter {
        reply.letter
    }

    fn note() {}
}
