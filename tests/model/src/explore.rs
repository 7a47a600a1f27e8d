// SPDX-License-Identifier: Apache-2.0
//! Runs models: counts and prints executions, lends locals to the model's
//! harts, and turns a model that must fail into the words it failed with.

use std::{
    any::Any,
    io::Write as _,
    mem::{ManuallyDrop, transmute},
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use loom::model::Builder;

/// How far a model is explored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Depth {
    /// Every execution.
    Whole,
    /// Every execution in which running harts are set aside at most this often.
    Preemptions(usize),
}

/// What a model shows when a hart waits for ever.
pub(crate) const ASLEEP: &str = "exceeded maximum number of branches";
/// What a model shows when two harts reach one cell at once.
pub(crate) const RACE: &str = "Causality violation";

/// More steps than this in one execution, and a hart waits for ever.
const STEPS: usize = 600;

/// Explores `body`. Gives the number of executions, and the panic if one failed.
fn run(depth: Depth, body: impl Fn() + Send + Sync + 'static) -> (u64, thread::Result<()>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    // Everything that the environment could set is set here.
    let mut builder = Builder::new();
    builder.max_branches = STEPS;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.checkpoint_file = None;
    builder.preemption_bound = match depth {
        Depth::Whole => None,
        Depth::Preemptions(bound) => Some(bound),
    };
    let check = move || {
        builder.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            body();
        });
    };
    let result = catch_unwind(AssertUnwindSafe(check));
    (count.load(Ordering::Relaxed), result)
}

/// Explores a model that must hold.
pub(crate) fn holds(name: &str, depth: Depth, body: impl Fn() + Send + Sync + 'static) {
    let start = Instant::now();
    let (executions, result) = run(depth, body);
    if let Err(payload) = result {
        panic!("{name}: fails in execution {executions}: {}", message(&*payload));
    }
    let reach = match depth {
        Depth::Whole => "all".to_owned(),
        Depth::Preemptions(bound) => format!("all with at most {bound} preemptions"),
    };
    let seconds = start.elapsed().as_secs_f64();
    say(&format!("model {name}: holds, {executions} executions ({reach}), {seconds:.2} s"));
}

/// Explores a model that must fail with `words`.
pub(crate) fn fails(
    name: &str,
    words: &str,
    depth: Depth,
    body: impl Fn() + Send + Sync + 'static,
) {
    let (executions, result) = run(depth, body);
    let Err(payload) = result else {
        panic!("{name}: must fail, yet holds in {executions} executions");
    };
    let got = message(&*payload);
    assert!(got.contains(words), "{name}: must fail with {words:?}, not {got:?}");
    let line = got.split(['.', '\n']).next().unwrap_or_default();
    say(&format!("model {name}: fails in execution {executions}, as it must: {line}"));
}

/// Past the capture of the test harness: these lines are evidence.
fn say(line: &str) {
    // A closed stderr is no reason to fail.
    drop(std::io::stderr().write_all(format!("{line}\n").as_bytes()));
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

type Body<'b> = Box<dyn FnOnce() + Send + 'b>;

/// Runs every body on a hart of its own, the last one here, and waits for all.
pub(crate) fn harts<const N: usize>(bodies: [Body<'_>; N]) {
    let mut bodies = Vec::from(bodies);
    let here = bodies.pop();
    let others: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            // SAFETY: only the lifetime changes. All threads are joined before
            // this returns; if something panics first, loom ends the whole
            // execution and resumes none of its threads again.
            let body = unsafe { transmute::<Body<'_>, Body<'static>>(body) };
            loom::thread::spawn(body)
        })
        .collect();
    if let Some(here) = here {
        here();
    }
    for other in others {
        assert!(other.join().is_ok(), "a hart panicked");
    }
}

/// Drops its value, unless the model has failed: loom watches no longer then,
/// and a second panic while the first unwinds would end the tests.
pub(crate) struct Kept<T>(ManuallyDrop<T>);

impl<T> Kept<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: this is the drop of the only owner.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}
