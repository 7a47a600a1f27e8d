// SPDX-License-Identifier: Apache-2.0
//! Which results calls may have, by what was done.

use skimmer_rt::{Errno, Result as Called};

use super::kinds::Kind;

/// The error that servers give.
pub(super) const REFUSAL: Errno = Errno::EACCES;

/// What was done about a client's call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    /// It had a deadline.
    pub(super) has_deadline: bool,
    /// Its connection was given up by another thread, before or during the call.
    pub(super) is_detached: bool,
}

/// How a call ended that may end so; `None` for what it may not. Servers die, destroy
/// their channel and refuse as they like, so the client is never surprised by that.
pub(super) fn kind(done: Done, came: Called<i64>) -> Option<Kind> {
    match came {
        Ok(_) => Some(Kind::Answered),
        Err(REFUSAL) => Some(Kind::Refused),
        Err(Errno::ESRCH) => Some(Kind::Died),
        Err(Errno::ENXIO) => Some(Kind::Ending),
        Err(Errno::EBADF) if done.is_detached => Some(Kind::Detached),
        Err(Errno::EBADF) => Some(Kind::Gone),
        Err(Errno::ETIMEDOUT) if done.has_deadline => Some(Kind::TimedOut),
        Err(_) => None,
    }
}

/// Whether the connection still leads somewhere, as far as the end of a call says.
pub(super) const fn is_alive(kind: Kind) -> bool {
    matches!(kind, Kind::Answered | Kind::Refused | Kind::TimedOut)
}

/// Whether a call may end so on a connection that led nowhere before. While a server
/// ends, its channels may still be there; and if it was told so before, one of its
/// threads may even have received this.
pub(super) fn may_still_be_dead(before: Kind, came: Called<i64>) -> bool {
    match came {
        Err(Errno::EBADF | Errno::ENXIO) => true,
        Err(Errno::ESRCH) => before == Kind::Ending,
        _ => false,
    }
}

/// Whether attaching may end so, to a server that may be dead.
pub(super) const fn may_attach(errno: Errno) -> bool {
    matches!(errno, Errno::ESRCH | Errno::ENXIO)
}

/// Whether receiving may end so.
pub(super) const fn may_receive(errno: Errno, is_destroyed: bool, has_deadline: bool) -> bool {
    match errno {
        Errno::ESRCH => is_destroyed,
        Errno::ETIMEDOUT => has_deadline,
        _ => false,
    }
}

/// Whether an answer may end so: the client may have died, run out of time, or given
/// its connection up; and the channel may be destroyed.
pub(super) fn may_answer(came: Called<()>) -> bool {
    matches!(came, Ok(()) | Err(Errno::ESRCH))
}
