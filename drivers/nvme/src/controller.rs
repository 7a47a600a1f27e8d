// SPDX-License-Identifier: Apache-2.0
//! A controller: brought up, asked what it has, and made to give queue pairs.

use alloc::vec::Vec;

use crate::admin::NewQueue;
use crate::buffer::{Buffer, Extent};
use crate::error::{Error, Misuse};
use crate::identify::{ControllerInfo, Namespace};
use crate::platform::Platform;
use crate::queue::{Patience, QueuePair};
use crate::registers::{Capabilities, INTMC, INTMS};
use crate::reset::{AdminQueues, disable, enable};

/// Commands that the admin queue holds. One is in flight at a time; with more
/// slots one that never ends leaves room until the reset.
const ADMIN_DEPTH: u32 = 31;

/// What the caller chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Commands in flight for each queue pair; fewer if the controller has not
    /// as many entries (CAP.MQES), and at most 4,095.
    pub depth: u32,
    /// Nanoseconds that an admin command may take.
    pub admin_timeout: u64,
    /// How long commands may take, and how often they are tried.
    pub patience: Patience,
    /// Namespaces to look at, because a drive may claim four billion.
    pub namespaces: usize,
}

impl Default for Options {
    fn default() -> Self {
        let patience = Patience { timeout: 30_000_000_000, attempts: 3 };
        Self { depth: 64, admin_timeout: 10_000_000_000, patience, namespaces: 256 }
    }
}

/// A controller that is on.
///
/// The drive may reach the memory of the controller's queues until
/// [`Controller::shutdown`] has said that it is off, or cut off. Dropping it, or a
/// [`QueuePair`] of it, before that frees memory that the drive still uses.
pub struct Controller<P: Platform> {
    pub(crate) platform: P,
    pub(crate) capabilities: Capabilities,
    pub(crate) options: Options,
    pub(crate) admin: QueuePair<P, Extent<P::Memory>>,
    pub(crate) info: ControllerInfo,
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) rejected: Vec<(u32, Error)>,
    /// Queue pairs that were asked for.
    pub(crate) wanted: u16,
    /// Queue pairs that the controller lets us have.
    pub(crate) granted: u16,
    /// Queue pairs that were made: identifiers 1 to this.
    pub(crate) made: u16,
    /// How often it was reset.
    pub(crate) resets: u64,
    /// Why it was given up, if it was: it reaches no memory, or what it reaches is
    /// kept.
    pub(crate) lost: Option<Error>,
}

/// What a controller says of itself.
pub(crate) struct Identity {
    pub(crate) info: ControllerInfo,
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) rejected: Vec<(u32, Error)>,
    pub(crate) granted: u16,
}

impl<P: Platform> Controller<P> {
    /// Resets and enables the controller, asks what it has, and asks for
    /// `queues` queue pairs (one for each hart that is to have one). It may reach
    /// memory only once it is known to be off: whoever left it on may have given
    /// it memory that has another owner now.
    ///
    /// # Errors
    /// Nothing is kept then, apart from memory that a controller which can be
    /// neither turned off nor cut off may still write to: that is leaked.
    pub fn start(platform: P, options: Options, queues: u16) -> Result<Self, Error> {
        let capabilities = Capabilities::read(&platform)?;
        disable(&platform, &capabilities)?;
        if !platform.open() {
            return Err(Error::Gone);
        }
        let patience = options.patience;
        let admin = QueuePair::new(&platform, &capabilities, 0, ADMIN_DEPTH, None, patience)?;
        let (namespaces, rejected) = (Vec::new(), Vec::new());
        let mut controller = Self {
            platform,
            capabilities,
            options,
            admin,
            info: ControllerInfo::UNKNOWN,
            namespaces,
            rejected,
            wanted: queues,
            granted: 0,
            made: 0,
            resets: 0,
            lost: None,
        };
        match controller.bring_up() {
            Ok(identity) => {
                controller.info = identity.info;
                controller.namespaces = identity.namespaces;
                controller.rejected = identity.rejected;
                controller.granted = identity.granted;
                Ok(controller)
            }
            Err(error) => {
                let off = disable(&controller.platform, &controller.capabilities);
                if !controller.platform.close() && off.is_err() {
                    core::mem::forget(controller);
                }
                Err(error)
            }
        }
    }

