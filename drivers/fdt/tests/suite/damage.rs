// SPDX-License-Identifier: Apache-2.0
//! Breaks blobs at random, from a seed, and asks the walker everything.
//!
//! The tests and the example `damage` share it. A panic, an overflow (checks
//! are on) or a broken promise ends the run.

use crate::builder::item;
use skimmer_damage::{Dice, Subject, Turns, copy_piece, flip_bits};
use skimmer_fdt::{Fdt, FdtError, Hart, Node, PciAddress, PciHost, Plic, Region, Uart};

/// A word that tends to be on an edge.
fn word(dice: &mut Dice) -> u32 {
    const TELLING: [u32; 16] = [
        0,
        1,
        2,
        3,
        4,
        5,
        8,
        9,
        12,
        16,
        32,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffc,
        0xffff_fffe,
        0xffff_ffff,
    ];
    match dice.below(4) {
        0 => dice.word(),
        1 => dice.word() % 0x4000,
        _ => dice.pick(&TELLING),
    }
}

/// The seeds, the trees that are broken: real ones, and as often one that is
/// built here and in which every byte counts.
pub(crate) fn victims() -> Vec<Vec<u8>> {
    let mut victims = vec![dense(); 9];
    victims.extend([
        include_bytes!("../trees/qemu-virt-8.dtb").to_vec(),
        include_bytes!("../trees/qemu-virt-numa-4.dtb").to_vec(),
        include_bytes!("../trees/qemu-sifive-u-5.dtb").to_vec(),
        include_bytes!("../trees/hifive-unleashed-a00.dtb").to_vec(),
        include_bytes!("../trees/hifive-unmatched-a00.dtb").to_vec(),
        include_bytes!("../trees/qemu-virt-aia-2.dtb").to_vec(),
        include_bytes!("../trees/qemu-virt-3-initrd.dtb").to_vec(),
        include_bytes!("../trees/qemu-spike-2.dtb").to_vec(),
        include_bytes!("../trees/cv1800b-milkv-duo.dtb").to_vec(),
    ]);
    victims
}

/// A small tree with something of everything.
fn dense() -> Vec<u8> {
    let intc = item("intc")
        .text("compatible", "riscv,cpu-intc")
        .word("#interrupt-cells", 1)
        .word("phandle", 2);
    let cpu = item("cpu@0")
        .text("status", "okay")
        .word("reg", 0)
        .text("riscv,isa", "rv64imac_sstc")
        .text("mmu-type", "riscv,sv39")
        .child(intc);
    let cpus = item("cpus").widths(1, 0).word("timebase-frequency", 10).child(cpu);
    let plic = item("plic@4")
        .text("compatible", "riscv,plic0")
        .words("reg", &[4, 4])
        .word("riscv,ndev", 9)
        .word("#interrupt-cells", 1)
        .word("phandle", 1)
        .words("interrupts-extended", &[2, 11, 2, 9]);
    let uart = item("uart@8")
        .text("compatible", "ns16550a")
        .words("reg", &[8, 8])
        .word("reg-shift", 2)
        .word("interrupts", 3);
    let pci = item("pci@10")
        .text("compatible", "pci-host-ecam-generic")
        .widths(3, 2)
        .words("reg", &[16, 16])
        .words("bus-range", &[0, 3])
        .words("ranges", &[0x0200_0000, 0, 64, 64, 0, 64])
        .word("#interrupt-cells", 1)
        .words("interrupt-map-mask", &[0, 0, 0, 7])
        .words("interrupt-map", &[0, 0, 0, 1, 1, 5]);
    let soc = item("soc")
        .widths(1, 1)
        .words("ranges", &[0, 0, 0x1000, 0x100])
        .word("interrupt-parent", 1)
        .child(plic)
        .child(uart)
        .child(pci)
        .child(item("test@20").text("compatible", "sifive,test0").words("reg", &[32, 4]));
    let reserved = item("reserved-memory")
        .widths(2, 1)
        .child(item("fw@0").words("reg", &[0, 0x8000, 2]).bytes("no-map", &[]));
    item("")
        .widths(2, 1)
        .child(cpus)
        .child(item("memory@8000").words("reg", &[0, 0x8000, 0x100, 1, 0, 0x100]))
        .child(soc)
        .child(reserved)
        .child(item("aliases").text("s0", "/soc/uart@8"))
        .child(
            item("chosen")
                .text("stdout-path", "s0:9600")
                .text("bootargs", "x=1")
                .word("linux,initrd-start", 1)
                .words("linux,initrd-end", &[0, 2]),
        )
        .blob()
}

