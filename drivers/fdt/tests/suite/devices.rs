// SPDX-License-Identifier: Apache-2.0
//! Devices: addresses through buses, interrupts, PLIC, PCI, UART.

use crate::builder::{Item, item};
use skimmer_fdt::{Fdt, PciAddress, PciSpace, Region, UartKind, ValueError};

fn region(base: u64, size: u64) -> Region {
    Region::new(base, size).expect("it does not wrap")
}

fn bus(name: &str, ranges: Option<&[u32]>) -> Item {
    let bus = item(name).widths(1, 1);
    match ranges {
        Some(ranges) => bus.words("ranges", ranges),
        None => bus,
    }
}

fn device(reg: &[u32]) -> Item {
    item("dev").text("compatible", "test,dev").words("reg", reg)
}

/// What the regions of the only test device come out as.
fn translated(tree: &Item) -> Vec<Result<Region, ValueError>> {
    let blob = tree.blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let node = tree.find_compatible("test,dev").next().expect("the device");
    node.mmio().expect("a reg").collect()
}

#[test]
fn identity_through_empty_ranges() {
    let tree = item("").widths(1, 1).child(bus("soc", Some(&[])).child(device(&[7, 1])));
    assert_eq!(translated(&tree), [Ok(region(7, 1))]);
}

#[test]
fn translation_through_two_buses() {
    // The inner bus puts 0..0x100 at 0x1000 of the outer one, which puts
    // 0x1000..0x2000 at 0x4_0000_0000 of the root.
    let inner = bus("inner", Some(&[0, 0x1000, 0x100])).child(device(&[0x10, 4, 0xfc, 4]));
    let outer = bus("outer", Some(&[0x1000, 4, 0, 0x1000])).child(inner);
    let tree = item("").widths(2, 1).child(outer);
    let expected = [Ok(region(0x4_0000_0010, 4)), Ok(region(0x4_0000_00fc, 4))];
    assert_eq!(translated(&tree), expected);
}

#[test]
fn the_matching_range_counts() {
    let ranges = [0, 0x1000, 0x10, 0x20, 0x5000, 0x10];
    let tree =
        |reg: &[u32]| item("").widths(1, 1).child(bus("soc", Some(&ranges)).child(device(reg)));
    assert_eq!(translated(&tree(&[0x2f, 1])), [Ok(region(0x500f, 1))]);
    let outside = [[0x10, 1], [0x0f, 2], [0x1f, 1], [0x2f, 2], [0x30, 1]];
    for reg in outside {
        assert_eq!(translated(&tree(&reg)), [Err(ValueError::NotMapped)], "{reg:x?}");
    }
}

#[test]
fn no_way_to_the_root() {
    let tree = item("").widths(1, 1).child(bus("i2c", None).child(device(&[7, 1])));
    assert_eq!(translated(&tree), [Err(ValueError::NotMapped)]);
}

#[test]
fn malformed_ranges() {
    let cut = item("").widths(1, 1).child(bus("soc", Some(&[0, 0])).child(device(&[7, 1])));
    assert_eq!(translated(&cut), [Err(ValueError::BadLength)]);
    let pci = item("bus").widths(3, 2).words("ranges", &[0; 6]).child(device(&[0; 5]));
    let blob = item("").widths(1, 1).child(pci).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let node = tree.find_compatible("test,dev").next().expect("the device");
    assert_eq!(node.mmio().err(), Some(ValueError::BadCells));
}

#[test]
fn translation_does_not_wrap() {
    let ranges = [0, u32::MAX, u32::MAX, u32::MAX];
    let tree = item("").widths(2, 1).child(bus("soc", Some(&ranges)).child(device(&[7, 1])));
    assert_eq!(translated(&tree), [Err(ValueError::NotMapped)]);
}

#[test]
fn disabled_buses_hide_their_devices() {
    let off = bus("off", Some(&[])).text("status", "disabled").child(device(&[1, 1]));
    let gone = device(&[2, 1]).text("status", "disabled");
    let on = bus("on", Some(&[])).child(gone).child(device(&[3, 1]));
    let tree = item("").widths(1, 1).child(off).child(on);
    assert_eq!(translated(&tree), [Ok(region(3, 1))]);
}

