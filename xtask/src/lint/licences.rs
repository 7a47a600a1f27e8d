// SPDX-License-Identifier: Apache-2.0
//! The licences of everything we depend on, against a list of those that may
//! be combined with ours. Expressions are read as SPDX writes them: a choice
//! needs one good side, a conjunction needs both.

use anyhow::{Result, bail};
use cargo_metadata::Metadata;

/// Licences that may be combined with Apache-2.0 without further thought.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every package that cargo would fetch has an allowed licence.
///
/// # Errors
/// Names those that have not.
pub fn check(metadata: &Metadata) -> Result<String> {
    let wrong: Vec<String> = metadata
        .packages
        .iter()
        .filter(|p| p.license.as_deref().is_none_or(|l| allowed(l) != Some(true)))
        .map(|p| format!("{} {}: {:?}", p.name, p.version, p.license))
        .collect();
    if !wrong.is_empty() {
        bail!("not on the list of allowed licences:\n{}", wrong.join("\n"));
    }
    Ok(format!("{} packages", metadata.packages.len()))
}

/// Whether an expression can be satisfied with allowed licences; `None` when
/// it cannot be read.
#[must_use]
pub fn allowed(expression: &str) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words };
    let answer = reader.choice()?;
    reader.words.is_empty().then_some(answer)
}

/// Reads an expression from the left; `OR` binds weaker than `AND`.
struct Reader<'a> {
    words: &'a [&'a str],
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        let there = self.words.first() == Some(&word);
        if there {
            self.words = &self.words[1..];
        }
        there
    }

    fn choice(&mut self) -> Option<bool> {
        let mut good = self.both()?;
        while self.take("OR") {
            good |= self.both()?;
        }
        Some(good)
    }

    fn both(&mut self) -> Option<bool> {
        let mut good = self.one()?;
        while self.take("AND") {
            good &= self.one()?;
        }
        Some(good)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let good = self.choice()?;
            return self.take(")").then_some(good);
        }
        let (name, rest) = self.words.split_first()?;
        if ["OR", "AND", "WITH", ")"].contains(name) {
            return None;
        }
        self.words = rest;
        if self.take("WITH") {
            let (exception, rest) = self.words.split_first()?;
            self.words = rest;
            return Some(ALLOWED.contains(&&*format!("{name} WITH {exception}")));
        }
        Some(ALLOWED.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "Unlicense OR MIT",
        ] {
            assert_eq!(allowed(good), Some(true), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-2.0",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "LGPL-2.1",
        ] {
            assert_eq!(allowed(bad), Some(false), "{bad}");
        }
        for nonsense in ["", "MIT OR", "(MIT", "MIT)", "MIT MIT", "OR", "WITH x"] {
            assert_eq!(allowed(nonsense), None, "{nonsense}");
        }
    }
}
