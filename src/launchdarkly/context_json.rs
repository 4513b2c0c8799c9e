//! Contexts in the vendor's JSON form.

use std::{error, fmt};

use serde::Deserialize;
use serde_json::{Map as Members, Value as Json, json};

use super::reference::{is_kind, kind_key};
use crate::{
    context::{EvaluationContext, OwnedContext},
    flag::problem::pointer_segment,
    value::{Value, ValueRef},
};

/// The attributes that legacy users have as members; others are members of `custom`.
const LEGACY_ATTRIBUTES: [&str; 7] =
    ["name", "firstName", "lastName", "email", "country", "avatar", "ip"];

/// Reads a context as the vendor's SDKs write it: of one kind, `{"kind": "user", "key": "u"}`; of
/// several, `{"kind": "multi", "user": {"key": "u"}, "org": {"key": "o"}}`; or a legacy user, who has
/// no `kind`. Null members are absent, private attributes are kept.
///
/// ```
/// use modelgate::launchdarkly::{context_from_json, context_to_json};
///
/// let text = r#"{"kind":"org","key":"acme","plan":"pro","_meta":{"privateAttributes":["plan"]}}"#;
/// let context = context_from_json(text)?;
/// assert_eq!(context_to_json(&context)?, text);
///
/// let error = context_from_json(r#"{"kind": "org", "key": 3}"#).unwrap_err();
/// assert_eq!(error.to_string(), "context: `/key`: found 3, expected text");
/// # Ok::<(), modelgate::launchdarkly::ContextError>(())
/// ```
///
/// # Errors
/// What is wrong, and where.
pub fn context_from_json(text: &str) -> Result<OwnedContext, ContextError> {
    let members: Members<String, Json> = serde_json::from_str(text)
        .map_err(|error| ContextError::new("", error.to_string(), "an object"))?;
    let context = match members.get("kind") {
        None => legacy_user(members)?,
        Some(Json::String(kind)) if kind == "multi" => {
            let mut context = OwnedContext::anonymous();
            let mut others = Vec::new();
            for (kind, members) in members.iter().filter(|(kind, _)| *kind != "kind") {
                let one = match members {
                    Json::Object(members) => single(kind, members, &pointer_segment(kind))?,
                    found => {
                        let path = pointer_segment(kind);
                        return Err(ContextError::new(&path, found.to_string(), "an object"));
                    }
                };
                match &**kind {
                    "user" => context = one,
                    _ => others.push((kind.clone(), one)),
                }
            }
            others.into_iter().fold(context, |context, (kind, one)| context.with_kind(kind, one))
        }
        Some(Json::String(kind)) => {
            let one = single(kind, &members, "")?;
            match &**kind {
                "user" => one,
                _ => OwnedContext::anonymous().with_kind(kind.clone(), one),
            }
        }
        Some(found) => return Err(ContextError::new("kind", found.to_string(), "text")),
    };
    if parts(&context).is_empty() {
        return Err(ContextError::new("", "no kind", "one kind at least"));
    }
    Ok(context)
}

/// Writes a context as the vendor's SDKs read it, private attributes included.
///
/// # Errors
/// When it has no key of any kind.
pub fn context_to_json(context: &dyn EvaluationContext) -> Result<String, ContextError> {
    let mut parts = parts(context);
    let json = match (parts.len(), parts.pop()) {
        (_, None) => return Err(ContextError::new("", "no key of any kind", "a key")),
        (1, Some((kind, members))) => {
            let mut one = Members::new();
            one.insert("kind".to_owned(), json!(kind));
            one.extend(members);
            one
        }
        (_, Some(last)) => {
            let mut multi = Members::new();
            multi.insert("kind".to_owned(), json!("multi"));
            parts.push(last);
            multi.extend(parts.into_iter().map(|(kind, members)| (kind, Json::Object(members))));
            multi
        }
    };
    Ok(Json::Object(json).to_string())
}

/// The kinds of a context with their members, as the dialect sees them.
fn parts(context: &dyn EvaluationContext) -> Vec<(String, Members<String, Json>)> {
    let mut parts = Vec::new();
    if let Some(key) = context.targeting_key() {
        parts.push(("user".to_owned(), members(key, context)));
    }
    context.visit_kinds(&mut |kind, context| {
        if let Some(key) = kind_key(kind, context)
            && !parts.iter().any(|(known, _)| known == kind)
        {
            parts.push((kind.to_owned(), members(key, context)));
        }
    });
    parts
}

fn members(key: &str, context: &dyn EvaluationContext) -> Members<String, Json> {
    let mut members = Members::new();
    members.insert("key".to_owned(), json!(key));
    context.visit_attributes(&mut |name, value| {
        let counts = match name {
            "" | "kind" | "key" | "_meta" => false,
            "name" => matches!(value, ValueRef::Text(_)),
            "anonymous" => matches!(value, ValueRef::Bool(true)),
            _ => !matches!(value, ValueRef::Null),
        };
        if counts {
            members.insert(name.to_owned(), json!(value.to_value()));
        }
    });
    let private = private_attributes(context);
    if !private.is_empty() {
        members.insert("_meta".to_owned(), json!({"privateAttributes": private}));
    }
    members
}

