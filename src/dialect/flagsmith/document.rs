//! Reading a whole document, item by item: a bad one leaves its neighbours alone.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

use super::{
    Settings,
    environment::{Environment, Shape},
    environment_document as api,
    evaluate::Feature,
    evaluation_context as engine,
    read::{Members, item},
    segments::{Identities, Placed, Refused, Segments, Thing},
    tree::{FeatureState, Segment},
};
use crate::flag::{DocumentError, Flag, FlagProblem, FlagSet};

/// The fields of either shape.
#[derive(Deserialize)]
struct DocumentJson<'a> {
    // The environment document's.
    api_key: Option<Box<str>>,
    name: Option<Box<str>>,
    #[serde(borrow)]
    project: Option<api::ProjectJson<'a>>,
    #[serde(borrow)]
    feature_states: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    identity_overrides: Option<Vec<&'a RawValue>>,
    // The evaluation context's.
    #[serde(borrow)]
    environment: Option<&'a RawValue>,
    #[serde(borrow)]
    features: Option<Members<'a>>,
    #[serde(borrow)]
    segments: Option<Members<'a>>,
}

/// An environment document of which every part is as it should be: the text is read only once.
#[derive(Deserialize)]
struct GoodJson {
    api_key: Box<str>,
    name: Option<Box<str>>,
    project: Option<api::GoodProjectJson>,
    feature_states: Option<Vec<api::FeatureStateJson>>,
    identity_overrides: Option<Vec<api::IdentityJson>>,
    /// Evaluation contexts have one, and are told by it before anything else is read.
    #[serde(rename = "environment")]
    _environment: Option<Absent>,
}

/// What is not there. Cannot be read.
enum Absent {}

impl<'de> Deserialize<'de> for Absent {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Absent, D::Error> {
        Err(D::Error::custom("expected nothing"))
    }
}

pub(super) fn compile(settings: Settings, text: &str) -> Result<FlagSet, DocumentError> {
    if let Ok(good) = serde_json::from_str::<GoodJson>(text) {
        return Ok(compile_good(settings, good));
    }
    let document: DocumentJson<'_> = serde_json::from_str(text).map_err(|error| {
        DocumentError::with_source(
            "neither an environment document nor an evaluation context",
            error,
        )
    })?;
    match (document.environment, &document.api_key) {
        (Some(environment), _) => {
            let environment: engine::EnvironmentJson = part("environment", environment)?;
            let environment = Environment {
                key: environment.key,
                name: environment.name,
                shape: Shape::Context,
                settings,
            };
            let mut reader = Reader::new(environment);
            reader.context(
                document.features.unwrap_or_default(),
                document.segments.unwrap_or_default(),
            );
            Ok(reader.finish())
        }
        (None, Some(key)) => {
            let environment = Environment {
                key: key.clone(),
                name: document.name.unwrap_or_default(),
                shape: Shape::Document,
                settings,
            };
            let mut reader = Reader::new(environment);
            reader.document(
                document.feature_states.unwrap_or_default(),
                document.project.and_then(|project| project.segments).unwrap_or_default(),
                document.identity_overrides.unwrap_or_default(),
            );
            Ok(reader.finish())
        }
        (None, None) => Err(DocumentError::new(
            "found neither `api_key` nor `environment`, expected an environment document or an \
             evaluation context",
        )),
    }
}

fn compile_good(settings: Settings, document: GoodJson) -> FlagSet {
    let mut reader = Reader::new(Environment {
        key: document.api_key,
        name: document.name.unwrap_or_default(),
        shape: Shape::Document,
        settings,
    });
    for state in document.feature_states.unwrap_or_default() {
        let state = state.compile(&reader.environment);
        reader.take_feature(named(&reader.environment, state));
    }
    let segments = document.project.and_then(|project| project.segments);
    for (place, segment) in segments.unwrap_or_default().into_iter().enumerate() {
        let segment = segment.compile(&reader.environment);
        reader.take_segment(place, segment);
    }
    for identity in document.identity_overrides.unwrap_or_default() {
        reader.take_identity(identity);
    }
    reader.finish()
}

fn part<'a, T: Deserialize<'a>>(name: &str, json: &'a RawValue) -> Result<T, DocumentError> {
    serde_json::from_str(json.get())
        .map_err(|error| DocumentError::with_source(format!("cannot read `{name}`"), error))
}

/// Compiles one feature as `set` has them.
pub(super) fn feature(
    environment: &Arc<Environment>,
    path: &str,
    text: &str,
) -> Result<Flag, FlagProblem> {
    Ok(named(environment, state(environment, path, text)?))
}

fn named(environment: &Arc<Environment>, state: FeatureState) -> Flag {
    let name = Arc::clone(&state.name);
    Flag::new(name, Feature { state, environment: Arc::clone(environment) })
}

fn state(environment: &Environment, path: &str, text: &str) -> Result<FeatureState, FlagProblem> {
    match environment.shape {
        Shape::Context => {
            let state: engine::FeatureJson = item("", path, text)?;
            Ok(state.compile(environment))
        }
        Shape::Document => {
            let state: api::FeatureStateJson = item("", path, text)?;
            Ok(state.compile(environment))
        }
    }
}

