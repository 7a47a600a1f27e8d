// SPDX-License-Identifier: Apache-2.0
//! What `ipcstorm` is asked for, and what it must therefore tell. Its clients' plans
//! are drawn again here, and the contents of all messages with them. Pure. The drawing
//! follows user/programs/ipcstorm/src/plan.rs.

use skimmer_abi::digest::Digest;
use skimmer_abi::random::{Random, mix};

use super::{Chanstorm, Words};

/// The keys of its arguments.
pub(super) const KEYS: &[&str] =
    &["clients", "rounds", "servers", "threads", "seed", "deaths", "chanstorm"];

/// Messages of each client when nothing is asked; where each has several lives, of all
/// of them: it is the lives that take time.
pub(super) const ROUNDS: u64 = 1_000;
const ROUNDS_OF_LIVES: u64 = 400;

/// Threads of `chanstorm` beside it, and channels of each.
const BESIDE: (u64, u64) = (8, 64);

/// Rounds of `chanstorm` beside it where all stressers are.
const BESIDE_ROUNDS: u64 = 1;

/// The longest message.
const MOST: u64 = 1 << 20;

/// What the last server but one of three and more has room for.
const LITTLE: u64 = 2048;

/// Looks at its progress: a client tells so often.
const LOOKS: u64 = 20;

/// Words that say what a long enough content is.
const HEADER: u64 = 4;
const MESSAGE: u64 = 0x6d65_7373_6167_6531;
const ANSWER: u64 = 0x616e_7377_6572_2131;

/// What `ipcstorm` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipcstorm {
    /// Processes that send.
    pub clients: u64,
    /// Messages of each.
    pub rounds: u64,
    /// Processes that receive.
    pub servers: u64,
    /// Threads of each of these.
    pub threads: u64,
    /// What everything is drawn from.
    pub seed: u64,
    /// If not 0, so many lives of each client, and others die, too.
    pub deaths: u64,
    /// If not 0, `chanstorm` is run beside it with so many rounds.
    pub chanstorm: u64,
}

impl Ipcstorm {
    /// What such arguments ask of it.
    pub(super) fn of(
        words: &Words<'_>,
        rounds: Option<u64>,
        seed: u64,
        is_beside: bool,
    ) -> Option<Self> {
        let chanstorm = if is_beside { BESIDE_ROUNDS } else { 0 };
        let deaths = words.number("deaths", 0)?;
        let usual = if deaths > 0 { ROUNDS_OF_LIVES } else { ROUNDS };
        Some(Self {
            clients: words.number("clients", 16)?,
            rounds: words.number("rounds", rounds.unwrap_or(usual))?,
            servers: words.number("servers", 1)?,
            threads: words.number("threads", 1)?,
            seed,
            deaths,
            chanstorm: words.number("chanstorm", chanstorm)?,
        })
    }

    /// The arguments that say all of it.
    pub(super) fn words(&self) -> Vec<(&'static str, u64)> {
        let Self { clients, rounds, servers, threads, seed, deaths, chanstorm } = *self;
        let all = [clients, rounds, servers, threads, seed, deaths, chanstorm];
        KEYS.iter().copied().zip(all).collect()
    }

    /// Units that it must verify: messages, or lives of clients.
    pub(super) const fn verified(&self) -> u64 {
        let each = if self.deaths > 0 { self.deaths } else { self.rounds };
        self.clients.saturating_mul(each)
    }

    /// Channels that it creates, where that is known: the first process's, and each
    /// server's.
    pub(super) fn channels(&self) -> Option<u64> {
        (self.deaths == 0).then(|| self.servers.saturating_add(1))
    }

    /// Messages that its processes send while `chanstorm` is run so many times beside
    /// it, where that is known.
    #[must_use]
    pub fn messages(&self, beside: u64) -> Option<u64> {
        if self.deaths > 0 {
            return None;
        }
        let Self { clients, rounds, servers, threads, .. } = *self;
        let told = rounds / (rounds / LOOKS).max(1);
        // A greeting for each server, what it tells on its way and at the end.
        let client = servers.saturating_add(rounds).saturating_add(told).saturating_add(1);
        // Where it is, who asks for that, and its threads' ends.
        let server = threads.saturating_add(2);
        // Each run is told, and that there is no more.
        let beside = if self.chanstorm > 0 { beside.saturating_add(1) } else { 0 };
        let all = clients.saturating_mul(client).saturating_add(servers.saturating_mul(server));
        Some(all.saturating_add(beside).saturating_add(1))
    }

    /// What runs beside it.
    pub(super) fn beside(&self) -> Option<Chanstorm> {
        let Self { chanstorm: rounds, seed, .. } = *self;
        let (threads, channels) = BESIDE;
        (rounds > 0).then_some(Chanstorm { threads, rounds, channels, seed, processes: 0 })
    }

