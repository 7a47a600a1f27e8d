// SPDX-License-Identifier: Apache-2.0
//! Real trees: what `../trees/README.md` lists, with what they must say.

use crate::oracle;
use skimmer_fdt::{Fdt, PciAddress, PciSpace, ReservedBy, Unusable};

macro_rules! tree {
    ($name:literal) => {
        include_bytes!(concat!("../trees/", $name, ".dtb"))
    };
}

/// What one tree says, in numbers.
#[derive(Debug, PartialEq)]
struct Facts {
    usable: Vec<u64>,
    unusable: Vec<Unusable>,
    timebase: u64,
    banks: Vec<(u64, u64)>,
    console: Option<u64>,
    test_device: Option<u64>,
    /// Per PLIC: base, sources, contexts, and the context of each hart.
    plics: Vec<(u64, u32, usize, Vec<Option<u32>>)>,
    /// Per host bridge: whether ECAM, and how many windows.
    bridges: Vec<(bool, usize)>,
}

fn facts(blob: &[u8]) -> Facts {
    let tree = Fdt::new(blob).expect("a real tree");
    let verdicts = || tree.harts().map(|hart| hart.usable());
    let intcs: Vec<_> = tree.harts().filter_map(|hart| hart.intc_phandle()).collect();
    let console = tree.chosen().stdout().expect("a console");
    let plic = |plic: skimmer_fdt::Plic<'_>| {
        let contexts: Vec<_> =
            plic.contexts().expect("contexts").map(|one| one.expect("readable")).collect();
        assert!(contexts.iter().all(|one| intcs.contains(&one.hart_intc)));
        let own = tree.harts().map(|hart| plic.context_of(&hart).ok());
        let registers = plic.registers().expect("registers");
        (registers.base(), plic.sources().expect("sources"), contexts.len(), own.collect())
    };
    Facts {
        usable: verdicts().filter_map(Result::ok).collect(),
        unusable: verdicts().filter_map(Result::err).collect(),
        timebase: tree.timebase_frequency().expect("a timebase"),
        banks: tree
            .memory()
            .map(|bank| bank.expect("a readable bank"))
            .map(|bank| (bank.base(), bank.size()))
            .collect(),
        console: console.registers().ok().map(|registers| registers.base()),
        test_device: tree.test_device().map(|registers| registers.base()),
        plics: tree.plics().map(plic).collect(),
        bridges: tree
            .pci_hosts()
            .map(|host| {
                let windows = host.windows().expect("ranges");
                (host.is_ecam(), windows.inspect(|one| assert!(one.is_ok())).count())
            })
            .collect(),
    }
}

/// The contexts of so many harts, one of them for M-mode each, where M-mode's
/// comes first.
fn pairs(harts: u32) -> Vec<Option<u32>> {
    (0..harts).map(|hart| Some(2 * hart + 1)).collect()
}

/// SiFive's boards: hart 0 has no S-mode and one context, the others two.
fn sifive() -> Vec<Option<u32>> {
    vec![None, Some(2), Some(4), Some(6), Some(8)]
}

#[test]
fn qemu_virt() {
    let expected = Facts {
        usable: (0..8).collect(),
        unusable: vec![],
        timebase: 10_000_000,
        banks: vec![(0x8000_0000, 0x8000_0000)],
        console: Some(0x1000_0000),
        test_device: Some(0x10_0000),
        plics: vec![(0xc00_0000, 96, 16, pairs(8))],
        bridges: vec![(true, 3)],
    };
    assert_eq!(facts(tree!("qemu-virt-8")), expected);
}

#[test]
fn qemu_virt_in_detail() {
    let tree = Fdt::new(tree!("qemu-virt-8")).expect("a real tree");
    let hart = tree.harts().next().expect("a hart");
    assert!(hart.has_extension("sstc") && hart.has_extension("h"));
    assert!(!hart.has_extension("svadu") && !hart.has_extension("v"));
    let console = tree.uarts().next().expect("a UART");
    let interrupt = console.interrupts().next().expect("one").expect("readable");
    let plic = tree.plics().next().expect("a PLIC");
    assert_eq!(Some(interrupt.controller), plic.phandle());
    assert_eq!(interrupt.source(), Ok(10));
    assert_eq!(console.clock(), Ok(3_686_400));
    let host = tree.pci_hosts().next().expect("a bridge");
    assert_eq!(host.config().map(|at| (at.base(), at.size())), Ok((0x3000_0000, 0x1000_0000)));
    assert_eq!(host.buses(), Ok((0, 255)));
    for (device, pin) in (0..8).flat_map(|device| (1..=4).map(move |pin| (device, pin))) {
        let function = PciAddress { bus: 0, device, function: 0 };
        let source = host.interrupt(function, pin).and_then(|one| one.source());
        assert_eq!(source, Ok(32 + (u32::from(device) + u32::from(pin) - 1) % 4));
    }
    let spaces: Vec<_> =
        host.windows().expect("ranges").flatten().map(|one| (one.space, one.hart.base())).collect();
    let expected = [
        (PciSpace::Io, 0x300_0000),
        (PciSpace::Memory32, 0x4000_0000),
        (PciSpace::Memory64, 0x4_0000_0000),
    ];
    assert_eq!(spaces, expected);
}

