// SPDX-License-Identifier: Apache-2.0
//! Where things are in the checkout.

use std::path::{Path, PathBuf};

/// The triple the kernel is built for.
pub const KERNEL_TARGET: &str = "riscv64gc-unknown-none-elf";

/// The workspace's root: the folder above this crate.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where everything that is made goes.
#[must_use]
pub fn target_dir() -> PathBuf {
    root().join("target")
}

/// `path` as seen from the root, for messages.
#[must_use]
pub fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
