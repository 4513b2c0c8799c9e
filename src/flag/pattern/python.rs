//! Patterns as Python's `re` writes them, in the syntax of the `regex` crate.

use std::{iter::Peekable, str::Chars};

/// Python's `\Z` is `\z` elsewhere, its `$` also stands before a line break that ends the text, and its
/// [classes](class) have fewer operators.
pub(super) fn translated(text: &str) -> String {
    let mut translated = String::with_capacity(text.len() + 8);
    let mut characters = text.chars().peekable();
    let by_line = text.split("(?").skip(1).any(|flags| {
        let flags = flags.split(|c: char| !c.is_ascii_lowercase()).next();
        flags.is_some_and(|flags| flags.contains('m'))
    });
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                translated.push('\\');
                translated.extend(characters.next().map(|c| if c == 'Z' { 'z' } else { c }));
            }
            '[' => class(&mut characters, &mut translated),
            '$' if !by_line => translated.push_str(r"(?:\n?\z)"),
            character => translated.push(character),
        }
    }
    translated
}

/// What a class has just had.
#[derive(PartialEq)]
enum Last {
    /// Nothing yet, or a whole range.
    Complete,
    /// A member, with which a range may begin.
    Member,
    /// The hyphen of a range.
    Hyphen,
}

/// A class after its opening bracket. Classes within classes, and `&&`, `--` and `~~` between them,
/// are Rust's alone: to Python these characters are members, or the ends of ranges.
fn class(characters: &mut Peekable<Chars<'_>>, translated: &mut String) {
    translated.push('[');
    if characters.next_if_eq(&'^').is_some() {
        translated.push('^');
    }
    let (mut last, mut is_first) = (Last::Complete, true);
    while let Some(character) = characters.next() {
        match character {
            // A bracket that comes first is a member.
            ']' if !is_first => return translated.push(']'),
            '-' if last == Last::Member && characters.peek().is_some_and(|next| *next != ']') => {
                translated.push('-');
                last = Last::Hyphen;
                continue;
            }
            '\\' => {
                translated.push('\\');
                translated.extend(characters.next());
            }
            '[' | ']' | '&' | '~' | '-' => translated.extend(['\\', character]),
            character => translated.push(character),
        }
        is_first = false;
        last = if last == Last::Hyphen { Last::Complete } else { Last::Member };
    }
}

#[cfg(test)]
mod tests {
    use crate::flag::pattern::Pattern;

    #[test]
    fn classes_have_the_members_that_python_gives_them() {
        // As `re.match` of Python 3.11 answers.
        for (pattern, members, others) in [
            ("[+--]", "+,-", ".A"),
            ("[--a]", "-.A^a", ",b"),
            ("[a-]", "a-", "b,"),
            ("[]-a]", "]^_`a", "\\b"),
            ("[^]-]", "a^", "]-"),
            ("[[a]", "[a", "b]"),
            ("[a&&b]", "a&b", "c"),
            ("[a~~b]", "a~b", "c"),
            (r"[\w.-]", "a.-", "+ "),
            (r"[a\-z]", "a-z", "b"),
            ("[0-9-a]", "05-a", "b+"),
        ] {
            let pattern = Pattern::python(&format!("{pattern}$")).unwrap();
            for (texts, expected) in [(members, true), (others, false)] {
                for character in texts.chars() {
                    let found = pattern.is_found_in(&character.to_string());
                    assert_eq!(found, expected, "{pattern:?} {character}");
                }
            }
        }
        assert!(Pattern::python("[a--]").is_none(), "a range that goes backwards");
        // Without translation, `--` takes members away.
        for (pattern, member) in [("[+--]", ","), ("[--a]", "A")] {
            let rust = Pattern::new(pattern, false);
            assert!(rust.is_none_or(|rust| !rust.is_found_in(member)), "{pattern}");
        }
    }

    #[test]
    fn ends_of_texts_and_lines_are_pythons() {
        for (pattern, text, expected) in [
            ("a$", "a\n", true),
            ("a$", "a\nb", false),
            ("(?m)a$", "a\nb", true),
            (r"a\Z", "a", true),
            (r"a\Z", "a\n", false),
            ("b", "ab", false),
        ] {
            let pattern = Pattern::python(pattern).unwrap();
            assert_eq!(pattern.is_found_in(text), expected, "{pattern:?} {text:?}");
        }
    }
}
