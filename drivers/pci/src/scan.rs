// SPDX-License-Identifier: Apache-2.0
//! The scan: every function of every bus, depth first.
//!
//! Role: makes the tree, and gives out bus numbers (bridge 3.2.5.2 to 3.2.5.4).
//! Invariant: when a bus is looked at, only the bridges on the way to it
//! forward anything. Those beside the way have had their numbers taken: a
//! bridge's are cleared when it is found, and given when its turn comes.
//! A number is given once, and larger than all before, so that there are no
//! more steps than numbers; the list of bridges that are open takes the place
//! of recursion.

use alloc::vec::Vec;

use crate::bar;
use crate::bridge::{self, Bridge, IoWidth};
use crate::capability::Capabilities;
use crate::command::{self, Command};
use crate::config::{BusRange, ConfigSpace, DEVICES, FUNCTIONS, FunctionAddress, Registers, read};
use crate::function::{Function, Identity, Kind};
use crate::intx::Pin;
use crate::message::Known;
use crate::problem::{Flaw, OutOfMemory, Problem, push};
use crate::register::{CLASS, HEADER, ID, INTERRUPT, NOBODY, byte};
use crate::tree::{Bus, Tree};

/// A function that is there, and not ready (PCIe 2.3.1).
const RETRY: u32 = 0xffff_0001;

/// Header type: more functions than one (PCI 6.2.1).
const MULTI_FUNCTION: u8 = 0x80;

impl Tree {
    /// Looks at everything below a host bridge. Bus numbers of all bridges are
    /// given anew; their windows are left closed, and what lies behind them
    /// cannot be reached until [`Tree::place`]. Base address registers are left
    /// as they were.
    ///
    /// # Errors
    /// When there is no memory for the tree. What is strange about a function
    /// is in [`Tree::problems`].
    pub fn scan<C: ConfigSpace>(config: &mut C, buses: BusRange) -> Result<Tree, OutOfMemory> {
        let (functions, bars, problems) = (Vec::new(), Vec::new(), Vec::new());
        let tree = Tree { range: buses, buses: Vec::new(), functions, bars, problems };
        let mut scan = Scan { config, tree };
        scan.run()?;
        Ok(scan.tree)
    }
}

struct Scan<'c, C> {
    config: &'c mut C,
    tree: Tree,
}

/// A bus whose bridges are being followed.
struct Open {
    bus: usize,
    /// The next function to ask whether it is a bridge.
    next: usize,
}

