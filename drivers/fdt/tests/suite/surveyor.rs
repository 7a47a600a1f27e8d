// SPDX-License-Identifier: Apache-2.0
//! The second opinion on what a tree means: nodes and properties as `dtoolkit`
//! reads them, put into a table, and every question answered from that table
//! in the plainest way, with all the memory and time in the world. It shares
//! no line with the walker.

use crate::findings::{Findings, FoundBridge, FoundPlic, Line, Place};
use dtoolkit::fdt::FdtNode;
use dtoolkit::{Node as _, Property as _};
use std::collections::BTreeMap;

/// All nodes in the order of the tree; a node's name is its index.
struct Table {
    nodes: Vec<Entry>,
}

struct Entry {
    parent: Option<usize>,
    name: String,
    properties: BTreeMap<String, Vec<u8>>,
}

pub(crate) fn findings(root: FdtNode<'_>) -> Findings {
    let mut table = Table { nodes: Vec::new() };
    table.fill(root, None);
    table.findings()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().expect("four"))).collect()
}

/// A number of that many cells, taken off the front.
fn number(cells: &mut &[u32], count: u32) -> Option<u64> {
    if count > 2 || cells.len() < count as usize {
        return None;
    }
    let (taken, rest) = cells.split_at(count as usize);
    *cells = rest;
    Some(taken.iter().fold(0, |high, low| high << 32 | u64::from(*low)))
}

fn place(base: u64, size: u64) -> Option<Place> {
    base.checked_add(size).map(|_| (base, size))
}

impl Table {
    fn fill(&mut self, node: FdtNode<'_>, parent: Option<usize>) {
        let mut properties = BTreeMap::new();
        for property in node.properties() {
            properties.entry(property.name().to_owned()).or_insert(property.value().to_vec());
        }
        let index = self.nodes.len();
        self.nodes.push(Entry { parent, name: node.name().to_owned(), properties });
        for child in node.children() {
            self.fill(child, Some(index));
        }
    }

    fn all(&self) -> impl Iterator<Item = usize> {
        0..self.nodes.len()
    }

    fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        self.all().filter(move |one| self.nodes[*one].parent == Some(node))
    }

    fn base_name(&self, node: usize) -> &str {
        self.nodes[node].name.split('@').next().expect("the first of any split")
    }

    fn child(&self, node: usize, name: &str) -> Option<usize> {
        self.children(node).find(|&child| self.base_name(child) == name)
    }

    fn value(&self, node: usize, name: &str) -> Option<&[u8]> {
        self.nodes[node].properties.get(name).map(Vec::as_slice)
    }

    fn word(&self, node: usize, name: &str) -> Option<u32> {
        Some(u32::from_be_bytes(self.value(node, name)?.try_into().ok()?))
    }

    fn number(&self, node: usize, name: &str) -> Option<u64> {
        let quad = || Some(u64::from_be_bytes(self.value(node, name)?.try_into().ok()?));
        self.word(node, name).map(u64::from).or_else(quad)
    }

    fn text(&self, node: usize, name: &str) -> Option<&str> {
        let value = self.value(node, name)?;
        let end = value.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&value[..end]).ok()
    }

    fn is_compatible(&self, node: usize, names: &[&str]) -> bool {
        let value = self.value(node, "compatible").unwrap_or_default();
        let text = std::str::from_utf8(value).unwrap_or("");
        text.ends_with('\0')
            && text
                .split_terminator('\0')
                .any(|one| names.iter().any(|name| one.eq_ignore_ascii_case(name)))
    }

    fn is_okay(&self, node: usize) -> bool {
        self.value(node, "status").is_none()
            || matches!(self.text(node, "status"), Some("okay" | "ok"))
    }

    fn is_available(&self, node: usize) -> bool {
        let above = self.nodes[node].parent.is_none_or(|parent| self.is_available(parent));
        above && self.is_okay(node)
    }

    fn phandle(&self, node: usize) -> Option<u32> {
        let phandle = self.word(node, "phandle").or_else(|| self.word(node, "linux,phandle"));
        phandle.filter(|&phandle| phandle != 0 && phandle != u32::MAX)
    }

    fn by_phandle(&self, phandle: u32) -> Option<usize> {
        self.all().find(|&node| self.phandle(node) == Some(phandle))
    }

    /// Cells of addresses and sizes below a node, or above the root.
    fn widths(&self, node: Option<usize>) -> (u32, u32) {
        let width = |name, default| {
            let value = node.and_then(|node| self.value(node, name));
            let read = |value: &[u8]| value.try_into().map_or(u32::MAX, u32::from_be_bytes);
            value.map_or(default, read)
        };
        (width("#address-cells", 2), width("#size-cells", 1))
    }

    /// The entries of `reg`, each of which may be unreadable by itself.
    fn reg(&self, node: usize) -> Option<Vec<Option<Place>>> {
        let (address, size) = self.widths(self.nodes[node].parent);
        let value = self.value(node, "reg")?;
        if address > 2 || size > 2 || address + size == 0 {
            return None;
        }
        if !value.len().is_multiple_of(4 * (address + size) as usize) {
            return None;
        }
        let words = words(value);
        let entry =
            |mut cells: &[u32]| place(number(&mut cells, address)?, number(&mut cells, size)?);
        Some(words.chunks((address + size) as usize).map(entry).collect())
    }

    /// An address of the bus `node` as the bus above counts it, and so on.
    fn to_root(&self, node: Option<usize>, (base, size): Place) -> Option<Place> {
        let Some(bus) = node.filter(|&node| self.nodes[node].parent.is_some()) else {
            return Some((base, size));
        };
        let above = self.nodes[bus].parent;
        let ranges = words(self.value(bus, "ranges")?);
        let whole = self.value(bus, "ranges")?.len().is_multiple_of(4);
        if ranges.is_empty() && whole {
            return self.to_root(above, (base, size));
        }
        let mut rest = ranges.as_slice();
        let (child, length) = self.widths(Some(bus));
        let (parent, _) = self.widths(above);
        for _ in 0..64 {
            let from = number(&mut rest, child)?;
            let to = number(&mut rest, parent)?;
            let room = number(&mut rest, length)?;
            let fits = u128::from(base) + u128::from(size) <= u128::from(from) + u128::from(room);
            if from <= base && fits && to.checked_add(base - from).is_some() {
                return self.to_root(above, place(to + (base - from), size)?);
            }
        }
        None
    }

    fn registers(&self, node: usize) -> Option<Place> {
        let first = (*self.reg(node)?.first()?)?;
        self.to_root(self.nodes[node].parent, first).filter(|(_, size)| *size > 0)
    }

    /// Where interrupts go that are raised below a node.
    fn parent_for_below(&self, node: Option<usize>) -> u32 {
        let Some(node) = node else { return 0 };
        if self.value(node, "#interrupt-cells").is_some() {
            return self.word(node, "phandle").unwrap_or(0);
        }
        match self.value(node, "interrupt-parent") {
            Some(_) => self.word(node, "interrupt-parent").unwrap_or(0),
            None => self.parent_for_below(self.nodes[node].parent),
        }
    }

    fn lines(&self, node: usize) -> Vec<Line> {
        let extended = self.value(node, "interrupts-extended");
        let Some(value) = extended.or_else(|| self.value(node, "interrupts")) else {
            return Vec::new();
        };
        let inherited = || self.parent_for_below(self.nodes[node].parent);
        let parent = self.word(node, "interrupt-parent").unwrap_or_else(inherited);
        let (list, mut lines) = (words(value), Vec::new());
        let mut rest = list.as_slice();
        let one = |rest: &mut &[u32]| {
            let controller = match extended {
                Some(_) => number(rest, 1)? as u32,
                None => parent,
            };
            let cells = self.word(self.by_phandle(controller)?, "#interrupt-cells")?;
            let cells = usize::try_from(cells).ok().filter(|&cells| cells > 0)?;
            let (told, after) = rest.split_at_checked(cells)?;
            *rest = after;
            Some((controller, told[0]))
        };
        // Trailing bytes are one more, unreadable interrupt.
        while !rest.is_empty() || !value.len().is_multiple_of(4) {
            let line = one(&mut rest);
            lines.push(line);
            if line.is_none() {
                break;
            }
        }
        lines
    }

    fn findings(&self) -> Findings {
        let at = |name| self.child(0, name);
        let harts: Vec<usize> = at("cpus").map_or(Vec::new(), |cpus| self.harts(cpus));
        let devices = |names: &'static [&str]| {
            self.all().filter(|&node| self.is_available(node) && self.is_compatible(node, names))
        };
        let plics =
            &["sifive,plic-1.0.0", "riscv,plic0", "thead,c900-plic", "andestech,nceplic100"];
        Findings {
            timebase: at("cpus").and_then(|cpus| self.timebase(cpus, &harts)),
            harts: harts.iter().map(|&hart| self.hart(hart)).collect(),
            banks: self
                .children(0)
                .filter(|&node| self.is_bank(node))
                .flat_map(|node| self.places(node))
                .collect(),
            reserved: at("reserved-memory").map_or(Vec::new(), |parent| {
                let nodes = self.children(parent).filter(|&node| self.is_okay(node));
                nodes.flat_map(|node| self.places(node)).collect()
            }),
            initrd: at("chosen").and_then(|chosen| {
                let start = self.number(chosen, "linux,initrd-start")?;
                let end = self.number(chosen, "linux,initrd-end")?;
                (start < end).then(|| (start, end - start))
            }),
            bootargs: at("chosen").and_then(|chosen| Some(self.text(chosen, "bootargs")?.into())),
            plics: devices(plics).map(|node| self.plic(node, &harts)).collect(),
            bridges: self
                .all()
                .filter(|&node| self.is_bridge(node))
                .map(|node| self.bridge(node))
                .collect(),
            uarts: self.all().filter_map(|node| self.uart(node)).collect(),
        }
    }

    fn places(&self, node: usize) -> Vec<Place> {
        let places = self.reg(node).unwrap_or_default();
        places.into_iter().flatten().filter(|(_, size)| *size > 0).collect()
    }

    fn harts(&self, cpus: usize) -> Vec<usize> {
        let is_hart = |node: &usize| {
            self.base_name(*node) == "cpu" || self.text(*node, "device_type") == Some("cpu")
        };
        self.children(cpus).filter(is_hart).collect()
    }

    fn own_controller(&self, hart: usize) -> Option<u32> {
        let intc = self.children(hart).find(|&node| self.is_compatible(node, &["riscv,cpu-intc"]));
        self.phandle(intc?)
    }

    fn hart(&self, hart: usize) -> (Option<u64>, bool, Option<u32>) {
        let first = self.reg(hart).and_then(|reg| *reg.first()?);
        let modes = ["riscv,sv39", "riscv,sv48", "riscv,sv57"];
        let mode = self.text(hart, "mmu-type").unwrap_or("");
        let usable = first.is_some() && self.is_okay(hart) && modes.contains(&mode);
        (first.map(|(id, _)| id), usable, self.own_controller(hart))
    }

    fn timebase(&self, cpus: usize, harts: &[usize]) -> Option<u64> {
        let enabled = harts.iter().copied().filter(|&hart| self.is_okay(hart));
        let says = |node: &usize| self.value(*node, "timebase-frequency").is_some();
        let node = [cpus].into_iter().chain(enabled).find(says)?;
        self.number(node, "timebase-frequency").filter(|&frequency| frequency > 0)
    }

    fn is_bank(&self, node: usize) -> bool {
        let kind = self.text(node, "device_type").unwrap_or(self.base_name(node));
        self.is_okay(node) && kind == "memory"
    }

    fn plic(&self, node: usize, harts: &[usize]) -> FoundPlic {
        let list = words(self.value(node, "interrupts-extended").unwrap_or_default());
        let context = |intc| {
            let at = list.chunks_exact(2).take(15872).position(|pair| pair == [intc, 9])?;
            u32::try_from(at).ok()
        };
        FoundPlic {
            registers: self.registers(node),
            sources: self.word(node, "riscv,ndev").filter(|ndev| (1..=1023).contains(ndev)),
            contexts: harts.iter().map(|&hart| context(self.own_controller(hart)?)).collect(),
        }
    }

    fn uart(&self, node: usize) -> Option<(bool, Option<Place>, Vec<Line>)> {
        let common = ["ns16550a", "ns16550", "snps,dw-apb-uart", "ns16450", "ns8250"];
        let is_common = self.is_compatible(node, &common);
        let is_known = is_common || self.is_compatible(node, &["sifive,uart0"]);
        let found = || (!is_common, self.registers(node), self.lines(node));
        (is_known && self.is_available(node)).then(found)
    }

    fn is_bridge(&self, node: usize) -> bool {
        let kind = self.text(node, "device_type") == Some("pci")
            || self.is_compatible(node, &["pci-host-ecam-generic"]);
        kind && self.is_available(node) && self.widths(self.nodes[node].parent).0 != 3
    }

    fn bridge(&self, node: usize) -> FoundBridge {
        let buses = || match self.value(node, "bus-range") {
            None => Some((0, 255)),
            Some(value) if value.len() == 8 => {
                let [first, last] = words(value)[..] else { return None };
                (first <= last && last < 256).then_some((first as u8, last as u8))
            }
            Some(_) => None,
        };
        let pins = (0..4).flat_map(|device| (1..=4).map(move |pin| [device << 11, 0, 0, pin]));
        FoundBridge {
            ecam: self.is_compatible(node, &["pci-host-ecam-generic"]),
            config: self.registers(node),
            buses: buses(),
            windows: self.windows(node),
            pins: pins.map(|wanted| self.pin(node, &wanted)).collect(),
        }
    }

    fn windows(&self, node: usize) -> Vec<(u32, bool, Place, Place)> {
        let ranges = words(self.value(node, "ranges").unwrap_or_default());
        let mut rest = ranges.as_slice();
        let (address, length) = self.widths(Some(node));
        let (above, _) = self.widths(self.nodes[node].parent);
        let window = || {
            let kind = number(&mut rest, 1).filter(|_| address == 3)?;
            let bus = number(&mut rest, 2)?;
            let hart = number(&mut rest, above)?;
            let size = number(&mut rest, length)?;
            let hart = self.to_root(self.nodes[node].parent, place(hart, size)?)?;
            let (space, prefetchable) = (kind >> 24 & 3, kind >> 30 & 1 == 1);
            Some((space as u32, prefetchable, place(bus, size)?, hart))
        };
        std::iter::from_fn(window).collect()
    }

    fn pin(&self, node: usize, wanted: &[u32; 4]) -> Line {
        let mask = match self.value(node, "interrupt-map-mask") {
            Some(mask) => words(mask).get(..4)?.to_vec(),
            None => vec![u32::MAX; 4],
        };
        if self.widths(Some(node)).0 != 3 || self.word(node, "#interrupt-cells") != Some(1) {
            return None;
        }
        let map = words(self.value(node, "interrupt-map")?);
        let mut rest = map.as_slice();
        while !rest.is_empty() {
            let (key, after) = rest.split_at_checked(4)?;
            let (controller, after) = after.split_first()?;
            let target = self.by_phandle(*controller)?;
            let address = self.word(target, "#address-cells").unwrap_or(0) as usize;
            let cells = self.word(target, "#interrupt-cells")? as usize;
            let (_, after) = after.split_at_checked(address)?;
            let (told, after) = after.split_at_checked(cells)?;
            if (0..4).all(|at| key[at] & mask[at] == wanted[at] & mask[at]) {
                return Some((*controller, *told.first()?));
            }
            rest = after;
        }
        None
    }
}
