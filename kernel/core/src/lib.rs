// SPDX-License-Identifier: Apache-2.0
//! Policy.
#![no_std]
