// SPDX-License-Identifier: Apache-2.0
//! Long copies: part by part, each in a masked section of its own.

use skimmer_abi::errno::Errno;
use skimmer_arch::{
    cpu::{Riscv, enter},
    irq::masked,
    stack,
};
#[cfg(not(feature = "bug-unlock-early"))]
use skimmer_arch::{paging::UserSpace, user_copy};
#[cfg(not(feature = "bug-unlock-early"))]
use skimmer_core::channel::transfer::{Far, Part};
use skimmer_core::{
    channel::{
        Channel,
        rendezvous::{Fault, Wake},
        table::ChannelTable,
        transfer::{Progress, Transfer},
    },
    hart::Hart,
    ids::HartIndex,
    user::UserBytes,
};
use skimmer_sync::irq::IrqOff;

use super::{Bearer, Step, certain};
#[cfg(not(feature = "bug-unlock-early"))]
use crate::process::rooms;
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
        #[cfg(not(feature = "bug-unlock-early"))]
        let Some((far, space)) = self.look() else { return Progress::Gone };
        #[cfg(not(feature = "bug-unlock-early"))]
        let waiters = waiters();
        loop {
            #[cfg(feature = "bug-unlock-early")]
            self.look_early();
            #[cfg(feature = "delay-unlock-early")]
            delay();
            #[cfg(feature = "bug-unlock-early")]
            let progress = enter(|hart, irq| {
                (self.transfer.go_on_unlocked(own, &mut Bearer { hart, irq }), None)
            });
            // Nobody is woken: what becomes ready meanwhile comes by an interrupt, which
            // is taken as the section ends.
            #[cfg(not(feature = "bug-unlock-early"))]
            let progress = masked(|irq| {
                let Self { table, transfer } = &mut *self;
                let channel = transfer.peer().channel;
                let part = |channel: &mut Channel<'_>| {
                    transfer.go_on_with(channel, &far, own, |part| match part {
                        Part::Fetch(from, to) => user_copy::fetch(irq, space, from, to),
                        Part::Give(from, to) => user_copy::give(irq, from, space, to),
                    })
                };
                table.with(irq, waiters, channel, part).unwrap_or(Progress::Gone)
            });
            match progress {
                Progress::More if !stack::am_condemned() => {}
                progress => return progress,
            }
        }
    }

    /// The other side's memory, for as long as it is found to wait.
    #[cfg(not(feature = "bug-unlock-early"))]
    fn look(&self) -> Option<(Far, &'static UserSpace)> {
        let Self { table, transfer } = self;
        let channel = transfer.peer().channel;
        let look = |channel: &mut Channel<'_>| transfer.far(channel);
        let far = masked(|irq| table.with(irq, waiters(), channel, look)).ok().flatten()?;
        Some((far, &rooms::at(far.owner).loaded))
    }

    /// The named bug: the peer is looked for, and the lock given up.
    #[cfg(feature = "bug-unlock-early")]
    fn look_early(&mut self) {
        let Self { table, transfer } = self;
        let channel = transfer.peer().channel;
        let look = |channel: &mut Channel<'_>| transfer.look_early(channel);
        // Of a channel that is gone, nobody is seen.
        let _ = masked(|irq| table.with(irq, waiters(), channel, look));
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
