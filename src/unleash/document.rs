//! Reading client features and delta events.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    compile::{self, CompileError},
    constraint::shortened,
    model,
    options::UnleashOptions,
    problems::Problems,
    segment::{Segment, Segments},
    tree::FeatureToggle,
};
use crate::flag::{
    Costs, DocumentError, Flag, FlagSet, Outcomes, PartCosts, Problem, ProblemSeverity,
    problem::pointer_segment,
};

/// What client features cost, by the sizes of the types in [`model`](super::model) and
/// [`tree`](super::tree). Those of a hydration stand within an event.
const COSTS: Costs = Costs {
    depth: 2,
    wrapper: Some(("events", 2)),
    variations: None,
    item: 800,
    kept: PartCosts { object: 200, list: 5, element: 41, name: 5, text: 5, byte: 2 },
    working: PartCosts { object: 200, list: 40, element: 135, name: 60, text: 30, byte: 2 },
};

/// Reads client features, which replace everything there is, or events, which change it.
pub(super) fn read(
    options: &Arc<UnleashOptions>,
    previous: &FlagSet,
    text: &str,
) -> Result<FlagSet, DocumentError> {
    options.memory.compile(text, &COSTS, || compile(options, previous, text))
}

fn compile(
    options: &Arc<UnleashOptions>,
    previous: &FlagSet,
    text: &str,
) -> Result<FlagSet, DocumentError> {
    let document: model::Document<'_> = serde_json::from_str(text).map_err(|error| {
        DocumentError::with_source(
            "features of unleash are not as its client api gives them",
            error,
        )
    })?;
    let mut state = SetBuilder::new(options, previous);
    match (document.events, document.features) {
        (Some(events), _) => {
            for (index, event) in events.into_iter().enumerate() {
                state.event(event, index);
            }
        }
        (None, Some(features)) => {
            state.replace(&features, &document.segments.unwrap_or_default());
        }
        (None, None) => {
            return Err(DocumentError::new(
                "features of unleash: found neither `features` nor `events`, expected one of them",
            ));
        }
    }
    Ok(state.finish())
}

/// A set in the making.
struct SetBuilder<'s> {
    options: &'s Arc<UnleashOptions>,
    set: FlagSet,
    segments: Segments,
    problems: Problems,
    /// The features whose segments have to be looked for.
    changed_features: Vec<Arc<str>>,
    /// Whether those of every feature have to be: a segment came, changed or went.
    segments_changed: bool,
}

impl<'s> SetBuilder<'s> {
    fn new(options: &'s Arc<UnleashOptions>, previous: &FlagSet) -> SetBuilder<'s> {
        // What belongs to no flag and no segment belongs to the document it was in.
        let known = previous.problems().iter().filter(|problem| !problem.key.is_empty());
        SetBuilder {
            options,
            set: previous.clone(),
            segments: previous.shared::<Segments>().cloned().unwrap_or_default(),
            problems: known.cloned().collect(),
            changed_features: Vec::new(),
            segments_changed: false,
        }
    }

    fn event(&mut self, raw: &RawValue, index: usize) {
        let event: model::Event<'_> = match parsed(raw) {
            Ok(event) => event,
            Err(wrong) => {
                return self.problems.push(wrong.problem("", &format!("/events/{index}")));
            }
        };
        match (&*event.kind, event.feature, event.segment) {
            ("feature-updated", Some(feature), _) => self.feature(feature, index),
            ("segment-updated", _, Some(segment)) => self.segment(segment, index),
            ("feature-removed", ..) if event.feature_name.is_some() => {
                let name = event.feature_name.as_deref().unwrap_or_default();
                self.problems.forget(name);
                self.set = std::mem::take(&mut self.set).without(name);
            }
            ("segment-removed", ..) if event.segment_id.is_some() => {
                let id = event.segment_id.unwrap_or_default().to_string();
                self.problems.forget(&segment_key(&id));
                self.segments.remove(&id);
                self.segments_changed = true;
            }
            ("hydration", ..) => {
                let (features, segments) = (event.features, event.segments);
                self.replace(&features.unwrap_or_default(), &segments.unwrap_or_default());
            }
            (kind, ..) => {
                let known = "a feature, a segment or features, in an event of a known type";
                let found = format!("an event of type `{}` without them", shortened(kind));
                self.problems.push(Problem::warning("", format!("/events/{index}"), found, known));
            }
        }
    }

    /// Takes these features and segments for all there are. What of them is malformed stays as it
    /// was.
    fn replace(&mut self, features: &[&RawValue], segments: &[&RawValue]) {
        let previous = std::mem::take(&mut self.set);
        let known = std::mem::take(&mut self.segments);
        self.problems = Problems::default();
        self.changed_features.clear();
        self.segments_changed = true;
        for (index, segment) in segments.iter().enumerate() {
            self.segment(segment, index);
        }
        for (index, feature) in features.iter().enumerate() {
            self.feature(feature, index);
        }
        if let Some(mended) = self.segments.mended(&known) {
            self.segments = mended;
        }
        // The set's own way of keeping what was good goes by its problems.
        let rejected = self.problems.rejected().cloned().collect();
        let set = std::mem::take(&mut self.set).with_problems(rejected);
        self.set = set.keeping_last_good(&previous);
    }

