// SPDX-License-Identifier: Apache-2.0
//! Rules about single files: the licence's header, and the length.

use anyhow::{Result, bail};

use super::sources::{Source, with_extensions};

/// What every source file says in its first lines.
const HEADER: &str = "SPDX-License-Identifier: Apache-2.0";

/// The lines in which it may stand (a script's first line is its own).
const HEADER_LINES: usize = 2;

/// Files that carry the header.
const SOURCES: &[&str] = &["rs", "S", "ld", "sh", "py", "cjs"];

/// The longest file outside tests.
const LONGEST: usize = 800;

/// Every source file says its licence.
///
/// # Errors
/// Names the files that do not.
pub fn licence_headers() -> Result<String> {
    let files = with_extensions(SOURCES)?;
    let wrong: Vec<&Source> = files.iter().filter(|f| !has_header(&f.text)).collect();
    refuse(&wrong, &format!("no `{HEADER}` at the top"))?;
    Ok(format!("{} files", files.len()))
}

/// No file outside tests is too long.
///
/// # Errors
/// Names the files that are.
pub fn file_lengths() -> Result<String> {
    let files = with_extensions(&["rs", "S"])?;
    let long = |f: &&Source| !f.is_test() && f.text.lines().count() > LONGEST;
    let wrong: Vec<&Source> = files.iter().filter(long).collect();
    refuse(&wrong, &format!("longer than {LONGEST} lines"))?;
    Ok(String::new())
}

fn has_header(text: &str) -> bool {
    text.lines().take(HEADER_LINES).any(|line| line.contains(HEADER))
}

fn refuse(files: &[&Source], why: &str) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = files.iter().map(|f| f.path.display().to_string()).collect();
    bail!("{why}:\n{}", names.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_must_be_at_the_top() {
        assert!(has_header("// SPDX-License-Identifier: Apache-2.0\n"));
        assert!(has_header("#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"));
        assert!(!has_header("\n\n// SPDX-License-Identifier: Apache-2.0\n"));
        assert!(!has_header("// SPDX-License-Identifier: MIT\n"));
        assert!(!has_header(""));
    }
}
