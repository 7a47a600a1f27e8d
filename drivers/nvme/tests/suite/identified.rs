// SPDX-License-Identifier: Apache-2.0
//! Holds what the readers make of Identify data against what they promise, and
//! against a second reading of the bytes.

use skimmer_nvme::{ControllerInfo, Namespace};

/// Reads one structure as controller and as namespace; which it can be.
pub(crate) fn examine(data: &[u8]) -> (bool, bool) {
    let Ok(info) = ControllerInfo::parse(data) else { return (false, false) };
    judge_controller(&info, data);
    let Ok(Some(namespace)) = Namespace::parse(1, data, &info) else { return (true, false) };
    judge_namespace(&namespace, data, &info);
    (true, true)
}

pub(crate) fn judge_controller(info: &ControllerInfo, data: &[u8]) {
    for (sizes, wanted) in [(data[512], 6), (data[513], 4)] {
        assert!(sizes & 0xf <= wanted && wanted <= sizes >> 4, "queue entries have other sizes");
    }
    // MDTS counts pages as a power of two; 0 is no limit.
    let most = match data[77] {
        0 => u128::MAX,
        exponent => 4096 << u32::from(exponent).min(64),
    };
    assert_eq!(u128::from(info.most_bytes), most.min(u64::MAX.into()));
    assert!(info.most_bytes >= 4096, "a page must go through");
    assert_eq!((&info.serial[..], &info.model[..]), (&data[4..24], &data[24..64]));
    assert_eq!((info.namespaces, info.write_cache), (u32_at(data, 516), data[525] & 1 == 1));
}

pub(crate) fn judge_namespace(namespace: &Namespace, data: &[u8], info: &ControllerInfo) {
    let (size, capacity) = (u64_at(data, 0), u64_at(data, 8));
    let Namespace { block_size, blocks, most_blocks, .. } = *namespace;
    assert!(blocks > 0 && blocks == size && capacity <= size, "{blocks} blocks of {size}");
    assert!(matches!(block_size, 512 | 4096), "{block_size}");
    assert!(u128::from(blocks) * u128::from(block_size) <= u64::MAX.into(), "more than can be");
    // FLBAS: four bits, and two more where there are more formats (NLBAF).
    let (formats, used) = (usize::from(data[25]), usize::from(data[26]));
    let format = used % 16 + if formats >= 16 { used / 32 % 4 * 16 } else { 0 };
    assert!(format <= formats && format < 64, "format {format} of {formats}");
    let format = &data[128 + 4 * format..][..4];
    assert_eq!(format[..2], [0, 0], "blocks with metadata");
    assert_eq!(1u64 << format[2], u64::from(block_size));
    let most = u64::from(most_blocks) * u64::from(block_size);
    assert!((1..=65_536).contains(&most_blocks), "{most_blocks} blocks in a command");
    assert!(most <= info.most_bytes, "{most} bytes in a command of {}", info.most_bytes);
    let more = most + u64::from(block_size);
    assert!(most_blocks == 65_536 || more > info.most_bytes, "it could be more than {most} bytes");
}

pub(crate) fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*data[at..].first_chunk().expect("it is there"))
}

fn u64_at(data: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*data[at..].first_chunk().expect("it is there"))
}