fn get(blob: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*blob.get(at..)?.first_chunk()?))
}

fn put(blob: &mut [u8], at: usize, word: u32) {
    if let Some(place) = blob.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
        *place = word.to_be_bytes();
    }
}

/// Breaks a blob in one to three places.
pub(crate) fn damage(blob: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let place = 4 * dice.below(blob.len() / 4);
        match dice.below(10) {
            0 => flip_bits(blob, dice),
            1 => put(blob, 4 * dice.below(10), word(dice)),
            2 => put(blob, place, word(dice)),
            3 => cut(blob, dice),
            4 => copy_piece(blob, 4, 4 * (1 + dice.below(16)), dice),
            5 => resize(blob, dice),
            _ => damage_property(blob, dice),
        }
    }
}

/// Shortens the blob; half the time the header admits it.
fn cut(blob: &mut Vec<u8>, dice: &mut Dice) {
    blob.truncate(dice.below(blob.len()));
    if dice.below(2) == 0 {
        let size = u32::try_from(blob.len()).expect("small");
        put(blob, 4, size);
    }
}

/// Puts a word into the structure block or takes one out, and moves what
/// follows along, so that the rest stays readable.
fn resize(blob: &mut Vec<u8>, dice: &mut Dice) {
    let Some([total, structure, strings, size]) = layout(blob) else {
        return;
    };
    let at = structure + 4 * dice.below(size / 4);
    if at + 4 > blob.len() || strings < at {
        return;
    }
    let grow = dice.below(2) == 0;
    if grow {
        blob.splice(at..at, word(dice).to_be_bytes());
    } else {
        blob.drain(at..at + 4);
    }
    for (field, old) in [(4, total), (12, strings), (36, size)] {
        let new = if grow { old + 4 } else { old.saturating_sub(4) };
        put(blob, field, u32::try_from(new).unwrap_or(u32::MAX));
    }
}

/// Total size, offsets of structure and strings, size of the structure.
fn layout(blob: &[u8]) -> Option<[usize; 4]> {
    let field = |at| usize::try_from(get(blob, at)?).ok();
    Some([field(4)?, field(8)?, field(12)?, field(36)?])
}

/// Changes a property's length, its name or, mostly, its value, which leaves
/// the tree's shape alone and its meaning not.
fn damage_property(blob: &mut [u8], dice: &mut Dice) {
    let start = 4 * dice.below(blob.len() / 4);
    let places = (start..blob.len()).step_by(4);
    let Some(tag) = places.take(64).find(|&at| get(blob, at) == Some(3)) else {
        return;
    };
    let length = get(blob, tag + 4).unwrap_or(0);
    match dice.below(8) {
        0 => put(blob, tag + 4, length.wrapping_add(word(dice) % 9).wrapping_sub(4)),
        1 => put(blob, tag + 4, word(dice)),
        2 => put(blob, tag + 8, word(dice)),
        _ => {
            let words = usize::try_from(length / 4).unwrap_or(0).clamp(1, 32);
            put(blob, tag + 12 + 4 * dice.below(words), word(dice));
        }
    }
}

/// Asks everything of a blob; the number of answers if it is a tree.
pub(crate) fn exercise(blob: &[u8]) -> Result<usize, FdtError> {
    let tree = Fdt::new(blob)?;
    let events = tree.events().inspect(|event| assert!(event.is_ok(), "{event:?}")).count();
    let mut answers = events;
    for node in tree.nodes() {
        answers += ask_node(&node);
    }
    Ok(answers + survey(&tree))
}

/// Asks what a kernel asks of a tree.
pub(crate) fn survey(tree: &Fdt<'_>) -> usize {
    let plics = tree.plics().map(|plic| ask_plic(tree, &plic)).sum::<usize>();
    let bridges = tree.pci_hosts().map(|host| ask_pci(&host)).sum::<usize>();
    let uarts = tree.uarts().map(|uart| ask_uart(&uart)).sum::<usize>();
    ask_machine(tree) + plics + bridges + uarts
}

/// A region that was handed out keeps its promise.
fn check(region: Region) -> usize {
    assert_eq!(region.base().checked_add(region.size()), Some(region.end()));
    1
}

fn check_taken(region: Region) -> usize {
    assert!(!region.is_empty());
    check(region)
}

