// SPDX-License-Identifier: Apache-2.0
//! The source files of the checkout, whether they are committed or not.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace::root;

/// Directories that hold no source of ours.
const SKIPPED: &[&str] = &["target", "node_modules"];

/// A source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path from the root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Whether it is test code: in a `tests` directory, or named as such.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        self.path.components().any(|c| c.as_os_str() == "tests")
            || stem == "tests"
            || stem.ends_with("_tests")
    }
}

/// All files with one of these extensions.
///
/// # Errors
/// When the checkout cannot be read.
pub fn with_extensions(extensions: &[&str]) -> Result<Vec<Source>> {
    let root = root();
    let mut paths = Vec::new();
    walk(&root, &mut paths)?;
    paths.retain(|path| {
        path.extension().is_some_and(|e| extensions.iter().any(|known| e == *known))
    });
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let path = path.strip_prefix(&root).map(Path::to_path_buf).unwrap_or(path);
        Ok(Source { path, text })
    };
    paths.into_iter().map(read).collect()
}

fn walk(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("{}", dir.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        if kind.is_dir() && !name.starts_with('.') && !SKIPPED.contains(&&*name) {
            walk(&entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}
