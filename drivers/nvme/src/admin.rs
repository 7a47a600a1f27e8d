// SPDX-License-Identifier: Apache-2.0
//! Commands of the admin queue (section 5), one at a time: each is waited for.

use alloc::vec::Vec;

use crate::buffer::Extent;
use crate::controller::Controller;
use crate::entry::Submission;
use crate::error::{Error, Unsupported};
use crate::identify::{ControllerInfo, IDENTIFY_BYTES, Namespace, namespace_list};
use crate::platform::{Dma, Memory, Platform};
use crate::registers::{CSTS_FATAL, CSTS_READY, status};
use crate::status::Cause;

/// Opcodes of section 5 (figure "Opcodes for Admin Commands").
mod opcode {
    pub(super) const CREATE_SUBMISSIONS: u8 = 0x01;
    pub(super) const DELETE_COMPLETIONS: u8 = 0x04;
    pub(super) const CREATE_COMPLETIONS: u8 = 0x05;
    pub(super) const IDENTIFY: u8 = 0x06;
    pub(super) const ABORT: u8 = 0x08;
    pub(super) const SET_FEATURES: u8 = 0x09;
}

/// CNS of Identify (section 5.17.1).
mod cns {
    pub(super) const NAMESPACE: u32 = 0;
    pub(super) const CONTROLLER: u32 = 1;
    pub(super) const ACTIVE_NAMESPACES: u32 = 2;
}

/// The feature Number of Queues (section 5.27.1.5).
const NUMBER_OF_QUEUES: u32 = 7;
/// Nanoseconds between two looks at the completion queue.
const LOOK: u64 = 1_000_000;

/// What a command gave, and its memory back.
type Answer<P> = (u32, Option<Extent<<P as Dma>::Memory>>);

/// A queue pair as the drive is to know it.
#[derive(Clone, Copy)]
pub(crate) struct NewQueue {
    pub(crate) id: u16,
    pub(crate) entries: u32,
    pub(crate) submissions: u64,
    pub(crate) completions: u64,
    pub(crate) vector: Option<u16>,
}

impl<P: Platform> Controller<P> {
    /// Has a command done, and waits for it: its result, and the memory back.
    /// After an error other than [`Error::Failed`] the controller is of no
    /// more use until it is reset.
    fn execute(
        &mut self,
        entry: Submission,
        memory: Option<Extent<P::Memory>>,
    ) -> Result<Answer<P>, Error> {
        let ticket = self.admin.start(entry, memory).map_err(|refused| refused.error)?;
        let deadline = self.platform.now().saturating_add(self.options.admin_timeout);
        loop {
            let now = self.platform.now();
            self.admin.harvest();
            if let Some(completion) = self.admin.take()
                && completion.ticket == ticket
            {
                return completion.result.map(|result| (result, completion.buffer));
            }
            self.health()?;
            if now >= deadline {
                return Err(Error::TimedOut);
            }
            self.platform.pause(now.saturating_add(LOOK).min(deadline));
        }
    }

