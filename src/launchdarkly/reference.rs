//! Names in the data: attribute references, by which clauses and rollouts say what they read, and
//! context kinds.

use super::tree::{Attribute, ContextKind};
use crate::context::EvaluationContext;

/// The attribute that a text names: a reference where the data says which context kind it means, a
/// literal name in data from before there were kinds.
pub(super) fn attribute(text: &str, has_kind: bool) -> Attribute {
    if text.is_empty() {
        return Attribute::Invalid(text.into());
    }
    match text.strip_prefix('/') {
        Some(path) if has_kind => match components(path) {
            Some(components) => addressed(components),
            None => Attribute::Invalid(text.into()),
        },
        _ => addressed(vec![text.into()]),
    }
}

/// The steps of a path, without its first slash.
pub(crate) fn components(path: &str) -> Option<Vec<Box<str>>> {
    path.split('/').map(|component| unescaped(component).filter(|text| !text.is_empty())).collect()
}

/// `~1` stands for a slash, `~0` for a tilde; nothing else may follow a tilde.
fn unescaped(component: &str) -> Option<Box<str>> {
    if !component.contains('~') {
        return Some(component.into());
    }
    let mut text = String::with_capacity(component.len());
    let mut parts = component.split('~');
    text.push_str(parts.next()?);
    for part in parts {
        match part.as_bytes().first() {
            Some(b'0') => text.push('~'),
            Some(b'1') => text.push('/'),
            _ => return None,
        }
        text.push_str(part.get(1..)?);
    }
    Some(text.into())
}

fn addressed(mut components: Vec<Box<str>>) -> Attribute {
    let rest = components.split_off(1.min(components.len()));
    let Some(first) = components.pop() else { return Attribute::Nothing };
    match (&*first, rest.is_empty()) {
        ("key", true) => Attribute::Key,
        ("kind", true) => Attribute::Kind,
        ("name", true) => Attribute::Name,
        ("anonymous", true) => Attribute::Anonymous,
        // The first four hold no objects, the last none that can be addressed.
        ("key" | "kind" | "name" | "anonymous" | "_meta", _) => Attribute::Nothing,
        (_, true) => Attribute::Custom(first),
        (_, false) => Attribute::Path(first, rest.into()),
    }
}

/// The kind that the data asks for; an absent or empty name means users.
pub(super) fn kind(name: Option<Box<str>>) -> ContextKind {
    match name {
        None => ContextKind::User,
        Some(name) if name.is_empty() || *name == *"user" => ContextKind::User,
        Some(name) if is_kind(&name) => ContextKind::Other(name),
        Some(_) => ContextKind::Nowhere,
    }
}

/// The key of what a context has under the name of a kind, if that is a context of its own: the vendor
/// allows the name, and the key is not empty.
pub(super) fn kind_key<'c>(kind: &str, context: &'c dyn EvaluationContext) -> Option<&'c str> {
    if is_kind(kind) { context.targeting_key().filter(|key| !key.is_empty()) } else { None }
}

/// Whether a context may be of a kind of this name.
pub(super) fn is_kind(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !matches!(name, "" | "kind" | "multi") && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_and_unescaped() {
        let path = |first: &str, rest: &[&str]| {
            Attribute::Path(first.into(), rest.iter().map(|text| Box::from(*text)).collect())
        };
        assert_eq!(attribute("/a", true), Attribute::Custom("a".into()));
        assert_eq!(attribute("/a/b~1c/~0", true), path("a", &["b/c", "~"]));
        assert_eq!(attribute("/~01", true), Attribute::Custom("~1".into()));
        assert_eq!(attribute("/a/é", true), path("a", &["é"]));
        assert_eq!(attribute("a/b", true), Attribute::Custom("a/b".into()));
        assert_eq!(attribute("~2", true), Attribute::Custom("~2".into()));
        assert_eq!(attribute("/key", true), Attribute::Key);
        assert_eq!(attribute("/name/first", true), Attribute::Nothing);
        assert_eq!(attribute("_meta", true), Attribute::Nothing);
    }

    #[test]
    fn without_a_kind_the_text_is_a_name() {
        assert_eq!(attribute("/a/b", false), Attribute::Custom("/a/b".into()));
        assert_eq!(attribute("//", false), Attribute::Custom("//".into()));
        assert_eq!(attribute("kind", false), Attribute::Kind);
    }

    #[test]
    fn malformed_references_are_told_apart() {
        for text in ["", "/", "//", "/a/", "/a//b", "/~", "/~2", "/a~", "/~é"] {
            assert_eq!(attribute(text, true), Attribute::Invalid(text.into()));
        }
        assert_eq!(attribute("", false), Attribute::Invalid("".into()));
    }

    #[test]
    fn kinds_have_plain_names() {
        assert_eq!(kind(None), ContextKind::User);
        assert_eq!(kind(Some("".into())), ContextKind::User);
        assert_eq!(kind(Some("user".into())), ContextKind::User);
        assert_eq!(kind(Some("my-org_1.a".into())), ContextKind::Other("my-org_1.a".into()));
        for name in ["kind", "multi", "a b", "é"] {
            assert_eq!(kind(Some(name.into())), ContextKind::Nowhere, "{name}");
        }
    }
}
