//! Flagsmith's environments: features, and the segments and identities that override them.
//!
//! Reads the environment document that Flagsmith's API serves for local evaluation, and the
//! evaluation context that its engines take, told apart by their shape. A feature answers with
//! whether it is enabled and, beside that, with a value: a feature that is switched off still has
//! its value, but routes to nobody.
//!
//! ```
//! use modelgate::{Context, Reason, clock::SystemClock, flagsmith::Flagsmith};
//!
//! let dialect = Flagsmith::new();
//! let flags = dialect.compile(
//!     r#"{"api_key": "env", "name": "Production",
//!         "feature_states": [{
//!             "feature": {"id": 1, "name": "ml-model-version", "type": "MULTIVARIATE"},
//!             "enabled": true, "django_id": 1, "feature_state_value": "fraud-v1",
//!             "multivariate_feature_state_values": [{
//!                 "id": 1, "percentage_allocation": 25.0,
//!                 "multivariate_feature_option": {"key": "v2", "value": "fraud-v2"}
//!             }]
//!         }],
//!         "project": {"segments": [{
//!             "id": 7, "name": "beta",
//!             "rules": [{"type": "ALL", "rules": [], "conditions": [
//!                 {"operator": "EQUAL", "property_": "region", "value": "eu"}
//!             ]}],
//!             "feature_states": [{
//!                 "feature": {"id": 1, "name": "ml-model-version"}, "enabled": true,
//!                 "django_id": 2, "feature_segment": {"priority": 0},
//!                 "feature_state_value": "fraud-v2"
//!             }]
//!         }]}}"#,
//! )?;
//! let user = Context::new("user-42").with("region", "eu");
//! // In Flagsmith's words:
//! let result = dialect.feature(&flags, "ml-model-version", &user).expect("it is in the document");
//! assert!(result.enabled);
//! assert_eq!(result.reason.to_string(), "TARGETING_MATCH; segment=beta");
//! // In modelgate's:
//! let clock = SystemClock::new();
//! let answer = flags.evaluate_at("ml-model-version", &user, &clock).string("none");
//! assert_eq!((answer.value, answer.reason), ("fraud-v2", Reason::TargetingMatch));
//! # Ok::<(), modelgate::flag::DocumentError>(())
//! ```
//!
//! # The context
//!
//! | Flagsmith's | modelgate's |
//! |---|---|
//! | identity identifier | the targeting key |
//! | identity traits | the attributes: text, booleans, numbers, null; lists and objects are no traits |
//! | identity key | the attribute `$.identity.key`, where it is text; otherwise `ENVIRONMENT_IDENTIFIER` in an environment document, and none in an evaluation context, which splits by `ENVIRONMENT_IDENTIFIER` all the same |
//! | no identity | no targeting key: the flags of nobody in particular. Attributes are then not read. |
//!
//! Without an identity an environment document leaves out every segment that asks about anything but
//! the environment and other flags; an evaluation context leaves out none, because its author has
//! already chosen them. An `identity` inside of an evaluation context is not read: a set serves all
//! identities.
//!
//! # The answer
//!
//! | | [`EvaluationDetails`](crate::flag::EvaluationDetails) |
//! |---|---|
//! | enabled | `on`; not enabled is [`Reason::Disabled`](crate::Reason::Disabled) without a value |
//! | value | `value` |
//! | variant | `variant`: the variant's key, or `control` |
//! | `STATIC`, `DEFAULT`, `TARGETING_MATCH` | the reasons of these names, unless variants were chosen among |
//! | `SPLIT`, and `control` by whatever reason | [`Reason::Split`](crate::Reason::Split) |
//! | `ERROR; code=CIRCULAR_DEPENDENCY` | [`Reason::Error`](crate::Reason::Error), [`ErrorCode::General`](crate::flag::ErrorCode::General), and the value that Flagsmith still serves |
//!
//! # Engines
//!
//! Flagsmith's engines differ beyond their common suite. This follows the suite, and where that is
//! silent the server's engine, which the Python client shares; [`Engine::Rust`] is an option. In the
//! server's engine, a trait or an identifier that is read by a condition has a type of its own:
//!
//! | the trait is | taken for | its text in splits and patterns |
//! |---|---|---|
//! | text such as `007` or `-5` | the integer | `7`, `-5` |
//! | text such as `3.50` | the float | `3.5` |
//! | any other text | text | itself |
//! | an integer | itself | its digits |
//! | a float | itself | `1.0`, `2.5`, `1e+21`, `1e-05` |
//! | a boolean | itself | `True`, `False` |
//! | null | not set | |
//!
//! | operator | [`Engine::Python`] | [`Engine::Rust`] |
//! |---|---|---|
//! | `EQUAL`, `GREATER_THAN`, … | the value is read as the trait's type, or else nothing matches; to a boolean any text but `False` and `false` is true; text is compared as text; versions without their build metadata | text that looks like a boolean or a number on both sides is compared as one; versions with their build metadata |
//! | `CONTAINS`, `NOT_CONTAINS` | text only | the text of any trait |
//! | `REGEX` | anchored at the start; look-around and references back work, within limits | anywhere in the text |
//! | `IN` | text and integers; blanks between the commas count; a list that is written as JSON may hold anything | text of anything but booleans, trimmed |
//! | `MODULO` | numbers; the rest has the divisor's sign | numbers and their text; the rest has the trait's sign |
//! | `IS_SET` | not for null | for null as well |
//! | splits | in double precision, below 100; a variant from its share's start to before its end | in single precision, up to 100; a variant up to its share's end, inclusive |
//!
//! An operator that no engine knows, a pattern that cannot be matched, and a `MODULO` or a
//! `PERCENTAGE_SPLIT` without numbers never match, and are among the set's
//! [problems](FlagSet::problems).
//!
//! In an environment document, variants take their shares in the order of their ids, as on the
//! server; the Rust client takes them as they stand there: [`VariantOrder`]. Which release of the
//! engine the reasons are those of, and whether features may depend on one another, is a
//! [`Generation`].
//!
//! # Updates
//!
//! [`Flagsmith::with_feature`], [`Flagsmith::with_segment`] and [`Flagsmith::without_segment`] change
//! one thing and copy pointers. A segment that is replaced keeps its place in the order, a new one
//! comes last: among overrides of one priority the first counts. A feature, segment or identity that
//! a new document gets wrong keeps its last good form, and a segment its new place.
//!
//! # Limits
//!
//! A flag may depend on others 64 deep through `$.flags`; one that goes deeper is treated like one
//! that depends on itself. A JSONPath may nest filters 32 deep. All queries of one decision together look
//! at 1,000,000 nodes at most, where a text counts once more for every 64 bytes, and a pattern that is read
//! from the context 2,000 times; what would need more finds nothing. Of JSONPath's functions those of
//! RFC 9535 are known. Integers beyond 64 bits are floats.
//!
//! # What allocates
//!
//! Evaluating allocates nothing, except for:
//! - a property that is a JSONPath with a wildcard, an index, a slice, a filter or `..`, and one that
//!   leads into `$.features` or `$.segments`: each builds the context as a document;
//! - `$.flags.NAME` followed by anything but `enabled`, `value`, `variant`, `name` or a name in
//!   `metadata`;
//! - a decision for which more than eight other flags, or segments that read flags, are evaluated;
//! - a feature that depends on itself, or on one that does: all segments are then asked in the order
//!   of the document, as the official engine asks them, because the answer depends on it;
//! - comparing the identity's key (not splitting by it) when it has more than 256 bytes;
//! - a pattern with look-around or references back;
//! - a pattern too large for a table, or with Unicode word boundaries on text that is not ASCII.

