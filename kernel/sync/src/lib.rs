// SPDX-License-Identifier: Apache-2.0
//! Mechanism.
#![no_std]
