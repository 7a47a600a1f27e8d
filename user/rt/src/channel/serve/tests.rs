// SPDX-License-Identifier: Apache-2.0
//! The loop against a kernel that says what the test tells it to.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::message::receive_id;

/// Receives what is due, in order, and keeps what was answered.
#[derive(Default)]
struct Fake {
    /// A message as (name, bytes), or why nothing is received.
    due: VecDeque<Result<(u64, &'static [u8])>>,
    /// Names of clients that are gone.
    gone: Vec<u64>,
    /// What clients were told: name, status or error, answer.
    told: Vec<(u64, Result<i64>, Vec<u8>)>,
    /// Calls that were made.
    calls: usize,
}

impl Fake {
    fn next(&mut self, into: &mut [u8]) -> Result<Received> {
        let (id, bytes) = self.due.pop_front().expect("the loop has ended by then")?;
        let copied = bytes.len().min(into.len());
        into[..copied].copy_from_slice(&bytes[..copied]);
        Ok(Received { id: receive_id(id), copied, sent: bytes.len() })
    }
}

impl Calls for Fake {
    fn receive(&mut self, into: &mut [u8]) -> Result<Received> {
        self.calls += 1;
        self.next(into)
    }

    unsafe fn reply_receive(
        &mut self,
        id: ReceiveId,
        (status, address, length): (i64, u64, u64),
        into: &mut [u8],
    ) -> core::result::Result<Received, ReplyReceiveError> {
        self.calls += 1;
        if self.gone.contains(&id.number()) {
            return Err(ReplyReceiveError::Reply(Errno::ESRCH));
        }
        let address = core::ptr::with_exposed_provenance::<u8>(address as usize);
        // SAFETY: the loop says so.
        let answer = unsafe { core::slice::from_raw_parts(address, length as usize) };
        self.told.push((id.number(), Ok(status), answer.to_vec()));
        self.next(into).map_err(ReplyReceiveError::Receive)
    }

    fn error(&mut self, id: ReceiveId, errno: Errno) -> Result<()> {
        self.calls += 1;
        if self.gone.contains(&id.number()) {
            return Err(Errno::ESRCH);
        }
        self.told.push((id.number(), Err(errno), vec![]));
        Ok(())
    }
}

/// Lets the loop serve what is due, with four bytes of buffer.
fn served(
    due: &[(u64, &'static [u8])],
    gone: &[u64],
    mut answer: impl for<'b> FnMut(Request<'b>) -> Answer<'b>,
) -> Fake {
    let due = due.iter().copied().map(Ok).chain([Err(Errno::ESRCH)]).collect();
    let mut fake = Fake { due, gone: gone.to_vec(), ..Fake::default() };
    let turn = |received, buffer: &mut [u8]| answer(Request::new(received, buffer)).turn;
    // SAFETY: a request answers from the buffer, or from nowhere.
    let ended = unsafe { run(&mut fake, &mut [0; 4], turn) };
    assert_eq!(ended, Errno::ESRCH);
    assert_eq!(fake.due.len(), 0);
    fake
}

#[test]
fn one_call_for_each_message() {
    let fake = served(&[(1, b"ab"), (2, b""), (3, b"abcdef")], &[], |request| {
        let (length, sent) = (request.bytes().len(), request.sent());
        request.reply_in_place(sent as i64, length)
    });
    let told = [(1, Ok(2), b"ab".to_vec()), (2, Ok(0), vec![]), (3, Ok(6), b"abcd".to_vec())];
    assert_eq!(fake.told, told);
    // One for the first, and then as many as there were messages.
    assert_eq!(fake.calls, 4);
}

#[test]
fn a_client_that_is_gone_ends_nothing() {
    let fake = served(&[(1, b"a"), (2, b"b"), (3, b"c"), (4, b"d")], &[1, 3], |request| {
        if request.id().number() < 3 {
            request.reply(0, b"longer than four")
        } else {
            request.error(Errno::EACCES)
        }
    });
    assert_eq!(fake.told, [(2, Ok(0), b"long".to_vec()), (4, Err(Errno::EACCES), vec![])]);
}

#[test]
fn what_is_kept_is_answered_by_who_keeps_it() {
    let mut kept = Vec::new();
    let fake = served(&[(1, b"a"), (2, b"b")], &[], |mut request| {
        if request.bytes() == b"a" {
            let (client, answer) = request.later();
            kept.push(client);
            return answer;
        }
        request.buffer()[..2].copy_from_slice(b"xy");
        request.reply_in_place(7, 99)
    });
    assert_eq!(fake.told, [(2, Ok(7), b"xy\0\0".to_vec())]);
    assert_eq!(kept.iter().map(|client| client.id().number()).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_channel_that_cannot_be_received_from_ends_it() {
    let fake_channel = ChannelId(1);
    // On the host there is no kernel.
    // SAFETY: nothing is ever answered.
    let ended = unsafe { run(&mut Kernel(fake_channel), &mut [], |_, _| Turn::Later) };
    assert_eq!(ended, Errno::ENOSYS);
}
