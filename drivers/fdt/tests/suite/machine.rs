// SPDX-License-Identifier: Apache-2.0
//! Harts, memory, reservations, the chosen node: trees made for one question.

use crate::builder::{Item, Writer, item};
use skimmer_fdt::{BadNode, Fdt, Region, ReservedBy, Unusable, ValueError};

fn region(base: u64, size: u64) -> Region {
    Region::new(base, size).expect("it does not wrap")
}

fn root() -> Item {
    item("").widths(2, 2)
}

fn cpu(id: u32) -> Item {
    let intc = item("interrupt-controller")
        .text("compatible", "riscv,cpu-intc")
        .word("#interrupt-cells", 1)
        .word("phandle", id.wrapping_add(100));
    item(&format!("cpu@{id:x}"))
        .text("device_type", "cpu")
        .word("reg", id)
        .text("riscv,isa", "rv64imafdc_sstc")
        .text("mmu-type", "riscv,sv39")
        .child(intc)
}

fn cpus(harts: Vec<Item>) -> Item {
    let mut cpus = item("cpus").widths(1, 0).word("timebase-frequency", 10_000_000);
    cpus.children = harts;
    root().child(cpus)
}

fn without(mut node: Item, name: &str) -> Item {
    node.properties.retain(|(own, _)| own != name);
    node
}

fn verdicts(tree: &Item) -> Vec<Result<u64, Unusable>> {
    let blob = tree.blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    tree.harts().map(|hart| hart.usable()).collect()
}

#[test]
fn sparse_harts_in_any_order() {
    let tree = cpus(vec![cpu(61), cpu(3), cpu(0xffff_fffe)]);
    assert_eq!(verdicts(&tree), [Ok(61), Ok(3), Ok(0xffff_fffe)]);
}

#[test]
fn disabled_harts_are_told_apart() {
    let states = ["okay", "ok", "disabled", "fail", "fail-0x7", "reserved", ""];
    let harts = states.iter().map(|state| cpu(1).text("status", state)).collect();
    let disabled = Err(Unusable::Disabled);
    let expected = [Ok(1), Ok(1), disabled, disabled, disabled, disabled, disabled];
    assert_eq!(verdicts(&cpus(harts)), expected);
}

#[test]
fn harts_without_an_mmu() {
    let none = without(cpu(0), "mmu-type").text("mmu-type", "riscv,none");
    let missing = without(cpu(1), "mmu-type");
    let no_mmu = Err(Unusable::NoMmu);
    assert_eq!(verdicts(&cpus(vec![none, missing, cpu(2)])), [no_mmu, no_mmu, Ok(2)]);
}

#[test]
fn harts_without_an_id() {
    let missing = without(cpu(0), "reg");
    let short = without(cpu(0), "reg").bytes("reg", &[0, 0, 1]);
    let empty = without(cpu(0), "reg").bytes("reg", &[]);
    let no_id = |why| Err(Unusable::NoId(why));
    let expected = [
        no_id(ValueError::Missing),
        no_id(ValueError::BadLength),
        no_id(ValueError::BadLength),
        Ok(9),
    ];
    assert_eq!(verdicts(&cpus(vec![missing, short, empty, cpu(9)])), expected);
}

#[test]
fn ids_of_two_cells() {
    let hart = without(cpu(0), "reg").words("reg", &[1, 2]);
    let tree = root().child(item("cpus").widths(2, 0).child(hart));
    assert_eq!(verdicts(&tree), [Ok(0x1_0000_0002)]);
}

#[test]
fn ids_of_unreadable_width() {
    let tree = |width| root().child(item("cpus").widths(width, 0).child(cpu(0)));
    for width in [0, 3, 255, 256, 0xffff_ffff] {
        let expected = Err(Unusable::NoId(ValueError::BadCells));
        assert_eq!(verdicts(&tree(width)), [expected], "width {width}");
    }
}

#[test]
fn only_harts_are_harts() {
    let map = item("cpu-map").child(item("cpu@5").word("reg", 5));
    let by_type = item("core").text("device_type", "cpu").word("reg", 7);
    let tree = cpus(vec![map, cpu(1), by_type, item("l2-cache")]).child(cpu(8));
    let missing_mmu = Err(Unusable::NoMmu);
    assert_eq!(verdicts(&tree), [Ok(1), missing_mmu]);
}

#[test]
fn no_cpus_at_all() {
    let blob = root().blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    assert_eq!(tree.harts().count(), 0);
    assert_eq!(tree.timebase_frequency(), Err(ValueError::Missing));
}

