// SPDX-License-Identifier: Apache-2.0
//! Starts a drive that says this and that of itself, and holds what comes of it
//! against what the driver promises. The fuzz target shares it with the tests.

use crate::fake::{Fake, FakeMemory, Setup};
use crate::identified::{judge_controller, judge_namespace, u32_at};
use skimmer_nvme::identify::IDENTIFY_BYTES;
use skimmer_nvme::{Controller, Error, Extent, Options};

/// Queue pairs that are asked for.
const WANTED: u16 = 4;

/// Namespaces that are looked at.
const NAMESPACES: usize = 8;

/// What a drive says, end to end: Identify Controller, the list of namespaces,
/// Identify Namespace (of each), and the completion of Number of Queues.
pub(crate) const WORDS: usize = 3 * IDENTIFY_BYTES + 4;

/// Starts a drive that says this (zeros behind the end); whether it started,
/// and how many namespaces it has.
pub(crate) fn start(words: &[u8]) -> Result<usize, Error> {
    let mut all = words.to_vec();
    all.resize(WORDS, 0);
    let part = |index: usize| &all[index * IDENTIFY_BYTES..][..IDENTIFY_BYTES];
    let patch = |cns: u32, index| (cns, 0, part(index).to_vec());
    let grant = u32_at(&all, 3 * IDENTIFY_BYTES);
    let setup = Setup {
        patches: vec![patch(1, 0), patch(2, 1), patch(0, 2)],
        namespaces: vec![],
        queues: WANTED,
        grant: Some(grant),
        ..Setup::default()
    };
    let fake = Fake::new(setup);
    let options = Options { namespaces: NAMESPACES, ..Options::default() };
    let outcome = Controller::start(fake.clone(), options, WANTED);
    let count = match outcome {
        Ok(controller) => Ok(accepted(controller, part(0), part(2), grant)),
        // For what it says of itself, and for nothing else.
        Err(Error::Garbage(field)) => Err(Error::Garbage(field)),
        Err(error) => panic!("{error:?}, of a drive that does as it is told"),
    };
    fake.assert_clean();
    fake.with(|device| {
        assert_eq!((device.ram.live(), device.csts & 1), (0, 0), "all is given back")
    });
    count
}

/// A drive that started keeps within what was asked for.
fn accepted(mut controller: Controller<Fake>, first: &[u8], space: &[u8], grant: u32) -> usize {
    judge_controller(controller.info(), first);
    let queues = controller.queues();
    let least = (grant & 0xffff).min(grant >> 16) + 1;
    assert_eq!(u32::from(queues), least.min(WANTED.into()), "as many as wanted and granted");
    let namespaces = controller.namespaces();
    let ids: Vec<u32> = namespaces.iter().map(|one| one.id).collect();
    assert!(namespaces.len() + controller.rejected().len() <= NAMESPACES);
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert!(ids.iter().all(|id| (1..=controller.info().namespaces).contains(id)), "{ids:?}");
    for namespace in namespaces {
        judge_namespace(namespace, space, controller.info());
    }
    let count = namespaces.len();
    let mut pairs = vec![];
    for _ in 0..queues {
        let pair = controller.queue_pair::<Extent<FakeMemory>>(None);
        pairs.push(pair.expect("it was granted"));
    }
    assert!(controller.queue_pair::<Extent<FakeMemory>>(None).is_err(), "one too many");
    controller.shutdown(&mut pairs).expect("it stops");
    count
}
