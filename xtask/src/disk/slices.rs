// SPDX-License-Identifier: Apache-2.0
//! A disk cut into the namespaces of its drive, one behind the other.

use std::ops::Range;

/// Bytes of which each namespace but the last is a multiple: what `nvme-read`
/// reads at a time, and any size of block.
pub(super) const GRAIN: u64 = 4096;

/// The least bytes of a disk that is so many namespaces.
pub(super) const fn least(count: u32) -> u64 {
    let count = count as u64;
    count * (count + 1) * GRAIN
}

/// Where the namespaces of a disk of so many bytes are, [`least`] or more. Each has
/// about as many shares as its id, so that no two are alike, and begins at an odd
/// number of grains: chunks of a power of two, as guests work with, go across it.
pub(super) fn slices(bytes: u64, count: u32) -> Vec<Range<u64>> {
    let shares = |id: u64| id * (id + 1);
    let (grains, all) = (bytes / GRAIN, shares(count.into()));
    let start_after = |id: u64| ((grains * shares(id) / all) | 1) * GRAIN;
    let starts = std::iter::once(0).chain((1..count.into()).map(start_after));
    let ends = (1..count.into()).map(start_after).chain([bytes]);
    starts.zip(ends).map(|(start, end)| start..end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_all_of_the_disk_and_unlike() {
        let whole = slices(1 << 20, 1);
        assert_eq!((whole.len(), &whole[0]), (1, &(0..1 << 20)));
        let [first, second] = [43 << 12, 129 << 12];
        assert_eq!(slices(1 << 20, 3), [0..first, first..second, second..1 << 20]);
        for count in 2..=16 {
            let grains = least(count) / GRAIN;
            for bytes in (grains..grains + 300).map(|grains| grains * GRAIN + 512) {
                let slices = slices(bytes, count);
                assert_eq!(slices.len() as u32, count);
                assert_eq!((slices[0].start, slices[count as usize - 1].end), (0, bytes));
                for pair in slices.windows(2) {
                    assert_eq!(pair[0].end, pair[1].start);
                    assert_eq!(pair[0].end / GRAIN % 2, 1);
                    assert_eq!(pair[0].end % GRAIN, 0);
                }
                assert!(slices.iter().all(|slice| !slice.is_empty()), "{slices:?}");
            }
        }
    }
}