#[test]
fn what_a_hart_says_of_itself() {
    let blob = cpus(vec![cpu(4), item("cpu@5")]).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let harts: Vec<_> = tree.harts().collect();
    assert_eq!(harts[0].name(), "cpu@4");
    assert_eq!(harts[0].mmu_type(), Some("riscv,sv39"));
    assert_eq!(harts[0].isa(), Some("rv64imafdc_sstc"));
    assert!(harts[0].has_extension("sstc") && !harts[0].has_extension("svadu"));
    assert_eq!(harts[0].intc_phandle(), Some(104));
    assert_eq!(harts[1].mmu_type(), None);
    assert_eq!(harts[1].intc_phandle(), None);
    assert!(!harts[1].has_extension("i"));
}

#[test]
fn the_extension_list_decides() {
    let hart = cpu(0).texts("riscv,isa-extensions", &["i", "m", "svadu"]);
    let blob = cpus(vec![hart]).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let hart = tree.harts().next().expect("one hart");
    assert!(hart.has_extension("svadu") && hart.has_extension("m"));
    assert!(!hart.has_extension("sstc"), "only the old string has it");
}

fn timebase(tree: &Item) -> Result<u64, ValueError> {
    Fdt::new(&tree.blob()).expect("a sound tree").timebase_frequency()
}

#[test]
fn timebase_frequency() {
    assert_eq!(timebase(&cpus(vec![])), Ok(10_000_000));
    let quad = item("cpus").words("timebase-frequency", &[1, 0]);
    assert_eq!(timebase(&root().child(quad)), Ok(1 << 32));
    let zero = item("cpus").word("timebase-frequency", 0);
    assert_eq!(timebase(&root().child(zero)), Err(ValueError::OutOfRange));
    let odd = item("cpus").bytes("timebase-frequency", &[1, 2, 3]);
    assert_eq!(timebase(&root().child(odd)), Err(ValueError::BadLength));
}

#[test]
fn timebase_frequency_of_a_hart() {
    let off = cpu(0).text("status", "disabled").word("timebase-frequency", 1);
    let on = cpu(1).word("timebase-frequency", 2);
    let mut cpus = item("cpus").widths(1, 0);
    cpus.children = vec![off, on];
    assert_eq!(timebase(&root().child(cpus)), Ok(2));
}

fn banks(tree: &Item) -> Vec<Result<Region, ValueError>> {
    let blob = tree.blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    tree.memory().map(|bank| bank.map_err(|bad| bad.why)).collect()
}

fn memory(name: &str, reg: &[u32]) -> Item {
    item(name).text("device_type", "memory").words("reg", reg)
}

#[test]
fn several_banks() {
    let two = [0, 0x8000_0000, 0, 0x1000, 1, 0, 2, 0];
    let tree = root()
        .child(memory("memory@80000000", &two))
        .child(memory("memory@4000000000", &[0x40, 0, 0, 0x2000]));
    let expected = [
        Ok(region(0x8000_0000, 0x1000)),
        Ok(region(1 << 32, 2 << 32)),
        Ok(region(0x40 << 32, 0x2000)),
    ];
    assert_eq!(banks(&tree), expected);
}

#[test]
fn banks_that_are_none() {
    let off = memory("memory@1000", &[0, 0x1000, 0, 1]).text("status", "disabled");
    let empty = memory("memory@2000", &[0, 0x2000, 0, 0, 0, 0x3000, 0, 1]);
    let nested = item("soc").widths(2, 2).child(memory("memory@4000", &[0, 0x4000, 0, 1]));
    let other = item("memory@5000").text("device_type", "rom").words("reg", &[0, 0x5000, 0, 1]);
    let tree = root().child(off).child(empty).child(nested).child(other);
    assert_eq!(banks(&tree), [Ok(region(0x3000, 1))]);
}

#[test]
fn a_bank_by_name_or_by_type() {
    let named = item("memory@1000").words("reg", &[0, 0x1000, 0, 1]);
    let typed = memory("ram", &[0, 0x2000, 0, 1]);
    let tree = root().child(named).child(typed);
    assert_eq!(banks(&tree), [Ok(region(0x1000, 1)), Ok(region(0x2000, 1))]);
}

#[test]
fn malformed_banks_are_reported_and_passed_over() {
    let short = memory("memory@0", &[0, 0, 0]);
    let missing = without(memory("memory@1", &[]), "reg");
    let wraps = memory("memory@2", &[u32::MAX, u32::MAX, 0, 2, 0, 7, 0, 1]);
    let tree = root().child(short).child(missing).child(wraps);
    let expected = [
        Err(ValueError::BadLength),
        Err(ValueError::Missing),
        Err(ValueError::Wraps),
        Ok(region(7, 1)),
    ];
    assert_eq!(banks(&tree), expected);
}

#[test]
fn widths_default_to_two_and_one() {
    let tree = item("").child(memory("memory@1", &[1, 2, 3]));
    assert_eq!(banks(&tree), [Ok(region(0x1_0000_0002, 3))]);
}