impl<C: ConfigSpace> Scan<'_, C> {
    fn run(&mut self) -> Result<(), OutOfMemory> {
        let mut open = Vec::new();
        let root = Bus {
            number: self.tree.range.first(),
            bridge: None,
            functions: 0..0,
            io: Some(IoWidth::Bits32),
            prefetchable64: true,
        };
        push(&mut open, self.look(root, DEVICES)?)?;
        while let Some(here) = open.last_mut() {
            let bus = self.tree.buses.get(here.bus);
            match (here.next, bus.filter(|bus| here.next < bus.functions.end)) {
                (_, None) => {
                    self.close(here.bus)?;
                    open.pop();
                }
                (index, Some(_)) => {
                    here.next = index.saturating_add(1);
                    if let Some(behind) = self.follow(index)? {
                        push(&mut open, behind)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives a bridge its number and looks at the bus behind it.
    fn follow(&mut self, index: usize) -> Result<Option<Open>, OutOfMemory> {
        let Some(function) = self.tree.functions.get(index) else { return Ok(None) };
        let Some(bridge) = function.bridge() else { return Ok(None) };
        let address = function.address;
        let link = function.known.pcie.is_some_and(|pcie| pcie.port.begins_link());
        let above = address.bus().checked_sub(self.tree.range.first());
        let above = above.and_then(|above| self.tree.buses.get(usize::from(above)));
        let prefetchable64 = bridge.prefetchable64 && above.is_some_and(|bus| bus.prefetchable64);
        let io = narrower(above.and_then(|bus| bus.io), bridge.io);
        let Some(number) = self.free_number() else {
            return self.report(address, Flaw::NoBusNumber).map(|()| None);
        };
        let last = self.tree.range.last();
        let mut registers = Registers::new(self.config, address);
        if !bridge::number(&mut registers, address.bus(), number, last) {
            bridge::number(&mut registers, 0, 0, 0);
            return self.report(address, Flaw::BusNumbersRefused).map(|()| None);
        }
        if let Some(Kind::Bridge(bridge)) = self.tree.functions.get_mut(index).map(|f| &mut f.kind)
        {
            bridge.bus = Some(self.tree.buses.len());
        }
        let bus = Bus { number, bridge: Some(index), functions: 0..0, io, prefetchable64 };
        // On a link there is device 0 only, and some ports answer for all 32.
        self.look(bus, if link { 1 } else { DEVICES }).map(Some)
    }

    /// The number after the last that was given.
    fn free_number(&self) -> Option<u8> {
        let given = self.tree.buses.last()?.number;
        given.checked_add(1).filter(|number| self.tree.range.contains(*number))
    }

    /// All behind the bridge has its numbers: none above them is forwarded.
    fn close(&mut self, bus: usize) -> Result<(), OutOfMemory> {
        let last = self.tree.buses.last().map_or(self.tree.range.last(), |bus| bus.number);
        let Some(bus) = self.tree.buses.get(bus) else { return Ok(()) };
        let bridge = bus.bridge.and_then(|index| self.tree.functions.get(index));
        let Some(address) = bridge.map(|bridge| bridge.address) else { return Ok(()) };
        let number = bus.number;
        let mut registers = Registers::new(self.config, address);
        match bridge::number(&mut registers, address.bus(), number, last) {
            true => Ok(()),
            false => self.report(address, Flaw::BusNumbersRefused),
        }
    }

    /// Looks at the first `devices` devices of a bus.
    fn look(&mut self, mut bus: Bus, devices: u8) -> Result<Open, OutOfMemory> {
        let first = self.tree.functions.len();
        for device in 0..devices {
            for function in 0..FUNCTIONS {
                let address = FunctionAddress::new(bus.number, device, function);
                let Some(address) = address else { continue };
                let more = self.function(address)?;
                if function == 0 && !more {
                    break;
                }
            }
        }
        bus.functions = first..self.tree.functions.len();
        let index = self.tree.buses.len();
        push(&mut self.tree.buses, bus)?;
        Ok(Open { bus: index, next: first })
    }

    /// Looks at one function, and says whether its device has more of them.
    fn function(&mut self, address: FunctionAddress) -> Result<bool, OutOfMemory> {
        let id = read(self.config, address, ID);
        // A vendor of all ones is nobody (PCI 6.2.1); of zeros, a broken board.
        if id == RETRY {
            return self.report(address, Flaw::NotReady).map(|()| false);
        }
        if id & 0xffff == 0xffff || id == 0 {
            return Ok(false);
        }
        let class = read(self.config, address, CLASS);
        let header = read(self.config, address, HEADER);
        if header == NOBODY {
            return self.report(address, Flaw::Gone).map(|()| false);
        }
        let more = byte(header, 2) & MULTI_FUNCTION != 0;
        let identity = Identity::of(id, class);
        match byte(header, 2) & !MULTI_FUNCTION {
            0 if identity.is_host_bridge() => self.keep(address, identity, Kind::HostBridge)?,
            0 => self.keep(address, identity, Kind::Endpoint)?,
            1 => {
                let bridge = self.still(address, |registers| {
                    bridge::number(registers, 0, 0, 0);
                    bridge::probe(registers)
                });
                self.keep(address, identity, Kind::Bridge(bridge))?;
            }
            other => self.report(address, Flaw::UnknownHeader(other))?,
        }
        Ok(more)
    }

    /// Puts a function into the tree, with its capabilities and BARs.
    fn keep(
        &mut self,
        address: FunctionAddress,
        identity: Identity,
        kind: Kind,
    ) -> Result<(), OutOfMemory> {
        let pin = Pin::new(byte(read(self.config, address, INTERRUPT), 1));
        let known = self.capabilities(address)?;
        let first = self.tree.bars.len();
        let bad_bar = match kind {
            Kind::HostBridge => false,
            Kind::Endpoint => self.size(address, 6)?,
            Kind::Bridge(Bridge { .. }) => self.size(address, 2)?,
        };
        let bars = first..self.tree.bars.len();
        let function = Function { address, identity, kind, pin, known, bars, bad_bar };
        push(&mut self.tree.functions, function)
    }

    fn capabilities(&mut self, address: FunctionAddress) -> Result<Known, OutOfMemory> {
        let mut known = Known::default();
        let config = &*self.config;
        let mut list = Capabilities::new(config, address);
        let read = list.try_for_each(|next| known.add(config, address, next?));
        if let Err(flaw) = read {
            self.report(address, Flaw::BadCapabilities(flaw))?;
        }
        Ok(known)
    }

    /// Sizes the first `count` registers, and says whether one made no sense.
    fn size(&mut self, address: FunctionAddress, count: u8) -> Result<bool, OutOfMemory> {
        let looks = self.still(address, |registers| {
            let (mut looks, mut next) = ([const { (0, Ok(None)) }; 6], 0);
            for look in &mut looks {
                if next < count {
                    let (after, found) = bar::size(registers, next, count);
                    *look = (next, found);
                    next = after;
                }
            }
            looks
        });
        let mut bad = false;
        for (index, found) in looks {
            match found {
                Ok(None) => {}
                Ok(Some(bar)) => push(&mut self.tree.bars, bar)?,
                Err(flaw) => {
                    bad = true;
                    self.report(address, Flaw::BadBar(index, flaw))?;
                }
            }
        }
        Ok(bad)
    }

    /// Does something to a function that meanwhile answers and forwards nothing
    /// but configuration accesses (PCI 6.2.5.1).
    fn still<T>(
        &mut self,
        address: FunctionAddress,
        act: impl FnOnce(&mut Registers<'_, C>) -> T,
    ) -> T {
        let mut registers = Registers::new(self.config, address);
        let before = command::read(&registers);
        let decoding = Command::IO | Command::MEMORY;
        command::write(&mut registers, before.difference(decoding), decoding);
        let done = act(&mut registers);
        command::write(&mut registers, before, decoding);
        done
    }

    fn report(&mut self, function: FunctionAddress, flaw: Flaw) -> Result<(), OutOfMemory> {
        push(&mut self.tree.problems, Problem { function, flaw })
    }
}

/// What comes through two bridges.
fn narrower(above: Option<IoWidth>, below: Option<IoWidth>) -> Option<IoWidth> {
    match (above?, below?) {
        (IoWidth::Bits32, IoWidth::Bits32) => Some(IoWidth::Bits32),
        _ => Some(IoWidth::Bits16),
    }
}
