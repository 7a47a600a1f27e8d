// SPDX-License-Identifier: Apache-2.0
//! Prints what the kernel would learn from a device tree:
//! `cargo run -p skimmer-fdt --example survey -- FILE.dtb`.

use skimmer_fdt::Fdt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which file?")?;
    let bytes = std::fs::read(path)?;
    let tree = Fdt::new(&bytes)?;
    println!("size {}, boot hart {}", tree.total_size(), tree.boot_hart());
    println!("timebase {:?}", tree.timebase_frequency());
    for hart in tree.harts() {
        println!(
            "{}: {:?}, mmu {:?}, isa {:?}, sstc {}, intc {:?}",
            hart.name(),
            hart.usable(),
            hart.mmu_type(),
            hart.isa(),
            hart.has_extension("sstc"),
            hart.intc_phandle()
        );
    }
    tree.memory().for_each(|bank| println!("memory {bank:x?}"));
    tree.reservations().for_each(|taken| println!("reserved {taken:x?}"));
    let chosen = tree.chosen();
    println!("bootargs {:?}", chosen.bootargs());
    println!("stdout {:?}", chosen.stdout_path());
    println!("initrd {:x?}", chosen.initrd());
    println!("test device {:x?}", tree.test_device());
    Ok(())
}
