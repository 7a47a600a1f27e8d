// SPDX-License-Identifier: Apache-2.0
//! Kernel.
fn main() {}
