// SPDX-License-Identifier: Apache-2.0
//! Another process that does what a case tells it: it sends what came of the last
//! step, and is answered with the next one. So a case decides what happens when, in
//! both processes; and where the agent is blocked in a step, nothing is answered.

use alloc::vec;

use skimmer_rt::channel::ChannelFlags;
use skimmer_rt::connection::{Connection, SIDE_CHANNEL};
use skimmer_rt::process::{Child, ExitStatus, Program};
use skimmer_rt::{Args, Errno, Result, message, process, thread};

use crate::case::HIGHEST;
use crate::scene::{LEVEL, Scene};
use crate::{NAME, bad, sizes};

/// What an agent can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Step {
    /// (flags) → chid.
    Create = 1,
    /// (chid).
    Destroy,
    /// (pid, chid) → coid.
    Attach,
    /// (coid).
    Detach,
    /// (coid, length, room) → the status, and whether it is one.
    Send,
    /// The same in a thread of its own; does not wait for it.
    SendAside,
    /// (chid) → rcvid.
    Receive,
    /// (rcvid, status).
    Reply,
    /// (rcvid, errno).
    Error,
    /// (rcvid) → pid.
    Info,
    /// (status): ends the process.
    Exit,
    /// (chid): serves for ever, see `sizes`.
    Echo,
    /// (coid, lengths' number): asks an echo for all sizes. → what was wrong.
    Ask,
}

impl Step {
    const ALL: [Self; 13] = [
        Self::Create,
        Self::Destroy,
        Self::Attach,
        Self::Detach,
        Self::Send,
        Self::SendAside,
        Self::Receive,
        Self::Reply,
        Self::Error,
        Self::Info,
        Self::Exit,
        Self::Echo,
        Self::Ask,
    ];
}

/// Words of a step: what, and three arguments. Of what came of one: 1 for an error,
/// and its number or the result.
type Words<const N: usize> = [u64; N];

fn bytes<const N: usize, const B: usize>(words: Words<N>) -> [u8; B] {
    let mut bytes = [0; B];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn words<const N: usize>(bytes: &[u8]) -> Words<N> {
    let mut words = [0; N];
    for (word, place) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut one = [0; 8];
        one.copy_from_slice(place);
        *word = u64::from_le_bytes(one);
    }
    words
}

/// A process of the case's that does what it is told.
#[derive(Debug)]
pub(crate) struct Agent {
    child: Child,
    control: u64,
    /// The message of the agent's that the next step will answer.
    waits: u64,
}

impl Agent {
    /// Starts one on the others' hart.
    pub(crate) fn start(scene: &Scene) -> Result<Self> {
        // Nobody's priority changes by being told.
        let control = scene.channel_with(ChannelFlags::FIXED_PRIORITY)?;
        let pid = process::id()?.number();
        let child = Program::new(NAME)
            .args(["agent", &alloc::format!("pid={pid}"), &alloc::format!("chid={control}")])
            .priority(HIGHEST)
            .hart(scene.there())
            .spawn()?;
        let mut agent = Self { child, control, waits: 0 };
        agent.told()??;
        Ok(agent)
    }

    /// Its process.
    pub(crate) const fn pid(&self) -> u64 {
        self.child.id().number()
    }

    /// Lets it do something. It is on its way when this is back.
    pub(crate) fn tell(&self, step: Step, arguments: [u64; 3]) -> Result<()> {
        let [a, b, c] = arguments;
        message::reply(self.waits, 0, &bytes::<4, 32>([step as u64, a, b, c]))
    }

    /// The same, and it has come as far as it does by itself.
    pub(crate) fn begin(&self, scene: &Scene, step: Step, arguments: [u64; 3]) -> Result<()> {
        self.tell(step, arguments)?;
        scene.settle()
    }

