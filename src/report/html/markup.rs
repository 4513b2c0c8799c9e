//! Builds HTML in which every value is escaped.
//!
//! Markup can only come from a literal in this crate's source, and every value is escaped, so that no
//! name of a version, class or user, however hostile, can become markup.

use std::fmt::{self, Write};

/// A page that is being written.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    ids: u32,
}

impl Page {
    pub(crate) fn with_capacity(bytes: usize) -> Page {
        Page { text: String::with_capacity(bytes), ids: 0 }
    }

    /// A number that no other element of the page has.
    pub(crate) fn next_id(&mut self) -> u32 {
        self.ids = self.ids.wrapping_add(1);
        self.ids
    }

    /// Markup: a literal, which is trusted.
    pub(crate) fn markup(&mut self, literal: &'static str) {
        self.text.push_str(literal);
    }

    /// Text or the value of an attribute in double quotes: escaped.
    pub(crate) fn text(&mut self, value: impl fmt::Display) {
        // Writing to a `String` cannot fail.
        let _ = write!(Escaping(&mut self.text), "{value}");
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// Escapes what passes through, for text and for attributes in quotes alike.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Characters that HTML forbids, and marks that change the direction of the text behind.
                '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                    self.0.push('\u{fffd}');
                }
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

/// Writes parts to a page: literals as markup, `{values}` escaped.
macro_rules! put {
    ($page:expr; $($part:tt)+) => {{ $( put!(@ $page, $part); )+ }};
    (@ $page:expr, $markup:literal) => { $page.markup($markup) };
    (@ $page:expr, { $value:expr }) => { $page.text($value) };
}
pub(crate) use put;

/// A text, cut to a readable length and then marked with an ellipsis.
pub(crate) struct Truncated<'a>(pub(crate) &'a str, pub(crate) usize);

impl fmt::Display for Truncated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(self.1) {
            Some((end, _)) => write!(f, "{}…", self.0.get(..end).unwrap_or_default()),
            None => f.write_str(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_become_markup() {
        let mut page = Page::default();
        let name = "</td><script>alert('x')</script>\" onload=\"\u{202e}\0";
        put!(page; "<td title=\"" {name} "\">" {name} "</td>");
        let text = page.finish();
        assert_eq!(text.matches('<').count(), 2, "{text}");
        assert!(!text.contains('\u{202e}') && !text.contains('\0'));
        assert_eq!(text.matches('"').count(), 2, "{text}");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(Truncated("äöü", 2).to_string(), "äö…");
        assert_eq!(Truncated("äö", 2).to_string(), "äö");
    }
}