    /// Whether the controller is on and well (CSTS).
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Fatal`], [`Error::NotReady`].
    pub fn health(&self) -> Result<(), Error> {
        match status(&self.platform)? & (CSTS_FATAL | CSTS_READY) {
            CSTS_READY => Ok(()),
            0 => Err(Error::NotReady),
            _ => Err(Error::Fatal),
        }
    }

    /// Identify: the structure `cns` of the namespace, into `data`.
    fn identify(&mut self, cns: u32, namespace: u32, data: &mut [u8]) -> Result<(), Error> {
        let memory = self.platform.allocate(1).ok_or(Error::NoMemory)?;
        let page = Extent::new(memory, 0, IDENTIFY_BYTES).map_err(|_| Error::NoMemory)?;
        let entry =
            Submission { opcode: opcode::IDENTIFY, namespace, dword10: cns, ..Default::default() };
        let (_, page) = self.execute(entry, Some(page))?;
        if let Some(page) = page {
            page.memory().read(0, data);
        }
        Ok(())
    }

    /// Identify Controller (section 5.17.2.1).
    pub(crate) fn identify_controller(&mut self) -> Result<ControllerInfo, Error> {
        let mut data = identify_buffer()?;
        self.identify(cns::CONTROLLER, 0, &mut data)?;
        ControllerInfo::parse(&data)
    }

    /// The identifiers of the active namespaces (section 5.17.2.3), at most as
    /// many as the options say.
    pub(crate) fn active_namespaces(&mut self, info: &ControllerInfo) -> Result<Vec<u32>, Error> {
        let mut data = identify_buffer()?;
        let mut found = Vec::new();
        loop {
            let after = found.last().copied().unwrap_or(0);
            let room = self.options.namespaces.saturating_sub(found.len());
            match self.identify(cns::ACTIVE_NAMESPACES, after, &mut data) {
                Ok(()) => {}
                // Revision 1.0 has no list: every number up to NN may be one.
                Err(Error::Failed(status)) if status.cause() == Cause::Invalid => {
                    return every_number(info, room);
                }
                Err(error) => return Err(error),
            }
            if !namespace_list(&data, after, info.namespaces, room, &mut found)? {
                return Ok(found);
            }
        }
    }

    /// Identify Namespace; `None` if it is not active.
    pub(crate) fn identify_namespace(
        &mut self,
        id: u32,
        info: &ControllerInfo,
    ) -> Result<Option<Namespace>, Error> {
        let mut data = identify_buffer()?;
        self.identify(cns::NAMESPACE, id, &mut data)?;
        Namespace::parse(id, &data, info)
    }

    /// Asks for `wanted` queue pairs, and says how many there may be
    /// (section 5.27.1.5): never more than wanted, and at least one.
    pub(crate) fn request_queues(&mut self, wanted: u16) -> Result<u16, Error> {
        // FFFFh, counted from 0, is reserved.
        let last = u32::from(wanted.clamp(1, 0xffff).saturating_sub(1));
        let entry = Submission {
            opcode: opcode::SET_FEATURES,
            dword10: NUMBER_OF_QUEUES,
            dword11: (last << 16) | last,
            ..Default::default()
        };
        let (granted, _) = match self.execute(entry, None) {
            Err(Error::Failed(_)) => return Err(Error::Unsupported(Unsupported::NoQueues)),
            other => other?,
        };
        let both = (granted & 0xffff).min(granted >> 16).min(last);
        Ok((both as u16).saturating_add(1))
    }

    /// Create I/O Completion Queue and Create I/O Submission Queue (sections
    /// 5.4 and 5.5), physically contiguous.
    pub(crate) fn create_queue(&mut self, queue: NewQueue) -> Result<(), Error> {
        const CONTIGUOUS: u32 = 1;
        const INTERRUPTS: u32 = 1 << 1;
        let id = u32::from(queue.id);
        let dword10 = (queue.entries.saturating_sub(1) << 16) | id;
        let interrupts = queue.vector.map_or(0, |vector| (u32::from(vector) << 16) | INTERRUPTS);
        let completions = Submission {
            opcode: opcode::CREATE_COMPLETIONS,
            prp1: queue.completions,
            dword10,
            dword11: interrupts | CONTIGUOUS,
            ..Default::default()
        };
        self.execute(completions, None)?;
        let submissions = Submission {
            opcode: opcode::CREATE_SUBMISSIONS,
            prp1: queue.submissions,
            dword10,
            dword11: (id << 16) | CONTIGUOUS,
            ..Default::default()
        };
        let created = self.execute(submissions, None);
        if let Err(Error::Failed(_)) = created {
            let delete = Submission {
                opcode: opcode::DELETE_COMPLETIONS,
                dword10: id,
                ..Default::default()
            };
            self.execute(delete, None)?;
        }
        created.map(|_| ())
    }

    /// Abort (section 5.1): whether the drive says that it did.
    pub(crate) fn abort(&mut self, queue: u16, id: u16) -> Result<bool, Error> {
        let dword10 = (u32::from(id) << 16) | u32::from(queue);
        let entry = Submission { opcode: opcode::ABORT, dword10, ..Default::default() };
        match self.execute(entry, None) {
            Ok((result, _)) => Ok(result & 1 == 0),
            Err(Error::Failed(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn every_number(info: &ControllerInfo, room: usize) -> Result<Vec<u32>, Error> {
    let count = (info.namespaces as usize).min(room);
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Error::NoMemory)?;
    all.extend((1..=info.namespaces).take(count));
    Ok(all)
}

/// Zeroed bytes for a copy of what Identify returns: the drive may change its
/// page while it is judged, but not the copy.
fn identify_buffer() -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    data.try_reserve_exact(IDENTIFY_BYTES).map_err(|_| Error::NoMemory)?;
    data.resize(IDENTIFY_BYTES, 0);
    Ok(data)
}
