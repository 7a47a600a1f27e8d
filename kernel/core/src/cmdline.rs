// SPDX-License-Identifier: Apache-2.0
//! The kernel command line: `key=value` words, from the device tree's
//! `/chosen/bootargs`. What cannot be understood is an error that names it; a
//! typing mistake must not quietly run something else.

use core::{fmt, num::NonZeroU64};

use skimmer_abi::scenario::Scenario;

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLine<'a> {
    /// `scenario=NAME`: which workload to run; `ports` if none is named.
    pub scenario: Scenario,
    /// `rounds=N`: round trips in all; each scenario has its own default.
    pub rounds: Option<u64>,
    /// `clients=N`: client threads; one on each other hart if not given.
    pub clients: Option<u32>,
    /// `servers=N`: server threads, where a scenario has several.
    pub servers: Option<u32>,
    /// `hart=N`: the id of a hart, where a scenario has something for one.
    pub hart: Option<u64>,
    /// `load=idle`, `load=busy`: what else is on that hart, if the scenario is to
    /// tell how long an interrupt takes to its thread, or (busy) what a read costs.
    pub load: Option<Load>,
    /// `seed=N`: perturbs the run.
    pub seed: u64,
    /// `init=NAME`: the program that the scenario `program` runs.
    pub init: Option<&'a str>,
    /// `args=A,B`: what it is given.
    pub args: Option<&'a str>,
    /// `shortage=N`: one request for memory in so many is refused while the
    /// program runs.
    pub shortage: Option<NonZeroU64>,
    /// `disks=N`: so many test disks must be found.
    pub disks: Option<u32>,
    /// `disk_seed=N`: what the blocks of the first test disk state
    /// (`skimmer_abi::disk::seed_of` gives that of the others).
    pub disk_seed: Option<u64>,
    /// `pull=MASK`: the test disks of these numbers are pulled.
    pub pull: Option<u64>,
    /// `reads=N`: at least so many reads of drives beside a scenario.
    pub reads: Option<u64>,
    /// `with=kstress`: a ping-pong between two harts beside the scenario.
    pub with_kstress: bool,
    /// `door=front`: secondary harts are sent to the image's entry, as
    /// firmware with a race in it does by mistake.
    pub is_front_door: bool,
}

/// What a hart does when an interrupt comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// It sleeps.
    Idle,
    /// It runs a less urgent thread.
    Busy,
}