#[test]
fn qemu_virt_with_two_nodes() {
    let facts = facts(tree!("qemu-virt-numa-4"));
    assert_eq!(facts.banks, [(0x8000_0000, 0x4000_0000), (0xc000_0000, 0x4000_0000)]);
    let (first, second) = (vec![Some(1), Some(3), None, None], vec![None, None, Some(1), Some(3)]);
    assert_eq!(facts.plics, [(0xc00_0000, 96, 4, first), (0xc60_0000, 96, 4, second)]);
}

#[test]
fn qemu_virt_with_aia() {
    let facts = facts(tree!("qemu-virt-aia-2"));
    assert_eq!(facts.usable, [0, 1]);
    assert_eq!(facts.plics, [], "the caller must say so and go on");
    let tree = Fdt::new(tree!("qemu-virt-aia-2")).expect("a real tree");
    let uart = tree.uarts().next().expect("a UART");
    let interrupt = uart.interrupts().next().expect("one").expect("readable");
    let controller = tree.by_phandle(interrupt.controller).expect("an APLIC");
    assert!(controller.is_compatible("riscv,aplic"));
    assert_eq!(interrupt.source(), Ok(10));
}

#[test]
fn qemu_sifive_u() {
    let expected = Facts {
        usable: vec![1, 2, 3, 4],
        unusable: vec![Unusable::NoMmu],
        timebase: 1_000_000,
        banks: vec![(0x8000_0000, 0x8000_0000)],
        console: Some(0x1001_0000),
        test_device: None,
        plics: vec![(0xc00_0000, 53, 9, sifive())],
        bridges: vec![],
    };
    assert_eq!(facts(tree!("qemu-sifive-u-5")), expected);
}

#[test]
fn hifive_unleashed() {
    let expected = Facts {
        usable: vec![1, 2, 3, 4],
        unusable: vec![Unusable::Disabled],
        timebase: 1_000_000,
        banks: vec![(0x8000_0000, 0x2_0000_0000)],
        console: Some(0x1001_0000),
        test_device: None,
        plics: vec![(0xc00_0000, 53, 9, sifive())],
        bridges: vec![],
    };
    assert_eq!(facts(tree!("hifive-unleashed-a00")), expected);
}

#[test]
fn hifive_unmatched() {
    let facts = facts(tree!("hifive-unmatched-a00"));
    assert_eq!(facts.bridges, [(false, 4)]);
    assert_eq!(facts.plics, [(0xc00_0000, 69, 9, sifive())]);
    let tree = Fdt::new(tree!("hifive-unmatched-a00")).expect("a real tree");
    let host = tree.pci_hosts().next().expect("a bridge");
    let windows: Vec<_> = host.windows().expect("ranges").flatten().collect();
    assert_eq!((windows[3].hart.base(), windows[3].hart.size()), (0x20_0000_0000, 0x20_0000_0000));
    assert!(windows[3].prefetchable && windows[3].space == PciSpace::Memory64);
}

#[test]
fn visionfive_2() {
    let facts = facts(tree!("jh7110-starfive-visionfive-2-v1.3b"));
    assert_eq!(facts.usable, [1, 2, 3, 4]);
    assert_eq!(facts.unusable, [Unusable::Disabled]);
    assert_eq!(facts.banks, [(0x4000_0000, 0x1_0000_0000)]);
    assert_eq!(facts.console, Some(0x1000_0000));
    assert_eq!(facts.plics, [(0xc00_0000, 136, 9, sifive())]);
    assert_eq!(facts.bridges, [(false, 2), (false, 2)]);
}

#[test]
fn icicle_kit() {
    let facts = facts(tree!("mpfs-icicle-kit"));
    assert_eq!(facts.banks, [(0x8000_0000, 0x4000_0000), (0x10_4000_0000, 0x4000_0000)]);
    assert_eq!(facts.bridges, [(false, 1)]);
    assert_eq!(facts.plics, [(0xc00_0000, 186, 9, sifive())]);
    let tree = Fdt::new(tree!("mpfs-icicle-kit")).expect("a real tree");
    let taken: Vec<_> = tree.reservations().map(|one| one.expect("readable").region).collect();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].base(), taken[0].size()), (0xbfc0_0000, 0x40_0000));
}

