//! Class names as Ultralytics' exporter writes them: `{0: 'cat', 1: "dog's"}`, a Python dictionary
//! in the metadata `names`.

use crate::model::Label;

/// The names, if the text is such a dictionary of every class in order.
pub(super) fn of_ultralytics(text: &str) -> Option<Vec<Label>> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (key, value) = rest.split_once(':')?;
        if key.trim().parse() != Ok(names.len()) {
            return None;
        }
        let (name, after) = quoted(value.trim_start())?;
        names.push(Label::Text(name.into()));
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    (!names.is_empty()).then_some(names)
}

/// A Python string at the start of a text, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    let mut name = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => match characters.next()?.1 {
                plain @ ('\\' | '\'' | '"') => name.push(plain),
                // Other escapes do not occur in class names; no names are better than wrong ones.
                _ => return None,
            },
            end if end == quote => return Some((name, text.get(place.checked_add(1)?..)?)),
            other => name.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_order_or_not_at_all() {
        let names = of_ultralytics(r#"{0: 'tench', 1: "jack-o'-lantern", 2: 'it\'s, {1: 2}'}"#);
        let expected = ["tench", "jack-o'-lantern", "it's, {1: 2}"].map(Label::from);
        assert_eq!(names.as_deref(), Some(&expected[..]));
        for other in
            ["", "{}", "[]", "{1: 'a'}", "{0: 'a' 1: 'b'}", "{0: 'a", "{0: 'a\\x41'}", "{0: 1}"]
        {
            assert_eq!(of_ultralytics(other), None, "{other}");
        }
    }
}
