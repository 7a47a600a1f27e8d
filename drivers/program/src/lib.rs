// SPDX-License-Identifier: Apache-2.0
//! Readers for programs: the archive they come in, and their ELF files.
//!
//! Role: between the bytes that a boot loader left in memory and the loader
//! that builds a process. [`archive`] finds a file in a cpio archive;
//! [`image`] says what of an ELF file goes where, with which protection.
//!
//! Invariant: no bytes make this crate panic, read outside the slice or run
//! for longer than a small multiple of its length. Nothing is indexed and no
//! sum is unchecked, which the lints below enforce. Nothing is allocated,
//! mapped or copied: an error leaves nothing behind, and whoever holds a
//! [`image::Program`] holds one that was checked from end to end.
//!
//! Neighbours: the kernel image calls it when it makes a process; nothing here
//! knows about the kernel.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

pub mod archive;
pub mod image;