#[test]
fn reservations_of_both_kinds() {
    let reserved = item("reserved-memory")
        .widths(2, 2)
        .bytes("ranges", &[])
        .child(item("firmware@0").words("reg", &[0, 0, 0, 5]).bytes("no-map", &[]))
        .child(item("pool").words("size", &[0, 0x1000]))
        .child(item("off@9").words("reg", &[0, 9, 0, 9]).text("status", "disabled"))
        .child(item("two@1").words("reg", &[0, 1, 0, 1, 0, 2, 0, 0, 0, 3, 0, 3]));
    let mut writer = Writer::default();
    root().child(reserved).write(&mut writer);
    let blob = writer.end().reserve(0x8000_0000, 0x20_0000).reserve(7, 0).reserve(8, 8).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let seen: Vec<_> = tree
        .reservations()
        .map(|taken| taken.expect("readable"))
        .map(|taken| (taken.region.base(), taken.region.size(), taken.by))
        .collect();
    let firmware = ReservedBy::Node { name: "firmware@0", no_map: true };
    let two = ReservedBy::Node { name: "two@1", no_map: false };
    let expected = [
        (0x8000_0000, 0x20_0000, ReservedBy::Block),
        (8, 8, ReservedBy::Block),
        (0, 5, firmware),
        (1, 1, two),
        (3, 3, two),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn unreadable_reservations_are_not_dropped() {
    let reserved = item("reserved-memory")
        .widths(2, 2)
        .child(item("short@0").words("reg", &[0, 0, 5]))
        .child(item("fine@1").words("reg", &[0, 1, 0, 1]));
    let mut writer = Writer::default();
    root().child(reserved).write(&mut writer);
    let blob = writer.end().reserve(u64::MAX, 2).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let seen: Vec<_> = tree.reservations().map(|taken| taken.map(|taken| taken.region)).collect();
    let bad = |name, why| Err(BadNode { name, why });
    let expected = [
        bad("reservation block", ValueError::Wraps),
        bad("short@0", ValueError::BadLength),
        Ok(region(1, 1)),
    ];
    assert_eq!(seen, expected);
}

fn with_chosen(chosen: Item, look: impl FnOnce(&skimmer_fdt::Chosen<'_>)) {
    let blob = root().child(chosen).blob();
    look(&Fdt::new(&blob).expect("a sound tree").chosen());
}

#[test]
fn chosen() {
    let node = item("chosen")
        .text("bootargs", "scenario=ports rounds=14")
        .text("stdout-path", "/soc/serial@1:115200")
        .word("linux,initrd-start", 0x8800_0000)
        .words("linux,initrd-end", &[0, 0x8800_1000]);
    with_chosen(node, |chosen| {
        assert_eq!(chosen.bootargs(), Ok("scenario=ports rounds=14"));
        assert_eq!(chosen.stdout_path(), Ok("/soc/serial@1:115200"));
        assert_eq!(chosen.initrd(), Ok(region(0x8800_0000, 0x1000)));
    });
}

#[test]
fn nothing_chosen() {
    let blob = root().blob();
    let chosen = Fdt::new(&blob).expect("a sound tree").chosen();
    assert_eq!(chosen.bootargs(), Err(ValueError::Missing));
    assert_eq!(chosen.initrd(), Err(ValueError::Missing));
    with_chosen(item("chosen"), |chosen| {
        assert_eq!(chosen.bootargs(), Err(ValueError::Missing));
        assert_eq!(chosen.stdout_path(), Err(ValueError::Missing));
        assert_eq!(chosen.initrd(), Err(ValueError::Missing));
    });
}

#[test]
fn malformed_choices() {
    for bytes in [b"no end".as_slice(), b"", b"\xff\0"] {
        with_chosen(item("chosen").bytes("bootargs", bytes), |chosen| {
            assert_eq!(chosen.bootargs(), Err(ValueError::BadString));
        });
    }
    let backwards = item("chosen").word("linux,initrd-start", 2).word("linux,initrd-end", 1);
    with_chosen(backwards, |chosen| {
        assert_eq!(chosen.initrd(), Err(ValueError::OutOfRange));
    });
    let empty = item("chosen").word("linux,initrd-start", 2).word("linux,initrd-end", 2);
    with_chosen(empty, |chosen| assert_eq!(chosen.initrd(), Err(ValueError::OutOfRange)));
    let half = item("chosen").word("linux,initrd-start", 2);
    with_chosen(half, |chosen| assert_eq!(chosen.initrd(), Err(ValueError::Missing)));
}

#[test]
fn an_empty_command_line_is_one() {
    with_chosen(item("chosen").text("bootargs", ""), |chosen| {
        assert_eq!(chosen.bootargs(), Ok(""));
    });
}
