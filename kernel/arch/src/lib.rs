// SPDX-License-Identifier: Apache-2.0
//! The RISC-V machine.
#![no_std]
