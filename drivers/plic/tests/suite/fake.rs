// SPDX-License-Identifier: Apache-2.0
//! A PLIC by the letter of the specification. Its map is written down here
//! once more, so that the crate's is not its own judge. Whatever the
//! specification leaves no room for (a register that does not exist) panics.

use std::cell::RefCell;

use skimmer_plic::{Context, InterruptController, Offset, Plic, Registers, Source, Target};

/// What a gateway makes of its line ("Interrupt Gateways").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request for as long as the line is up.
    Level,
    /// A request for an edge; ignores edges while a request is out.
    Edge,
    /// A request for each edge, one after the other.
    CountedEdge,
}

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// The specification's.
    Specification,
    /// What QEMU's sources say that it does with levels: a request follows the
    /// line down again, a completion is never ignored and looks at no line.
    Qemu,
}

#[derive(Clone, Debug)]
struct Gateway {
    kind: Kind,
    is_up: bool,
    /// A request was forwarded and no completion has come.
    is_busy: bool,
    edges: u32,
}

#[derive(Clone, Debug)]
struct State {
    rules: Rules,
    gateways: Vec<Gateway>,
    priority: Vec<u32>,
    pending: Vec<bool>,
    enabled: Vec<Vec<bool>>,
    threshold: Vec<u32>,
    watch: Watch,
}

/// What it has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// Sources it gave away, by context and source.
    pub(crate) claims: Vec<(u32, usize)>,
    /// Completions that it took.
    pub(crate) completions: usize,
    /// Completions that it ignored.
    pub(crate) ignored: usize,
    /// On how many contexts one source was enabled at the most.
    pub(crate) most_enabled: usize,
}

/// The device.
#[derive(Debug)]
pub(crate) struct Fake {
    state: RefCell<State>,
    /// Bits of a priority that can be written, and those that are always set.
    priority_bits: (u32, u32),
    /// The same of a threshold.
    threshold_bits: (u32, u32),
    /// A context and a source that are not connected.
    unrouted: Option<(usize, usize)>,
}

impl Fake {
    pub(crate) fn new(rules: Rules, kinds: &[Kind], contexts: usize) -> Self {
        let sources = kinds.len() + 1;
        let first = &Kind::Level; // Source 0, which does not exist.
        let gateway = |&kind| Gateway { kind, is_up: false, is_busy: false, edges: 0 };
        let state = State {
            rules,
            gateways: [first].into_iter().chain(kinds).map(gateway).collect(),
            priority: vec![0; sources],
            pending: vec![false; sources],
            enabled: vec![vec![false; sources]; contexts],
            threshold: vec![0; contexts],
            watch: Watch::default(),
        };
        Self {
            state: RefCell::new(state),
            priority_bits: (7, 0),
            threshold_bits: (7, 0),
            unrouted: None,
        }
    }

    /// One with as many level sources.
    pub(crate) fn levels(sources: usize, contexts: usize) -> Self {
        Self::new(Rules::Specification, &vec![Kind::Level; sources], contexts)
    }

    /// With these bits of a priority that can be written, and these that are
    /// always set.
    pub(crate) fn with_priorities(self, writable: u32, set: u32) -> Self {
        Self { priority_bits: (writable, set), ..self }
    }

    /// The same of thresholds.
    pub(crate) fn with_thresholds(self, writable: u32, set: u32) -> Self {
        Self { threshold_bits: (writable, set), ..self }
    }

    /// With a source that is not connected to a context.
    pub(crate) fn without(self, context: usize, source: usize) -> Self {
        Self { unrouted: Some((context, source)), ..self }
    }

    pub(crate) fn sources(&self) -> usize {
        self.state.borrow().gateways.len() - 1
    }

