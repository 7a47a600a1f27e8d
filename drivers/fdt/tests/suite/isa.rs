// SPDX-License-Identifier: Apache-2.0
//! The `riscv,isa` string in the forms that trees hold.

use crate::builder::item;
use skimmer_fdt::Fdt;

fn has(isa: &str, extension: &str) -> bool {
    let cpu = item("cpu@0").text("riscv,isa", isa);
    let blob = item("").child(item("cpus").child(cpu)).blob();
    let tree = Fdt::new(&blob).expect("a sound tree");
    let hart = tree.harts().next().expect("one hart");
    hart.has_extension(extension)
}

#[test]
fn present() {
    let cases = [
        ("rv64imafdch_zicsr_zifencei_sstc", "sstc"),
        ("rv64imafdch_zicsr_zifencei_sstc", "h"),
        ("rv64imafdch_zicsr_zifencei_sstc", "zicsr"),
        ("rv64imafdch_zicsr", "I"),
        ("RV64IMAC_ZICSR", "zicsr"),
        ("rv64imafdcsu", "d"),
        ("rv64imafdcsuh", "h"),
        ("rv64gc", "zifencei"),
        ("rv64gc", "d"),
        ("rv64gc", "c"),
        ("rv64imaczicsr_zba", "zicsr"),
        ("rv64imacsstc_zba", "sstc"),
        ("rv64i2p1m2p0a2p1_zicsr2p0_sstc1p0", "a"),
        ("rv64i2p1m2p0a2p1_zicsr2p0_sstc1p0", "sstc"),
        ("rv64i2m3_svadu1", "m"),
        ("rv64i2m3_svadu1", "svadu"),
        ("rv32ima_sstc", "sstc"),
        ("rv64ip", "p"),
        ("rv64ima_zve64x", "zve64x"),
    ];
    for (isa, extension) in cases {
        assert!(has(isa, extension), "{extension} in {isa}");
    }
}

#[test]
fn absent() {
    let cases = [
        ("rv64imafdc", "sstc"),
        ("rv64imafdc", "h"),
        ("rv64imac_zicsr", "z"),
        ("rv64imac_zicsr", "s"),
        ("rv64imac_sstcx", "sstc"),
        ("rv64imac_xsstc", "sstc"),
        ("rv64imac_sst", "sstc"),
        ("rv64imac_sstc", "sst"),
        ("rv64imac", "rv64imac"),
        ("rv64i2p1m", "p"),
        ("rv64imac", "imac"),
        ("rv64imac", ""),
        ("rv64imac_", ""),
        ("x86_64_sstc", "sstc"),
        ("rv64", "i"),
        ("rv6", "i"),
        ("", "i"),
        ("rv64é_sst", "sstc"),
        ("é€rv64i", "i"),
    ];
    for (isa, extension) in cases {
        assert!(!has(isa, extension), "{extension} in {isa}");
    }
}
