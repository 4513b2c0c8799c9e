//! Text compared in lower case, by the full rules of Unicode, without making a copy of it.
//!
//! It is what [`str::to_lowercase`] of both sides would compare. A capital sigma at the end of a
//! word has a lower case of its own: whether the characters beside it belong to the word is told
//! apart here for letters, digits, spaces and everything in ASCII. For any other character
//! (combining marks, symbols, punctuation outside of ASCII) the standard library is asked, which
//! allocates.

use std::{char::ToLowercase, str::CharIndices};

/// Text to look for, in lower case.
#[derive(Debug)]
pub(super) struct Needle {
    text: Box<[char]>,
    /// For each length that can be matched so far, the next shorter one that then still is. With
    /// it no search goes back in the text that is searched.
    shorter: Box<[usize]>,
}

impl Needle {
    pub(super) fn new(text: &str) -> Needle {
        let text: Box<[char]> = text.to_lowercase().chars().collect();
        let mut shorter = Vec::with_capacity(text.len());
        for (place, character) in text.iter().enumerate() {
            let before = place.checked_sub(1).and_then(|last| shorter.get(last)).copied();
            shorter.push(match before {
                Some(before) => extend(&text, &shorter, before, *character),
                None => 0,
            });
        }
        Needle { text, shorter: shorter.into() }
    }

    pub(super) fn starts(&self, text: &str) -> bool {
        let mut lowered = lowered(text);
        self.text.iter().all(|character| lowered.next() == Some(*character))
    }

    pub(super) fn ends(&self, text: &str) -> bool {
        let length = lowered(text).fold(0, |matched, character| self.next(matched, character));
        length == self.text.len()
    }

    pub(super) fn is_part_of(&self, text: &str) -> bool {
        let mut matched = 0;
        self.text.is_empty()
            || lowered(text).any(|character| {
                matched = self.next(matched, character);
                matched == self.text.len()
            })
    }

    /// How much is matched after one more character.
    fn next(&self, matched: usize, character: char) -> usize {
        extend(&self.text, &self.shorter, matched, character)
    }
}

fn extend(text: &[char], shorter: &[usize], mut matched: usize, character: char) -> usize {
    loop {
        if text.get(matched) == Some(&character) {
            return matched + 1;
        }
        match matched.checked_sub(1).and_then(|last| shorter.get(last)) {
            Some(less) => matched = *less,
            None => return 0,
        }
    }
}

/// The characters of a text in lower case.
fn lowered(text: &str) -> Lowered<'_> {
    Lowered { text, characters: text.char_indices(), pending: None }
}

struct Lowered<'t> {
    text: &'t str,
    characters: CharIndices<'t>,
    pending: Option<ToLowercase>,
}

impl Iterator for Lowered<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        if let Some(pending) = &mut self.pending {
            match pending.next() {
                Some(character) => return Some(character),
                None => self.pending = None,
            }
        }
        let (place, character) = self.characters.next()?;
        if character.is_ascii() {
            return Some(character.to_ascii_lowercase());
        }
        if character == 'Σ' {
            let after = self.text.get(place + character.len_utf8()..).unwrap_or_default();
            let before = self.text.get(..place).unwrap_or_default();
            let last = in_word(before.chars().rev()) && !in_word(after.chars());
            return Some(if last { 'ς' } else { 'σ' });
        }
        let mut lower = character.to_lowercase();
        let first = lower.next();
        self.pending = Some(lower);
        first
    }
}

/// Whether the first of these characters that can tell is a letter with case.
fn in_word(characters: impl Iterator<Item = char>) -> bool {
    for character in characters {
        match role(character) {
            Role::Cased => return true,
            Role::Ignorable => {}
            Role::Other => return false,
        }
    }
    false
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Cased,
    /// Stands inside of words without being a letter: `'`, `.`, a combining mark.
    Ignorable,
    Other,
}

#[inline]
fn role(character: char) -> Role {
    match character {
        '\'' | '.' | ':' | '^' | '`' => Role::Ignorable,
        'a'..='z' | 'A'..='Z' | 'Σ' | 'σ' | 'ς' => Role::Cased,
        _ if character.is_ascii() || character.is_whitespace() => Role::Other,
        // No ignorable character is an upper-case letter; some lower-case ones are.
        _ if character.is_uppercase() => Role::Cased,
        'α'..='ω' | 'ß'..='ö' | 'ø'..='ÿ' | 'а'..='я' => Role::Cased,
        _ if character.is_numeric() && !character.is_lowercase() => Role::Other,
        _ => asked(character),
    }
}

/// What the standard library takes the character for. Allocates.
#[cold]
fn asked(character: char) -> Role {
    let ends_word = |before: &[char]| {
        let word: String = before.iter().chain(&['Σ']).collect();
        word.to_lowercase().ends_with('ς')
    };
    match (ends_word(&['a', character]), ends_word(&[character])) {
        (true, true) => Role::Cased,
        (true, false) => Role::Ignorable,
        (false, _) => Role::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_the_role_that_the_standard_library_gives_it() {
        for character in '\0'..=char::MAX {
            assert_eq!(role(character), asked(character), "{character:?}");
        }
    }

    #[test]
    fn every_search_answers_as_lower_case_copies_would() {
        let texts = [
            "",
            "a",
            "A",
            "aB",
            "abab",
            "ABABAC",
            "ΟΔΟΣ",
            "οδος",
            "ὈΔΥΣΣΕΎΣ",
            "Σ",
            "ΑΣ'",
            "ΑΣ'Α",
            "'Σ",
            "Α.Σ",
            "ΑΣ\u{301}",
            "ΑΣ1",
            "İstanbul",
            "ISTANBUL",
            "Straße",
            "STRASSE",
            "ẞ",
            "É",
            "é",
            "e\u{301}",
            "🦀A",
            "ab ΟΔΟΣ ab",
            "ǅ",
            "ͅΣ",
            "aaaaab",
            "aab",
            "ς",
            "σ",
        ];
        for text in texts {
            for needle in texts {
                let ours = Needle::new(needle);
                let (whole, part) = (text.to_lowercase(), needle.to_lowercase());
                let found = (ours.starts(text), ours.ends(text), ours.is_part_of(text));
                let expected =
                    (whole.starts_with(&part), whole.ends_with(&part), whole.contains(&part));
                assert_eq!(found, expected, "{needle:?} in {text:?}");
            }
        }
    }

    #[test]
    fn a_search_never_goes_back() {
        let text = "a".repeat(1_000_000);
        let needle = Needle::new(&format!("{}b", "a".repeat(500_000)));
        assert!(!needle.is_part_of(&text));
        assert!(!needle.ends(&text));
    }
}
