//! Contexts as events show them: without what is private.

use serde_json::{Map as Members, Value as Json, json};

use crate::{
    flag::problem::pointer_segment,
    launchdarkly::{ContextSnapshot, SingleContext, components},
    value::Value,
};

/// What contexts are sent without.
#[derive(Clone, Debug)]
pub(crate) struct Privacy {
    pub(in crate::launchdarkly::source) all: bool,
    attributes: Vec<Attribute>,
}

/// A private attribute, as it was written and by its steps.
#[derive(Clone, Debug)]
struct Attribute {
    written: String,
    steps: Vec<Box<str>>,
}

impl Attribute {
    /// `None` for a reference that is none.
    fn parse(written: &str) -> Option<Attribute> {
        let steps = match written.strip_prefix('/') {
            None if written.is_empty() => return None,
            None => vec![written.into()],
            Some(path) => components(path)?,
        };
        Some(Attribute { written: written.to_owned(), steps })
    }
}

impl Default for Privacy {
    fn default() -> Privacy {
        Privacy { all: true, attributes: Vec::new() }
    }
}

impl Privacy {
    /// Hides this attribute. A reference that is none hides nothing.
    pub(super) fn add(&mut self, attribute: &str) {
        match Attribute::parse(attribute) {
            Some(attribute) => self.attributes.push(attribute),
            None => tracing::warn!(
                target: "modelgate::source",
                "a private attribute is named by no reference: it hides nothing"
            ),
        }
    }

    /// A context as an event shows it. Where `anonymous` are hidden, these show nothing else.
    pub(super) fn shown(&self, who: &ContextSnapshot, hides_anonymous: bool) -> Json {
        match &who.parts[..] {
            [part] => {
                let mut shown = self.part(part, hides_anonymous);
                shown.insert("kind".to_owned(), json!(part.kind));
                Json::Object(shown)
            }
            parts => {
                let mut shown = Members::new();
                shown.insert("kind".to_owned(), json!("multi"));
                for part in parts {
                    let one = self.part(part, hides_anonymous);
                    shown.insert(part.kind.to_string(), Json::Object(one));
                }
                Json::Object(shown)
            }
        }
    }

    fn part(&self, part: &SingleContext, hides_anonymous: bool) -> Members<String, Json> {
        let mut shown = Members::new();
        let mut redacted = Vec::new();
        shown.insert("key".to_owned(), json!(part.key));
        let all = self.all || hides_anonymous && part.anonymous;
        // What the context itself keeps private holds for nothing but this context.
        let own: Vec<Attribute> =
            part.private.iter().filter_map(|written| Attribute::parse(written)).collect();
        let private: Vec<&Attribute> = self.attributes.iter().chain(&own).collect();
        for (name, value) in &part.attributes {
            if all {
                redacted.push(reference(name));
            } else if let Some(value) = shown_value(&private, &mut vec![name], value, &mut redacted)
            {
                shown.insert(name.to_string(), value);
            }
        }
        if part.anonymous {
            shown.insert("anonymous".to_owned(), json!(true));
        }
        if !redacted.is_empty() {
            shown.insert("_meta".to_owned(), json!({"redactedAttributes": redacted}));
        }
        shown
    }
}

/// A value without its private members; `None` where it is private itself. No deeper than the paths
/// of private attributes.
fn shown_value<'v>(
    private: &[&Attribute],
    path: &mut Vec<&'v str>,
    value: &'v Value,
    redacted: &mut Vec<String>,
) -> Option<Json> {
    let begins = |attribute: &&&Attribute| {
        let steps = attribute.steps.iter().map(|step| &**step);
        steps.take(path.len()).eq(path.iter().copied())
    };
    let here: Vec<&Attribute> = private.iter().filter(begins).copied().collect();
    if let Some(private) = here.iter().find(|private| private.steps.len() == path.len()) {
        redacted.push(private.written.clone());
        return None;
    }
    match value {
        Value::Map(members) if !here.is_empty() => {
            let mut shown = Members::new();
            for (name, value) in members.iter() {
                path.push(name);
                if let Some(value) = shown_value(&here, path, value, redacted) {
                    shown.insert(name.to_owned(), value);
                }
                path.pop();
            }
            Some(Json::Object(shown))
        }
        value => Some(json!(value)),
    }
}

