// SPDX-License-Identifier: Apache-2.0
//! Off and on (section 3.5.1, "Memory-based Controller Initialization"; 3.7.2,
//! "Controller Level Reset"). A controller that is off reaches no memory.

use crate::error::Error;
use crate::platform::Platform;
use crate::registers::{
    ACQ, AQA, ASQ, CC, CC_ENABLE, CC_SETTINGS, CC_SHUTDOWN, CSTS_FATAL, CSTS_READY, CSTS_SHUTDOWN,
    CSTS_SHUTDOWN_DONE, Capabilities, status,
};

/// Nanoseconds between two looks at CSTS.
const LOOK: u64 = 1_000_000;

/// Where the admin queues lie, and how many entries each has.
#[derive(Clone, Copy, Debug)]
pub struct AdminQueues {
    /// Device address of the submission queue.
    pub submissions: u64,
    /// Device address of the completion queue.
    pub completions: u64,
    /// Entries of each: 2 to 4,096 (section 3.1.3.8).
    pub entries: u16,
}

/// Turns the controller off and waits until it is.
///
/// # Errors
/// [`Error::Gone`]; [`Error::NotReady`] if it does not stop within CAP.TO: it
/// may still write to memory then.
pub fn disable<P: Platform>(platform: &P, capabilities: &Capabilities) -> Result<(), Error> {
    let ready = status(platform)? & (CSTS_READY | CSTS_FATAL);
    let configuration = platform.read32(CC);
    if configuration & CC_ENABLE != 0 {
        // Clearing EN while RDY has yet to follow it has no defined outcome
        // (section 3.1.3.5). If it never follows, there is nothing left to lose.
        if ready == 0 {
            let settled = |csts| csts & (CSTS_READY | CSTS_FATAL) != 0;
            match wait_for(platform, capabilities, settled) {
                Ok(_) | Err(Error::NotReady) => {}
                Err(error) => return Err(error),
            }
        }
        platform.write32(CC, configuration & !CC_ENABLE);
    }
    // Where RDY was lost to a fatal state, only the end of that state tells
    // that the reset is over.
    wait_for(platform, capabilities, |csts| csts & (CSTS_READY | CSTS_FATAL) == 0).map(|_| ())
}

/// Turns a controller on that is off, with these admin queues, whose memory is
/// zero.
///
/// # Errors
/// [`Error::Gone`], [`Error::Fatal`], or [`Error::NotReady`] after CAP.TO.
pub fn enable<P: Platform>(
    platform: &P,
    capabilities: &Capabilities,
    queues: AdminQueues,
) -> Result<(), Error> {
    let last = u32::from(queues.entries.saturating_sub(1).min(0xfff));
    platform.write32(AQA, (last << 16) | last);
    platform.write64(ASQ, queues.submissions);
    platform.write64(ACQ, queues.completions);
    // The queues must be empty in the drive's eyes before it looks.
    platform.fence_before_doorbell();
    platform.write32(CC, CC_SETTINGS | CC_ENABLE);
    let csts = wait_for(platform, capabilities, |csts| csts & (CSTS_READY | CSTS_FATAL) != 0)?;
    if csts & CSTS_FATAL != 0 { Err(Error::Fatal) } else { Ok(()) }
}

/// Asks the drive to bring what it caches to the medium (section 3.6.1,
/// CC.SHN), and waits until it has.
///
/// # Errors
/// [`Error::Gone`], or [`Error::NotReady`] after CAP.TO.
pub(crate) fn shutdown<P: Platform>(
    platform: &P,
    capabilities: &Capabilities,
) -> Result<(), Error> {
    let configuration = platform.read32(CC) & !(3 << CC_SHUTDOWN);
    platform.write32(CC, configuration | (1 << CC_SHUTDOWN));
    let done = |csts| csts & CSTS_SHUTDOWN == CSTS_SHUTDOWN_DONE;
    wait_for(platform, capabilities, done).map(|_| ())
}

/// Waits until CSTS is as wanted, and says what it is.
fn wait_for<P: Platform>(
    platform: &P,
    capabilities: &Capabilities,
    wanted: impl Fn(u32) -> bool,
) -> Result<u32, Error> {
    let deadline = platform.now().saturating_add(capabilities.timeout());
    loop {
        // The clock first: whoever was kept from running for long still looks once.
        let now = platform.now();
        let csts = status(platform)?;
        if wanted(csts) {
            return Ok(csts);
        }
        if now >= deadline {
            return Err(Error::NotReady);
        }
        platform.pause(now.saturating_add(LOOK).min(deadline));
    }
}
