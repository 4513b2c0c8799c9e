//! Text that the vendor's engine puts between quotes, in a rule that it then reads again.

/// The text as that engine reads it back; `None` when it reads no end of the text, or one too
/// early: at a quote without a backslash, or never after a last backslash.
pub(super) fn quoted(text: &str) -> Option<String> {
    let mut read = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => match characters.peek() {
                None => return None,
                Some('"') => {
                    characters.next();
                    read.push('"');
                }
                Some(_) => read.push('\\'),
            },
            other => read.push(other),
        }
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_needs_a_backslash_and_a_backslash_cannot_be_last() {
        assert_eq!(quoted("").as_deref(), Some(""));
        assert_eq!(quoted("a b").as_deref(), Some("a b"));
        assert_eq!(quoted(r#"a\"b"#).as_deref(), Some(r#"a"b"#));
        assert_eq!(quoted(r#"a\\"b"#).as_deref(), Some(r#"a\"b"#));
        assert_eq!(quoted(r"a\b").as_deref(), Some(r"a\b"));
        for text in [r#"""#, r#"a"b"#, r"a\", r"a\\"] {
            assert_eq!(quoted(text), None, "{text}");
        }
    }
}