    fn feature(&mut self, raw: &RawValue, index: usize) {
        let feature: model::Feature<'_> = match parsed(raw) {
            Ok(feature) => feature,
            Err(wrong) => {
                let called: model::ItemName<'_> = parsed(raw).unwrap_or_default();
                let problem = match called.name {
                    Some(name) => {
                        self.problems.forget(&name);
                        wrong.problem(&name, "")
                    }
                    None => wrong.problem("", &format!("/features/{index}")),
                };
                return self.problems.push(problem);
            }
        };
        self.problems.forget(&feature.name);
        let (toggle, fault) = compile::feature(self.options, &feature);
        if let Some(fault) = fault {
            self.problems.push(poisoned_problem(&feature.name, &fault.path, &fault));
        }
        let name: Arc<str> = (&*feature.name).into();
        if !toggle.segments.is_empty() {
            self.changed_features.push(Arc::clone(&name));
        }
        let counts = self.options.counts.as_ref();
        let counted =
            counts.map(|counts| (counts, Outcomes::Switched(toggle.outcomes().collect())));
        let mut flag = Flag::new(name, toggle);
        if let Some((counts, outcomes)) = counted {
            flag = flag.counted_in(counts, None, outcomes, None);
        }
        self.set = std::mem::take(&mut self.set).with(flag);
    }

    fn segment(&mut self, raw: &RawValue, index: usize) {
        self.segments_changed = true;
        match parsed::<model::Segment<'_>>(raw) {
            Ok(segment) => {
                let id = segment.id.to_string();
                self.problems.forget(&segment_key(&id));
                let compiled = compile::segment(&segment);
                if let Segment::Poisoned(fault) = &compiled {
                    self.problems.push(poisoned_problem(&segment_key(&id), &fault.path, fault));
                }
                self.segments.insert(&id, compiled);
            }
            Err(wrong) => {
                let known: model::ItemName<'_> = parsed(raw).unwrap_or_default();
                let problem = match known.id {
                    Some(id) => {
                        let id = id.to_string();
                        self.segments.refuse(&id);
                        self.problems.forget(&segment_key(&id));
                        wrong.problem(&segment_key(&id), "")
                    }
                    None => wrong.problem("", &format!("/segments/{index}")),
                };
                self.problems.push(problem);
            }
        }
    }

    fn finish(self) -> FlagSet {
        let SetBuilder { set, segments, problems, changed_features, segments_changed, .. } = self;
        let mut problems = problems.into_list();
        let toggle = |flag: &Flag| missing(flag.rules::<FeatureToggle>()?, &segments);
        if segments_changed {
            problems.retain(|problem| !is_of_segment(problem));
            problems.extend(set.iter().filter_map(toggle));
        } else {
            problems.extend(changed_features.iter().filter_map(|name| toggle(set.get(name)?)));
        }
        set.with_shared(segments).with_problems(problems.into_list())
    }
}

/// What the problems of a segment are listed under.
fn segment_key(id: &str) -> String {
    format!("segment {id}")
}

fn poisoned_problem(key: &str, path: &str, fault: &CompileError) -> Problem {
    let expected = format!("{}; until then, what uses it is off for everybody", fault.expected);
    Problem::warning(key, path, &fault.found, expected)
}

/// The first segment that a toggle names and that switches it off.
fn missing(toggle: &FeatureToggle, segments: &Segments) -> Option<Problem> {
    if toggle.segments.is_empty() {
        return None;
    }
    for (index, strategy) in toggle.strategies.iter().enumerate() {
        for (place, id) in strategy.segments.iter().enumerate() {
            let found = match segments.get(id) {
                Some(Segment::Constraints(_)) => continue,
                Some(Segment::Poisoned(fault)) => {
                    format!("segment {id}, which has {} at {}", fault.found, fault.path)
                }
                None => format!("segment {id}, which is not there"),
            };
            let path = format!("/strategies/{index}/segments/{place}");
            let expected = "a segment that can be evaluated; until then, the toggle is off for \
                            everybody";
            return Some(Problem::warning(&toggle.name, path, found, expected));
        }
    }
    None
}

/// Whether a problem is one that [`missing`] finds.
fn is_of_segment(problem: &Problem) -> bool {
    problem.severity == ProblemSeverity::Warning && problem.path.contains("/segments/")
}

/// Why an item could not be read.
struct ItemError {
    path: String,
    found: String,
    expected: String,
}

impl ItemError {
    fn problem(self, key: &str, place: &str) -> Problem {
        Problem::rejected(key, format!("{place}{}", self.path), self.found, self.expected)
    }
}

fn parsed<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, ItemError> {
    serde_json::from_str(raw.get()).or_else(|_| reread(raw))
}

/// Reads an item that cannot be read once more, to say where it went wrong.
#[cold]
fn reread<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, ItemError> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let mut path: String = error.path().iter().map(step).collect();
        let message = error.inner().to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        if let Some(field) = message.strip_prefix("missing field `") {
            path = format!("{path}/{}", field.trim_end_matches('`'));
            return ItemError { path, found: "nothing".to_owned(), expected: "a value".to_owned() };
        }
        let message = message.strip_prefix("invalid type: ").unwrap_or(message);
        let message = message.strip_prefix("invalid value: ").unwrap_or(message);
        match message.rsplit_once(", expected ") {
            Some((found, expected)) => ItemError {
                path,
                found: shortened(plain(found)),
                expected: plain(expected).to_owned(),
            },
            None => {
                let expected = "what the client api gives".to_owned();
                ItemError { path, found: shortened(message), expected }
            }
        }
    })
}

/// A type in the words of JSON.
fn plain(name: &str) -> &str {
    match name {
        "map" => "an object",
        "sequence" => "an array",
        "a sequence" => "an array",
        "i32" | "i64" => "a whole number",
        "invalid length 0" => "an array",
        name if name.starts_with("struct ") => "an object",
        name => name,
    }
}

fn step(segment: &serde_path_to_error::Segment) -> String {
    use serde_path_to_error::Segment as Step;
    match segment {
        Step::Seq { index } => format!("/{index}"),
        Step::Map { key } => format!("/{}", pointer_segment(key)),
        Step::Enum { variant } => format!("/{variant}"),
        Step::Unknown => String::new(),
    }
}
