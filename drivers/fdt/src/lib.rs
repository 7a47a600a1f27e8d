// SPDX-License-Identifier: Apache-2.0
//! A walker for flattened device trees.
#![no_std]