fn ask_node(node: &Node<'_>) -> usize {
    let properties = node.properties().map(|property| {
        let texts = property.strings().map_or(0, |texts| texts.map(str::len).sum());
        let words = property.words().map_or(0, Iterator::count);
        texts + words + usize::from(property.number().is_ok())
    });
    let mut answers = properties.sum::<usize>();
    if let Ok(regions) = node.mmio() {
        answers += regions.flatten().map(check).sum::<usize>();
    }
    answers += node.interrupts().flatten().filter(|one| one.source().is_ok()).count();
    answers += usize::from(node.is_available()) + usize::from(node.phandle().is_some());
    answers
}

fn ask_machine(tree: &Fdt<'_>) -> usize {
    let mut answers = usize::from(tree.timebase_frequency().is_ok());
    for hart in tree.harts() {
        answers += usize::from(hart.usable().is_ok()) + usize::from(hart.has_extension("sstc"));
        answers += usize::from(hart.intc_phandle().is_some());
    }
    answers += tree.memory().flatten().map(check_taken).sum::<usize>();
    answers += tree.reservations().flatten().map(|one| check_taken(one.region)).sum::<usize>();
    let chosen = tree.chosen();
    answers += usize::from(chosen.bootargs().is_ok()) + usize::from(chosen.stdout().is_some());
    answers += chosen.initrd().map_or(0, check_taken);
    answers + tree.test_device().map_or(0, check_taken)
}

fn ask_plic(tree: &Fdt<'_>, plic: &Plic<'_>) -> usize {
    let contexts: Vec<_> = plic.contexts().map_or(Vec::new(), |list| list.flatten().collect());
    let has_own = |hart: &Hart<'_>| match plic.context_of(hart) {
        Ok(index) => {
            let context = contexts.iter().find(|one| one.index == index);
            let context = context.expect("one of the list");
            assert!(context.is_supervisor() && hart.intc_phandle() == Some(context.hart_intc));
            true
        }
        Err(_) => false,
    };
    // As many as a kernel would use: each is a search of its own.
    let owners = tree.harts().take(64).filter(has_own).count();
    let registers = plic.registers().map_or(0, check_taken);
    contexts.len() + owners + registers + usize::from(plic.sources().is_ok())
}

fn ask_pci(host: &PciHost<'_>) -> usize {
    let mut answers = host.config().map_or(0, check_taken);
    if let Ok((first, last)) = host.buses() {
        assert!(first <= last);
        answers += 1;
    }
    if let Ok(windows) = host.windows() {
        answers += windows.flatten().map(|one| check(one.bus) + check(one.hart)).sum::<usize>();
    }
    for pin in 1..=4 {
        let function = PciAddress { bus: 0, device: pin, function: 0 };
        answers += usize::from(host.interrupt(function, pin).is_ok());
    }
    answers
}

fn ask_uart(uart: &Uart<'_>) -> usize {
    let shift = uart.register_shift();
    assert!(shift.is_err() || shift.is_ok_and(|shift| shift <= 3));
    uart.registers().map_or(0, check_taken) + usize::from(uart.clock().is_ok())
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) blobs: u64,
    pub(crate) refused_by_header: u64,
    pub(crate) refused_by_structure: u64,
    pub(crate) walked: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: &Result<usize, FdtError>) {
        self.blobs += 1;
        match outcome {
            Ok(_) => self.walked += 1,
            Err(FdtError::BadStructure { .. }) => self.refused_by_structure += 1,
            Err(_) => self.refused_by_header += 1,
        }
    }
}

impl skimmer_damage::Tally for Tally {
    fn join(&mut self, other: Self) {
        self.blobs += other.blobs;
        self.refused_by_header += other.refused_by_header;
        self.refused_by_structure += other.refused_by_structure;
        self.walked += other.walked;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} damaged blobs without a panic: {} refused by header, {} by structure, {} walked",
            self.blobs, self.refused_by_header, self.refused_by_structure, self.walked
        )
    }
}

/// Breaks a blob and asks it everything each turn; `look` sees every broken
/// blob.
pub(crate) fn run(turns: Turns, seed: u64, mut look: impl FnMut(&[u8])) -> Tally {
    let victims = victims();
    let mut dice = Dice::new(seed);
    let mut tally = Tally::default();
    let mut blob = Subject::default();
    for () in turns {
        blob.become_copy_of(&victims[dice.below(victims.len())]);
        damage(&mut blob, &mut dice);
        tally.add(&exercise(&blob));
        look(&blob);
    }
    tally
}
