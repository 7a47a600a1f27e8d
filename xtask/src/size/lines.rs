// SPDX-License-Identifier: Apache-2.0
//! Lines of code: those that a token stands on, so that blank lines, comments and
//! documentation do not count, however they are written. What is compiled for tests
//! only does not either.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::lint::sources::Source;

/// Lines of code of the crate in `dir`, in Rust and in assembly.
///
/// # Errors
/// When a source is no Rust.
pub(super) fn of_crate(dir: &Path, sources: &[Source]) -> Result<usize> {
    let own = sources.iter().filter(|it| it.path.starts_with(dir) && !it.is_test());
    own.map(|it| {
        if it.path.extension().is_some_and(|kind| kind == "S") {
            return Ok(of_assembly(&it.text));
        }
        of_rust(&it.text).with_context(|| format!("cannot read {}", it.path.display()))
    })
    .sum()
}

/// Lines of Rust.
fn of_rust(text: &str) -> Result<usize> {
    let stream: TokenStream = text.parse().map_err(|e| anyhow!("no Rust: {e}"))?;
    let mut lines = BTreeSet::new();
    visit(stream, &mut lines);
    Ok(lines.len())
}

/// Lines of assembly: `#` begins a comment.
fn of_assembly(text: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with(['#', '/', '*']);
    text.lines().map(str::trim).filter(is_code).count()
}

fn visit(stream: TokenStream, lines: &mut BTreeSet<usize>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut rest = tokens.as_slice();
    while let [token, more @ ..] = rest {
        rest = match attribute(rest) {
            Some((Attribute::Doc, after)) => after,
            Some((Attribute::Test, after)) => behind_item(after),
            None => {
                take(token, lines);
                more
            }
        };
    }
}

/// The lines that a token stands on.
fn take(token: &TokenTree, lines: &mut BTreeSet<usize>) {
    match token {
        TokenTree::Group(group) => {
            lines.insert(group.span_open().start().line);
            visit(group.stream(), lines);
            lines.insert(group.span_close().end().line);
        }
        other => lines.extend(other.span().start().line..=other.span().end().line),
    }
}

/// An attribute that keeps lines from counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    /// Documentation: itself.
    Doc,
    /// Only for tests: what it stands before, too.
    Test,
}

/// The attribute that these tokens begin with, if it is such, and what is behind it.
fn attribute(tokens: &[TokenTree]) -> Option<(Attribute, &[TokenTree])> {
    let (first, rest) = tokens.split_first()?;
    if !matches!(first, TokenTree::Punct(mark) if mark.as_char() == '#') {
        return None;
    }
    let inner = matches!(rest.first(), Some(TokenTree::Punct(mark)) if mark.as_char() == '!');
    let (group, after) = rest.get(usize::from(inner)..)?.split_first()?;
    let TokenTree::Group(group) = group else { return None };
    let words: Vec<TokenTree> = group.stream().into_iter().collect();
    match words.as_slice() {
        [TokenTree::Ident(name), ..] if name == "doc" => Some((Attribute::Doc, after)),
        [TokenTree::Ident(name), TokenTree::Group(when)] if name == "cfg" => {
            needs_test(when.stream()).then_some((Attribute::Test, after))
        }
        _ => None,
    }
}

/// Whether a condition holds in tests only: it is `test`, or `all` with that.
fn needs_test(condition: TokenStream) -> bool {
    let words: Vec<TokenTree> = condition.into_iter().collect();
    match words.as_slice() {
        [TokenTree::Ident(name), TokenTree::Group(all)] if name == "all" => all
            .stream()
            .into_iter()
            .any(|word| matches!(word, TokenTree::Ident(name) if name == "test")),
        [TokenTree::Ident(name)] => name == "test",
        _ => false,
    }
}

/// What is behind the item that these tokens begin with.
fn behind_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    };
    let end = tokens.iter().position(ends).map_or(tokens.len(), |at| at + 1);
    tokens.get(end..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> usize {
        of_rust(text).expect("Rust")
    }

    #[test]
    fn only_lines_with_tokens_count() {
        assert_eq!(lines("//! About it.\n\n// a comment\n/* and\n another */\n"), 0);
        assert_eq!(lines("/// Says.\n#[must_use]\nfn f() { // so\n\n    g();\n}\n"), 4);
        assert_eq!(lines("const A: &str = \"one\ntwo\n\nthree\";\n"), 4);
    }

    #[test]
    fn tests_do_not_count() {
        let text = "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\nfn g() {}\n";
        assert_eq!(lines(text), 2);
        assert_eq!(lines("#[cfg(all(test, not(loom)))]\nmod tests;\nfn g() {}\n"), 1);
        assert_eq!(lines("#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\nfn g() {}\n"), 1);
        assert_eq!(lines("#[cfg(not(test))]\nfn g() {}\n#[cfg(loom)]\nfn h() {}\n"), 4);
    }

    #[test]
    fn assembly_is_counted_without_its_comments() {
        assert_eq!(of_assembly("# says\n\nstart:\n    li a0, 1 # one\n// no\n    ret\n"), 3);
    }
}
