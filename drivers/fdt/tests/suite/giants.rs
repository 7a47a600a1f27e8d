// SPDX-License-Identifier: Apache-2.0
//! Trees as large as they may be, made to cost as much as they can: reading
//! one takes no longer than a small multiple of its size. Something that goes
//! through such a tree once for each of its nodes would take hours.

use crate::builder::{Item, Writer, item};
use crate::damage::survey;
use skimmer_fdt::{Fdt, MAX_NAME, MAX_SIZE};
use std::time::{Duration, Instant};

/// What a loaded machine may take for one tree, checks on.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks of a blob that is nearly as large as it may be.
fn ask(blob: &[u8]) -> usize {
    assert!((MAX_SIZE / 10 * 9..=MAX_SIZE).contains(&blob.len()), "{} bytes", blob.len());
    let begin = Instant::now();
    let tree = Fdt::new(blob).expect("a sound tree");
    let lines = tree.uarts().take(1).flat_map(|uart| uart.interrupts()).count();
    let answers = survey(&tree) + lines;
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    answers
}

#[test]
fn nothing_but_nops() {
    let mut writer = Writer::default();
    writer.begin("");
    for _ in 0..MAX_SIZE / 4 - 100 {
        writer.nop();
    }
    ask(&writer.end_node().end().blob());
}

#[test]
fn harts_beyond_number() {
    let mut cpus = item("cpus").widths(1, 0).word("timebase-frequency", 1);
    let hart = item("cpu").word("reg", 7).text("status", "okay").text("mmu-type", "riscv,sv39");
    let intc = item("i").text("compatible", "riscv,cpu-intc").word("phandle", 9);
    cpus.children = vec![hart.child(intc); 14_000];
    let contexts = [8, 9].repeat(15_000);
    let plic = item("p").text("compatible", "riscv,plic0").words("interrupts-extended", &contexts);
    assert!(ask(&item("").child(cpus).child(plic).blob()) > 14_000);
}

#[test]
fn properties_with_one_endless_name() {
    let name = "n".repeat(MAX_NAME);
    let mut writer = Writer::default();
    writer.begin("").begin("cpus").begin("cpu@0");
    for _ in 0..MAX_SIZE / 12 - 100 {
        writer.property(&name, &[]);
    }
    ask(&writer.end_node().end_node().end_node().end().blob());
}

/// A tree of a chain of buses with `inner` at its end.
fn chain(buses: usize, ranges: &[u32], inner: Item) -> Item {
    (0..buses).fold(inner, |inner, _| item("bus").widths(1, 1).words("ranges", ranges).child(inner))
}

#[test]
fn registers_behind_many_buses() {
    // The range that fits is the last that is looked at, on every bus.
    let mut ranges = [0x1000, 0, 1].repeat(63);
    ranges.extend([0, 0, 0x1000]);
    let uart = item("u").text("compatible", "ns16550a").words("reg", &[1, 1]);
    let mut last = item("bus").widths(1, 1).words("ranges", &ranges);
    last.children = vec![uart; 35_500];
    let tree = item("").widths(1, 1).child(chain(28, &ranges, last));
    assert!(ask(&tree.blob()) >= 35_500);
}

/// Half a tree of nodes that are in the way of every search, and controllers
/// behind them; `look` is the node that searches.
fn searched(look: Item) -> Vec<u8> {
    let intc = |phandle| item("c").word("#interrupt-cells", 1).word("phandle", phandle);
    let mut crowd = item("crowd");
    crowd.children = vec![item("n"); MAX_SIZE / 2 / 12];
    item("").child(look).child(crowd).child(intc(1)).child(intc(2)).blob()
}

#[test]
fn lists_that_never_end() {
    let map = [0, 0, 0, 9, 1, 5, 0, 0, 0, 9, 2, 5].repeat(21_000);
    let pci = item("pci")
        .text("device_type", "pci")
        .widths(3, 2)
        .word("#interrupt-cells", 1)
        .words("interrupt-map", &map);
    ask(&searched(pci));

    let list = [1, 5, 2, 5].repeat(60_000);
    let uart = item("u").text("compatible", "ns16550a").words("interrupts-extended", &list);
    let blob = searched(uart);
    ask(&blob);
    let tree = Fdt::new(&blob).expect("a sound tree");
    let uart = tree.uarts().next().expect("one");
    assert_eq!(uart.interrupts().count(), 17, "given up");
}

#[test]
fn a_path_that_never_ends() {
    let path = "/a".repeat((MAX_SIZE - 1000) / 2);
    let chosen = item("chosen").text("stdout-path", &path);
    let leaf = (0..30).fold(item("a"), |inner, _| item("a").child(inner));
    ask(&item("").child(leaf).child(chosen).blob());
}
