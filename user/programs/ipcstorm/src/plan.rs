// SPDX-License-Identifier: Apache-2.0
//! What a client does, drawn from the seed: client and server each know it, and so
//! each knows what the other must have done. The host draws it again
//! (xtask/src/workloads/ipcstorm.rs).

use skimmer_rt::Errno;
use skimmer_rt::random::{Random, mix};

use crate::letter::Letter;
use crate::sizes::{MOST, Sizes};

/// Messages of a client at one priority.
const AT_ONE_PRIORITY: u64 = 16;

/// Priorities of clients: below that of the first process, which has the highest
/// that any may have.
const LEAST_PRIORITY: u8 = 50;
const PRIORITIES: u64 = 6;
const APART: u8 = 10;

/// Errors that a server answers with, none of which a kernel would.
const REFUSALS: [Errno; 4] = [Errno::EACCES, Errno::ENOTSUP, Errno::EOWNERDEAD, Errno::ECANCELED];

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With an answer, and a status.
    Letter,
    /// The call fails.
    Refusal(Errno),
    /// The call succeeds with 0, and without an answer.
    Nothing,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Whose.
    client: u64,
    /// Its number among the client's.
    pub(crate) sequence: u64,
    /// To which server.
    pub(crate) server: u64,
    /// Bytes of it.
    pub(crate) length: usize,
    /// Bytes of the answer.
    pub(crate) answer_length: usize,
    /// Bytes that the client has room for.
    pub(crate) room: usize,
    /// The client's priority.
    pub(crate) priority: u8,
    /// How it is answered.
    pub(crate) answer: Answer,
    /// What contents are drawn from.
    key: u64,
}

impl Step {
    /// Its content.
    pub(crate) fn message(&self) -> Letter {
        Letter::message(self.client, self.sequence, self.length, self.key)
    }

    /// The content of the answer.
    pub(crate) fn reply(&self) -> Letter {
        Letter::answer(self.client, self.sequence, self.answer_length, self.key)
    }

    /// The status of the answer: any number.
    pub(crate) fn status(&self) -> i64 {
        mix(self.key).cast_signed() >> (self.key % 64)
    }

    /// What a server's digest takes in of it, of which so much was received.
    pub(crate) fn digest(&self, sum: u64) -> u64 {
        mix(self.key ^ sum)
    }

    /// Where in its buffer a message of it begins, for the `which`th buffer.
    pub(crate) fn offset(&self, which: u64) -> usize {
        // Odd ones, too.
        (mix(self.key ^ which) % 64) as usize
    }
}

/// The messages of one client, one after the other.
#[derive(Debug)]
pub(crate) struct Plan {
    random: Random,
    seed: u64,
    client: u64,
    servers: u64,
    sequence: u64,
    priority: u8,
}

impl Plan {
    pub(crate) fn of(sizes: &Sizes, client: u64) -> Self {
        Self {
            random: Random::of(sizes.seed, client),
            seed: sizes.seed,
            client,
            servers: sizes.servers,
            sequence: 0,
            priority: 0,
        }
    }

    /// The next.
    pub(crate) fn next(&mut self) -> Step {
        let sequence = self.sequence;
        self.sequence += 1;
        let server = self.random.below(self.servers);
        let length = size(&mut self.random);
        let answer_length = size(&mut self.random);
        let room = room(self.random.next(), answer_length);
        let level = self.random.below(PRIORITIES) as u8;
        if sequence.is_multiple_of(AT_ONE_PRIORITY) {
            self.priority = LEAST_PRIORITY + APART * level;
        }
        let fate = self.random.next();
        let answer = match fate % 64 {
            0 => Answer::Refusal(REFUSALS[(fate >> 6) as usize % REFUSALS.len()]),
            1 => Answer::Nothing,
            _ => Answer::Letter,
        };
        let key = mix(self.seed ^ mix(self.client << 32 | sequence));
        let client = self.client;
        let priority = self.priority;
        Step { client, sequence, server, length, answer_length, room, priority, answer, key }
    }

    /// The next that goes to that server.
    pub(crate) fn next_to(&mut self, server: u64) -> Step {
        loop {
            let step = self.next();
            if step.server == server {
                return step;
            }
        }
    }
}

/// Bytes of a message: 4 KiB at the most, but of one in 1,024.
fn size(random: &mut Random) -> usize {
    let drawn = random.next();
    let rest = (drawn >> 10) as usize;
    if drawn.is_multiple_of(1024) { MOST - rest % 64 } else { rest % 4097 }
}

/// Room for an answer of that length: now and then too little.
fn room(drawn: u64, length: usize) -> usize {
    let rest = (drawn >> 3) as usize;
    if drawn.is_multiple_of(8) { rest % (length + 1) } else { (length + rest % 65).min(MOST) }
}