/// What a context keeps to itself: what it says, and what the vendor's own JSON form of a context
/// says in its `_meta`, for those that carry it as it came.
pub(super) fn private_attributes(context: &dyn EvaluationContext) -> Vec<Box<str>> {
    let mut private: Vec<Box<str>> = Vec::new();
    context.visit_private(&mut |attribute| private.push(attribute.into()));
    if let Some(ValueRef::Map(meta)) = context.attribute("_meta")
        && let Some(ValueRef::List(listed)) = meta.member("privateAttributes")
    {
        private.extend((0..listed.len()).filter_map(|index| match listed.element(index) {
            Some(ValueRef::Text(attribute)) => Some(attribute.into()),
            _ => None,
        }));
    }
    private
}

/// The context of one kind, which stands at this path.
fn single(
    kind: &str,
    members: &Members<String, Json>,
    path: &str,
) -> Result<OwnedContext, ContextError> {
    let wrong = |name: &str, found: &Json, expected| {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        Err(ContextError::new(&path, found.to_string(), expected))
    };
    if !is_kind(kind) {
        return wrong(
            "kind",
            &json!(kind),
            "letters, digits, `.`, `_` and `-`, neither `kind` nor `multi`",
        );
    }
    let mut context = match members.get("key") {
        Some(Json::String(key)) if !key.is_empty() => OwnedContext::new(key.as_str()),
        Some(found @ Json::String(_)) => return wrong("key", found, "a key"),
        found => return wrong("key", found.unwrap_or(&Json::Null), "text"),
    };
    for (name, value) in members {
        match (name.as_str(), value) {
            ("kind" | "key", _) => {}
            ("name", found) if !matches!(found, Json::String(_) | Json::Null) => {
                return wrong(name, found, "text");
            }
            ("anonymous", Json::Bool(_)) => context = context.with("anonymous", value == true),
            ("anonymous", found) => return wrong(name, found, "a boolean"),
            ("_meta", Json::Null) => {}
            ("_meta", Json::Object(meta)) => {
                context = with_private(context, meta.get("privateAttributes"))
                    .or_else(|found| wrong("_meta/privateAttributes", found, "a list of text"))?;
            }
            ("_meta", found) => return wrong(name, found, "an object"),
            (_, Json::Null) => {}
            (name, value) => context = context.with(name, of_json(value)),
        }
    }
    Ok(context)
}

/// A legacy user: from before there were kinds. Its key may be empty.
fn legacy_user(members: Members<String, Json>) -> Result<OwnedContext, ContextError> {
    let wrong = |name: &str, found: &Json, expected| {
        Err(ContextError::new(name, found.to_string(), expected))
    };
    let mut context = match members.get("key") {
        Some(Json::String(key)) => OwnedContext::new(key.as_str()),
        found => return wrong("key", found.unwrap_or(&Json::Null), "text"),
    };
    for (name, value) in &members {
        match (name.as_str(), value) {
            ("key", _) | (_, Json::Null) => {}
            ("anonymous", Json::Bool(_)) => context = context.with("anonymous", value == true),
            ("anonymous", found) => return wrong(name, found, "a boolean"),
            ("privateAttributeNames", listed) => {
                context = with_private(context, Some(listed))
                    .or_else(|found| wrong(name, found, "a list of text"))?;
            }
            ("custom", Json::Object(custom)) => {
                for (name, value) in custom.iter().filter(|(_, value)| !value.is_null()) {
                    context = context.with(name.as_str(), of_json(value));
                }
            }
            ("custom", found) => return wrong(name, found, "an object"),
            (known, Json::String(text)) if LEGACY_ATTRIBUTES.contains(&known) => {
                context = context.with(known, text.as_str());
            }
            (known, found) if LEGACY_ATTRIBUTES.contains(&known) => {
                return wrong(name, found, "text");
            }
            // Not of this form.
            _ => {}
        }
    }
    Ok(context)
}

fn with_private(context: OwnedContext, listed: Option<&Json>) -> Result<OwnedContext, &Json> {
    match listed {
        None | Some(Json::Null) => Ok(context),
        Some(Json::Array(names)) => names.iter().try_fold(context, |context, name| match name {
            Json::String(name) => Ok(context.with_private(name.as_str())),
            found => Err(found),
        }),
        Some(found) => Err(found),
    }
}

fn of_json(value: &Json) -> Value {
    // Whatever is JSON is a value.
    Value::deserialize(value).unwrap_or(Value::Null)
}

/// A text that is no context.
#[derive(Debug)]
pub struct ContextError {
    path: String,
    found: String,
    expected: &'static str,
}