    /// What came of the last step, once it is done.
    pub(crate) fn told(&mut self) -> Result<Result<u64>> {
        let mut room = [0; 16];
        self.waits = message::receive(self.control, &mut room)?.id.number();
        let [is_error, number] = words(&room);
        if is_error == 0 {
            return Ok(Ok(number));
        }
        let status = number.cast_signed().wrapping_neg();
        Ok(Err(Errno::from_status(status).ok_or(Errno::ENOSYS)?))
    }

    /// Lets it do something, and waits for what comes of it.
    pub(crate) fn ask(&mut self, step: Step, arguments: [u64; 3]) -> Result<Result<u64>> {
        self.tell(step, arguments)?;
        self.told()
    }

    /// The same of what must succeed.
    pub(crate) fn gives(&mut self, step: Step, arguments: [u64; 3]) -> Result<u64> {
        self.ask(step, arguments)?
    }

    /// A channel of it, and a connection of ours to it.
    pub(crate) fn serves(&mut self) -> Result<(u64, u64)> {
        let chid = self.gives(Step::Create, [0; 3])?;
        Ok((chid, crate::scene::attach_to(self.pid(), chid)?))
    }

    /// A connection of it to a channel of ours.
    pub(crate) fn attaches(&mut self, chid: u64) -> Result<u64> {
        let own = process::id()?.number();
        self.gives(Step::Attach, [own, chid, 0])
    }

    /// Ends it from outside, and waits until it has ended.
    pub(crate) fn kill(self) -> Result<()> {
        self.child.kill()?;
        self.waited_for().map(|_| ())
    }

    /// Waits until it has ended by itself.
    pub(crate) fn waited_for(self) -> Result<ExitStatus> {
        self.child.wait()
    }
}

/// Is one.
pub(crate) fn serve(args: Args) -> core::result::Result<(), alloc::string::String> {
    use alloc::string::ToString as _;
    let pid = args.number("pid", 0).map_err(|bad| bad.to_string())?;
    let chid = args.number("chid", 0).map_err(|bad| bad.to_string())?;
    let is_set = thread::set_priority(LEVEL);
    // Outside of the numbers that cases look at.
    let control = Connection::attach_at(pid, chid, SIDE_CHANNEL, 0);
    let control = control.map_err(|errno| alloc::format!("an agent: {errno}"))?;
    let mut came = is_set.map(|()| 0);
    loop {
        let outcome: Words<2> = match came {
            Ok(number) => [0, number],
            Err(errno) => [1, errno as u64],
        };
        let mut next = [0; 32];
        if control.send(&bytes::<2, 16>(outcome), &mut next).is_err() {
            return Ok(());
        }
        came = perform(words(&next));
    }
}

fn perform([step, a, b, c]: Words<4>) -> Result<u64> {
    let step = Step::ALL.into_iter().find(|known| *known as u64 == step);
    let none = |done: Result<()>| done.map(|()| 0);
    match step.ok_or(Errno::EINVAL)? {
        Step::Create => bad::create(a),
        Step::Destroy => none(bad::destroy(a)),
        Step::Attach => bad::attach(0, a, b, 0, 0),
        Step::Detach => none(bad::detach(a)),
        Step::Send => send(a, b, c),
        Step::SendAside => {
            thread::spawn(move || send(a, b, c))?.into_id().detach()?;
            // Its hart is ours, and it is our equal: it has gone as far as it does.
            thread::yield_now();
            Ok(0)
        }
        Step::Receive => message::receive(a, &mut [0; 16]).map(|it| it.id.number()),
        Step::Reply => none(message::reply(a, b.cast_signed(), &[])),
        Step::Error => none(bad::error(a, b)),
        Step::Info => message::info(a).map(|info| info.pid),
        Step::Exit => process::exit(a.cast_signed()),
        Step::Echo => none(sizes::echo(a)),
        Step::Ask => sizes::ask(a, b),
    }
}

/// The status that came back, as a word.
fn send(coid: u64, length: u64, room: u64) -> Result<u64> {
    let message = vec![0x5a; length as usize];
    let mut room = vec![0; room as usize];
    message::send(coid, &message, &mut room).map(i64::cast_unsigned)
}