    /// A level goes up, or an edge comes.
    pub(crate) fn raise(&self, source: usize) {
        let state = &mut *self.state.borrow_mut();
        let gateway = &mut state.gateways[source];
        match gateway.kind {
            // QEMU's devices tell of changes only.
            Kind::Level if gateway.is_up && state.rules == Rules::Qemu => return,
            Kind::Level => gateway.is_up = true,
            Kind::Edge if gateway.is_busy => {}
            Kind::Edge | Kind::CountedEdge => gateway.edges += 1,
        }
        state.forward(source);
    }

    /// A level goes down.
    pub(crate) fn lower(&self, source: usize) {
        let state = &mut *self.state.borrow_mut();
        state.gateways[source].is_up = false;
        if state.rules == Rules::Qemu {
            state.pending[source] = false;
        }
    }

    /// Whether the context is told of anything ("Interrupt Notifications").
    pub(crate) fn notifies(&self, context: usize) -> bool {
        let state = self.state.borrow();
        state.best(context).is_some_and(|best| state.priority[best] > state.threshold[context])
    }

    pub(crate) fn watch(&self) -> Watch {
        self.state.borrow().watch.clone()
    }

    pub(crate) fn enabled_on(&self, source: usize) -> Vec<usize> {
        let state = self.state.borrow();
        (0..state.enabled.len()).filter(|&at| state.enabled[at][source]).collect()
    }

    pub(crate) fn priority(&self, source: usize) -> u32 {
        self.state.borrow().priority[source]
    }

    pub(crate) fn threshold(&self, context: usize) -> u32 {
        self.state.borrow().threshold[context]
    }

    /// A register as software without this crate would use it.
    pub(crate) fn poke(&self, at: u32, value: u32) {
        self.state.borrow_mut().write(self, at, value);
    }

    pub(crate) fn peek(&self, at: u32) -> u32 {
        self.state.borrow_mut().read(at)
    }
}

/// What becomes of a value where these bits can be written, and those are
/// always set.
fn legal(value: u32, (writable, set): (u32, u32)) -> u32 {
    value & writable | set
}

/// Where a number in the block lies: which register of which array.
enum Place {
    Priority(usize),
    Pending(usize),
    Enables(usize, usize),
    Threshold(usize),
    Claim(usize),
}

impl State {
    fn place(&self, at: u32) -> Place {
        assert!(at.is_multiple_of(4), "{at:#x} is not aligned");
        let words = self.gateways.len().div_ceil(32);
        let number = at as usize / 4;
        let place = match at {
            0x4..0x1000 if number < self.gateways.len() => Some(Place::Priority(number)),
            0x1000..0x1080 if number - 0x400 < words => Some(Place::Pending(number - 0x400)),
            0x2000..0x1f_2000 if (number - 0x800) % 32 < words => {
                Some(Place::Enables((number - 0x800) / 32, (number - 0x800) % 32))
            }
            0x20_0000..0x400_0000 => match ((at - 0x20_0000) >> 12, at & 0xfff) {
                (context, 0) => Some(Place::Threshold(context as usize)),
                (context, 4) => Some(Place::Claim(context as usize)),
                _ => None,
            },
            _ => None,
        };
        let exists = |context: &usize| *context < self.enabled.len();
        if let Some(
            Place::Enables(context, _) | Place::Threshold(context) | Place::Claim(context),
        ) = &place
        {
            assert!(exists(context), "{at:#x}: there is no context {context}");
        }
        place.unwrap_or_else(|| panic!("{at:#x} is no register"))
    }

    fn forward(&mut self, source: usize) {
        let gateway = &mut self.gateways[source];
        // QEMU's pending bit follows the line, claimed or not.
        if self.rules == Rules::Qemu {
            self.pending[source] = gateway.is_up;
            return;
        }
        let has_request = gateway.is_up || gateway.edges > 0;
        if has_request && !gateway.is_busy {
            gateway.edges = gateway.edges.saturating_sub(1);
            gateway.is_busy = true;
            self.pending[source] = true;
        }
    }

