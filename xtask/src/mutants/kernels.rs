// SPDX-License-Identifier: Apache-2.0
//! The kernels of the trials, built one after the other by a thread of its own:
//! trials, and whatever else is done meanwhile, do not wait for the compiler.
//!
//! State: what was built so far, by name. Invariant: a kernel that was asked for is
//! built once, and whoever wants it waits until it is there, could not be built, or
//! nobody builds any more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use anyhow::Result;

use super::check::one_line;
use super::table::{Bug, build_args};
use crate::build::{self, Kernel};
use crate::claim::Claim;
use crate::process;
use crate::setup::compiler::Compiler;

/// A kernel, or why there is none.
pub type Built = Result<Kernel, String>;

/// How long to wait before looking whether the user has had enough.
const STEP: Duration = Duration::from_millis(200);

/// Kernels that are built while others are booted.
#[derive(Debug)]
pub struct Kernels<'a> {
    compiler: &'a Compiler,
    /// Where they are kept, while this is: another run has another directory.
    kept: Claim,
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
    ///
    /// # Errors
    /// When there is no directory to keep them in.
    pub fn of(compiler: &'a Compiler, bugs: &[&'static Bug]) -> Result<Self> {
        Self::kept_in(Claim::first_free(&made_in(compiler).join("kernels"))?, compiler, bugs)
    }

    fn kept_in(kept: Claim, compiler: &'a Compiler, bugs: &[&'static Bug]) -> Result<Self> {
        kept.clear()?;
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
        Ok(Self { compiler, kept, orders, state: Mutex::default(), changed: Condvar::new() })
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
                None if state.is_over || process::interrupted() => {
                    return Err("it was not built any more".to_owned());
                }
                None => {
                    let woken = self.changed.wait_timeout(state, STEP);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn build_all(&self) {
        let _over = Building(self);
        for (name, features) in &self.orders {
            if self.state().is_over || process::interrupted() {
                break;
            }
            let built = self.build(name, features.clone());
            let built = built.map_err(|why| one_line(&format!("{why:#}")));
            self.state().built.insert(name.clone(), built);
            self.changed.notify_all();
        }
    }

    fn build(&self, name: &str, features: Vec<String>) -> Result<Kernel> {
        let target = made_in(self.compiler);
        // Cargo leaves each in the same place: until it is copied that is ours.
        let _claim = Claim::wait(&target.join("build"))?;
        let kernel = build::kernel_aside(self.compiler, &build_args(features).profile(), &target)?;
        kernel.keep_copy(&self.kept.dir().join(name))
    }
}

fn made_in(compiler: &Compiler) -> PathBuf {
    compiler.target_dir().join("mutants")
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;

    fn none() -> Compiler {
        Compiler::Rustup { version: String::new() }
    }

    #[test]
    fn each_kernel_is_built_once() {
        let (dir, compiler) = (tempfile::tempdir().expect("a directory"), none());
        let claim = Claim::wait(&dir.path().join("kernels")).expect("free");
        let kernels = Kernels::kept_in(claim, &compiler, &all()).expect("kernels");
        let names: Vec<&str> = kernels.orders.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.iter().filter(|name| **name == "default").count(), 1);
        assert!(all().iter().all(|bug| names.contains(&bug.feature().as_str())));
    }

    #[test]
    fn nobody_waits_for_what_is_not_built_any_more() {
        let (dir, compiler) = (tempfile::tempdir().expect("a directory"), none());
        let claim = Claim::wait(&dir.path().join("kernels")).expect("free");
        let kernels = Kernels::kept_in(claim, &compiler, &all()).expect("kernels");
        drop(Building(&kernels));
        assert!(kernels.wait("default").is_err());
    }
}
