//! Reading a whole document, item by item: a bad one leaves its neighbours alone.

use std::sync::Arc;

use crate::hash::Names;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    FlagsmithOptions,
    environment::{Environment, Shape},
    environment_document as api,
    evaluate::Feature,
    evaluation_context as engine,
    outcomes::outcomes,
    read::{Members, item},
    segments::{Identities, RankedSegment, Refused, Segments, segment_path},
    tree::{FeatureState, Segment},
};
use crate::flag::{
    Costs, DocumentError, Flag, FlagSet, PartCosts, Problem, ProblemList, problem::pointer_segment,
};

/// What a document costs, by the sizes of the types in [`environment_document`](api),
/// [`evaluation_context`](engine) and [`tree`](super::tree).
const COSTS: Costs = Costs {
    depth: 2,
    wrapper: None,
    variations: None,
    item: 1200,
    kept: PartCosts { object: 198, list: 2, element: 45, name: 2, text: 2, byte: 1 },
    working: PartCosts { object: 100, list: 20, element: 112, name: 20, text: 10, byte: 1 },
};

/// Up to this size in bytes a document is tried in one go, which is faster; a larger one is read
/// item by item, so that only one item at a time is there in both forms.
const IN_ONE_GO: usize = 1 << 20;

/// The fields of either shape: their items read, or left as they stand in the text.
#[derive(Deserialize)]
struct DocumentJson<'a, F, S, I, FC, SC> {
    // The environment document's.
    api_key: Option<Box<str>>,
    name: Option<Box<str>>,
    project: Option<api::ProjectJson<S>>,
    feature_states: Option<Vec<F>>,
    identity_overrides: Option<Vec<I>>,
    // The evaluation context's.
    #[serde(borrow)]
    environment: Option<&'a RawValue>,
    #[serde(borrow, bound(deserialize = "FC: Deserialize<'de>"))]
    features: Option<Members<'a, FC>>,
    #[serde(borrow, bound(deserialize = "SC: Deserialize<'de>"))]
    segments: Option<Members<'a, SC>>,
}

type FullDocument<'a> = DocumentJson<
    'a,
    api::FeatureStateJson<'a>,
    api::SegmentJson<'a>,
    api::IdentityJson<'a>,
    engine::FeatureJson,
    engine::SegmentJson,
>;

type Items<'a> =
    DocumentJson<'a, &'a RawValue, &'a RawValue, &'a RawValue, &'a RawValue, &'a RawValue>;

pub(super) fn compile(options: &FlagsmithOptions, text: &str) -> Result<FlagSet, DocumentError> {
    options.memory.compile(text, &COSTS, || read(options, text))
}

fn read(options: &FlagsmithOptions, text: &str) -> Result<FlagSet, DocumentError> {
    // A document without a fault is read in one go; any other item by item.
    if text.len() <= IN_ONE_GO
        && let Ok(document) = serde_json::from_str::<FullDocument<'_>>(text)
    {
        let mut reader = Reader::new(document.environment(options)?);
        reader.whole(document);
        return Ok(reader.finish());
    }
    let document: Items<'_> = serde_json::from_str(text).map_err(|error| {
        DocumentError::with_source(
            "neither an environment document nor an evaluation context",
            error,
        )
    })?;
    let mut reader = Reader::new(document.environment(options)?);
    reader.items(document);
    Ok(reader.finish())
}

impl<F, S, I, FC, SC> DocumentJson<'_, F, S, I, FC, SC> {
    fn environment(&self, options: &FlagsmithOptions) -> Result<Environment, DocumentError> {
        match (self.environment, &self.api_key) {
            (Some(environment), _) => {
                let environment: engine::EnvironmentJson = part("environment", environment)?;
                let (key, name) = (environment.key, environment.name);
                Ok(Environment { key, name, shape: Shape::Context, options: options.clone() })
            }
            (None, Some(key)) => {
                let (key, name) = (key.clone(), self.name.clone().unwrap_or_default());
                Ok(Environment { key, name, shape: Shape::Document, options: options.clone() })
            }
            (None, None) => Err(DocumentError::new(
                "found neither `api_key` nor `environment`, expected an environment document or an \
                 evaluation context",
            )),
        }
    }
}

fn part<'a, T: Deserialize<'a>>(name: &str, json: &'a RawValue) -> Result<T, DocumentError> {
    serde_json::from_str(json.get())
        .map_err(|error| DocumentError::with_source(format!("cannot read `{name}`"), error))
}

/// Compiles one segment that comes by itself.
pub(super) fn segment_by_itself(environment: &Environment, text: &str) -> Result<Segment, Problem> {
    let compile = || segment(environment, None, "", text);
    environment.options.memory.compile_item("", text, &COSTS, compile)
}

/// Compiles one feature as `set` has them.
pub(super) fn feature(
    environment: &Arc<Environment>,
    path: &str,
    text: &str,
) -> Result<Flag, Problem> {
    let compile = || Ok(flag(environment, state(environment, path, text)?));
    environment.options.memory.compile_item("", text, &COSTS, compile)
}

fn flag(environment: &Arc<Environment>, state: FeatureState) -> Flag {
    let name = Arc::clone(&state.name);
    let counted = environment.options.counts.as_ref().map(|counts| (counts, outcomes(&state)));
    let flag = Flag::new(name, Feature { state, environment: Arc::clone(environment) });
    match counted {
        Some((counts, outcomes)) => flag.counted_in(counts, None, outcomes, None),
        None => flag,
    }
}

