// SPDX-License-Identifier: Apache-2.0
//! The tour of README.md, done by the letter in a copy of the tree: its files
//! are written, its lines are typed into a shell, and what it shows must come
//! out.
//!
//! A comment that readers do not see says what the next fenced block is:
//! `<!-- tour: write FILE -->`, `<!-- tour: run -->`, `<!-- tour: run, fails -->`
//! or `<!-- tour: shows -->`, what the last lines have printed. There `…` stands
//! for anything in a line, and alone for any lines.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::claim::Claim;
use crate::process;
use crate::workspace::{root, short, target_dir};

/// The name of the check.
pub const NAME: &str = "readme-tour";

/// How long the lines of one block may take: the first build everything.
const LIMIT: Duration = Duration::from_secs(900);

/// One block.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A file of the tree is to hold that.
    Write(String, String),
    /// The shell is given that, which succeeds or not.
    Run(String, bool),
    /// That is what it printed.
    Shows(String),
}

/// Does what README says.
///
/// # Errors
/// When something else comes out.
pub fn check() -> Result<String> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let steps = steps(&readme)?;
    let count = |is: fn(&Step) -> bool| steps.iter().filter(|step| is(step)).count();
    let runs = count(|step| matches!(step, Step::Run(..)));
    ensure!(runs > 0 && count(|s| matches!(s, Step::Shows(_))) > 0, "README has no tour");
    let claim = Claim::wait(&target_dir().join("tour"))?;
    let tree = claim.dir().join("tree");
    copy_tree(&tree)?;
    lend_libraries(&tree.join("target/release"))?;
    let mut printed = String::new();
    for step in &steps {
        match step {
            Step::Write(file, text) => {
                let path = tree.join(file);
                ensure!(path.is_file(), "README writes {file}, which is not there by then");
                std::fs::write(&path, text).with_context(|| format!("cannot write {file}"))?;
            }
            Step::Run(lines, succeeds) => printed = run(&tree, lines, *succeeds)?,
            Step::Shows(due) => {
                let (due, got): (Vec<_>, Vec<_>) = (due.lines().collect(), lines(&printed));
                ensure!(
                    are_lines(&due, &got),
                    "README shows\n{}\nand this came out:\n{printed}",
                    due.join("\n")
                );
            }
        }
    }
    Ok(format!("{runs} command(s) in {}", short(&tree)))
}

/// The steps of a text, in order.
fn steps(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("<!-- tour: ") {
        let (what, after) = after.split_once(" -->\n").context("a mark of the tour has no end")?;
        let fence = after.strip_prefix("```").with_context(|| format!("no block at `{what}`"))?;
        let (_, block) = fence.split_once('\n').context("a fence has no end")?;
        let (block, after) = block.split_once("```\n").context("a block has no end")?;
        let block = block.to_owned();
        steps.push(match what.split_once(' ') {
            Some(("write", file)) => Step::Write(file.to_owned(), block),
            Some(("run,", "fails")) => Step::Run(block, false),
            None if what == "run" => Step::Run(block, true),
            None if what == "shows" => Step::Shows(block),
            _ => bail!("`{what}` is nothing that the tour can do"),
        });
        rest = after;
    }
    Ok(steps)
}

/// Where the tour's program comes to lie.
const PROGRAM: &str = "user/programs/greet/";

/// Makes `tree` what git has of ours, with what is changed and new. What was
/// built there stays: files keep their times.
fn copy_tree(tree: &Path) -> Result<()> {
    std::fs::create_dir_all(tree)?;
    for entry in std::fs::read_dir(tree)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "target") {
            continue;
        }
        if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }
            .with_context(|| format!("cannot remove {}", short(&path)))?;
    }
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let names = process::read(&mut git).context("git must say what belongs to the tree")?;
    // What is deleted and not committed, git still has. Whoever has done the tour
    // by hand has its program.
    let is_ours = |name: &&str| !name.starts_with(PROGRAM) && root().join(name).is_file();
    let names = names.split_terminator('\0').filter(is_ours);
    for name in names {
        let (from, to) = (root().join(name), tree.join(name));
        std::fs::create_dir_all(to.parent().unwrap_or(tree))?;
        std::fs::copy(&from, &to).with_context(|| format!("cannot copy {name}"))?;
        let time = std::fs::metadata(&from)?.modified()?;
        std::fs::File::options().write(true).open(&to)?.set_modified(time)?;
    }
    Ok(())
}