/// Compiles one segment; `id` is what an evaluation context calls it, if not by its key.
pub(super) fn segment(
    environment: &Environment,
    id: Option<&str>,
    path: &str,
    text: &str,
) -> Result<Segment, FlagProblem> {
    match environment.shape {
        Shape::Context => {
            let segment: engine::SegmentJson = item("", path, text)?;
            let id: Box<str> = id.unwrap_or(&segment.key).into();
            Ok(segment.compile(&id, environment))
        }
        Shape::Document => {
            let segment: api::SegmentJson = item("", path, text)?;
            Ok(segment.compile(environment))
        }
    }
}

struct Reader {
    environment: Arc<Environment>,
    flags: FlagSet,
    segments: Vec<Placed>,
    /// Where in `segments` each is.
    places: FxHashMap<Arc<str>, usize>,
    identities: Identities,
    refused: Vec<Refused>,
    problems: Vec<FlagProblem>,
}

impl Reader {
    fn new(environment: Environment) -> Reader {
        Reader {
            environment: Arc::new(environment),
            flags: FlagSet::new(),
            segments: Vec::new(),
            places: FxHashMap::default(),
            identities: Identities::default(),
            refused: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn context(&mut self, features: Members<'_>, segments: Members<'_>) {
        for (name, text) in features.0 {
            let path = format!("/features/{}", escaped(&name));
            self.feature(Some(&name), &path, text);
        }
        for (place, (id, text)) in segments.0.into_iter().enumerate() {
            let path = format!("/segments/{}", escaped(&id));
            self.segment(Some(&id), place, path, text);
        }
    }

    fn document(
        &mut self,
        features: Vec<&RawValue>,
        segments: Vec<&RawValue>,
        identities: Vec<&RawValue>,
    ) {
        for (index, text) in features.into_iter().enumerate() {
            self.feature(None, &format!("/feature_states/{index}"), text);
        }
        for (place, text) in segments.into_iter().enumerate() {
            self.segment(None, place, format!("/project/segments/{place}"), text);
        }
        for (index, text) in identities.into_iter().enumerate() {
            self.identity(format!("/identity_overrides/{index}"), text);
        }
    }

    fn feature(&mut self, name: Option<&str>, path: &str, text: &RawValue) {
        match feature(&self.environment, path, text.get()) {
            Ok(flag) => self.take_feature(flag),
            Err(mut problem) => {
                problem.key = match name {
                    Some(name) => name.to_owned(),
                    None => serde_json::from_str::<api::NamedJson>(text.get())
                        .map(|named| named.feature.name.into())
                        .unwrap_or_default(),
                };
                self.problems.push(problem);
            }
        }
    }

    fn take_feature(&mut self, flag: Flag) {
        let flags = std::mem::take(&mut self.flags);
        self.flags = flags.with(flag);
    }

    fn take_segment(&mut self, place: usize, segment: Segment) {
        let segment = Arc::new(segment);
        // One that comes twice keeps its first place and its last form.
        let known = self.places.get(&segment.id).and_then(|at| self.segments.get_mut(*at));
        match known {
            Some(held) => held.segment = segment,
            None => {
                self.places.insert(Arc::clone(&segment.id), self.segments.len());
                self.segments.push(Placed { place, segment });
            }
        }
    }

    fn take_identity(&mut self, identity: api::IdentityJson) {
        let identifier: Arc<str> = identity.identifier.as_ref().into();
        let states = identity.compile(&self.environment).into_iter().map(Arc::new).collect();
        // Of two about one identifier the first counts.
        self.identities.entry(identifier).or_insert(states);
    }

    fn segment(&mut self, id: Option<&str>, place: usize, path: String, text: &RawValue) {
        match segment(&self.environment, id, &path, text.get()) {
            Ok(segment) => self.take_segment(place, segment),
            Err(problem) => {
                self.problems.push(problem);
                let id = match id {
                    Some(id) => Some(id.into()),
                    None => serde_json::from_str::<api::IdJson>(text.get())
                        .ok()
                        .map(|json| json.id.to_string().into()),
                };
                if let Some(id) = id {
                    let thing = Thing::Segment { id, place };
                    self.refused.push(Refused { thing, path: path.into() });
                }
            }
        }
    }

    fn identity(&mut self, path: String, text: &RawValue) {
        match item::<api::IdentityJson>("", &path, text.get()) {
            Ok(identity) => self.take_identity(identity),
            Err(problem) => {
                self.problems.push(problem);
                if let Ok(json) = serde_json::from_str::<api::IdentifierJson>(text.get()) {
                    let thing = Thing::Identity { identifier: json.identifier.into() };
                    self.refused.push(Refused { thing, path: path.into() });
                }
            }
        }
    }

    fn finish(self) -> FlagSet {
        let segments =
            Segments::new(self.environment, self.segments, self.identities, self.refused);
        self.flags.with_shared(segments).with_problems(self.problems)
    }
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
