// SPDX-License-Identifier: Apache-2.0
//! The kernels of the trials, built one after the other by a thread of its own:
//! trials, and whatever else is done meanwhile, do not wait for the compiler.
//!
//! State: what was built so far, by name. Invariant: a kernel that was asked for is
//! built once, and whoever wants it waits until it is there, could not be built, or
//! nobody builds any more.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::Result;

use super::check::one_line;
use super::table::{Bug, build_args};
use crate::build::{self, Kernel};
use crate::claim::Claim;
use crate::process;
use crate::setup::compiler::Compiler;
use crate::workspace::target_dir;

/// A kernel, or why there is none.
pub type Built = Result<Kernel, String>;

/// Kernels that are built while others are booted.
#[derive(Debug)]
pub struct Kernels<'a> {
    compiler: &'a Compiler,
    /// Names and features.
    orders: Vec<(String, Vec<String>)>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    built: BTreeMap<String, Built>,
    is_over: bool,
}

/// Ends the building when it is dropped: the kernel in work is the last.
#[derive(Debug)]
pub struct Building<'a>(&'a Kernels<'a>);

impl Drop for Building<'_> {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.changed.notify_all();
    }
}

impl<'a> Kernels<'a> {
    /// Those that these bugs need, in the order of the bugs.
    #[must_use]
    pub fn of(compiler: &'a Compiler, bugs: &[&'static Bug]) -> Self {
        let mut orders: Vec<(String, Vec<String>)> = Vec::new();
        for bug in bugs {
            let mutant = (bug.feature(), vec![bug.feature()]);
            let control = (bug.control_name(), bug.delay().into_iter().collect());
            for order in [mutant, control] {
                if !orders.contains(&order) {
                    orders.push(order);
                }
            }
        }
        Self { compiler, orders, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Begins to build, until what is returned is dropped.
    pub fn begin<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
    ) -> (Building<'scope>, ScopedJoinHandle<'scope, ()>) {
        (Building(self), scope.spawn(|| self.build_all()))
    }

    /// The kernel of that name, as soon as it is there.
    ///
    /// # Errors
    /// Why there is none.
    pub fn wait(&self, name: &str) -> Built {
        let mut state = self.state();
        loop {
            match state.built.get(name) {
                Some(built) => return built.clone(),
                None if state.is_over => return Err("it was not built any more".to_owned()),
                None => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn build_all(&self) {
        let claim = Claim::wait(&target_dir().join("mutants").join("kernels"));
        for (name, features) in &self.orders {
            if self.state().is_over || process::interrupted() {
                break;
            }
            let built = claim
                .as_ref()
                .map_err(|why| format!("{why:#}"))
                .and_then(|claim| self.build(claim, name, features.clone()));
            self.state().built.insert(name.clone(), built);
            self.changed.notify_all();
        }
        self.state().is_over = true;
        self.changed.notify_all();
    }

    fn build(&self, claim: &Claim, name: &str, features: Vec<String>) -> Built {
        let target = self.compiler.target_dir().join("mutants");
        let profile = build_args(features).profile();
        build::kernel_aside(self.compiler, &profile, &target)
            .and_then(|kernel| kernel.keep_copy(&claim.dir().join(name)))
            .map_err(|why| one_line(&format!("{why:#}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;

    #[test]
    fn each_kernel_is_built_once() {
        let compiler = Compiler::Rustup { version: String::new() };
        let kernels = Kernels::of(&compiler, &all());
        let names: Vec<&str> = kernels.orders.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.iter().filter(|name| **name == "default").count(), 1);
        assert!(all().iter().all(|bug| names.contains(&bug.feature().as_str())));
    }

    #[test]
    fn nobody_waits_for_what_is_not_built_any_more() {
        let compiler = Compiler::Rustup { version: String::new() };
        let kernels = Kernels::of(&compiler, &all());
        drop(Building(&kernels));
        assert!(kernels.wait("default").is_err());
    }
}
