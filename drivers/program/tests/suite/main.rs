// SPDX-License-Identifier: Apache-2.0
//! What the readers of archives and programs must do, and must survive.
//!
//! `archive` and `elf` break one thing at a time by hand, `generated` makes
//! files at random and breaks every field of them, `differential` compares
//! with other readers, `real` reads what a compiler and linker made, and
//! `damaged` goes through files that a seeded generator broke.

mod archive;
mod builder;
mod damage;
mod damaged;
mod elf;
mod examine;
mod generated;
mod oracle;
mod package;
mod real;
mod telling;
