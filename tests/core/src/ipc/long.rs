// SPDX-License-Identifier: Apache-2.0
//! What is copied part by part, in sections of its own.

use skimmer_abi::{errno::Errno, inspect::bump};
use skimmer_core::channel::{
    rendezvous::Obstacle,
    transfer::{Progress, Transfer},
};

use super::{Call, Given, Ipc, Step, certain, is_condemned, stopped};
use crate::script::Me;

impl Me {
    /// Copies all of a long message, and has the call go on as after a short one.
    pub(super) async fn long<R>(
        &self,
        ipc: &'static Ipc,
        call: &Call,
        mut transfer: Transfer,
        attempt: impl AsyncFn(&Transfer) -> Option<Step<R>>,
    ) -> Option<Step<R>> {
        match self.carry(ipc, call, &mut transfer).await {
            Progress::Done => {}
            Progress::Gone => return Some(Step::Again),
            Progress::More | Progress::Failed(_) => {
                self.give_up(ipc, &transfer).await;
                return Some(Step::Done(Err(Errno::EINTR)));
            }
        }
        loop {
            match attempt(&transfer).await {
                Some(Step::Space(hart)) => self.wait_for_space(hart).await,
                Some(Step::Done(Err(Errno::ESRCH))) => return Some(Step::Again),
                Some(Step::Done(Err(error))) => {
                    self.give_up(ipc, &transfer).await;
                    return Some(Step::Done(Err(error)));
                }
                step => return step,
            }
        }
    }

    /// Part by part; more is left only of who is to end.
    async fn carry(&self, ipc: &'static Ipc, call: &Call, transfer: &mut Transfer) -> Progress {
        let own = call.bytes();
        loop {
            let (progress, is_over) = self
                .section(|hart, irq| {
                    let channel = transfer.peer().channel;
                    let part = ipc
                        .with(hart, irq, channel, |channel, by| transfer.go_on(channel, own, by));
                    (part.unwrap_or(Progress::Gone), is_condemned(hart))
                })
                .await;
            if !matches!(progress, Progress::More) || is_over {
                return progress;
            }
        }
    }

    /// The peer goes back, and whoever waits is to look for it.
    async fn give_up(&self, ipc: &'static Ipc, transfer: &Transfer) {
        let channel = transfer.peer().channel;
        self.section(|hart, irq| {
            let _gone = ipc.with(hart, irq, channel, |channel, _| transfer.give_up(channel));
        })
        .await;
        loop {
            let roused = self
                .section(|hart, irq| {
                    let roused = ipc.with(hart, irq, channel, |channel, by| channel.rouse(by));
                    let woken = roused.unwrap_or(Ok(None))?;
                    woken.iter().for_each(|woken| certain(hart.wake(irq, woken)));
                    Ok(woken.is_some())
                })
                .await;
            match roused {
                Ok(true) => {}
                Ok(false) => return,
                Err(target) => self.wait_for_space(target).await,
            }
        }
    }

    /// The same for more than is copied at once.
    pub(super) async fn answer_long(
        &self,
        ipc: &'static Ipc,
        given: &Given,
        mut transfer: Transfer,
    ) -> Result<(), Errno> {
        let (own, channel) =
            (Call { length: given.length, timeout: None }, transfer.peer().channel);
        match self.carry(ipc, &own, &mut transfer).await {
            Progress::Done => {}
            Progress::Gone => return Err(Errno::ESRCH),
            Progress::More | Progress::Failed(_) => {
                self.give_up(ipc, &transfer).await;
                return Err(Errno::EINTR);
            }
        }
        loop {
            let step = self
                .section(|hart, irq| {
                    let answered = ipc.with(hart, irq, channel, |channel, by| {
                        transfer.answered(channel, given.status, by)
                    });
                    match answered.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))) {
                        Ok(client) => {
                            bump(&hart.inspect().answered);
                            certain(hart.wake(irq, &client));
                            Step::Done(Ok(()))
                        }
                        Err(obstacle) => stopped(hart, irq, obstacle),
                    }
                })
                .await;
            match step {
                Step::Done(result) => return result,
                Step::Space(hart) => self.wait_for_space(hart).await,
                Step::Again | Step::Long(_) => {}
            }
        }
    }
}
