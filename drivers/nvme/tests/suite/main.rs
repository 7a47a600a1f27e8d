// SPDX-License-Identifier: Apache-2.0
//! The driver against a drive that obeys the specification, and against one
//! that does not.

mod bringup;
mod fake;
mod faults;
mod gone;
mod identified;
mod queues;
mod random;
mod resets;
mod span;
mod started;
mod words;