impl ContextError {
    fn new(path: &str, found: impl Into<String>, expected: &'static str) -> ContextError {
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        ContextError { path, found: found.into(), expected }
    }

    /// Where in the text, as a JSON pointer; empty for the whole.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ContextError { path, found, expected } = self;
        match &**path {
            "" => write!(f, "context: found {found}, expected {expected}"),
            path => write!(f, "context: `{path}`: found {found}, expected {expected}"),
        }
    }
}

impl error::Error for ContextError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(text: &str) -> Result<Json, ContextError> {
        let text = context_to_json(&context_from_json(text)?)?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn contexts_go_through_unchanged() {
        for context in [
            json!({"kind": "org", "key": "x"}),
            json!({"kind": "org", "key": "x", "name": "b", "anonymous": true}),
            json!({"kind": "user", "key": "x", "a": 1, "b": 1.5, "c": [null, {}], "d": {"e": false}}),
            json!({"kind": "org", "key": "x", "_meta": {"privateAttributes": ["x", "/y/z"]}}),
            json!({"kind": "multi", "user": {"key": "u", "name": "n"}, "org": {"key": "o"}}),
            json!({"kind": "multi", "a-_.Z9": {"key": "u"}, "org": {"key": "o",
                "_meta": {"privateAttributes": ["p"]}}}),
        ] {
            assert_eq!(converted(&context.to_string()).unwrap(), context);
        }
    }

    #[test]
    fn what_says_nothing_is_left_out_and_one_of_several_kinds_is_single() {
        for (text, expected) in [
            (
                r#"{"kind": "org", "key": "x", "name": null, "a": null}"#,
                json!({"kind": "org", "key": "x"}),
            ),
            (
                r#"{"kind": "org", "key": "x", "_meta": {"privateAttributes": []}}"#,
                json!({"kind": "org", "key": "x"}),
            ),
            (
                r#"{"kind": "org", "key": "x", "_meta": null, "anonymous": false}"#,
                json!({"kind": "org", "key": "x"}),
            ),
            (r#"{"kind": "multi", "org": {"key": "x"}}"#, json!({"kind": "org", "key": "x"})),
            (r#"{"key": ""}"#, json!({"kind": "user", "key": ""})),
            (
                r#"{"key": "a", "email": "e", "ip": null, "custom": {"b": 3, "c": null}, "anonymous": true,
                    "privateAttributeNames": ["b"], "other": 1}"#,
                json!({"kind": "user", "key": "a", "email": "e", "b": 3, "anonymous": true,
                    "_meta": {"privateAttributes": ["b"]}}),
            ),
        ] {
            assert_eq!(converted(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_context_is_refused_and_the_error_says_where() {
        for (text, path) in [
            ("", ""),
            ("{", ""),
            ("true", ""),
            (r#"{"kind": null, "key": "x"}"#, "/kind"),
            (r#"{"kind": true, "key": "x"}"#, "/kind"),
            (r#"{"kind": "", "key": "x"}"#, "/kind"),
            (r#"{"kind": "kind", "key": "x"}"#, "/kind"),
            (r#"{"kind": "orgé", "key": "x"}"#, "/kind"),
            (r#"{"kind": "multi"}"#, ""),
            (r#"{"kind": "multi", "a b": {"key": "x"}}"#, "/a b/kind"),
            (r#"{"kind": "multi", "org": 3}"#, "/org"),
            (r#"{"kind": "multi", "a/~": 3}"#, "/a~1~0"),
            (r#"{"kind": "multi", "a/~": {"key": "x"}}"#, "/a~1~0/kind"),
            (r#"{"kind": "org"}"#, "/key"),
            (r#"{"kind": "org", "key": null}"#, "/key"),
            (r#"{"kind": "org", "key": ""}"#, "/key"),
            (r#"{"kind": "org", "key": "x", "name": 3}"#, "/name"),
            (r#"{"kind": "org", "key": "x", "anonymous": null}"#, "/anonymous"),
            (r#"{"kind": "org", "key": "x", "anonymous": "yes"}"#, "/anonymous"),
            (r#"{"kind": "org", "key": "x", "_meta": 3}"#, "/_meta"),
            (
                r#"{"kind": "org", "key": "x", "_meta": {"privateAttributes": {}}}"#,
                "/_meta/privateAttributes",
            ),
            ("{}", "/key"),
            (r#"{"key": 3}"#, "/key"),
            (r#"{"key": "a", "anonymous": 3}"#, "/anonymous"),
            (r#"{"key": "a", "email": 3}"#, "/email"),
            (r#"{"key": "a", "custom": 3}"#, "/custom"),
            (r#"{"key": "a", "privateAttributeNames": {}}"#, "/privateAttributeNames"),
        ] {
            assert_eq!(converted(text).unwrap_err().path(), path, "{text}");
        }
    }
}
