// SPDX-License-Identifier: Apache-2.0
//! Questions and answers with a type, over messages.
//!
//! A [`Question`] is plain data that names the type of its answer. A client asks with
//! [`Connection::ask`], a server answers with [`Channel::answer`]; both use the same
//! type, so neither takes bytes apart. What comes from the other side is checked
//! before it is believed: its length, and that it is a value of the type.
//!
//! On the wire a question is its bytes, and an answer is its bytes with their number
//! as the status; what cannot be answered is an error.

use core::mem::MaybeUninit;

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::channel::{Channel, Kernel, Turn, run};
use crate::connection::Connection;
use crate::message::{self, MsgInfo, ReceiveId, Received};
use crate::{Errno, Result};

/// Data that means the same in another process: it has no pointers and no padding,
/// and bytes can be checked for being such a value. Whatever derives these four of
/// the crate `zerocopy` is such data.
///
/// ```
/// use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
///
/// #[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Sum {
///     of: [u32; 2],
/// }
/// # fn is_plain(_: &impl skimmer_rt::typed::Plain) {}
/// # is_plain(&Sum { of: [1, 2] });
/// ```
pub trait Plain: TryFromBytes + IntoBytes + Immutable + KnownLayout + Sized {}

impl<T: TryFromBytes + IntoBytes + Immutable + KnownLayout> Plain for T {}

/// What clients ask, and what the answer is.
///
/// ```
/// use skimmer_rt::typed::Question;
/// use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
///
/// #[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Product(u32, u32);
///
/// impl Question for Product {
///     type Answer = u64;
/// }
/// ```
pub trait Question: Plain {
    /// The answer.
    type Answer: Plain;
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    id: ReceiveId,
}

impl Asker {
    /// The name of the message that is answered next.
    #[must_use]
    pub const fn id(self) -> ReceiveId {
        self.id
    }

    /// Who has sent it.
    ///
    /// # Errors
    /// ESRCH: the client no longer waits, or was answered.
    pub fn info(self) -> Result<MsgInfo> {
        message::info(self.id.number())
    }
}

impl Connection {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the server answers instead: EINVAL if it knows no such question. EINVAL,
    /// too, if it answers with what is no such answer. Else see [`message::send`].
    ///
    /// ```no_run
    /// # use skimmer_rt::connection::Connection;
    /// # use skimmer_rt::typed::Question;
    /// # use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
    /// # #[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
    /// # #[repr(C)]
    /// # struct Product(u32, u32);
    /// # impl Question for Product {
    /// #     type Answer = u64;
    /// # }
    /// fn six_times_seven(server: &Connection) -> skimmer_rt::Result<u64> {
    ///     server.ask(&Product(6, 7))
    /// }
    /// ```
    #[inline]
    pub fn ask<Q: Question>(&self, question: &Q) -> Result<Q::Answer> {
        let mut place = MaybeUninit::<Q::Answer>::uninit();
        let answer = bytes_of(&mut place);
        let status = self.send(question.as_bytes(), answer)?;
        // Zeros would be left where the answer is shorter, which may be a value too.
        if status != size_of::<Q::Answer>() as i64 {
            return Err(Errno::EINVAL);
        }
        Q::Answer::try_read_from_bytes(answer).map_err(|_| Errno::EINVAL)
    }
}

impl Channel {
    /// Serves for ever, as [`Channel::serve`] does: lets `answer` say what the
    /// answer to each question is, or the error that the client's [`Connection::ask`]
    /// fails with. A message that is no such question is answered with EINVAL.
    ///
    /// Returns the error that ended it: ESRCH, because somebody destroyed the
    /// channel; see [`message::receive`].
    ///
    /// ```no_run
    /// # use skimmer_rt::channel::{Channel, ChannelFlags};
    /// # use skimmer_rt::typed::Question;
    /// # use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
    /// # #[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
    /// # #[repr(C)]
    /// # struct Product(u32, u32);
    /// # impl Question for Product {
    /// #     type Answer = u64;
    /// # }
    /// # fn main() -> skimmer_rt::Result<()> {
    /// let channel = Channel::create(ChannelFlags::NONE)?;
    /// let why = channel.answer(|Product(a, b), _| Ok(u64::from(*a) * u64::from(*b)));
    /// # let _ = why;
    /// # Ok(())
    /// # }
    /// ```
    pub fn answer<Q: Question>(
        &self,
        mut answer: impl FnMut(&Q, Asker) -> Result<Q::Answer>,
    ) -> Errno {
        let mut question = MaybeUninit::<Q>::uninit();
        let mut given = None;
        let turn = |received: Received, bytes: &mut [u8]| match read::<Q>(received, bytes)
            .and_then(|question| answer(question, Asker { id: received.id }))
        {
            Ok(value) => {
                let bytes = given.insert(value).as_bytes();
                Turn::reply(bytes.len() as i64, bytes)
            }
            Err(errno) => Turn::Error(errno),
        };
        // SAFETY: an answer stays in `given` until the next is put there.
        unsafe { run(&mut Kernel(self.id()), bytes_of(&mut question), turn) }
    }
}

/// The question that was received there.
fn read<Q: Question>(received: Received, bytes: &[u8]) -> Result<&Q> {
    // What is longer is no such question, however much of it was received.
    if received.sent != size_of::<Q>() || received.copied != size_of::<Q>() {
        return Err(Errno::EINVAL);
    }
    Q::try_ref_from_bytes(bytes).map_err(|_| Errno::EINVAL)
}

/// The bytes of a place for a value: zeros.
fn bytes_of<T: Plain>(place: &mut MaybeUninit<T>) -> &mut [u8] {
    *place = MaybeUninit::zeroed();
    // SAFETY: they are the place's, for as long as it is borrowed, and written; any
    // bytes may be put where there is no value yet.
    unsafe { core::slice::from_raw_parts_mut(place.as_mut_ptr().cast::<u8>(), size_of::<T>()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::receive_id;

    #[derive(Clone, Copy, Debug, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(u32)]
    enum What {
        Put = 1,
        Get,
    }

    #[derive(Clone, Copy, Debug, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(C)]
    struct Ask {
        what: What,
        key: u32,
    }

    impl Question for Ask {
        type Answer = u64;
    }

    #[test]
    fn only_questions_are_read() {
        let mut place = MaybeUninit::<Ask>::uninit();
        let bytes = bytes_of(&mut place);
        let mut of = |copied, sent, what: u8| {
            bytes[0] = what;
            bytes[4] = 9;
            let id = receive_id(1);
            read::<Ask>(Received { id, copied, sent }, bytes).copied()
        };
        assert_eq!(of(8, 8, 1), Ok(Ask { what: What::Put, key: 9 }));
        assert_eq!(of(8, 8, 2), Ok(Ask { what: What::Get, key: 9 }));
        for (copied, sent, what) in [(8, 8, 0), (8, 8, 3), (7, 7, 1), (8, 9, 1), (0, 0, 1)] {
            assert_eq!(of(copied, sent, what), Err(Errno::EINVAL), "{copied} {sent} {what}");
        }
    }
}