#[test]
fn test_device() {
    let test = |name: &str, at: u32| {
        item("test").texts("compatible", &[name, "syscon"]).words("reg", &[at, 0x1000])
    };
    let look = |tree: Item| Fdt::new(&tree.blob()).expect("a sound tree").test_device();
    let root = || item("").widths(1, 1);
    assert_eq!(look(root()), None);
    assert_eq!(look(root().child(test("sifive,test0", 5))), Some(region(5, 0x1000)));
    let soc = bus("soc", Some(&[0, 0x10_0000, 0x1000])).child(test("sifive,test1", 0));
    assert_eq!(look(root().child(soc)), Some(region(0x10_0000, 0x1000)));
    assert_eq!(look(root().child(test("sifive,test2", 5))), None);
}

#[test]
fn paths_and_aliases() {
    let soc = item("soc").child(item("uart@1").word("x", 1)).child(item("uart@2").word("x", 2));
    let aliases = item("aliases").text("serial0", "/soc/uart@2").text("serial1", "nowhere");
    let chosen = item("chosen").text("stdout-path", "serial0:115200n8");
    let blob = item("").child(soc).child(aliases).child(chosen).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let x = |path: &str| tree.find(path).and_then(|node| node.u32("x").ok());
    assert_eq!(x("/soc/uart@1"), Some(1));
    assert_eq!(x("/soc/uart@2"), Some(2));
    assert_eq!(x("/soc/uart"), Some(1));
    assert!(tree.find("/").is_some_and(|root| root.depth() == 0));
    for path in ["", "soc", "/soc/uart@3", "/soc/uart@", "/uart@1", "/soc/uart@1/x"] {
        assert!(tree.find(path).is_none(), "{path}");
    }
    assert!(tree.find_alias("serial1").is_none());
    let stdout = tree.chosen().stdout().expect("the console");
    assert_eq!(stdout.name(), "uart@2");
}

#[test]
fn children_end_with_their_parent() {
    let a = item("a").child(item("b").child(item("c"))).child(item("d"));
    let blob = item("").child(a).child(item("e")).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let a = tree.find("/a").expect("a");
    let mut children = a.children();
    let names: Vec<_> = children.by_ref().map(|node| node.name()).collect();
    assert_eq!(names, ["b", "d"]);
    assert!(children.next().is_none(), "it must not run on into e");
    let below: Vec<_> = a.descendants().map(|node| node.name()).collect();
    assert_eq!(below, ["b", "c", "d"]);
}

#[test]
fn the_first_of_two_properties_counts() {
    let twice = bus("soc", Some(&[]))
        .word("#address-cells", 2)
        .text("status", "okay")
        .text("status", "disabled")
        .child(device(&[7, 1]));
    let tree = item("").widths(1, 1).child(twice);
    assert_eq!(translated(&tree), [Ok(region(7, 1))]);
}

fn controller(phandle: u32, cells: u32) -> Item {
    item("intc").word("#interrupt-cells", cells).word("phandle", phandle)
}

/// The interrupts of `/soc/dev` as controller and first cell.
fn interrupts(tree: &Item) -> Vec<Result<(u32, u32), ValueError>> {
    let blob = tree.blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let node = tree.find("/soc/dev").expect("the device");
    let interrupts = node.interrupts();
    interrupts.map(|one| one.and_then(|one| Ok((one.controller, one.source()?)))).collect()
}

#[test]
fn interrupt_parents() {
    let tree = |soc: Item, dev: Item| {
        item("").word("interrupt-parent", 1).child(soc.child(dev)).child(controller(1, 1)).child(
            // Found although it comes after its users.
            item("wrap").child(controller(2, 2)),
        )
    };
    let dev = || item("dev").words("interrupts", &[5, 6]);
    let one = [Ok((1, 5)), Ok((1, 6))];
    let two = [Ok((2, 5))];
    assert_eq!(interrupts(&tree(item("soc"), dev())), one);
    assert_eq!(interrupts(&tree(item("soc").word("interrupt-parent", 2), dev())), two);
    assert_eq!(interrupts(&tree(item("soc"), dev().word("interrupt-parent", 2))), two);
    let own = item("soc").word("#interrupt-cells", 2).word("phandle", 3);
    assert_eq!(interrupts(&tree(own, dev())), [Ok((3, 5))]);
    assert_eq!(interrupts(&tree(item("soc"), item("dev"))), []);
}