#[test]
fn pioneer_has_sixty_four_harts() {
    let facts = facts(tree!("sg2042-milkv-pioneer"));
    assert_eq!(facts.usable, (0..64).collect::<Vec<_>>());
    assert_eq!(facts.plics, [(0x70_9000_0000, 224, 128, pairs(64))]);
    assert_eq!(facts.banks, [], "firmware fills them in");
    let tree = Fdt::new(tree!("sg2042-milkv-pioneer")).expect("a real tree");
    let hart = tree.harts().next().expect("a hart");
    assert!(hart.has_extension("zicntr"), "from the list");
}

#[test]
fn lichee_pi_4a() {
    let facts = facts(tree!("th1520-lichee-pi-4a"));
    assert_eq!(facts.usable, [0, 1, 2, 3]);
    assert_eq!(facts.plics, [(0xff_d800_0000, 240, 8, pairs(4))]);
    assert_eq!(facts.console, Some(0xff_e701_4000));
    let tree = Fdt::new(tree!("th1520-lichee-pi-4a")).expect("a real tree");
    let uart = tree.uarts().next().expect("a UART");
    assert_eq!((uart.register_shift(), uart.register_width()), (Ok(2), Ok(4)));
    let interrupt = uart.interrupts().next().expect("one").expect("readable");
    assert_eq!(interrupt.source(), Ok(36));
}

#[test]
fn qemu_spike_has_neither_plic_nor_uart() {
    let expected = Facts {
        usable: vec![0, 1],
        unusable: vec![],
        timebase: 10_000_000,
        banks: vec![(0x8000_0000, 0x4000_0000)],
        console: Some(0x100_0000),
        test_device: None,
        plics: vec![],
        bridges: vec![],
    };
    assert_eq!(facts(tree!("qemu-spike-2")), expected);
    let tree = Fdt::new(tree!("qemu-spike-2")).expect("a real tree");
    assert_eq!(tree.uarts().count(), 0);
}

#[test]
fn command_line_and_initrd() {
    let tree = Fdt::new(tree!("qemu-virt-3-initrd")).expect("a real tree");
    assert_eq!(tree.chosen().bootargs(), Ok("scenario=ports rounds=14"));
    let initrd = tree.chosen().initrd().expect("an initrd");
    assert_eq!((initrd.base(), initrd.end()), (0x8820_0000, 0x8820_30fe));
    assert_eq!(facts(tree!("qemu-virt-3-initrd")).plics, [(0xc00_0000, 96, 6, pairs(3))]);
}

#[test]
fn milkv_duo() {
    let expected = Facts {
        usable: vec![0],
        unusable: vec![],
        timebase: 25_000_000,
        banks: vec![(0x8000_0000, 0x400_0000)],
        console: Some(0x414_0000),
        test_device: None,
        plics: vec![(0x7000_0000, 101, 2, pairs(1))],
        bridges: vec![],
    };
    assert_eq!(facts(tree!("cv1800b-milkv-duo")), expected);
    let tree = Fdt::new(tree!("cv1800b-milkv-duo")).expect("a real tree");
    let taken: Vec<_> = tree.reservations().map(|one| one.expect("readable")).collect();
    assert_eq!((taken[0].region.base(), taken[0].region.size()), (0x83f4_0000, 0xc_0000));
    assert_eq!(taken[0].by, ReservedBy::Node { name: "region@83f40000", no_map: true });
    assert_eq!(taken.len(), 1);
}

#[test]
fn the_other_parser_agrees() {
    let trees: [&[u8]; 13] = [
        tree!("qemu-virt-8"),
        tree!("qemu-virt-numa-4"),
        tree!("qemu-virt-aia-2"),
        tree!("qemu-sifive-u-5"),
        tree!("hifive-unleashed-a00"),
        tree!("hifive-unmatched-a00"),
        tree!("jh7110-starfive-visionfive-2-v1.3b"),
        tree!("mpfs-icicle-kit"),
        tree!("sg2042-milkv-pioneer"),
        tree!("th1520-lichee-pi-4a"),
        tree!("qemu-virt-3-initrd"),
        tree!("qemu-spike-2"),
        tree!("cv1800b-milkv-duo"),
    ];
    for blob in trees {
        assert!(oracle::agree(blob), "both must accept a real tree");
        oracle::agree_on_paths(blob);
    }
}
