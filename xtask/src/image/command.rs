// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask image`.

use anyhow::{Context as _, Result};

use super::{Header, flat};
use crate::build;
use crate::cli::ImageArgs;
use crate::setup;
use crate::workspace::{short, target_dir};

/// The image's name where the user gives none.
const NAME: &str = "skimmer.img";

/// Builds the kernel, writes its flat image, and says what it is.
///
/// # Errors
/// When it cannot be built or written.
pub fn image(args: &ImageArgs) -> Result<bool> {
    let tools = setup::ensure(&args.setup.wishes())?;
    let kernel = build::kernel(&tools.compiler, &args.build.profile())?;
    let file = std::fs::read(&kernel.elf).context("cannot read the kernel")?;
    let image = flat(&file).context("this kernel makes no boot image")?;
    let path = args.output.clone().unwrap_or_else(|| target_dir().join("image").join(NAME));
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", short(dir)))?;
    }
    std::fs::write(&path, &image).with_context(|| format!("cannot write {}", short(&path)))?;
    let Header { text_offset, image_size, .. } = Header::of(&image)?;
    println!(
        "{}: {} bytes, {image_size} in memory, {text_offset:#x} bytes from its start; of the ELF \
         file {}",
        short(&path),
        image.len(),
        kernel.identity
    );
    println!("U-Boot starts it once it is loaded: booti ADDRESS PACKAGE:SIZE ${{fdtcontroladdr}}");
    Ok(true)
}
