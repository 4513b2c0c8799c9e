//! Regular expressions, compiled when a flag is: matching takes no lock and allocates nothing.

use std::fmt;

use regex::Regex;
use regex_automata::{
    Anchored, Input,
    dfa::{Automaton, dense, dense::DFA},
    nfa::thompson,
    util::syntax,
};

/// How large the table of one pattern may grow, in bytes. One that would be larger (large Unicode
/// classes with repetitions) is matched by the general engine.
const TABLE_LIMIT: usize = 256 * 1024;

/// How large a pattern may be on the way to a table, in bytes.
const TABLE_SOURCE_LIMIT: usize = 256 * 1024;

/// A search for a regular expression in the syntax of the `regex` crate, unanchored.
pub(crate) struct Pattern {
    text: Box<str>,
    engine: Engine,
}

type Table = Box<DFA<Vec<u32>>>;

enum Engine {
    /// One table look-up a byte.
    Table(Table),
    /// For what does not fit a table, and for Unicode word boundaries, which no table can tell. It
    /// allocates when a thread first uses it, and may again when threads compete for it.
    General(Regex),
    /// The table, and the general engine for text that is not ASCII.
    Both(Table, Regex),
}

impl Pattern {
    /// Compiles a pattern; `None` when it is malformed, or larger than the `regex` crate's own
    /// limit of 10 mebibytes.
    pub(crate) fn new(text: &str, case_insensitive: bool) -> Option<Pattern> {
        let general =
            || regex::RegexBuilder::new(text).case_insensitive(case_insensitive).build().ok();
        let engine = match table(text, case_insensitive, false) {
            Some(table) => Engine::Table(table),
            None => match (general()?, table(text, case_insensitive, true)) {
                (general, Some(table)) => Engine::Both(table, general),
                (general, None) => Engine::General(general),
            },
        };
        Some(Pattern { text: text.into(), engine })
    }

    /// Whether the pattern is found in the text.
    #[inline]
    pub(crate) fn is_found_in(&self, text: &str) -> bool {
        match &self.engine {
            Engine::Table(table) => search(table, text),
            Engine::Both(table, _) if text.is_ascii() => search(table, text),
            Engine::General(general) | Engine::Both(_, general) => general.is_match(text),
        }
    }
}

fn table(text: &str, case_insensitive: bool, only_ascii: bool) -> Option<Table> {
    let config = dense::Config::new()
        .unicode_word_boundary(only_ascii)
        .dfa_size_limit(Some(TABLE_LIMIT))
        .determinize_size_limit(Some(4 * TABLE_LIMIT));
    let table = dense::Builder::new()
        .configure(config)
        .thompson(thompson::Config::new().nfa_size_limit(Some(TABLE_SOURCE_LIMIT)))
        .syntax(syntax::Config::new().case_insensitive(case_insensitive))
        .build(text)
        .ok()?;
    Some(Box::new(table))
}

fn search(table: &Table, text: &str) -> bool {
    let input = Input::new(text).anchored(Anchored::No).earliest(true);
    // It gives up on bytes outside of ASCII only, and only where the caller has seen to it that
    // there are none.
    matches!(table.try_search_fwd(&input), Ok(Some(_)))
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_answers_as_the_regex_crate_does() {
        let patterns = [
            "",
            "^a",
            "a$",
            "^ab?c*$",
            r"\bfoo\b",
            r"\<foo",
            r"\Bo",
            r"\w+@\w+\.com$",
            r"\p{Greek}+",
            r"(\p{L}{1,9}\s){1,9}x",
            "(?i)straße",
            "[^a-z]",
            "a|b|",
            r"(?m)^x$",
            ".",
            r"^\d{4}-\d{2}$",
        ];
        let texts = [
            "",
            "a",
            "ab",
            "abcc",
            "foo",
            "a foo b",
            "éfoo",
            "fooé",
            "me@example.com",
            "ΟΔΟΣ",
            "STRASSE",
            "Straße",
            "x\ny",
            "y\nx",
            "2026-11",
            "١٢٣٤-٠١",
            "\u{0}",
            "🦀",
        ];
        for pattern in patterns {
            for insensitive in [false, true] {
                let ours = Pattern::new(pattern, insensitive).unwrap();
                let theirs = regex::RegexBuilder::new(pattern)
                    .case_insensitive(insensitive)
                    .build()
                    .unwrap();
                for text in texts {
                    assert_eq!(ours.is_found_in(text), theirs.is_match(text), "{ours:?} {text:?}");
                }
            }
        }
    }

    #[test]
    fn ordinary_patterns_are_tables() {
        for pattern in ["^v2", r"@example\.com$", r"^\d+$", "a|b", r"^user-[0-9]{1,4}$", r"\bx\b"] {
            let engine = Pattern::new(pattern, false).unwrap().engine;
            assert!(!matches!(engine, Engine::General(_)), "{pattern}");
        }
    }

    #[test]
    fn malformed_and_oversized_patterns_are_refused() {
        for pattern in ["(", "a{2,1}", r"(?=a)", r"\1", "[z-a]", r"\w{1000}{1000}"] {
            assert!(Pattern::new(pattern, false).is_none(), "{pattern}");
        }
    }
}
