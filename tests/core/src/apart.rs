// SPDX-License-Identifier: Apache-2.0
//! A call that takes its masked sections itself, played a section at a time: it runs on an
//! OS thread of its own, which stands still between them. So the kernel's own source is
//! interrupted wherever interrupts are open.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{ChannelId, Woken, rendezvous::Wake},
    machine::Sections,
};
use skimmer_sync::irq::IrqOff;

use crate::{
    ipc::Ipc,
    script::{Me, breathe},
    sections::Here,
};

/// What the call asks for. It stands still until it is told to go on.
enum Ask {
    Section,
    Wake(Woken),
    Over(Result<(), Errno>),
}

/// The other side of the OS thread that plays the hart.
struct Apart {
    here: Here,
    ask: Sender<Ask>,
    go: Receiver<()>,
}

impl Apart {
    fn wait_for(&self, ask: Ask) {
        // Who does not listen any more has failed.
        let is_there = self.ask.send(ask).is_ok() && self.go.recv().is_ok();
        assert!(is_there, "the scene was left");
    }
}

impl Sections for Apart {
    fn masked<R>(&self, work: impl FnOnce(&IrqOff) -> R) -> R {
        self.wait_for(Ask::Section);
        self.here.masked(work)
    }
}

impl Me {
    /// Ends a channel, section by section. Hands everybody whose wait that ends to
    /// `woken`, which says whether to wake them.
    ///
    /// # Errors
    /// `EINVAL` if there is none.
    ///
    /// # Panics
    /// If the call does.
    pub async fn channel_destroy_apart(
        &self,
        ipc: &'static Ipc,
        id: ChannelId,
        mut woken: impl FnMut(&Woken) -> bool,
    ) -> Result<(), Errno> {
        let ((ask, asked), (told, go)) = (channel(), channel());
        let apart = Apart { here: Here::at(self.id().home().get()), ask, go };
        let (table, waiters) = (&ipc.table, ipc.waiters);
        let call = thread::spawn(move || {
            let done = table.destroy(&apart, waiters, id, |one| apart.wait_for(Ask::Wake(one)));
            drop(apart.ask.send(Ask::Over(done)));
        });
        let mut next = asked.recv().expect("it asks");
        loop {
            match next {
                Ask::Section => {
                    ipc.count_use();
                    told.send(()).expect("it stands still");
                    next = asked.recv().expect("it asks");
                    breathe().await;
                    continue;
                }
                Ask::Wake(one) => {
                    if woken(&one) {
                        let wake = Wake::from(one);
                        self.tell(|hart, irq| hart.wake(irq, &wake)).await;
                    }
                    told.send(()).expect("it stands still");
                }
                Ask::Over(done) => {
                    assert!(call.join().is_ok(), "the call failed");
                    return done;
                }
            }
            next = asked.recv().expect("it asks");
        }
    }
}
