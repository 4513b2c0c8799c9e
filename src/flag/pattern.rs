//! Regular expressions, compiled when a flag is: matching takes no lock and allocates nothing.

mod limit;
#[cfg(feature = "flagsmith-dialect")]
mod python;

use std::fmt;

use regex_automata::{
    Anchored, Input,
    dfa::{Automaton, dense, dense::DFA},
    meta::{self, Regex},
    nfa::thompson,
    util::syntax,
};

pub(crate) use self::limit::counted;

/// How large the table of one pattern may grow, in bytes. One that would be larger (large Unicode
/// classes with repetitions) is matched by the general engine.
const TABLE_LIMIT: usize = 256 * 1024;

/// How large a pattern may be on the way to a table, in bytes.
const TABLE_SOURCE_LIMIT: usize = 256 * 1024;

/// How large a pattern of the general engine may be on the way, and how large what it remembers of
/// texts, in bytes: the `regex` crate's own limits.
const GENERAL_LIMIT: usize = 10 << 20;
const GENERAL_MEMORY: usize = 2 << 20;

/// How many steps back matching with backtracking may take.
#[cfg(feature = "flagsmith-dialect")]
const BACKTRACK_LIMIT: usize = 100_000;

/// A search for a regular expression in the syntax of the `regex` crate, unanchored.
pub(crate) struct Pattern {
    text: Box<str>,
    engine: Engine,
}

type DfaTable = Box<DFA<Vec<u32>>>;

enum Engine {
    /// One table look-up a byte.
    Table(DfaTable),
    /// For what does not fit a table, and for Unicode word boundaries, which no table can tell. It
    /// allocates when a thread first uses it, and may again when threads compete for it.
    General(Regex),
    /// The table for ASCII, and the general engine for any other text.
    Both(DfaTable, Regex),
    /// For look-around and references back, which need backtracking. It allocates.
    #[cfg(feature = "flagsmith-dialect")]
    Backtracking(Box<fancy_regex::Regex>),
}

impl Pattern {
    /// Compiles a pattern; `None` when it is malformed, or larger than the `regex` crate's own
    /// limit of 10 mebibytes, or when those of its document take [more than they may](counted) already.
    pub(crate) fn new(text: &str, case_insensitive: bool) -> Option<Pattern> {
        if limit::is_passed() {
            return None;
        }
        let general = || general(text, case_insensitive);
        let of = |alphabet| table(text, case_insensitive, alphabet);
        let engine = match of(Alphabet::Unicode) {
            Some(table) => Engine::Table(table),
            None => {
                let general = general()?;
                match of(Alphabet::UnicodeUsedByAscii).or_else(|| of(Alphabet::Ascii)) {
                    Some(table) => Engine::Both(table, general),
                    None => Engine::General(general),
                }
            }
        };
        limit::spend(engine.memory());
        Some(Pattern { text: text.into(), engine })
    }

    /// A pattern in Python's syntax, anchored at the start as `re.match` is; `None` when it cannot
    /// be matched. What the `regex` crate lacks is matched by backtracking, at most
    /// [`BACKTRACK_LIMIT`] steps of it: a text that would take more does not match.
    #[cfg(feature = "flagsmith-dialect")]
    pub(crate) fn python(text: &str) -> Option<Pattern> {
        let anchored = format!(r"\A(?:{})", python::translated(text));
        let pattern = Pattern::new(&anchored, false).map(|pattern| pattern.engine);
        let engine = pattern.or_else(|| {
            if limit::is_passed() {
                return None;
            }
            let built = fancy_regex::RegexBuilder::new(&anchored)
                .backtrack_limit(BACKTRACK_LIMIT)
                .delegate_size_limit(TABLE_SOURCE_LIMIT)
                .build();
            let engine = Engine::Backtracking(Box::new(built.ok()?));
            limit::spend(engine.memory());
            Some(engine)
        })?;
        Some(Pattern { text: text.into(), engine })
    }

    /// Whether the pattern is found in the text.
    #[inline]
    pub(crate) fn is_found_in(&self, text: &str) -> bool {
        match &self.engine {
            Engine::Table(table) => search(table, text),
            Engine::Both(table, _) if text.is_ascii() => search(table, text),
            Engine::General(general) | Engine::Both(_, general) => general.is_match(text),
            #[cfg(feature = "flagsmith-dialect")]
            Engine::Backtracking(pattern) => pattern.is_match(text).unwrap_or(false),
        }
    }
}

impl Engine {
    /// What it takes in bytes, without what it remembers while it searches.
    fn memory(&self) -> usize {
        match self {
            Engine::Table(table) => table.memory_usage(),
            Engine::General(general) => general.memory_usage(),
            Engine::Both(table, general) => {
                table.memory_usage().saturating_add(general.memory_usage())
            }
            // It does not tell; its parts are patterns of the general engine, of at most this.
            #[cfg(feature = "flagsmith-dialect")]
            Engine::Backtracking(_) => TABLE_SOURCE_LIMIT,
        }
    }
}

/// What the characters of a pattern stand for, and which text may be searched for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alphabet {
    /// Any text.
    Unicode,
    /// Text that is ASCII: on it, Unicode's word boundaries can be told by a table.
    UnicodeUsedByAscii,
    /// Text that is ASCII, and classes without what lies outside of it: `\w` alone has more than
    /// 100,000 characters there.
    Ascii,
}

fn general(text: &str, case_insensitive: bool) -> Option<Regex> {
    let config = meta::Config::new()
        .nfa_size_limit(Some(GENERAL_LIMIT))
        .hybrid_cache_capacity(GENERAL_MEMORY);
    let syntax = syntax::Config::new().case_insensitive(case_insensitive);
    Regex::builder().configure(config).syntax(syntax).build(text).ok()
}

fn table(text: &str, case_insensitive: bool, alphabet: Alphabet) -> Option<DfaTable> {
    // Each character takes more than this on the way: no need to try.
    if text.len() > TABLE_SOURCE_LIMIT / 8 {
        return None;
    }
    let unicode = alphabet != Alphabet::Ascii;
    let syntax = syntax::Config::new().unicode(unicode).utf8(unicode);
    let config = dense::Config::new()
        .unicode_word_boundary(alphabet == Alphabet::UnicodeUsedByAscii)
        .dfa_size_limit(Some(TABLE_LIMIT))
        .determinize_size_limit(Some(4 * TABLE_LIMIT));
    let table = dense::Builder::new()
        .configure(config)
        .thompson(thompson::Config::new().nfa_size_limit(Some(TABLE_SOURCE_LIMIT)))
        .syntax(syntax.case_insensitive(case_insensitive))
        .build(text)
        .ok()?;
    Some(Box::new(table))
}

fn search(table: &DfaTable, text: &str) -> bool {
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
            r"^\w+$",
            r"(?i)\w+[^k]é?$",
            r"\W",
            r"(?u)^\w+\s[^é]",
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
            "\u{212a}",
            "KELVIN",
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
        for pattern in [
            "^v2",
            r"@example\.com$",
            r"^\d+$",
            "a|b",
            r"^user-[0-9]{1,4}$",
            r"\bx\b",
            r"^\w+@example\.(com|org)$",
            r"^[^\s@]+\.\w{2,}$",
        ] {
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