mod condition;
mod context_json;
mod document;
mod environment;
mod environment_document;
mod evaluate;
mod evaluation_context;
mod hashing;
mod identity;
mod lookup;
mod membership;
mod outcomes;
mod property;
mod python;
mod query;
mod read;
mod result;
mod segments;
#[cfg(feature = "flagsmith")]
mod source;
mod subject;
mod trace;
mod tree;
mod walk;

pub use self::result::{FeatureResult, Reason, SegmentResult};
#[cfg(feature = "flagsmith")]
pub use self::source::Source;
use self::{
    environment::Environment,
    evaluate::{Evaluator, Feature, IDENTITY_OVERRIDES},
    segments::Segments,
    trace::Untraced,
};
use std::sync::LazyLock;

use crate::{
    clock::{Clock, ManualClock},
    context::EvaluationContext,
    flag::{DocumentError, EvaluationCounts, FlagSet, MemoryLimit, Problem, ProblemList, Request},
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

/// Which of Flagsmith's engines to follow where their common suite is silent. It decides what a
/// value is taken for, and so who belongs to a segment and who gets which variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// The server's, which is the Python client's as well: what a service in another language, and
    /// the server itself, answer.
    #[default]
    Python,
    /// The Rust engine's, 0.7.
    Rust,
}

/// In which order the variants of an environment document take their shares. It decides who gets
/// which variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VariantOrder {
    /// As they stand in the document: the official Rust client.
    Document,
    /// By their ids, those without one last: the server, the Python and the Node client.
    #[default]
    ById,
}

#[derive(Clone, Debug, Default)]
struct FlagsmithOptions {
    engine: Engine,
    generation: Generation,
    order: VariantOrder,
    counts: Option<EvaluationCounts>,
    memory: MemoryLimit,
}

/// Reads Flagsmith's environments.
#[derive(Clone, Debug, Default)]
pub struct Flagsmith {
    options: FlagsmithOptions,
}

