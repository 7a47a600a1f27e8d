// SPDX-License-Identifier: Apache-2.0
//! NVMe drives: `drivers/nvme` wired to PCI and to this machine.
//!
//! Boot starts each controller, asks it for a queue pair for each hart, and
//! hands the drives to the first thread: what is started has one owner, who may
//! give queue pairs to threads of other harts and takes them back for a reset.
//! All queue pairs interrupt by the function's pin, and whoever serves its
//! source is the drive's interrupt service thread.
//! Invariant: a drive that is on is never dropped; [`Drive::shut_down`] is the
//! way out.

mod platform;

use alloc::vec::Vec;
use core::{fmt, mem::ManuallyDrop};

use skimmer_abi::disk;
use skimmer_arch::println;
use skimmer_nvme::{Buffer, Controller, Error, Extent, Namespace, Options, QueuePair};
use skimmer_pci::{Function, FunctionAddress};

pub(crate) use platform::{Frames, Machine};

use crate::{pci::Bus, smp};

/// Class, subclass and interface of an NVMe controller (PCI code and ID
/// assignment: mass storage, non-volatile memory, NVM Express).
const NVME: (u8, u8, u8) = (0x01, 0x08, 0x02);

/// The base address register of the controller's registers (NVMe over PCIe
/// transport, section 2.1).
const REGISTERS: u8 = 0;

/// A queue pair of a drive.
pub(crate) type Queue = QueuePair<Machine, Transfer>;

/// What a command moves, and what it is for: it comes back with its completion.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// Where the bytes are.
    pub(crate) memory: Extent<Frames>,
    /// The first block.
    pub(crate) first: u64,
    /// When it was submitted, in ticks.
    pub(crate) submitted: u64,
}

impl Buffer for Transfer {
    fn length(&self) -> usize {
        self.memory.length()
    }

    fn address_of(&self, at: usize) -> Option<u64> {
        self.memory.address_of(at)
    }
}

/// A drive that is on.
pub(crate) struct Drive {
    parts: ManuallyDrop<Parts>,
}

/// What a drive consists of.
pub(crate) struct Parts {
    /// Where it is, for people.
    pub(crate) name: FunctionAddress,
    pub(crate) controller: Controller<Machine>,
    /// At the most one for each hart.
    pub(crate) queues: Vec<Queue>,
    /// Of its interrupts; none if its pin leads nowhere.
    pub(crate) source: Option<u32>,
}

/// Why there is no such drive.
enum NoDrive {
    Pci(crate::pci::NotStarted),
    Nvme(Error),
}

impl fmt::Display for NoDrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(why) => why.fmt(f),
            Self::Nvme(why) => why.fmt(f),
        }
    }
}

/// Starts every NVMe controller. Says what there is; none is no error.
pub(crate) fn begin(buses: &'static [Bus]) -> Vec<Drive> {
    let mut drives = Vec::new();
    let is_nvme = |function: &Function| {
        let identity = function.identity();
        (identity.class, identity.subclass, identity.interface) == NVME
    };
    for bus in buses {
        for index in bus.matching(is_nvme) {
            let Some(name) = bus.address(index) else { continue };
            match Drive::start(bus, index, name) {
                Ok(drive) => {
                    drive.introduce();
                    drives.push(drive);
                }
                Err(why) => {
                    bus.stop(index);
                    println!("drive {name}: not used: {why}");
                }
            }
        }
    }
    if drives.is_empty() {
        println!("no NVMe drive");
    }
    drives
}

impl Drive {
    fn start(bus: &'static Bus, index: usize, name: FunctionAddress) -> Result<Self, NoDrive> {
        let function = bus.start(index, REGISTERS).map_err(NoDrive::Pci)?;
        let machine = Machine::new(function.registers, function.reins);
        let harts = u16::try_from(smp::services().len()).unwrap_or(u16::MAX);
        let controller = Controller::start(machine, Options::default(), harts);
        let controller = controller.map_err(NoDrive::Nvme)?;
        let (queues, source) = (Vec::new(), function.source);
        let mut drive =
            Self { parts: ManuallyDrop::new(Parts { name, controller, queues, source }) };
        match drive.make_queues() {
            Ok(()) => Ok(drive),
            Err(why) => {
                drive.shut_down();
                Err(NoDrive::Nvme(why))
            }
        }
    }

    /// As many as the controller grants, and there is memory for: at least one.
    fn make_queues(&mut self) -> Result<(), Error> {
        let Parts { controller, queues, source, .. } = &mut *self.parts;
        let vector = source.map(|_| 0);
        for _ in 0..controller.queues() {
            match controller.queue_pair(vector) {
                Ok(queue) => queues.push(queue),
                Err(_) if !queues.is_empty() => break,
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    /// What it consists of.
    pub(crate) fn parts(&mut self) -> &mut Parts {
        &mut self.parts
    }

    /// Its namespaces.
    pub(crate) fn namespaces(&self) -> &[Namespace] {
        self.parts.controller.namespaces()
    }

    /// Whether it has namespaces that cannot be used.
    pub(crate) fn has_rejected(&self) -> bool {
        !self.parts.controller.rejected().is_empty()
    }

    /// Its number among the machine's test disks, if it is one.
    pub(crate) fn test_disk(&self) -> Option<u32> {
        disk::drive_of(&self.parts.controller.info().serial)
    }

    /// Where it is.
    pub(crate) fn name(&self) -> FunctionAddress {
        self.parts.name
    }

    /// The source of its interrupts.
    pub(crate) fn source(&self) -> Option<u32> {
        self.parts.source
    }

    fn introduce(&self) {
        let Parts { name, controller, queues, source, .. } = &*self.parts;
        let info = controller.info();
        let (model, serial) = (Text(&info.model), Text(&info.serial));
        println!("drive {name}: {model} {serial}, {} queue pair(s)", queues.len());
        match source {
            Some(source) => println!("drive {name}: interrupts by source {source}"),
            None => println!("drive {name}: cannot interrupt"),
        }
        for Namespace { id, block_size, blocks, .. } in controller.namespaces() {
            println!("drive {name}: namespace {id}: {blocks} blocks of {block_size} bytes");
        }
        for (id, why) in controller.rejected() {
            println!("drive {name}: namespace {id} is not used: {why}");
        }
    }

    /// Turns it off, or cuts it off from memory. What was in flight is lost. Of a
    /// drive at large the memory is kept for ever.
    pub(crate) fn shut_down(mut self) {
        let Parts { controller, queues, .. } = &mut *self.parts;
        match controller.shutdown(queues) {
            Err(Error::AtLarge) => {}
            Ok(()) | Err(_) => drop(ManuallyDrop::into_inner(self.parts)),
        }
    }
}

/// What a drive says of itself, as far as it can be shown.
struct Text<'a>(&'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.trim_ascii();
        text.iter().try_for_each(|&byte| match byte {
            b' '..=b'~' => write!(f, "{}", char::from(byte)),
            _ => f.write_str("?"),
        })
    }
}