#[test]
fn extended_interrupts() {
    let dev =
        item("dev").words("interrupts", &[99]).words("interrupts-extended", &[1, 5, 2, 6, 0, 1, 7]);
    let tree = |dev| {
        item("").child(item("soc").child(dev)).child(controller(1, 1)).child(controller(2, 2))
    };
    assert_eq!(interrupts(&tree(dev)), [Ok((1, 5)), Ok((2, 6)), Ok((1, 7))]);
    let unknown = item("dev").words("interrupts-extended", &[1, 5, 7, 6, 1, 5]);
    assert_eq!(interrupts(&tree(unknown)), [Ok((1, 5)), Err(ValueError::BadPhandle)]);
    let cut = item("dev").words("interrupts-extended", &[2, 6]);
    assert_eq!(interrupts(&tree(cut)), [Err(ValueError::BadLength)]);
}

#[test]
fn interrupts_that_lead_nowhere() {
    let tree = |root: Item| root.child(item("soc").child(item("dev").word("interrupts", 1)));
    assert_eq!(interrupts(&tree(item(""))), [Err(ValueError::BadPhandle)]);
    let wordless = item("").word("interrupt-parent", 1).child(controller(1, 0));
    assert_eq!(interrupts(&tree(wordless)), [Err(ValueError::BadCells)]);
}

#[test]
fn lookups_are_bounded() {
    let mut list = Vec::new();
    let mut root = item("");
    for phandle in 1..=40 {
        root = root.child(controller(phandle, 1));
        list.extend([phandle, 3]);
    }
    let tree = root.child(item("soc").child(item("dev").words("interrupts-extended", &list)));
    let seen = interrupts(&tree);
    assert_eq!(seen.len(), 17);
    assert_eq!(seen.last(), Some(&Err(ValueError::BadPhandle)));
}

fn plic() -> Item {
    item("plic@c000000")
        .texts("compatible", &["sifive,plic-1.0.0", "riscv,plic0"])
        .words("reg", &[0xc00_0000, 0x60_0000])
        .word("riscv,ndev", 96)
        .word("phandle", 9)
        .words("interrupts-extended", &[2, u32::MAX, 4, 11, 4, 9])
}

#[test]
fn plic_contexts() {
    let blob = item("").widths(1, 1).child(plic()).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let plic = tree.plics().next().expect("a PLIC");
    assert_eq!(plic.registers(), Ok(region(0xc00_0000, 0x60_0000)));
    assert_eq!(plic.sources(), Ok(96));
    assert_eq!(plic.phandle(), Some(9));
    let contexts: Vec<_> = plic.contexts().expect("a list").map(|one| one.expect("fine")).collect();
    let numbers: Vec<_> = contexts.iter().map(|one| (one.index, one.hart_intc, one.line)).collect();
    assert_eq!(numbers, [(0, 2, u32::MAX), (1, 4, 11), (2, 4, 9)]);
    let usable: Vec<_> = contexts.iter().map(|one| one.is_supervisor()).collect();
    assert_eq!(usable, [false, false, true]);
}

/// A tree whose harts' own controllers have these phandles, and a PLIC with
/// that list: the context of each hart.
fn contexts_of(phandles: &[u32], list: &[u32]) -> Vec<Result<u32, ValueError>> {
    let hart = |&phandle: &u32| {
        let intc = item("intc").text("compatible", "riscv,cpu-intc").word("phandle", phandle);
        item("cpu").child(intc)
    };
    let mut cpus = item("cpus");
    cpus.children = phandles.iter().map(hart).collect();
    let plic = changed(plic(), "interrupts-extended", list);
    let blob = item("").child(plic).child(cpus).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let plic = tree.plics().next().expect("a PLIC");
    tree.harts().map(|hart| plic.context_of(&hart)).collect()
}

#[test]
fn plic_contexts_of_harts() {
    let missing = Err(ValueError::Missing);
    // Hart 2 has no S-mode, hart 4 stands first, hart 6 is connected to
    // machine mode only, hart 8 not at all, and one has no phandle.
    let list = [4, 11, 4, 9, 2, 11, 6, u32::MAX, 6, 11, 3, 9];
    let expected = [missing, Ok(1), missing, missing, Ok(5), missing];
    assert_eq!(contexts_of(&[2, 4, 6, 8, 3, 0], &list), expected);
    assert_eq!(contexts_of(&[4], &[4, 9, 4, 9]), [Ok(0)], "the first of two");
    let cut = [4, 11, 4, 9, 2];
    assert_eq!(contexts_of(&[4, 2], &cut), [Ok(1), Err(ValueError::BadLength)]);
}