impl Flagsmith {
    /// The dialect as the current engine speaks it.
    pub fn new() -> Flagsmith {
        Flagsmith::default()
    }

    /// Follows this engine where the engines differ.
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Flagsmith {
        self.options.engine = engine;
        self
    }

    /// Follows this generation of the engine.
    #[must_use]
    pub fn with_generation(mut self, generation: Generation) -> Flagsmith {
        self.options.generation = generation;
        self
    }

    /// Orders the variants of environment documents like this. Evaluation contexts give priorities,
    /// which always count.
    #[must_use]
    pub fn with_variant_order(mut self, order: VariantOrder) -> Flagsmith {
        self.options.order = order;
        self
    }

    /// Counts here what the features compiled from now on answer: off, on, and each variant.
    #[must_use]
    pub fn with_evaluation_counts(mut self, counts: &EvaluationCounts) -> Flagsmith {
        self.options.counts = Some(counts.clone());
        self
    }

    /// The memory in bytes that compiling one document may take; otherwise eight times its size,
    /// and for any document 32 MiB.
    #[must_use]
    pub fn with_max_memory(mut self, bytes: u64) -> Flagsmith {
        self.options.memory = MemoryLimit::bytes(bytes);
        self
    }

    /// Compiles an environment document or an evaluation context, whichever it is. A feature, a
    /// segment or an identity that is wrong is left out and reported in the set's
    /// [problems](FlagSet::problems); it never takes its neighbours with it.
    ///
    /// # Errors
    /// When the text is not JSON or neither of the two, or would take
    /// [more memory](DocumentError::too_large) than it may.
    pub fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        document::compile(&self.options, crate::dialect::without_mark(text))
    }

    /// The set with one feature added or replaced: an element of `feature_states`, or a member of
    /// `features`, whichever the set was compiled from. Copies pointers otherwise.
    ///
    /// # Errors
    /// What is wrong with the feature, and where; or that the set is not one of Flagsmith's.
    pub fn with_feature(&self, flags: &FlagSet, text: &str) -> Result<FlagSet, Problem> {
        let segments = segments_of(flags)?;
        let flag = document::feature(&segments.environment, "", text)?;
        let key = flag.key().to_owned();
        Ok(flags.clone().with(flag).without_problems_of(&key))
    }

    /// The set with one segment added or replaced: an element of `project.segments`, or a member of
    /// `segments`, whichever the set was compiled from. A segment that is replaced keeps its place
    /// in the order, a new one comes last; among overrides of equal priority the first counts. Only
    /// what the old and the new form override is put together anew. What is remarkable about the new
    /// form takes the place of the old one's [problems](FlagSet::problems).
    ///
    /// # Errors
    /// What is wrong with the segment, and where; or that the set is not one of Flagsmith's.
    pub fn with_segment(&self, flags: &FlagSet, text: &str) -> Result<FlagSet, Problem> {
        let segments = segments_of(flags)?;
        let segment = document::segment_by_itself(&segments.environment, text)?;
        let path = segments.path_of(&segment.id);
        let new = segment.condition_problems(&path);
        let flags = without_problems_at(flags, &path).with_shared(segments.with(segment));
        if new.is_empty() {
            return Ok(flags);
        }
        let problems: ProblemList = flags.problems().iter().cloned().chain(new).collect();
        Ok(flags.with_problems(problems.into_list()))
    }

    /// The set without the segment of this key (in an environment document: its id).
    pub fn without_segment(&self, flags: &FlagSet, key: &str) -> FlagSet {
        match flags.shared::<Segments>() {
            Some(segments) => {
                let flags = without_problems_at(flags, &segments.path_of(key));
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
        let request = Request { context, key_override: None, counted: true, clock: clock() };
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
        let request = Request { context, key_override: None, counted: true, clock: clock() };
        let environment: &Environment = &segments.environment;
        let mut evaluator = Evaluator::new(&request, flags, environment, Untraced);
        let mut found = Vec::new();
        for segment in segments.in_order() {
            if !evaluator.passes_over(segment) && evaluator.belongs_to(segment) {
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

fn segments_of(flags: &FlagSet) -> Result<&Segments, Problem> {
    flags.shared().ok_or_else(|| {
        let expected = "a set that Flagsmith's dialect compiled";
        Problem::rejected("", "", "another set of flags", expected)
    })
}

/// The set without what its document got wrong at this place, or below it.
fn without_problems_at(flags: &FlagSet, path: &str) -> FlagSet {
    let inside = |problem: &Problem| {
        let below = problem.path.strip_prefix(path);
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    if !flags.problems().iter().any(inside) {
        return flags.clone();
    }
    let others = flags.problems().iter().filter(|problem| !inside(problem)).cloned();
    flags.clone().with_problems(others.collect())
}
