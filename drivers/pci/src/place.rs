// SPDX-License-Identifier: Apache-2.0
//! Placing: addresses for BARs, windows for bridges.
//!
//! Role: grants the wishes of `needs`, from the first bus down, and writes
//! what was granted.
//! Invariant: a bus is given addresses before the buses behind it, and those
//! behind it get parts of what it has. Where all does not fit, whole wishes are
//! granted first, and then one bridge gets what is left, so that its devices
//! compete among themselves and not with their neighbours.
//! Nothing decodes addresses while addresses are written, and a bridge forwards
//! only what was read back as written.

use alloc::vec::Vec;
use core::mem;

use crate::bar::{Bar, BarSpace, Place};
use crate::bridge::{self, Bridge};
use crate::command::{self, Command};
use crate::config::{ConfigSpace, Registers};
use crate::function::{Function, Kind};
use crate::needs::{Class, FOUR_GIB, Item, Needs, PerClass, Whose, rooms};
use crate::problem::{Flaw, OutOfMemory, Problem, push};
use crate::register::{ROM_TYPE_0, ROM_TYPE_1, bar as bar_register, high_word, low_word};
use crate::span::Span;
use crate::tree::Tree;
use crate::window::Window;

impl Tree {
    /// Gives every BAR an address in one of `windows`, and opens the bridges'
    /// windows for it. From here until [`Tree::enable`] no function decodes,
    /// masters the bus or raises INTx; bridges forward in both directions.
    ///
    /// What has 64 bits goes above 4 GiB if there is a window, and it may: so
    /// leave out windows that harts cannot reach.
    ///
    /// # Errors
    /// When there is no memory to work with; functions are still then, and
    /// nothing has a place that it can rely on. A BAR for which there is no
    /// room is a [`Problem`] of its function.
    pub fn place<C: ConfigSpace>(
        &mut self,
        config: &mut C,
        windows: &[Window],
    ) -> Result<(), OutOfMemory> {
        for bar in &mut self.bars {
            bar.place = None;
        }
        for function in &self.functions {
            quiet(config, function);
        }
        let (mut whole, mut root) = (Vec::new(), Vec::new());
        for span in rooms(windows) {
            push(&mut whole, span)?;
            push(&mut root, span)?;
        }
        let needs = Needs::of(self, windows, &whole)?;
        let mut grants = Vec::new();
        for _ in &self.buses {
            push(&mut grants, PerClass::NONE)?;
        }
        let mut placing = Placing { tree: self, config, windows, root, grants };
        let mut items = Vec::new();
        for bus in 0..placing.tree.buses.len() {
            placing.grant(bus, &needs, &mut items)?;
            placing.write(bus)?;
        }
        Ok(())
    }
}

/// Stops a function in all that it might do by itself, and its expansion ROM.
fn quiet<C: ConfigSpace>(config: &mut C, function: &Function) {
    let mut registers = Registers::new(config, function.address);
    let rom = match function.kind {
        Kind::HostBridge => return,
        Kind::Endpoint => ROM_TYPE_0,
        Kind::Bridge(_) => ROM_TYPE_1,
    };
    let before = command::read(&registers);
    let quiet = before.difference(Command::ACTIVE) | Command::INTX_DISABLE;
    command::write(&mut registers, quiet, Command::empty());
    registers.write(rom, 0);
}

struct Placing<'p, C> {
    tree: &'p mut Tree,
    config: &'p mut C,
    windows: &'p [Window],
    /// What is left of the windows.
    root: Vec<Span>,
    /// What each bus has got.
    grants: Vec<PerClass<Span>>,
}

