// SPDX-License-Identifier: Apache-2.0
//! Finds every `unsafe` of a source file by its tokens, so that comments and
//! texts do not count and macro bodies do, and says whether it is explained.

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What an `unsafe` stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A block.
    Block,
    /// A function that has a precondition.
    Function,
    /// An implementation of an unsafe trait.
    Implementation,
    /// A trait with a promise.
    Trait,
    /// Declarations of foreign items.
    Extern,
    /// An attribute such as `unsafe(no_mangle)`.
    Attribute,
}

/// One `unsafe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsafe {
    /// What it stands before.
    pub kind: Kind,
    /// Its line, from 1.
    pub line: usize,
    /// Whether a comment says why it is sound (block, implementation) or what
    /// the caller must uphold (function, trait).
    pub explained: bool,
}

/// Every `unsafe` of `text`, in order.
///
/// # Errors
/// When the text is no Rust.
pub fn find(text: &str) -> Result<Vec<Unsafe>> {
    // An interpreter's line is not Rust; an inner attribute is.
    let stream: TokenStream = text.parse().map_err(|e| anyhow!("no Rust: {e}"))?;
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    visit(stream, &lines, false, &mut found);
    Ok(found)
}

/// `inherits`: directly inside the implementation of a trait, whose own
/// documentation says what the callers of its functions must uphold.
fn visit(stream: TokenStream, lines: &[&str], inherits: bool, found: &mut Vec<Unsafe>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut of_trait = false;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                let body = group.delimiter() == Delimiter::Brace;
                visit(group.stream(), lines, body && of_trait, found);
                of_trait &= !body;
            }
            TokenTree::Ident(ident) if ident == "impl" => {
                of_trait = implements_trait(&tokens[at + 1..]);
            }
            TokenTree::Ident(ident) if ident == "unsafe" => {
                if let Some(kind) = kind(&tokens[at + 1..]) {
                    let line = ident.span().start().line;
                    let explained =
                        inherits && kind == Kind::Function || explained(kind, lines, line);
                    found.push(Unsafe { kind, line, explained });
                }
            }
            _ => {}
        }
    }
}

/// Whether an `impl` followed by these tokens is of a trait: it has a `for`
/// before its body that does not bind lifetimes.
fn implements_trait(rest: &[TokenTree]) -> bool {
    let body =
        |t: &TokenTree| matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
    let head = rest.iter().position(body).map_or(rest, |end| &rest[..end]);
    head.iter().enumerate().any(|(at, token)| {
        let binds = matches!(head.get(at + 1), Some(TokenTree::Punct(p)) if p.as_char() == '<');
        matches!(token, TokenTree::Ident(word) if word == "for") && !binds
    })
}

/// What follows an `unsafe`; `None` for a function *type*, which asks
/// nothing of the code that names it.
fn kind(rest: &[TokenTree]) -> Option<Kind> {
    use Delimiter::{Brace, Parenthesis};
    match rest.first()? {
        TokenTree::Group(group) if group.delimiter() == Brace => Some(Kind::Block),
        TokenTree::Group(group) if group.delimiter() == Parenthesis => Some(Kind::Attribute),
        TokenTree::Ident(word) if word == "impl" => Some(Kind::Implementation),
        TokenTree::Ident(word) if word == "trait" || word == "auto" => Some(Kind::Trait),
        TokenTree::Ident(word) if word == "extern" => match rest.get(1..)? {
            [TokenTree::Group(_), ..] | [TokenTree::Literal(_), TokenTree::Group(_), ..] => {
                Some(Kind::Extern)
            }
            [TokenTree::Literal(_), rest @ ..] | rest => kind(rest),
        },
        TokenTree::Ident(word) if word == "fn" => {
            matches!(rest.get(1), Some(TokenTree::Ident(_) | TokenTree::Punct(_)))
                .then_some(Kind::Function)
        }
        _ => None,
    }
}

fn explained(kind: Kind, lines: &[&str], line: usize) -> bool {
    let words: &[&str] = match kind {
        Kind::Extern | Kind::Attribute => return true,
        Kind::Block | Kind::Implementation => &["SAFETY:"],
        Kind::Function | Kind::Trait => &["# Safety", "SAFETY:"],
    };
    let says = |text: &str| words.iter().any(|word| text.contains(word));
    let Some(above) = lines.get(..line.saturating_sub(1)) else { return false };
    if lines.get(line - 1).is_some_and(|own| own.split_once("//").is_some_and(|(_, c)| says(c))) {
        return true;
    }
    for text in above.iter().rev().map(|l| l.trim()) {
        let comment = text.starts_with("//");
        if comment && says(text) {
            return true;
        }
        // Up through comments, attributes and the rest of the statement.
        if !comment && !text.starts_with("#[") && text.ends_with([';', '{', '}']) || text.is_empty()
        {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, bool)> {
        find(text).expect("Rust").iter().map(|u| (u.kind, u.explained)).collect()
    }

    #[test]
    fn comments_and_texts_do_not_count() {
        assert_eq!(kinds("// unsafe { }\nconst A: &str = \"unsafe { }\"; /* unsafe fn */"), []);
        assert_eq!(kinds("#![forbid(unsafe_code)]"), []);
    }

    #[test]
    fn every_kind_is_told_apart() {
        let text = "
            unsafe extern \"C\" { fn f(); }
            #[unsafe(no_mangle)] extern \"C\" fn g() {}
            // SAFETY: so.
            unsafe impl Send for X {}
            /// # Safety
            /// Ask.
            unsafe trait T {}
            unsafe extern \"C\" fn h() {}
            type P = unsafe extern \"C\" fn(u8);
            type Q = unsafe fn();
        ";
        assert_eq!(
            kinds(text),
            [
                (Kind::Extern, true),
                (Kind::Attribute, true),
                (Kind::Implementation, true),
                (Kind::Trait, true),
                (Kind::Function, false),
            ]
        );
    }

    #[test]
    fn a_block_needs_its_reason_right_above() {
        let good = "fn f() {\n    // SAFETY: one,\n    // two.\n    let x = unsafe { g() };\n}";
        assert_eq!(kinds(good), [(Kind::Block, true)]);
        let long = "fn f() {\n    // SAFETY: one.\n    let x: u64 =\n        unsafe { g() };\n}";
        assert_eq!(kinds(long), [(Kind::Block, true)]);
        let none = "fn f() {\n    // SAFETY: of another.\n    h();\n    unsafe { g() };\n}";
        assert_eq!(kinds(none), [(Kind::Block, false)]);
        let bare = "fn f() {\n    unsafe { g() }\n}";
        assert_eq!(kinds(bare), [(Kind::Block, false)]);
        let behind = "fn f() {\n    unsafe { g() } // SAFETY: here.\n}";
        assert_eq!(kinds(behind), [(Kind::Block, true)]);
    }

    #[test]
    fn a_traits_functions_inherit_their_reason() {
        let of_trait = "// SAFETY: so.\nunsafe impl T for X { unsafe fn f() {} }";
        assert_eq!(kinds(of_trait), [(Kind::Implementation, true), (Kind::Function, true)]);
        let own = "impl X { unsafe fn f() {} }";
        assert_eq!(kinds(own), [(Kind::Function, false)]);
        let bound = "impl<F: for<'a> Fn(&'a u8)> X<F> { unsafe fn f() {} }";
        assert_eq!(kinds(bound), [(Kind::Function, false)]);
    }

    #[test]
    fn macros_are_looked_into() {
        let text = "macro_rules! m { () => { unsafe { g() } } }";
        assert_eq!(kinds(text), [(Kind::Block, false)]);
    }
}
