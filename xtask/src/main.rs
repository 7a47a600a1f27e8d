// SPDX-License-Identifier: Apache-2.0
//! Host tool.
fn main() {}
