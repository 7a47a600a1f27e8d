// SPDX-License-Identifier: Apache-2.0
//! Links the image by its own script.

fn main() {
    println!("cargo:rerun-if-changed=kernel.ld");
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-arg-bins=-T{here}/kernel.ld");
}
