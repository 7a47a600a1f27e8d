// SPDX-License-Identifier: Apache-2.0
//! How waits end otherwise: a channel or a connection goes, or a handler left something
//! to do.

use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{
        ChannelId, Woken,
        connection::ConnectionId,
        rendezvous::{Boost, Wake},
    },
    hart::Hart,
    ids::ThreadId,
    port::Full,
    waiting::{Unsettled, Waiting},
};
use skimmer_sync::irq::IrqOff;

use super::Ipc;
use crate::{fake::Fake, script::Me, sections::Here};

enum Settled {
    Ended(Woken),
    Boost(Boost),
}

impl Me {
    /// Tells until there is space for it.
    pub async fn tell(&self, tell: impl Fn(&mut Hart<Fake>, &IrqOff) -> Result<(), Full<()>>) {
        while let Err(full) = self.section(&tell).await {
            self.after_space(full).await;
        }
    }

    /// Ends a channel.
    ///
    /// # Errors
    /// `EINVAL` if there is none.
    pub async fn channel_destroy(&self, ipc: &'static Ipc, id: ChannelId) -> Result<(), Errno> {
        let (mut woken, here) = (Vec::new(), Here::at(self.id().home().get()));
        ipc.table.destroy(&here, ipc.waiters, id, |one| woken.push(one))?;
        for one in woken {
            let wake = Wake::from(one);
            self.tell(|hart, irq| hart.wake(irq, &wake)).await;
        }
        Ok(())
    }

    /// Gives a connection up, and tells those threads.
    pub async fn connect_detach(&self, ipc: &'static Ipc, id: ConnectionId, threads: &[ThreadId]) {
        if self.section(|_, _| ipc.detach(id)).await {
            for &thread in threads {
                self.tell(|hart, irq| hart.tell_detached(irq, thread, id)).await;
            }
        }
    }

    /// Does to a wait what a handler left to do.
    pub(crate) async fn settle(&self, ipc: &'static Ipc, unsettled: &Unsettled) {
        let Unsettled { waiting: Waiting { table, wait, .. }, ending, priority, .. } = *unsettled;
        ipc.count_use();
        if ipc.settles_nothing.get() {
            return;
        }
        let settled = self
            .section(|_, irq| {
                table.with_waits(irq, ipc.waiters, wait.channel, |channel| {
                    let queue = channel.queue_of(wait)?;
                    if let Some(error) = ending.filter(|_| unsettled.ends_in(queue)) {
                        return channel.end(wait, error).map(Settled::Ended);
                    }
                    channel.set_priority(wait, priority);
                    channel.boost_for(queue, priority).map(Settled::Boost)
                })
            })
            .await;
        match settled.flatten() {
            Some(Settled::Ended(woken)) => {
                let wake = Wake::from(woken);
                self.tell(|hart, irq| hart.wake(irq, &wake)).await;
            }
            Some(Settled::Boost(boost)) => self.tell(|hart, irq| hart.boost(irq, &boost)).await,
            None => {}
        }
    }
}
