//! Flagsmith's environments: features, and the segments and identities that override them.

mod condition;
mod document;
mod environment;
mod environment_document;
mod evaluate;
mod evaluation_context;
mod hashing;
mod identity;
mod property;
mod read;
mod result;
mod segments;
mod subject;
mod trace;
mod tree;
mod walk;

pub use self::result::{FeatureResult, Reason, SegmentResult};
use self::{
    environment::Environment,
    evaluate::{Feature, IDENTITY_OVERRIDES, Scope},
    segments::Segments,
    trace::Unwatched,
};
use std::sync::LazyLock;

use crate::{
    clock::{Clock, ManualClock},
    context::EvaluationContext,
    flag::{DocumentError, FlagProblem, FlagSet, Request},
    value::Map,
};

/// Which generation of Flagsmith's engine to follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Generation {
    /// Before features could depend on one another: the Rust engine up to 0.6, the Python engine up
    /// to 10. `$.flags` reads nothing, a feature that nothing overrides has the reason `DEFAULT`,
    /// and nobody in particular belongs to no segment of an environment document.
    BeforeFlagDependencies,
    /// The current one: the Rust engine 0.7, the Python engine 11.
    #[default]
    FlagDependencies,
}

/// In which order the variants of an environment document take their shares. It decides who gets
/// which variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VariantOrder {
    /// As they stand in the document: the official Rust client.
    #[default]
    Document,
    /// By their ids, those without one last: the Python client.
    ById,
}

#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    generation: Generation,
    order: VariantOrder,
}

/// Reads Flagsmith's environments.
#[derive(Clone, Debug, Default)]
pub struct Flagsmith {
    settings: Settings,
}

impl Flagsmith {
    /// The dialect as the current engine speaks it.
    pub fn new() -> Flagsmith {
        Flagsmith::default()
    }

    /// Follows this generation of the engine.
    #[must_use]
    pub fn with_generation(mut self, generation: Generation) -> Flagsmith {
        self.settings.generation = generation;
        self
    }

    /// Orders the variants of environment documents like this. Evaluation contexts give priorities,
    /// which always count.
    #[must_use]
    pub fn with_variant_order(mut self, order: VariantOrder) -> Flagsmith {
        self.settings.order = order;
        self
    }

    /// Compiles an environment document or an evaluation context, whichever it is. A feature, a
    /// segment or an identity that is wrong is left out and reported in the set's
    /// [problems](FlagSet::problems); it never takes its neighbours with it.
    ///
    /// # Errors
    /// When the text is not JSON or neither of the two.
    pub fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        document::compile(self.settings, text)
    }

    /// The set with one feature added or replaced: an element of `feature_states`, or a member of
    /// `features`, whichever the set was compiled from. Copies pointers otherwise.
    ///
    /// # Errors
    /// What is wrong with the feature, and where; or that the set is not one of Flagsmith's.
    pub fn with_feature(&self, flags: &FlagSet, text: &str) -> Result<FlagSet, FlagProblem> {
        let segments = segments_of(flags)?;
        let flag = document::feature(&segments.environment, "", text)?;
        let key = flag.key().to_owned();
        Ok(flags.clone().with(flag).without_problems_of(&key))
    }

    /// The set with one segment added or replaced: an element of `project.segments`, or a member of
    /// `segments`, whichever the set was compiled from. A segment that is replaced keeps its place
    /// in the order, a new one comes last; among overrides of equal priority the first counts. Only
    /// what the old and the new form override is put together anew.
    ///
    /// # Errors
    /// What is wrong with the segment, and where; or that the set is not one of Flagsmith's.
    pub fn with_segment(&self, flags: &FlagSet, text: &str) -> Result<FlagSet, FlagProblem> {
        let segments = segments_of(flags)?;
        let segment = document::segment(&segments.environment, None, "", text)?;
        let flags = without_problems_of_segment(flags, segments, &segment.id);
        Ok(flags.with_shared(segments.with(segment)))
    }

    /// The set without the segment of this key (in an environment document: its id).
    pub fn without_segment(&self, flags: &FlagSet, key: &str) -> FlagSet {
        match flags.shared::<Segments>() {
            Some(segments) => {
                let flags = without_problems_of_segment(flags, segments, key);
                flags.with_shared(segments.without(key))
            }
            None => flags.clone(),
        }
    }

    /// What Flagsmith answers for one feature; `None` when there is no feature of this name.
    /// Evaluates that feature only, and what it depends on.
    pub fn feature<'a>(
        &self,
        flags: &'a FlagSet,
        name: &str,
        context: &'a dyn EvaluationContext,
    ) -> Option<FeatureResult<'a>> {
        let feature: &Feature = flags.get(name)?.rules()?;
        let request = Request { context, key_override: None, clock: clock() };
        Some(FeatureResult::of(&feature.decide(&request, flags)))
    }

    /// The segments that the context belongs to, in the order of the document. Allocates the list.
    pub fn segments<'a>(
        &self,
        flags: &'a FlagSet,
        context: &'a dyn EvaluationContext,
    ) -> Vec<SegmentResult<'a>> {
        let Some(segments) = flags.shared::<Segments>() else {
            return Vec::new();
        };
        let request = Request { context, key_override: None, clock: clock() };
        let environment: &Environment = &segments.environment;
        let mut scope = Scope::new(&request, flags, environment, Unwatched);
        let mut found = Vec::new();
        for segment in segments.in_order() {
            if !scope.passes_over(segment) && scope.belongs_to(segment) {
                found.push(SegmentResult { name: &segment.name, metadata: &segment.metadata });
            }
        }
        if request.targeting_key().is_some_and(|identifier| segments.has_own(identifier)) {
            found.push(SegmentResult { name: IDENTITY_OVERRIDES, metadata: &OVERRIDDEN });
        }
        found
    }
}

/// The metadata of the segment that is made of identity overrides.
static OVERRIDDEN: LazyLock<Map> =
    LazyLock::new(|| [("source", "identity_override")].into_iter().collect());

/// Flagsmith's rules never ask for the time.
fn clock() -> &'static dyn Clock {
    static CLOCK: LazyLock<ManualClock> = LazyLock::new(ManualClock::default);
    &*CLOCK
}

fn segments_of(flags: &FlagSet) -> Result<&Segments, FlagProblem> {
    flags.shared().ok_or_else(|| {
        let expected = "a set that Flagsmith's dialect compiled";
        FlagProblem::rejected("", "", "another set of flags", expected)
    })
}

/// The set without what its document got wrong in a segment that is mended or removed.
fn without_problems_of_segment(flags: &FlagSet, segments: &Segments, id: &str) -> FlagSet {
    let Some(path) = segments.refused_at(id) else {
        return flags.clone();
    };
    let inside = |problem: &&FlagProblem| match problem.path.strip_prefix(path) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    };
    let others = flags.problems().iter().filter(|problem| !inside(problem)).cloned();
    flags.clone().with_problems(others.collect())
}
