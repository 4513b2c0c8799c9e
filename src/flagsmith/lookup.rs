//! Reading what a condition's property names.

use std::fmt::Write;

use serde_json::{Map as Object, Value as Json};

use super::{
    Engine, context_json,
    environment::Shape,
    evaluate::{Decision, Evaluator, Feature},
    property::{FlagField, Path, Property},
    query::{Query, Step},
    subject::Subject,
    trace::Tracer,
    tree::Segment,
};
use crate::value::ShortText;

impl<'a, W: Tracer> Evaluator<'a, W> {
    /// The identity's key as conditions see it.
    #[inline]
    pub(super) fn identity_key(&self) -> Option<Subject<'a>> {
        let identity = self.identity?;
        Some(match self.environment.shape {
            Shape::Document => Subject::Key(identity),
            Shape::Context if self.environment.options.engine == Engine::Python => {
                Subject::Key(identity)
            }
            // To the Rust engine, an evaluation context without a key has an empty one.
            Shape::Context => Subject::Text(identity.given_key().unwrap_or_default()),
        })
    }

    #[inline]
    pub(super) fn read(&mut self, property: &'a Property) -> Option<Subject<'a>> {
        let found = match &property.path {
            Path::Nowhere => return None,
            Path::Trait => return self.attribute(&property.text),
            // The server's engine asks for a trait of that very name first.
            _ if self.environment.options.engine == Engine::Python
                && self.attribute(&property.text).is_some() =>
            {
                return self.attribute(&property.text);
            }
            Path::Nothing => None,
            Path::EnvironmentKey => Some(Subject::Text(&self.environment.key)),
            Path::EnvironmentName => Some(Subject::Text(&self.environment.name)),
            Path::Identifier => self.identity.map(|identity| Subject::Text(identity.identifier)),
            Path::IdentityKey => self.identity_key(),
            Path::NamedTrait { name, json: true } => {
                self.attribute(name).and_then(Subject::through_json)
            }
            Path::NamedTrait { name, json: false } => {
                self.attribute(name).filter(|subject| !matches!(subject, Subject::Null))
            }
            Path::Flag { name, field, json } => self.read_flag(name, field, *json),
            Path::Query(query) => self.query(query),
        };
        // A path that finds nothing may be the name of a trait.
        found.or_else(|| self.attribute(&property.text))
    }

    #[inline]
    fn attribute(&self, name: &str) -> Option<Subject<'a>> {
        let found = self.identity.and_then(|identity| identity.attribute(name));
        match self.environment.options.engine {
            // A trait that is null is not set.
            Engine::Python => found.filter(|found| !matches!(found, Subject::Null)),
            Engine::Rust => found,
        }
    }

    fn read_flag(&mut self, name: &str, field: &'a FlagField, json: bool) -> Option<Subject<'a>> {
        if !self.environment.reads_flags() {
            return None;
        }
        let feature: &Feature = self.set.get(name)?.rules()?;
        let decision = self.resolve(&feature.state)?;
        match field {
            FlagField::Query(query) => {
                let flag = context_json::flag(&decision);
                let found = query.first(&flag, &mut self.walk().nodes_left)?;
                context_json::value(found).map(Subject::Found)
            }
            field => decision.read(field, json),
        }
    }

    /// What a query finds first in the whole context.
    #[cold]
    fn query(&mut self, query: &Query) -> Option<Subject<'a>> {
        let first = query.steps.first().and_then(Step::name);
        let is_narrow = matches!(first, Some("environment" | "identity")) && !query.absolute;
        let held = match is_narrow {
            true => self.walk().documents.identity.take(),
            false => self.walk().documents.whole.take(),
        };
        let document = match held {
            Some(document) => document,
            None => Box::new(self.document(!is_narrow)),
        };
        let found = query.first(&document, &mut self.walk().nodes_left);
        let found = found.and_then(context_json::value).map(Subject::Found);
        let documents = &mut self.walk().documents;
        *if is_narrow { &mut documents.identity } else { &mut documents.whole } = Some(document);
        found
    }

    fn document(&self, whole: bool) -> Json {
        let mut members = Object::new();
        let environment = context_json::environment(self.environment);
        members.insert("environment".to_owned(), environment);
        if whole {
            members.insert("features".to_owned(), context_json::features(self.set));
        }
        if let (Some(identity), Some(key)) = (&self.identity, self.identity_key()) {
            let identity = key.with_text(|key| context_json::identity(identity, key));
            members.insert("identity".to_owned(), identity);
        }
        if let (Some(segments), true) = (self.segments, whole) {
            let counts = |segment: &Segment| !self.passes_over(segment);
            members.insert("segments".to_owned(), context_json::segments(segments, counts));
        }
        Json::Object(members)
    }
}

impl<'a> Decision<'a> {
    /// One field of a flag's result, for a condition of another flag's segment.
    fn read(&self, field: &'a FlagField, json: bool) -> Option<Subject<'a>> {
        let found = match field {
            FlagField::Enabled => Some(Subject::Bool(self.state.enabled)),
            FlagField::Value => Subject::of(self.value().borrow()),
            FlagField::Variant => self.variant().map(Subject::Text),
            FlagField::Name => Some(Subject::Text(&self.state.name)),
            FlagField::Metadata(name) => {
                self.state.metadata.get(name).and_then(|value| Subject::of(value.borrow()))
            }
            FlagField::Reason => {
                let mut text = ShortText::default();
                let _ = write!(text, "{}", super::FeatureResult::of(self).reason);
                Some(Subject::Found(text.as_str().into()))
            }
            FlagField::Query(_) => None,
        };
        match found {
            Some(Subject::Null) | None => None,
            Some(found) if json => found.through_json(),
            found => found,
        }
    }
}
