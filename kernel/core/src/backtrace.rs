// SPDX-License-Identifier: Apache-2.0
//! Return addresses of a program, by the frame pointers in its memory.
//!
//! The program may have put anything there. So each frame must lie above the one
//! before, in the user half, and there is a last one: the walk ends whatever it
//! finds. It reads through its caller's copy, which refuses what cannot be read.

use skimmer_abi::record::MAX_FAULT_FRAMES;

use crate::{
    space::pages::{USER_END, USER_START},
    user::UserAddr,
};

/// Stacks of RISC-V's calling convention are aligned so, and frames with them.
const ALIGNMENT: usize = 16;

/// What lies below a frame pointer: the caller's frame pointer, and where to go
/// on in the caller.
const LINK: usize = 16;

/// Return addresses, innermost first. As the program has them: numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backtrace {
    frames: [u64; MAX_FAULT_FRAMES],
    depth: usize,
}

impl Backtrace {
    /// Walks from the frame pointer `fp`. `read` reads two words.
    #[must_use]
    pub fn walk(fp: u64, mut read: impl FnMut(UserAddr) -> Option<[u64; 2]>) -> Self {
        let mut trace = Self::default();
        let mut fp = usize::try_from(fp).unwrap_or(0);
        while trace.depth < MAX_FAULT_FRAMES {
            let Some([next, back]) = link_of(fp).and_then(&mut read) else { break };
            // The first function's caller, as the start code has set it.
            if back == 0 {
                break;
            }
            trace.frames[trace.depth] = back;
            trace.depth += 1;
            let next = usize::try_from(next).unwrap_or(0);
            if next <= fp {
                break;
            }
            fp = next;
        }
        trace
    }

    /// The addresses.
    #[must_use]
    pub fn frames(&self) -> &[u64] {
        &self.frames[..self.depth]
    }
}

/// Where the link of a frame is, if a frame can be there.
fn link_of(fp: usize) -> Option<UserAddr> {
    let link = fp.checked_sub(LINK)?;
    let can_be = fp.is_multiple_of(ALIGNMENT) && link >= USER_START && fp <= USER_END;
    can_be.then_some(UserAddr::new(link))
}
