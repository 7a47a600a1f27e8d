// SPDX-License-Identifier: Apache-2.0
//! Long copies: part by part, each in a masked section of its own.

use skimmer_abi::errno::Errno;
use skimmer_arch::{
    cpu::{Riscv, enter},
    stack,
};
use skimmer_core::{
    channel::{
        Channel,
        rendezvous::{Fault, Progress, Transfer, Wake},
        table::ChannelTable,
    },
    hart::Hart,
    ids::HartIndex,
    user::UserBytes,
};
use skimmer_sync::irq::IrqOff;

use super::{Bearer, Step, certain};
use crate::{lwkt, process::channels::waiters};

/// A long copy, and where its peer waits.
pub(super) struct Copying {
    pub(super) table: &'static ChannelTable,
    pub(super) transfer: Transfer,
}

impl Copying {
    /// Does something at the channel, which may be gone.
    pub(super) fn at_channel<R>(
        &self,
        hart: &mut Hart<Riscv>,
        irq: &IrqOff,
        work: impl FnOnce(&mut Channel<'_>, &mut Bearer<'_>) -> R,
    ) -> Option<R> {
        let channel = self.transfer.peer().channel;
        let work = |channel: &mut Channel<'_>| work(channel, &mut Bearer { hart, irq });
        self.table.with(irq, waiters(), channel, work).ok()
    }

    /// Copies all of a message that is sent or received, out of the caller's bytes or into
    /// them. None if that is done; or what the call is to do instead: the peer has been
    /// told, or was given back.
    pub(super) fn all<R>(&mut self, own: UserBytes) -> Option<Step<Result<R, Errno>>> {
        let error = match self.carry(own) {
            Progress::Done => return None,
            Progress::Gone => return Some(Step::Again),
            Progress::Failed(Fault::Peer) => {
                self.fail(Errno::EFAULT);
                return Some(Step::Again);
            }
            Progress::Failed(Fault::Own) => Errno::EFAULT,
            Progress::More => Errno::EINTR,
        };
        self.give_up();
        Some(Step::Done(Err(error)))
    }

    /// Has the call go on as after a short message, once its rings have space.
    pub(super) fn finish<R>(
        &self,
        mut attempt: impl FnMut() -> Step<Result<R, Errno>>,
    ) -> Step<Result<R, Errno>> {
        loop {
            match attempt() {
                Step::Space(hart) => lwkt::wait_for_space(hart),
                // The peer is gone meanwhile: to the next.
                Step::Done(Err(Errno::ESRCH)) => return Step::Again,
                Step::Done(Err(error)) => {
                    self.give_up();
                    return Step::Done(Err(error));
                }
                step => return step,
            }
        }
    }

    /// Copies the caller's bytes, or into them, part by part, each in a masked section of
    /// its own. More is left only of a thread that is to end.
    pub(super) fn carry(&mut self, own: UserBytes) -> Progress {
        loop {
            #[cfg(feature = "bug-unlock-early")]
            self.look_early();
            #[cfg(feature = "delay-unlock-early")]
            delay();
            #[cfg(feature = "bug-unlock-early")]
            let progress = enter(|hart, irq| {
                (self.transfer.go_on_unlocked(own, &mut Bearer { hart, irq }), None)
            });
            #[cfg(not(feature = "bug-unlock-early"))]
            let progress = enter(|hart, irq| {
                let Self { table, transfer } = self;
                let channel = transfer.peer().channel;
                let part = |channel: &mut Channel<'_>| {
                    transfer.go_on(channel, own, &mut Bearer { hart, irq })
                };
                let part = table.with(irq, waiters(), channel, part);
                (part.unwrap_or(Progress::Gone), None)
            });
            match progress {
                Progress::More if !stack::am_condemned() => {}
                progress => return progress,
            }
        }
    }

    /// The named bug: the peer is looked for, and the lock given up.
    #[cfg(feature = "bug-unlock-early")]
    fn look_early(&mut self) {
        let Self { table, transfer } = self;
        let channel = transfer.peer().channel;
        let look = |channel: &mut Channel<'_>| transfer.look_early(channel);
        // Of a channel that is gone, nobody is seen.
        let _ = skimmer_arch::irq::masked(|irq| table.with(irq, waiters(), channel, look));
    }

    /// The peer goes back to where it stood.
    pub(super) fn give_up(&self) {
        self.end(|transfer, channel, _| {
            transfer.give_up(channel);
            Ok(None)
        });
        while self.end(|_, channel, by| channel.rouse(by)) {}
    }

    /// The peer's call fails.
    pub(super) fn fail(&self, error: Errno) {
        self.end(|transfer, channel, by| transfer.fail(channel, error, by));
    }

    /// Does something that may wake somebody, as soon as that can be. Whether it has.
    fn end(
        &self,
        how: impl Fn(&Transfer, &mut Channel<'_>, &mut Bearer<'_>) -> Result<Option<Wake>, HartIndex>,
    ) -> bool {
        loop {
            let done = enter(|hart, irq| {
                let ended =
                    self.at_channel(hart, irq, |channel, by| how(&self.transfer, channel, by));
                match ended.unwrap_or(Ok(None)) {
                    Ok(woken) => {
                        woken.iter().for_each(|woken| certain(hart.wake(irq, woken)));
                        (Ok(woken.is_some()), None)
                    }
                    Err(target) => (Err(target), None),
                }
            });
            match done {
                Ok(has_woken) => return has_woken,
                Err(target) => lwkt::wait_for_space(target),
            }
        }
    }
}

/// The delay of a named bug: before each part, where the lock is free and interrupts are
/// open.
#[cfg(feature = "delay-unlock-early")]
fn delay() {
    use skimmer_arch::time;
    let end = time::now() + time::ticks(200_000);
    while time::now() < end {
        core::hint::spin_loop();
    }
}