    /// How its processes are spread.
    pub(super) fn shape(&self) -> String {
        let Self { clients, servers, threads, deaths, .. } = *self;
        let shape = format!("{clients} clients, {servers} server(s) of {threads} thread(s)");
        if deaths > 0 { format!("{shape}, deaths") } else { shape }
    }

    /// The sum of what clients and servers make of all contents as they came.
    pub(super) fn digest(&self) -> u64 {
        if self.deaths > 0 {
            return 0;
        }
        (0..self.clients).map(|client| self.digest_of(client)).fold(0, u64::wrapping_add)
    }

    fn digest_of(&self, client: u64) -> u64 {
        let mut random = Random::of(self.seed, client);
        let mut digest = Digest::new();
        let mut servers = 0_u64;
        for sequence in 0..self.rounds {
            let step = Step::next(&mut random, self.servers);
            let key = mix(self.seed ^ mix(client << 32 | sequence));
            let header = |kind, length| [kind, client, sequence, length];
            let received = step.length.min(self.room(step.server));
            let message = sum(header(MESSAGE, step.length), mix(key), received);
            servers = servers.wrapping_add(mix(key ^ message));
            digest.add(sequence);
            digest.add(match step.is_answered {
                true => sum(header(ANSWER, step.answer), mix(!key), step.answer.min(step.room)),
                false => sum(header(ANSWER, step.answer), mix(!key), 0),
            });
        }
        digest.value().wrapping_add(servers)
    }

    /// What that server has room for.
    const fn room(&self, server: u64) -> u64 {
        if self.servers > 2 && server + 2 == self.servers { LITTLE } else { MOST }
    }
}

/// One message, as far as its contents go.
struct Step {
    server: u64,
    length: u64,
    answer: u64,
    room: u64,
    is_answered: bool,
}

impl Step {
    fn next(random: &mut Random, servers: u64) -> Self {
        let server = random.below(servers);
        let length = size(random.next());
        let answer = size(random.next());
        let drawn = random.next();
        let rest = drawn >> 3;
        let room = if drawn.is_multiple_of(8) {
            rest % (answer + 1)
        } else {
            (answer + rest % 65).min(MOST)
        };
        // Priorities are not in any content.
        let _ = random.next();
        let is_answered = random.next() % 64 > 1;
        Self { server, length, answer, room, is_answered }
    }
}

const fn size(drawn: u64) -> u64 {
    let rest = drawn >> 10;
    if drawn.is_multiple_of(1024) { MOST - rest % 64 } else { rest % 4097 }
}

/// The sum of the words of the first `got` bytes of a content, the last of which may be
/// cut.
fn sum(header: [u64; HEADER as usize], start: u64, got: u64) -> u64 {
    let has_header = header[3] >= 8 * HEADER;
    let step = mix(start) | 1;
    let word = |place: u64| match header.get(place as usize) {
        Some(word) if has_header => *word,
        _ => start.wrapping_add(place.wrapping_mul(step)),
    };
    let whole = (0..got / 8).map(word).fold(0, u64::wrapping_add);
    let kept = (1_u64 << (8 * (got % 8))) - 1;
    whole.wrapping_add(word(got / 8) & kept)
}

#[cfg(test)]
mod tests {
    use super::super::Work;
    use super::*;

    fn storm(words: &[&str], is_beside: bool) -> Ipcstorm {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        match Work::of("ipcstorm", &words, None, 1, is_beside) {
            Some(Work::Ipcstorm(storm)) => storm,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_usual_work_is_that_of_the_issue() {
        let usual = storm(&[], false);
        assert_eq!((usual.verified(), usual.channels()), (16_000, Some(2)));
        assert_eq!(usual.beside(), None);
        assert_eq!(storm(&[], true).beside().map(|it| it.rounds), Some(BESIDE_ROUNDS));
        assert_eq!(storm(&["chanstorm=0"], true).beside(), None);
        let deadly = storm(&["deaths=4", "clients=3"], false);
        assert_eq!((deadly.verified(), deadly.digest()), (12, 0));
        assert_eq!((deadly.channels(), deadly.messages(0)), (None, None));
    }

    /// As a guest told them.
    #[test]
    fn contents_are_the_guests() {
        let digest = |words: &[&str]| storm(words, false).digest();
        assert_eq!(digest(&["clients=2", "rounds=20"]), 0xfe62_20c1_9cce_60e6);
        assert_eq!(digest(&["servers=3", "threads=4"]), 0x67a4_3ca8_0564_068a);
    }

    #[test]
    fn every_message_is_known() {
        // Of each client 1 + 1000 + 20 + 1, of the server 1 + 1 + 1; and the end.
        assert_eq!(storm(&[], false).messages(0), Some(16 * 1_022 + 3 + 1));
        let several = storm(&["servers=3", "threads=4", "rounds=50"], true);
        // Those clients tell every second message.
        assert_eq!(several.messages(7), Some(16 * (3 + 50 + 25 + 1) + 3 * 6 + 1 + 8));
    }
}