/// Gives the first build of the copy what ours has made of libraries that come
/// from elsewhere, in `into`. Not of our own crates: cargo would take those of the
/// copy for the same, and the host tool knows its tree by where it was built.
fn lend_libraries(into: &Path) -> Result<()> {
    if into.exists() {
        return Ok(());
    }
    let ours = ["xtask", "libxtask", "skimmer", "libskimmer"];
    for kind in ["deps", "build", ".fingerprint"] {
        let from = target_dir().join("release").join(kind);
        // Nothing to lend is no mistake: cargo builds what it does not find.
        for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !ours.iter().any(|own| name.starts_with(own)) {
                link_all(&entry.path(), &into.join(kind).join(name))?;
            }
        }
    }
    Ok(())
}

/// Hard links, for cargo goes by the times of files.
fn link_all(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to.parent().unwrap_or(to))?;
    if !from.is_dir() {
        return std::fs::hard_link(from, to)
            .with_context(|| format!("cannot link {}", short(from)));
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        link_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Types the lines into a shell; what they print.
fn run(tree: &Path, lines: &str, succeeds: bool) -> Result<String> {
    let mut shell = Command::new("sh");
    shell.args(["-ec", lines]).current_dir(tree);
    // What is built from the copy stays in it.
    shell.env_remove("CARGO_TARGET_DIR");
    let Some(output) = process::output_within(&shell, LIMIT)? else {
        bail!("more than {} s: {lines}", LIMIT.as_secs());
    };
    process::check_interrupt()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() != succeeds {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}:\n{text}{errors}", lines.trim(), output.status);
    }
    Ok(text)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).collect()
}

/// Whether these lines are what was due.
fn are_lines(due: &[&str], got: &[&str]) -> bool {
    match due.split_first() {
        None => got.is_empty(),
        Some((&"…", due)) => (0..=got.len()).any(|skipped| are_lines(due, &got[skipped..])),
        Some((first, due)) => {
            got.split_first().is_some_and(|(line, got)| is_line(first, line) && are_lines(due, got))
        }
    }
}

/// Whether a line is what was due.
fn is_line(due: &str, got: &str) -> bool {
    match due.split_once('…') {
        None => due == got,
        Some((before, after)) => got.strip_prefix(before).is_some_and(|rest| {
            let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.any(|at| is_line(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_for_anything() {
        for (due, got) in [("a", "a"), ("a … c", "a b c"), ("…", ""), ("x … … z", "x  y z")]
        {
            assert!(is_line(due, got), "{due} {got}");
        }
        for (due, got) in [("a", "b"), ("a", "a b"), ("a … c", "a b"), ("a …", "b a b")] {
            assert!(!is_line(due, got), "{due} {got}");
        }
        let got = ["1", "2", "3"];
        for due in [&["1", "2", "3"][..], &["…"], &["…", "3"], &["1", "…", "3", "…"]] {
            assert!(are_lines(due, &got), "{due:?}");
        }
        for due in [&["1", "2"][..], &["…", "2"], &["2", "…"], &["1", "3", "…"], &[]] {
            assert!(!are_lines(due, &got), "{due:?}");
        }
    }

    #[test]
    fn blocks_with_marks_are_steps() {
        let text = "# x\n```\nnot this\n```\n<!-- tour: write a/b -->\n```rust\nfn\n```\ntext\n\
                    <!-- tour: run -->\n```\nls\n```\n<!-- tour: run, fails -->\n```\nfalse\n```\n\
                    <!-- tour: shows -->\n```\n…\n```\n";
        let text_of = ToOwned::to_owned;
        let due = [
            Step::Write("a/b".to_owned(), text_of("fn\n")),
            Step::Run(text_of("ls\n"), true),
            Step::Run(text_of("false\n"), false),
            Step::Shows(text_of("…\n")),
        ];
        assert_eq!(steps(text).expect("good"), due);
        for bad in ["<!-- tour: run -->\ntext\n", "<!-- tour: dance -->\n```\nx\n```\n"] {
            assert!(steps(bad).is_err(), "{bad}");
        }
    }
}