fn state(environment: &Environment, path: &str, text: &str) -> Result<FeatureState, Problem> {
    match environment.shape {
        Shape::Context => {
            let state: engine::FeatureJson = item("", path, text)?;
            Ok(state.compile(environment))
        }
        Shape::Document => {
            let state: api::FeatureStateJson<'_> = item("", path, text)?;
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
) -> Result<Segment, Problem> {
    match environment.shape {
        Shape::Context => {
            let segment: engine::SegmentJson = item("", path, text)?;
            let id: Box<str> = id.unwrap_or(&segment.key).into();
            Ok(segment.compile(&id, environment))
        }
        Shape::Document => {
            let segment: api::SegmentJson<'_> = item("", path, text)?;
            Ok(segment.compile(environment))
        }
    }
}

struct Reader {
    environment: Arc<Environment>,
    flags: Vec<Flag>,
    segments: Vec<RankedSegment>,
    /// Where in `segments` each is.
    places: Names<Arc<str>, usize>,
    /// How many segments the document has, good or bad.
    end: usize,
    identities: Identities,
    refused: Vec<Refused>,
    problems: ProblemList,
}

impl Reader {
    fn new(environment: Environment) -> Reader {
        Reader {
            environment: Arc::new(environment),
            flags: Vec::new(),
            segments: Vec::new(),
            places: Names::default(),
            end: 0,
            identities: Identities::default(),
            refused: Vec::new(),
            problems: ProblemList::default(),
        }
    }

    fn whole(&mut self, document: FullDocument<'_>) {
        let environment = Arc::clone(&self.environment);
        if environment.shape == Shape::Context {
            for (_, feature) in document.features.unwrap_or_default().0 {
                self.add_feature(feature.compile(&environment));
            }
            let segments = document.segments.unwrap_or_default().0;
            for (place, (id, segment)) in segments.into_iter().enumerate() {
                self.add_segment(place, segment.compile(&id, &environment));
            }
            return;
        }
        for state in document.feature_states.unwrap_or_default() {
            self.add_feature(state.compile(&environment));
        }
        let segments = document.project.and_then(|project| project.segments);
        for (place, segment) in segments.unwrap_or_default().into_iter().enumerate() {
            self.add_segment(place, segment.compile(&environment));
        }
        for identity in document.identity_overrides.unwrap_or_default() {
            self.add_identity(identity);
        }
    }

    fn items(&mut self, document: Items<'_>) {
        if self.environment.shape == Shape::Context {
            for (name, text) in document.features.unwrap_or_default().0 {
                let path = format!("/features/{}", pointer_segment(&name));
                self.feature(Some(&name), &path, text);
            }
            let segments = document.segments.unwrap_or_default().0;
            for (place, (id, text)) in segments.into_iter().enumerate() {
                self.segment(Some(&id), place, text);
            }
            return;
        }
        for (index, text) in document.feature_states.unwrap_or_default().into_iter().enumerate() {
            self.feature(None, &format!("/feature_states/{index}"), text);
        }
        let segments = document.project.and_then(|project| project.segments);
        for (place, text) in segments.unwrap_or_default().into_iter().enumerate() {
            self.segment(None, place, text);
        }
        let identities = document.identity_overrides.unwrap_or_default();
        for (index, text) in identities.into_iter().enumerate() {
            self.identity(format!("/identity_overrides/{index}"), text);
        }
    }

    fn add_feature(&mut self, state: FeatureState) {
        self.flags.push(flag(&self.environment, state));
    }

    fn add_segment(&mut self, place: usize, segment: Segment) {
        self.end = place + 1;
        let path = segment_path(self.environment.shape, &segment.id, place);
        self.problems.extend(segment.condition_problems(&path));
        let segment = Arc::new(segment);
        // One that comes twice keeps its first place and its last form.
        match self.places.get(&segment.id).and_then(|at| self.segments.get_mut(*at)) {
            Some(held) => held.segment = segment,
            None => {
                self.places.insert(Arc::clone(&segment.id), self.segments.len());
                self.segments.push(RankedSegment { place, segment });
            }
        }
    }

    fn add_identity(&mut self, identity: api::IdentityJson<'_>) {
        let identifier: Arc<str> = identity.identifier.as_ref().into();
        let states = identity.compile(&self.environment).into_iter().map(Arc::new).collect();
        // Of two about one identifier the first counts.
        self.identities.entry(identifier).or_insert(states);
    }

    fn feature(&mut self, name: Option<&str>, path: &str, text: &RawValue) {
        match state(&self.environment, path, text.get()) {
            Ok(state) => self.add_feature(state),
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

    fn segment(&mut self, id: Option<&str>, place: usize, text: &RawValue) {
        self.end = place + 1;
        let path = segment_path(self.environment.shape, id.unwrap_or_default(), place);
        match segment(&self.environment, id, &path, text.get()) {
            Ok(segment) => self.add_segment(place, segment),
            Err(problem) => {
                self.problems.push(problem);
                let id = match id {
                    Some(id) => Some(id.into()),
                    None => serde_json::from_str::<api::IdJson>(text.get())
                        .ok()
                        .map(|json| json.id.to_string().into()),
                };
                self.refused.extend(id.map(|id| Refused::Segment { id, place }));
            }
        }
    }

    fn identity(&mut self, path: String, text: &RawValue) {
        match item::<api::IdentityJson<'_>>("", &path, text.get()) {
            Ok(identity) => self.add_identity(identity),
            Err(problem) => {
                self.problems.push(problem);
                if let Ok(json) = serde_json::from_str::<api::IdentifierJson>(text.get()) {
                    self.refused.push(Refused::Identity { identifier: json.identifier.into() });
                }
            }
        }
    }

    fn finish(self) -> FlagSet {
        let (environment, segments, end) = (self.environment, self.segments, self.end);
        let segments = Segments::new(environment, segments, self.identities, self.refused, end);
        let flags: FlagSet = self.flags.into_iter().collect();
        flags.with_shared(segments).with_problems(self.problems.into_list())
    }
}