impl<C: ConfigSpace> Placing<'_, C> {
    /// Shares what a bus has got among its wishes.
    fn grant(
        &mut self,
        index: usize,
        needs: &Needs<'_>,
        items: &mut Vec<Item>,
    ) -> Result<(), OutOfMemory> {
        for class in Class::ALL {
            let Some(bus) = self.tree.buses.get(index) else { continue };
            needs.items(self.tree, bus, class, items)?;
            if bus.bridge.is_none() {
                let mut root = mem::take(&mut self.root);
                self.share(&mut root, items);
                self.root = root;
            } else if let Some(span) = self.grants.get(index).and_then(|grant| grant.get(class)) {
                self.share(&mut [span], items);
            }
        }
        Ok(())
    }

    fn share(&mut self, spans: &mut [Span], items: &[Item]) {
        for item in items {
            let granted = take(spans, self.windows, item);
            self.given(item, granted);
        }
        // Bridges that got nothing.
        for item in items {
            let Whose::Bus(bus) = item.whose else { continue };
            if self.grants.get(bus).is_some_and(|grant| grant.get(item.class).is_none()) {
                let granted = take_rest(spans, self.windows, item);
                self.given(item, granted);
            }
        }
    }

    fn given(&mut self, item: &Item, span: Option<Span>) {
        match item.whose {
            Whose::Bar(bar) => {
                let place = span.and_then(|span| self.place_of(span));
                if let Some(bar) = self.tree.bars.get_mut(bar) {
                    bar.place = place;
                }
            }
            Whose::Bus(bus) => {
                if let Some(grant) = self.grants.get_mut(bus) {
                    grant.set(item.class, span);
                }
            }
        }
    }

    fn place_of(&self, span: Span) -> Option<Place> {
        let window = self.windows.get(span.window)?;
        let hart = window.hart.checked_add(span.next.checked_sub(window.bus)?)?;
        Some(Place { bus: span.next, hart })
    }

    /// Writes what the functions of a bus have got.
    fn write(&mut self, bus: usize) -> Result<(), OutOfMemory> {
        let Some(functions) = self.tree.buses.get(bus).map(|bus| bus.functions.clone()) else {
            return Ok(());
        };
        for index in functions {
            self.write_bars(index)?;
            let function = self.tree.functions.get(index);
            if let Some((bridge, behind)) =
                function.and_then(Function::bridge).and_then(|b| Some((b, b.bus?)))
            {
                self.write_bridge(index, bridge, behind)?;
            }
        }
        Ok(())
    }

    fn write_bars(&mut self, function: usize) -> Result<(), OutOfMemory> {
        let Some(function) = self.tree.functions.get(function) else { return Ok(()) };
        let mut registers = Registers::new(self.config, function.address);
        for bar in self.tree.bars.get_mut(function.bars.clone()).unwrap_or_default() {
            let flaw = match bar.place {
                None => Flaw::NoSpace(bar.index),
                Some(place) if write_bar(&mut registers, bar, place.bus) => continue,
                Some(_) => Flaw::BarRefused(bar.index),
            };
            bar.place = None;
            push(&mut self.tree.problems, Problem { function: function.address, flaw })?;
        }
        Ok(())
    }

    /// Opens a bridge for what the bus behind it has got, or takes it back.
    fn write_bridge(
        &mut self,
        function: usize,
        bridge: Bridge,
        behind: usize,
    ) -> Result<(), OutOfMemory> {
        let Some(function) = self.tree.functions.get(function) else { return Ok(()) };
        let Some(grant) = self.grants.get_mut(behind) else { return Ok(()) };
        let spans = Class::ALL.map(|class| grant.get(class));
        let [io, memory, prefetchable] = spans;
        let may = self.tree.may_decode(function);
        let mut forward = Command::MEMORY | Command::BUS_MASTER;
        forward.set(Command::IO, io.is_some());
        let mut registers = Registers::new(self.config, function.address);
        let opened =
            may.contains(forward) && bridge::open(&mut registers, bridge, io, memory, prefetchable);
        let before = command::read(&registers);
        if opened && command::write(&mut registers, before | forward, forward) {
            return Ok(());
        }
        command::write(&mut registers, before.difference(Command::ACTIVE), Command::empty());
        *grant = PerClass::NONE;
        push(
            &mut self.tree.problems,
            Problem { function: function.address, flaw: Flaw::BridgeShut },
        )
    }
}

/// The span to take from: above 4 GiB first. What may not lie there has a
/// ceiling that says so.
fn by_preference<'s>(
    spans: &'s mut [Span],
    windows: &[Window],
    item: &Item,
    fits: impl Fn(&Span) -> bool,
) -> Option<&'s mut Span> {
    let usable = |span: &Span| {
        windows.get(span.window).is_some_and(|window| item.may_use(window)) && fits(span)
    };
    let high = spans.iter().position(|span| span.next >= FOUR_GIB && usable(span));
    let index = high.or_else(|| spans.iter().position(usable))?;
    spans.get_mut(index)
}

fn take(spans: &mut [Span], windows: &[Window], item: &Item) -> Option<Span> {
    by_preference(spans, windows, item, |span| span.start(item.wish).is_some())?.take(item.wish)
}

/// All that is left of the span that has most left.
fn take_rest(spans: &mut [Span], windows: &[Window], item: &Item) -> Option<Span> {
    let rest = |span: &Span| span.rest(item.class.grain(), item.wish.ceiling);
    let most = spans
        .iter_mut()
        .filter(|span| windows.get(span.window).is_some_and(|window| item.may_use(window)))
        .max_by_key(|span| rest(span).map_or(0, |rest| rest.left()))?;
    let granted = rest(most)?;
    most.next = granted.end;
    Some(granted)
}

/// Writes an address, and says whether the register keeps it.
fn write_bar<C: ConfigSpace>(registers: &mut Registers<'_, C>, bar: &Bar, address: u64) -> bool {
    let flags = if bar.is_io() { 3 } else { 15 };
    let low = registers.settle(bar_register(bar.index), low_word(address), !flags);
    if bar.space != BarSpace::Memory64 {
        return low;
    }
    let upper = bar_register(bar.index.saturating_add(1));
    registers.settle(upper, high_word(address), u32::MAX) && low
}
