// SPDX-License-Identifier: Apache-2.0
//! Thread ports pass the conformance suite.

use skimmer_core::thread_port::ThreadPort;
use skimmer_core_tests::{census::Census, conformance, fake::Fake};

#[global_allocator]
static CENSUS: Census = Census;

conformance!(ThreadPort<Fake>);