/// A word that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadWord<'a> {
    /// Not of the form `key=value`.
    NoValue(&'a str),
    /// No such key.
    UnknownKey(&'a str),
    /// No such scenario.
    UnknownScenario(&'a str),
    /// Not a whole number that fits.
    BadNumber(&'a str),
    /// The key stands there twice.
    Twice(&'a str),
}

impl fmt::Display for BadWord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue(word) => write!(f, "command line: '{word}' is not of the form key=value"),
            Self::UnknownKey(word) => write!(f, "command line: no such key as in '{word}'"),
            Self::UnknownScenario(name) => write!(f, "command line: no scenario named '{name}'"),
            Self::BadNumber(word) => write!(f, "command line: not a number that fits: '{word}'"),
            Self::Twice(word) => write!(f, "command line: given twice: '{word}'"),
        }
    }
}

impl<'a> TryFrom<&'a str> for CommandLine<'a> {
    type Error = BadWord<'a>;

    fn try_from(text: &'a str) -> Result<Self, BadWord<'a>> {
        let (mut scenario, mut rounds, mut clients, mut seed) = (None, None, None, None);
        let (mut front_door, mut servers, mut kstress) = (None, None, None);
        let (mut init, mut args, mut shortage) = (None, None, None);
        let (mut hart, mut load) = (None, None);
        let (mut disks, mut disk_seed, mut reads, mut pull) = (None, None, None, None);
        for word in text.split_ascii_whitespace() {
            let (key, value) = word.split_once('=').ok_or(BadWord::NoValue(word))?;
            let was_given = match key {
                "scenario" => {
                    let named =
                        Scenario::from_name(value).ok_or(BadWord::UnknownScenario(value))?;
                    scenario.replace(named).is_some()
                }
                "rounds" => rounds.replace(number(word, value)?).is_some(),
                "clients" => clients.replace(number(word, value)?).is_some(),
                "servers" => servers.replace(number(word, value)?).is_some(),
                "hart" => hart.replace(number(word, value)?).is_some(),
                "load" if value == "idle" => load.replace(Load::Idle).is_some(),
                "load" if value == "busy" => load.replace(Load::Busy).is_some(),
                "init" => init.replace(value).is_some(),
                "args" => args.replace(value).is_some(),
                "shortage" => shortage.replace(number(word, value)?).is_some(),
                "disks" => disks.replace(number(word, value)?).is_some(),
                "disk_seed" => disk_seed.replace(number(word, value)?).is_some(),
                "pull" => pull.replace(number(word, value)?).is_some(),
                "reads" => reads.replace(number(word, value)?).is_some(),
                "with" if value == "kstress" => kstress.replace(()).is_some(),
                "seed" => seed.replace(number(word, value)?).is_some(),
                "door" if value == "front" => front_door.replace(()).is_some(),
                _ => return Err(BadWord::UnknownKey(word)),
            };
            if was_given {
                return Err(BadWord::Twice(word));
            }
        }
        Ok(Self {
            scenario: scenario.unwrap_or(Scenario::Ports),
            rounds,
            clients,
            servers,
            hart,
            load,
            init,
            args,
            shortage,
            disks,
            disk_seed,
            reads,
            pull,
            seed: seed.unwrap_or(0),
            with_kstress: kstress.is_some(),
            is_front_door: front_door.is_some(),
        })
    }
}

fn number<'a, T: core::str::FromStr>(word: &'a str, value: &str) -> Result<T, BadWord<'a>> {
    value.parse().map_err(|_| BadWord::BadNumber(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_there() {
        let line = CommandLine::try_from("scenario=ports  rounds=100000 seed=7").unwrap();
        assert_eq!(line.rounds, Some(100_000));
        assert_eq!((line.scenario, line.clients, line.seed), (Scenario::Ports, None, 7));
        assert_eq!(CommandLine::try_from("").unwrap().scenario, Scenario::Ports);
        assert_eq!((line.disks, line.disk_seed, line.pull), (None, None, None));
        assert_eq!(CommandLine::try_from("pull=5").unwrap().pull, Some(5));
        let line = CommandLine::try_from("disk_seed=18446744073709551615 seed=7 disks=2").unwrap();
        assert_eq!((line.disks, line.disk_seed, line.seed), (Some(2), Some(u64::MAX), 7));
    }

    #[test]
    fn refuses_what_it_cannot_understand() {
        let refused = [
            ("rounds", BadWord::NoValue("rounds")),
            ("rounds=ten", BadWord::BadNumber("rounds=ten")),
            ("hart=last", BadWord::BadNumber("hart=last")),
            ("rounds=-1", BadWord::BadNumber("rounds=-1")),
            ("clients=4294967296", BadWord::BadNumber("clients=4294967296")),
            ("seed=", BadWord::BadNumber("seed=")),
            ("disks=-1", BadWord::BadNumber("disks=-1")),
            ("disk_seed=0x7", BadWord::BadNumber("disk_seed=0x7")),
            ("disk_seed=7 disk_seed=7", BadWord::Twice("disk_seed=7")),
            ("shortage=0", BadWord::BadNumber("shortage=0")),
            ("scenario=prots", BadWord::UnknownScenario("prots")),
            ("round=1", BadWord::UnknownKey("round=1")),
            ("load=heavy", BadWord::UnknownKey("load=heavy")),
            ("door=back", BadWord::UnknownKey("door=back")),
            ("seed=1 seed=1", BadWord::Twice("seed=1")),
        ];
        for (text, error) in refused {
            assert_eq!(CommandLine::try_from(text), Err(error), "{text}");
        }
    }
}