/// An attribute's name as a reference to it.
fn reference(name: &str) -> String {
    if name.starts_with('/') { format!("/{}", pointer_segment(name)) } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(anonymous: bool) -> SingleContext {
        let address = [("street", "Elm"), ("city", "Oz")];
        let address = Value::Map(
            address.map(|(name, value)| (name, Value::from(value))).into_iter().collect(),
        );
        let attributes = vec![
            ("name".into(), Value::from("Ada")),
            ("address".into(), address),
            ("/a~b".into(), Value::from(1_i64)),
        ];
        let (kind, key) = ("user".into(), "u".into());
        SingleContext { kind, key, anonymous, attributes, private: Vec::new() }
    }

    fn shown(privacy: &Privacy, part: SingleContext) -> Json {
        privacy.shown(&ContextSnapshot { parts: vec![part] }, true)
    }

    #[test]
    fn unless_told_otherwise_an_event_shows_keys_only_and_the_names_of_the_rest() {
        assert_eq!(
            shown(&Privacy::default(), user(false)),
            json!({"kind": "user", "key": "u", "_meta": {
                "redactedAttributes": ["name", "address", "/~1a~0b"]}})
        );
    }

    #[test]
    fn private_attributes_are_left_out_wherever_they_stand() {
        let mut privacy = Privacy { all: false, attributes: Vec::new() };
        let all = json!({"kind": "user", "key": "u", "name": "Ada", "/a~b": 1,
            "address": {"street": "Elm", "city": "Oz"}});
        assert_eq!(shown(&privacy, user(false)), all);
        for attribute in
            ["/address/street", "name", "/~1a~0b", "/name/x", "absent", "/address/x/y", ""]
        {
            privacy.add(attribute);
        }
        assert_eq!(
            shown(&privacy, user(false)),
            json!({"kind": "user", "key": "u", "address": {"city": "Oz"}, "_meta": {
                "redactedAttributes": ["name", "/address/street", "/~1a~0b"]}})
        );
    }

    #[test]
    fn what_a_context_keeps_private_is_left_out_of_that_context_alone() {
        let mut privacy = Privacy { all: false, attributes: Vec::new() };
        privacy.add("name");
        let private = ["/address/street", "/~1a~0b", "", "/", "name"].map(Into::into).to_vec();
        let organization = SingleContext { kind: "organization".into(), ..user(false) };
        let who =
            ContextSnapshot { parts: vec![SingleContext { private, ..user(false) }, organization] };
        let shown = privacy.shown(&who, true);
        assert_eq!(
            shown["user"],
            json!({"key": "u", "address": {"city": "Oz"}, "_meta": {
                "redactedAttributes": ["name", "/address/street", "/~1a~0b"]}})
        );
        assert_eq!(
            shown["organization"],
            json!({"key": "u", "address": {"street": "Elm", "city": "Oz"}, "/a~b": 1,
                "_meta": {"redactedAttributes": ["name"]}})
        );
    }

    #[test]
    fn whoever_is_anonymous_shows_nothing_where_that_is_hidden() {
        let privacy = Privacy { all: false, attributes: Vec::new() };
        let organization = SingleContext { kind: "organization".into(), ..user(false) };
        let who = ContextSnapshot { parts: vec![user(true), organization] };
        let hidden = privacy.shown(&who, true);
        assert_eq!(hidden["kind"], "multi");
        assert_eq!(
            hidden["user"],
            json!({"key": "u", "anonymous": true, "_meta": {
            "redactedAttributes": ["name", "address", "/~1a~0b"]}})
        );
        assert_eq!(hidden["organization"]["name"], "Ada");
        assert_eq!(privacy.shown(&who, false)["user"]["name"], "Ada");
    }
}
