// SPDX-License-Identifier: Apache-2.0
//! Physical Region Pages (section 4.1.1): how a command names its memory.
//!
//! The first entry may begin anywhere in its page. One or two pages fit in the
//! command; for more, the second entry names a list of pages, whose last entry
//! names the next page of the list if the list is longer.

use alloc::vec::Vec;

use crate::buffer::Buffer;
use crate::error::{Error, Misuse};
use crate::platform::{Dma, Memory, PAGE_SIZE};

/// Entries in a page of a list.
const PER_PAGE: usize = PAGE_SIZE / 8;

/// Writes the list that `buffer` needs into `lists`, which grows if it has to
/// and is kept for the slot's next command, and returns the two entries.
///
/// # Errors
/// [`Misuse::Alignment`], [`Error::NoMemory`].
pub(crate) fn describe<D: Dma>(
    dma: &D,
    buffer: &impl Buffer,
    lists: &mut Vec<D::Memory>,
) -> Result<(u64, u64), Error> {
    let length = buffer.length();
    let first = address(buffer, 0)?;
    if !first.is_multiple_of(4) {
        return Err(Error::Misuse(Misuse::Alignment));
    }
    // A page is a power of two.
    let in_page = first as usize & PAGE_SIZE.saturating_sub(1);
    let done = PAGE_SIZE.saturating_sub(in_page);
    if length <= done {
        return Ok((first, 0));
    }
    let rest = length.saturating_sub(done).div_ceil(PAGE_SIZE);
    if rest == 1 {
        return Ok((first, page(buffer, done)?));
    }
    grow(dma, lists, list_pages(rest))?;
    write_list(buffer, done, rest, lists)?;
    let list = lists.first().ok_or(Error::NoMemory)?;
    Ok((first, list.address()))
}

/// Pages that a list of `entries` takes: every one but the last gives an entry
/// to the next.
const fn list_pages(entries: usize) -> usize {
    match entries.saturating_sub(1).div_ceil(PER_PAGE.saturating_sub(1)) {
        0 => 1,
        pages => pages,
    }
}

fn grow<D: Dma>(dma: &D, lists: &mut Vec<D::Memory>, pages: usize) -> Result<(), Error> {
    while lists.len() < pages {
        lists.try_reserve(1).map_err(|_| Error::NoMemory)?;
        lists.push(dma.allocate(1).ok_or(Error::NoMemory)?);
    }
    Ok(())
}

/// Writes `entries` pages of the buffer, from its byte `from`.
fn write_list<M: Memory>(
    buffer: &impl Buffer,
    from: usize,
    entries: usize,
    lists: &mut [M],
) -> Result<(), Error> {
    let (mut at, mut left) = (from, entries);
    let mut lists = lists.iter_mut().peekable();
    while left > 0 {
        let list = lists.next().ok_or(Error::NoMemory)?;
        let here = if left > PER_PAGE { PER_PAGE.saturating_sub(1) } else { left };
        for index in 0..here {
            store(list, index, page(buffer, at)?);
            at = at.saturating_add(PAGE_SIZE);
        }
        left = left.saturating_sub(here);
        if left > 0 {
            let next = lists.peek().ok_or(Error::NoMemory)?.address();
            store(list, here, next);
        }
    }
    Ok(())
}

fn store(list: &mut impl Memory, index: usize, value: u64) {
    let at = index.saturating_mul(8);
    list.store32(at, value as u32);
    list.store32(at.saturating_add(4), (value >> 32) as u32);
}

/// The address of a byte that begins a page.
fn page(buffer: &impl Buffer, at: usize) -> Result<u64, Error> {
    let address = address(buffer, at)?;
    let begins = address.is_multiple_of(PAGE_SIZE as u64);
    begins.then_some(address).ok_or(Error::Misuse(Misuse::Alignment))
}

fn address(buffer: &impl Buffer, at: usize) -> Result<u64, Error> {
    buffer.address_of(at).ok_or(Error::Misuse(Misuse::Buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_an_entry_of_each_page_to_the_next() {
        for (entries, pages) in
            [(2, 1), (511, 1), (512, 1), (513, 2), (1023, 2), (1024, 3), (1534, 3), (1535, 4)]
        {
            assert_eq!(list_pages(entries), pages, "{entries}");
        }
    }
}
