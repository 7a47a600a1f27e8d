// SPDX-License-Identifier: Apache-2.0
//! The `riscv,isa` string, as in `rv64imafdch_zicsr_sstc`.
//!
//! Role: answers whether the string names an extension, by the naming chapter
//! of the RISC-V unprivileged specification: single letters first, longer names
//! separated by underscores, versions such as `2p1` after any of them, case
//! without meaning.
//! Invariant: a string that is not of this form names nothing that is not
//! literally in it.

/// What the letter `g` stands for.
const GENERAL: [&str; 7] = ["i", "m", "a", "f", "d", "zicsr", "zifencei"];

/// Whether the string `text` names the extension `name`.
pub(crate) fn names(text: &str, name: &str) -> bool {
    let Some(rest) = text.get(4..).filter(|_| has_base(text)) else {
        return false;
    };
    let mut parts = rest.split('_');
    let (letters, long) = split_letters(parts.next().unwrap_or(""));
    let general = letters.contains(['g', 'G']) && is_one_of(name, &GENERAL);
    let single = name.len() == 1 && has_letter(letters, name);
    general || single || is_versioned(long, name) || parts.any(|part| is_versioned(part, name))
}

fn has_base(text: &str) -> bool {
    let base = text.get(..4).unwrap_or("");
    base.eq_ignore_ascii_case("rv64") || base.eq_ignore_ascii_case("rv32")
}

fn is_one_of(name: &str, list: &[&str]) -> bool {
    list.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Splits the part before the first underscore into its single letters and a
/// longer name that may follow them directly. Old trees end their letters in
/// `su`, for the modes, which is no longer name.
fn split_letters(part: &str) -> (&str, &str) {
    let starts_long = |(at, letter): &(usize, char)| match letter.to_ascii_lowercase() {
        'z' | 'x' => true,
        's' => !part.get(*at..).is_some_and(|tail| {
            let second = tail.get(1..2).unwrap_or("u");
            second.eq_ignore_ascii_case("u")
        }),
        _ => false,
    };
    let split = part.char_indices().find(starts_long);
    let at = split.map_or(part.len(), |(at, _)| at);
    part.split_at_checked(at).unwrap_or((part, ""))
}

/// Whether a single letter is among `letters`, versions left aside.
fn has_letter(letters: &str, name: &str) -> bool {
    let mut rest = letters;
    while let Some(letter) = rest.get(..1) {
        if letter.eq_ignore_ascii_case(name) {
            return true;
        }
        rest = without_version(rest.get(1..).unwrap_or(""));
    }
    false
}

/// Whether `part` is `name`, with a version after it or without.
fn is_versioned(part: &str, name: &str) -> bool {
    let Some((head, tail)) = part.split_at_checked(name.len()) else {
        return false;
    };
    !name.is_empty() && head.eq_ignore_ascii_case(name) && without_version(tail).is_empty()
}

/// `text` without the version it begins with: digits, and if `p` and digits
/// follow, those too.
fn without_version(text: &str) -> &str {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let minor = text.trim_start_matches(is_digit);
    if minor.len() == text.len() {
        return text;
    }
    match minor.strip_prefix(['p', 'P']) {
        Some(tail) if tail.starts_with(is_digit) => tail.trim_start_matches(is_digit),
        _ => minor,
    }
}