#[test]
fn malformed_plics() {
    let odd = item("plic").text("compatible", "riscv,plic0").words("interrupts-extended", &[1]);
    let many = item("plic").text("compatible", "riscv,plic0").word("riscv,ndev", 1024);
    let none = item("plic").text("compatible", "riscv,plic0").word("riscv,ndev", 0);
    let blob = item("").child(odd).child(many).child(none).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let plics: Vec<_> = tree.plics().collect();
    assert_eq!(plics[0].sources(), Err(ValueError::Missing));
    let contexts: Vec<_> = plics[0].contexts().expect("a list").collect();
    assert_eq!(contexts, [Err(ValueError::BadLength)]);
    assert_eq!(plics[1].sources(), Err(ValueError::OutOfRange));
    assert_eq!(plics[1].contexts().err(), Some(ValueError::Missing));
    assert_eq!(plics[2].sources(), Err(ValueError::OutOfRange));
    assert_eq!(plics[1].registers(), Err(ValueError::Missing));
}

fn pci() -> Item {
    let ranges = [
        [0x0100_0000, 0, 0, 0x300_0000, 0, 0x1_0000],
        [0x4200_0000, 0, 0x4000_0000, 0x4000_0000, 0, 0x1000],
        [0x0300_0000, 4, 0, 0x5000_0000, 0, 0x2000],
    ];
    // INTA of device 0 and of device 1; two words of parent address each.
    let map = [[0, 0, 0, 1, 9, 0, 0, 32, 4], [0x800, 0, 0, 1, 9, 0, 0, 33, 4]];
    item("pci@30000000")
        .text("compatible", "pci-host-ecam-generic")
        .text("device_type", "pci")
        .widths(3, 2)
        .words("reg", &[0x3000_0000, 0x1000_0000])
        .words("bus-range", &[1, 0x7f])
        .words("ranges", ranges.as_flattened())
        .word("#interrupt-cells", 1)
        .words("interrupt-map-mask", &[0x1800, 0, 0, 7])
        .words("interrupt-map", map.as_flattened())
}

