// SPDX-License-Identifier: Apache-2.0
//! Tables of README.md that commands write: each stands between two comments that
//! readers do not see, the first of which names the command.

use anyhow::{Context as _, Result};

use crate::workspace::root;

const FILE: &str = "README.md";

/// A place for a table.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What it is called.
    pub name: &'static str,
    /// Who writes it.
    pub command: &'static str,
}

impl Place {
    fn begin(self) -> String {
        format!("<!-- {}: written by `{}` -->\n", self.name, self.command)
    }

    fn end(self) -> String {
        format!("<!-- {}: end -->\n", self.name)
    }

    /// What is before it in a text, in it, and after it.
    fn cut(self, text: &str) -> Result<[&str; 3]> {
        let Self { name, .. } = self;
        let (before, rest) = text
            .split_once(&self.begin())
            .with_context(|| format!("{FILE} has no place for {name}"))?;
        let (table, after) = rest
            .split_once(&self.end())
            .with_context(|| format!("the {name} in {FILE} do not end"))?;
        Ok([before, table, after])
    }

    /// The text with that table in the place of the one that it has.
    fn replaced(self, text: &str, table: &str) -> Result<String> {
        let [before, _, after] = self.cut(text)?;
        Ok(format!("{before}{}{table}{}{after}", self.begin(), self.end()))
    }

    /// The table that stands there.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn read(self) -> Result<String> {
        let text = text()?;
        self.cut(&text).map(|[_, table, _]| table.to_owned())
    }

    /// Puts the table there.
    ///
    /// # Errors
    /// When there is no such place, or it cannot be written.
    pub fn write(self, table: &str) -> Result<()> {
        let text = self.replaced(&text()?, table)?;
        std::fs::write(root().join(FILE), text).with_context(|| format!("cannot write {FILE}"))
    }
}

fn text() -> Result<String> {
    std::fs::read_to_string(root().join(FILE)).with_context(|| format!("cannot read {FILE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_another() {
        let place = Place { name: "figures", command: "it" };
        let with = |table: &str| format!("a\n{}{table}{}b\n", place.begin(), place.end());
        assert_eq!(place.replaced(&with("old\n"), "new\n").expect("a place"), with("new\n"));
        assert_eq!(place.cut(&with("old\n")).expect("a place")[1], "old\n");
        assert!(place.replaced("a\n", "new\n").is_err());
        assert!(place.replaced(&place.begin(), "new\n").is_err());
    }
}
