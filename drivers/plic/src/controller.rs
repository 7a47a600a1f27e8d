// SPDX-License-Identifier: Apache-2.0
//! What the kernel asks of an interrupt controller.

use crate::handles::{Attached, Claim, Line};
use crate::number::{Priority, Source};

/// What one hart has of an interrupt controller. It lies in that hart's own
/// state and is called there, with interrupts masked; none of it waits.
///
/// # The order of a handler
///
/// An interrupt is identified, *masked*, posted, completed. The first two are
/// one call, [`claim`](Self::claim), because a thread that was posted may run
/// at once and unmask: a mask that came after would undo that and stop the
/// line. Completion comes last, and at once, not when the thread is done:
/// - A source whose enable bit is clear cannot be completed, so the mask is
///   priority 0 and the bit stays.
/// - From the completion on, the gateway takes the next request. It waits in
///   the pending bit, at priority 0, until the thread unmasks. A gateway that
///   ignores edges while a request is out ("Interrupt Gateways") would
///   otherwise lose those that come while the thread works.
/// - The price: a level that is still up at the completion is a new request,
///   which cannot be retracted. The thread unmasks, is posted once more, and
///   finds its device idle. Threads must bear that.
///
/// And a duty of the thread: it unmasks when its device's line is down, or
/// looks at the device once more after it has unmasked. By the specification
/// it need not; but there are controllers (QEMU's PLIC is one) that see a
/// level only when it rises.
pub trait InterruptController {
    /// Enables a source on this hart, masked. A request that is already
    /// waiting stays.
    ///
    /// # Errors
    /// Gives the line back, enabled nowhere, and says why.
    fn attach(&mut self, line: Line, priority: Priority) -> Result<Attached, Refused>;

    /// Disables a source on this hart. What it has requested and nobody has
    /// claimed waits for the next who attaches it.
    ///
    /// # Errors
    /// Gives it back, unchanged, while a claim of it is out: completed after
    /// this, the line would be lost.
    ///
    /// # Panics
    /// If it is attached elsewhere.
    fn detach(&mut self, attached: Attached) -> Result<Line, Attached>;

    /// Takes the most urgent interrupt and masks its source. `None` if there
    /// is nothing for this hart: [`Counts`] say why.
    fn claim(&mut self) -> Option<Claim>;

    /// Ends an interrupt. The source stays masked.
    ///
    /// # Panics
    /// If it was claimed elsewhere.
    fn complete(&mut self, claim: Claim);

    /// Masks a source: what it requests from now on waits. `false` if it was
    /// masked.
    ///
    /// # Panics
    /// If it is attached elsewhere.
    fn mask(&mut self, attached: &Attached) -> bool;

    /// Unmasks a source. `false` if it was not masked.
    ///
    /// # Panics
    /// If it is attached elsewhere.
    fn unmask(&mut self, attached: &Attached) -> bool;

    /// What has happened so far.
    fn counts(&self) -> Counts;

    /// Whether it has answered nothing but nonsense for so long that it is
    /// better not listened to.
    fn is_sick(&self) -> bool;

    /// The whole of a handler: claims, has `post` tell whoever serves the
    /// source, and completes, at most `most` times.
    fn serve(&mut self, most: u32, post: &mut dyn FnMut(Source)) -> Served {
        for posted in 0..most {
            let Some(claim) = self.claim() else {
                let end = if self.is_sick() { End::Sick } else { End::Done };
                return Served { posted, end };
            };
            post(claim.source());
            self.complete(claim);
        }
        let end = if self.is_sick() { End::Sick } else { End::More };
        Served { posted: most, end }
    }
}

/// Why a source cannot be attached. A controller may have any of its bits
/// hard-wired ("Interrupt Priorities", "Interrupt Enables").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// This controller has no such source.
    NoSuchSource,
    /// Its priority cannot be 0, so it cannot be masked.
    CannotBeMasked,
    /// The priority became 0, or not more than this hart's threshold: nothing
    /// would ever come.
    CannotBeHeard,
    /// It cannot be routed to this hart.
    CannotBeRouted,
}

/// A line that could not be attached.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The line, enabled nowhere.
    pub line: Line,
    /// What is in the way.
    pub why: AttachError,
}

/// What a controller has answered, and been told, on one hart. Each answer is
/// in one of `claims`, `ends`, `spurious` and `strays`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Interrupts that were taken.
    pub claims: u64,
    /// Those of them that were completed.
    pub completions: u64,
    /// Those of them whose source was masked: wrong of the controller, and
    /// served all the same.
    pub while_masked: u64,
    /// "Nothing", after a claim: how a handler learns that it is done.
    pub ends: u64,
    /// "Nothing", when something had been announced. Once in a while this is
    /// in order: announcements may be late ("Interrupt Notifications").
    pub spurious: u64,
    /// Sources that this hart does not have, or has in hand already.
    pub strays: u64,
}

/// What a handler did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// How many it posted.
    pub posted: u32,
    /// Why it ended.
    pub end: End,
}

/// Why a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is nothing more.
    Done,
    /// There may be more, and if so, this hart is still interrupted.
    More,
    /// [`InterruptController::is_sick`]: the hart should stop listening to
    /// external interrupts, and say so.
    Sick,
}