fn with_pci(pci: Item, look: impl FnOnce(&skimmer_fdt::PciHost<'_>)) {
    let intc = item("intc").widths(2, 0).word("#interrupt-cells", 2).word("phandle", 9);
    let blob = item("").widths(1, 1).child(pci).child(intc).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    look(&tree.pci_hosts().next().expect("a host bridge"));
}

fn function(bus: u8, device: u8, function: u8) -> PciAddress {
    PciAddress { bus, device, function }
}

#[test]
fn pci_windows() {
    with_pci(pci(), |host| {
        assert!(host.is_ecam());
        assert_eq!(host.config(), Ok(region(0x3000_0000, 0x1000_0000)));
        assert_eq!(host.buses(), Ok((1, 0x7f)));
        assert_eq!(host.segment(), Ok(0));
        let windows: Vec<_> =
            host.windows().expect("ranges").map(|one| one.expect("fine")).collect();
        let kinds: Vec<_> = windows.iter().map(|one| (one.space, one.prefetchable)).collect();
        let expected =
            [(PciSpace::Io, false), (PciSpace::Memory32, true), (PciSpace::Memory64, false)];
        assert_eq!(kinds, expected);
        assert_eq!(windows[0].bus, region(0, 0x1_0000));
        assert_eq!(windows[0].hart, region(0x300_0000, 0x1_0000));
        assert_eq!(windows[2].bus, region(0x4_0000_0000, 0x2000));
        assert_eq!(windows[2].hart, region(0x5000_0000, 0x2000));
    });
}

#[test]
fn pci_windows_below_a_bus() {
    // The bus moves everything up by 1 TiB.
    let soc = item("soc").widths(1, 1).words("ranges", &[0, 0x100, 0, u32::MAX]).child(pci());
    let blob = item("").widths(2, 1).child(soc).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let host = tree.pci_hosts().next().expect("a host bridge");
    assert_eq!(host.config(), Ok(region(0x100_3000_0000, 0x1000_0000)));
    let windows: Vec<_> = host.windows().expect("ranges").map(|one| one.expect("fine")).collect();
    assert_eq!(windows[1].bus, region(0x4000_0000, 0x1000));
    assert_eq!(windows[1].hart, region(0x100_4000_0000, 0x1000));
}

#[test]
fn pci_interrupts() {
    with_pci(pci(), |host| {
        let source = |address, pin| host.interrupt(address, pin).and_then(|one| one.source());
        assert_eq!(source(function(0, 0, 0), 1), Ok(32));
        assert_eq!(source(function(0, 1, 7), 1), Ok(33), "the mask leaves functions aside");
        assert_eq!(source(function(3, 4, 0), 1), Ok(32), "and buses and high device bits");
        assert_eq!(source(function(0, 2, 0), 1), Err(ValueError::NotMapped));
        assert_eq!(source(function(0, 0, 0), 2), Err(ValueError::NotMapped));
        assert_eq!(host.interrupt(function(0, 0, 0), 1).map(|one| one.controller), Ok(9));
    });
}

#[test]
fn the_mask_goes_for_both_sides() {
    // Function bits in the map, which the mask leaves aside.
    let map = [0x700, 0, 0, 1, 9, 0, 0, 40, 4];
    with_pci(changed(pci(), "interrupt-map", &map), |host| {
        let source = host.interrupt(function(0, 0, 2), 1).and_then(|one| one.source());
        assert_eq!(source, Ok(40));
    });
}

fn changed(mut node: Item, name: &str, words: &[u32]) -> Item {
    node.properties.retain(|(own, _)| own != name);
    node.words(name, words)
}

#[test]
fn malformed_pci() {
    with_pci(changed(pci(), "bus-range", &[2, 1]), |host| {
        assert_eq!(host.buses(), Err(ValueError::OutOfRange));
    });
    with_pci(changed(pci(), "bus-range", &[0, 256]), |host| {
        assert_eq!(host.buses(), Err(ValueError::OutOfRange));
    });
    with_pci(changed(pci(), "bus-range", &[0, 1, 2]), |host| {
        assert_eq!(host.buses(), Err(ValueError::BadLength));
    });
    with_pci(changed(pci(), "ranges", &[0, 0]), |host| {
        let windows: Vec<_> = host.windows().expect("ranges").collect();
        assert_eq!(windows, [Err(ValueError::BadLength)]);
    });
    with_pci(changed(pci(), "interrupt-map", &[0, 0, 0, 2, 9, 0, 0]), |host| {
        let found = host.interrupt(function(0, 0, 0), 1).err();
        assert_eq!(found, Some(ValueError::BadLength));
    });
    with_pci(changed(pci(), "interrupt-map", &[0, 0, 0, 1, 77, 0, 0]), |host| {
        let found = host.interrupt(function(0, 0, 0), 1).err();
        assert_eq!(found, Some(ValueError::BadPhandle));
    });
    with_pci(changed(pci(), "#address-cells", &[2]), |host| {
        assert_eq!(host.windows().err(), Some(ValueError::BadCells));
        let found = host.interrupt(function(0, 0, 0), 1).err();
        assert_eq!(found, Some(ValueError::BadCells));
    });
}

#[test]
fn unfamiliar_bridges_are_seen() {
    let strange = item("pcie@1").text("compatible", "acme,pcie").text("device_type", "pci");
    let nested = item("pci@0,0").text("device_type", "pci");
    let blob = item("").child(strange.widths(3, 2).child(nested)).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let hosts: Vec<_> = tree.pci_hosts().map(|host| (host.node().name(), host.is_ecam())).collect();
    assert_eq!(hosts, [("pcie@1", false)]);
}

#[test]
fn uarts() {
    let ns = item("serial@1")
        .texts("compatible", &["acme,uart", "ns16550a"])
        .words("reg", &[0x1000_0000, 0x100])
        .word("clock-frequency", 3_686_400);
    let dw = item("serial@2")
        .text("compatible", "snps,dw-apb-uart")
        .word("reg-shift", 2)
        .word("reg-io-width", 4);
    let sifive = item("serial@3").text("compatible", "sifive,uart0");
    let bad = item("serial@4")
        .text("compatible", "ns16550")
        .word("reg-shift", 32)
        .word("reg-io-width", 3);
    let blob = item("").widths(1, 1).child(ns).child(dw).child(sifive).child(bad).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let uarts: Vec<_> = tree.uarts().collect();
    let kinds: Vec<_> = uarts.iter().map(|uart| uart.kind()).collect();
    let ns16550 = UartKind::Ns16550;
    assert_eq!(kinds, [ns16550, ns16550, UartKind::SiFive, ns16550]);
    assert_eq!(uarts[0].registers(), Ok(region(0x1000_0000, 0x100)));
    assert_eq!(uarts[0].clock(), Ok(3_686_400));
    assert_eq!((uarts[0].register_shift(), uarts[0].register_width()), (Ok(0), Ok(1)));
    assert_eq!((uarts[1].register_shift(), uarts[1].register_width()), (Ok(2), Ok(4)));
    assert_eq!(uarts[2].register_width(), Ok(4));
    let range = Err(ValueError::OutOfRange);
    assert_eq!((uarts[3].register_shift(), uarts[3].register_width()), (range, range));
}
