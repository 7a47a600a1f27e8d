// SPDX-License-Identifier: Apache-2.0
//! What came of checks: how many passed, which did not and why, and how many
//! could not be made here.

/// Steps or tests that passed, failed, or could not be made here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many passed.
    pub passed: usize,
    /// Those that did not: which, and why (of the host's tests: which).
    pub failed: Vec<String>,
    /// How many could not be made here.
    pub skipped: usize,
}

impl Tally {
    /// Takes one in that passed with a remark, or failed for a reason, and shows it.
    pub fn take(&mut self, what: &str, came: Result<String, String>) {
        match came {
            Ok(remark) => {
                self.passed += 1;
                println!("{what}: ok{}", after(&remark));
            }
            Err(why) => {
                let said = format!("{what}: FAILED{}", after(&why));
                println!("{said}");
                self.failed.push(said);
            }
        }
    }

    /// Shows once more what failed.
    pub fn show_failed(&self) {
        if !self.failed.is_empty() {
            println!("\nwhat failed:");
            self.failed.iter().for_each(|said| println!("{said}"));
        }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {} failed, {skipped} skipped", failed.len())
    }
}

/// A line after a comma, or lines below.
fn after(text: &str) -> String {
    let text = text.trim_end();
    match text.lines().count() {
        0 => String::new(),
        1 => format!(", {text}"),
        _ => text.lines().map(|line| format!("\n    {line}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_kept_with_its_reason() {
        let mut tally = Tally { skipped: 4, ..Tally::default() };
        tally.take("boot: a", Ok("passed".to_owned()));
        tally.take("boot: b", Err("so\nand so\n".to_owned()));
        let mut all = Tally { passed: 3, ..Tally::default() };
        all += tally;
        assert_eq!(all.to_string(), "4 passed, 1 failed, 4 skipped");
        assert_eq!(all.failed, ["boot: b: FAILED\n    so\n    and so"]);
    }
}