    /// The most urgent source that is pending and enabled; of equals, the one
    /// with the lowest number. Priority 0 is never one. The threshold has no
    /// say here ("Interrupt Claim Process").
    fn best(&self, context: usize) -> Option<usize> {
        let claimable = |&source: &usize| {
            let is_taken = self.rules == Rules::Qemu && self.gateways[source].is_busy;
            self.pending[source]
                && self.enabled[context][source]
                && self.priority[source] > 0
                && !is_taken
        };
        let all = (1..self.gateways.len()).filter(claimable);
        all.max_by_key(|&source| (self.priority[source], usize::MAX - source))
    }

    fn claim(&mut self, context: usize) -> u32 {
        let Some(source) = self.best(context) else { return 0 };
        self.pending[source] = false;
        self.gateways[source].is_busy = true;
        self.watch.claims.push((context as u32, source));
        source as u32
    }

    fn complete(&mut self, context: usize, number: u32) {
        let source = number as usize;
        let exists = source > 0 && source < self.gateways.len();
        let is_heard = self.rules == Rules::Qemu || (exists && self.enabled[context][source]);
        if !exists || !is_heard {
            self.watch.ignored += 1;
            return;
        }
        self.watch.completions += 1;
        self.gateways[source].is_busy = false;
        if self.rules == Rules::Specification {
            self.forward(source);
        }
    }

    fn read(&mut self, at: u32) -> u32 {
        let bits = |flags: &[bool], word: usize| {
            let set = flags.iter().enumerate().skip(32 * word).take(32);
            set.fold(0, |bits, (number, flag)| bits | u32::from(*flag) << (number % 32))
        };
        match self.place(at) {
            Place::Priority(source) => self.priority[source],
            Place::Pending(word) => bits(&self.pending, word),
            Place::Enables(context, word) => bits(&self.enabled[context], word),
            Place::Threshold(context) => self.threshold[context],
            Place::Claim(context) => self.claim(context),
        }
    }

    fn write(&mut self, fake: &Fake, at: u32, value: u32) {
        match self.place(at) {
            Place::Priority(source) => self.priority[source] = legal(value, fake.priority_bits),
            Place::Pending(_) => panic!("pending bits are not for writing"),
            Place::Enables(context, word) => {
                let last = self.gateways.len().min(32 * word + 32);
                for source in (32 * word).max(1)..last {
                    let is_routed = fake.unrouted != Some((context, source));
                    self.enabled[context][source] = value >> (source % 32) & 1 == 1 && is_routed;
                    let on = self.enabled.iter().filter(|enabled| enabled[source]).count();
                    self.watch.most_enabled = self.watch.most_enabled.max(on);
                }
            }
            Place::Threshold(context) => {
                self.threshold[context] = legal(value, fake.threshold_bits)
            }
            Place::Claim(context) => self.complete(context, value),
        }
    }
}

impl Registers for Fake {
    fn bytes(&self) -> u64 {
        0x20_0000 + 0x1000 * self.state.borrow().enabled.len() as u64
    }

    fn read(&self, at: Offset) -> u32 {
        self.peek(at.bytes())
    }

    fn write(&self, at: Offset, value: u32) {
        self.poke(at.bytes(), value);
    }
}

pub(crate) fn source(number: usize) -> Source {
    Source::new(number as u32).unwrap()
}

pub(crate) fn context(number: usize) -> Context {
    Context::new(number as u32).unwrap()
}

/// The PLIC, and all of its contexts opened.
pub(crate) fn opened(fake: &Fake) -> (Plic<&Fake>, Vec<Target<&Fake>>) {
    let mut plic = Plic::new(fake, fake.sources() as u32).unwrap();
    let count = fake.state.borrow().enabled.len();
    let targets = (0..count).map(|number| plic.open(context(number)).unwrap()).collect();
    (plic, targets)
}

/// Serves everything; who was posted.
pub(crate) fn served(hart: &mut impl InterruptController) -> Vec<u32> {
    let mut posted = Vec::new();
    hart.serve(1000, &mut |source| posted.push(source.number()));
    posted
}