    /// From off to on, with everything known.
    pub(crate) fn bring_up(&mut self) -> Result<Identity, Error> {
        let (submissions, completions, entries) = self.admin.layout();
        let queues = AdminQueues { submissions, completions, entries: entries as u16 };
        enable(&self.platform, &self.capabilities, queues)?;
        self.admin.resume();
        let info = self.identify_controller()?;
        let granted = self.request_queues(self.wanted)?;
        let (mut namespaces, mut rejected) = (Vec::new(), Vec::new());
        for id in self.active_namespaces(&info)? {
            match self.identify_namespace(id, &info) {
                Ok(Some(namespace)) => {
                    namespaces.try_reserve(1).map_err(|_| Error::NoMemory)?;
                    namespaces.push(namespace);
                }
                Ok(None) => {}
                // One that cannot be used does not take the others with it.
                Err(error @ (Error::Garbage(_) | Error::Unsupported(_) | Error::Failed(_))) => {
                    rejected.try_reserve(1).map_err(|_| Error::NoMemory)?;
                    rejected.push((id, error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Identity { info, namespaces, rejected, granted })
    }

    /// The next queue pair, with interrupts at `vector` if there is one, else
    /// without. While MSI-X is off, 0 is the only vector there is.
    ///
    /// # Errors
    /// [`Misuse::TooManyQueues`] after [`Controller::queues`] of them;
    /// [`Error::NoMemory`], or how the controller refuses. After an error other
    /// than these and [`Error::Failed`], the queues' memory is leaked, because
    /// the controller may have it.
    pub fn queue_pair<B: Buffer>(&mut self, vector: Option<u16>) -> Result<QueuePair<P, B>, Error> {
        if self.made >= self.granted {
            return Err(Error::Misuse(Misuse::TooManyQueues));
        }
        let id = self.made.saturating_add(1);
        let (depth, patience) = (self.options.depth, self.options.patience);
        let queue =
            QueuePair::new(&self.platform, &self.capabilities, id, depth, vector, patience)?;
        match self.create_queue(describe(&queue)) {
            Ok(()) => {
                self.made = id;
                Ok(queue)
            }
            Err(error @ Error::Failed(_)) => Err(error),
            Err(error) => {
                core::mem::forget(queue);
                Err(error)
            }
        }
    }

    /// What the controller says of itself.
    pub const fn info(&self) -> &ControllerInfo {
        &self.info
    }

    /// What the controller can do.
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Its namespaces that can be read and written, by ascending identifier.
    pub fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// Those that cannot, and why.
    pub fn rejected(&self) -> &[(u32, Error)] {
        &self.rejected
    }

    /// The machine that it was started on.
    pub const fn machine(&self) -> &P {
        &self.platform
    }

    /// How many queue pairs there may be.
    pub const fn queues(&self) -> u16 {
        self.granted
    }

    /// How often it was reset since it was started.
    pub const fn resets(&self) -> u64 {
        self.resets
    }

    /// Masks the interrupt vectors that are set in `vectors` (section
    /// 3.1.3.3). Not for MSI-X, which has its own mask.
    pub fn mask_interrupts(&self, vectors: u32) {
        self.platform.write32(INTMS, vectors);
    }

    /// Unmasks them (section 3.1.3.4).
    pub fn unmask_interrupts(&self, vectors: u32) {
        self.platform.write32(INTMC, vectors);
    }
}

/// A queue pair as the controller is to know it.
pub(crate) fn describe<P: Platform, B: Buffer>(queue: &QueuePair<P, B>) -> NewQueue {
    let (submissions, completions, entries) = queue.layout();
    NewQueue { id: queue.id(), entries, submissions, completions, vector: queue.vector() }
}
