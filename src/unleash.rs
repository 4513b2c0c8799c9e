//! Unleash feature toggles, as its client API sends them.
//!
//! Client features (`{"version": 2, "features": [...], "segments": [...]}`) are compiled at once,
//! delta events (`{"events": [...]}`) change what is there.
//!
//! ```
//! use modelgate::{Context, Reason, clock::SystemClock, unleash::Unleash};
//!
//! let dialect = Unleash::new().with_app_name("fraud-check").with_environment("production");
//! let flags = dialect.compile(
//!     r#"{"version": 2, "features": [{
//!         "name": "ml-model-version", "enabled": true,
//!         "strategies": [{
//!             "name": "flexibleRollout",
//!             "parameters": {"groupId": "ml-model-version", "rollout": "25", "stickiness": "userId"},
//!             "constraints": [{"contextName": "region", "operator": "IN", "values": ["eu"]}],
//!             "variants": [{"name": "v2", "weight": 1000,
//!                 "payload": {"type": "string", "value": "fraud-v2"}}]
//!         }]
//!     }]}"#,
//! )?;
//! let (context, clock) = (Context::new("user-6").with("region", "eu"), SystemClock::new());
//!
//! // In Unleash's own words:
//! let toggle = dialect.toggle(&flags, "ml-model-version", &context, &clock);
//! assert!(toggle.enabled);
//! assert_eq!((toggle.variant.name, toggle.variant.payload.unwrap().value), ("v2", "fraud-v2"));
//!
//! // As any other flag:
//! let answer = flags.evaluate_at("ml-model-version", &context, &clock);
//! assert_eq!((answer.on, answer.variant, answer.reason), (Some(true), Some("v2"), Reason::Split));
//! assert_eq!(answer.string("none").value, "fraud-v2");
//!
//! // A toggle is switched off: nothing else is compiled again.
//! let flags = dialect.apply(&flags, r#"{"events": [{"type": "feature-updated", "eventId": 7,
//!     "feature": {"name": "ml-model-version", "enabled": false}}]}"#)?;
//! let answer = flags.evaluate_at("ml-model-version", &context, &clock);
//! assert_eq!((answer.on, answer.reason), (Some(false), Reason::Disabled));
//! # Ok::<(), modelgate::flag::DocumentError>(())
//! ```
//!
//! # Which version a toggle names
//!
//! | a toggle | [`Binding`](crate::Binding) | its evaluation |
//! |---|---|---|
//! | that is on or off | [`switch`](crate::Binding::switch) | `on`; its `value` is `true` or `false` |
//! | with variants named like versions | [`variant`](crate::Binding::variant) | `variant` is the variant's name |
//! | with variants whose payload names the version | [`value`](crate::Binding::value) | `value` is the payload: text, a number, or what its JSON says |
//!
//! A toggle that is off is [`Disabled`](crate::Reason::Disabled), whatever the cause: it is switched
//! off, no strategy is true, the user is not among the percentage, a parent is not as it has to be.
//! It names no version. A toggle that is archived is no longer among the features, and answers
//! [`FlagNotFound`](crate::flag::ErrorCode::FlagNotFound).
//!
//! # The context
//!
//! | Unleash | [`EvaluationContext`] |
//! |---|---|
//! | `userId` | the targeting key, or the attribute `userId` if there is none |
//! | `sessionId`, `remoteAddress` | the attribute of that name |
//! | `environment` | the attribute, or else [`Unleash::with_environment`] |
//! | `appName` | the attribute, or else [`Unleash::with_app_name`] |
//! | `currentTime` | the attribute (a date as text), or else the clock, in whole seconds |
//! | a property | the attribute of its name |
//!
//! Unleash compares text. Numbers and booleans are compared as JSON writes them (`41`, `1.5`,
//! `true`); an attribute that is `null`, a list or an object is absent.
//!
//! # Where engines differ
//!
//! Unleash's SDKs do not all answer alike. This follows its public specification, and beyond it
//! the engine that most server-side SDKs share (`yggdrasil`):
//!
//! - **One bad strategy switches its toggle off.** When a strategy cannot be compiled, the toggle is
//!   off for everybody and its variant is the disabled one, even if another strategy would be true.
//!   That is so for a segment that is missing or bad itself, an unknown operator, an operator
//!   without the values it needs, a value that is neither number, version nor date, a percentage
//!   above 100, and text that ends in a backslash or has a quote where it names a field, a group, an
//!   address or a host. A [warning](crate::flag::ProblemSeverity::Warning) among the set's
//!   [problems](FlagSet::problems) names the cause. Segments are looked up at evaluation: as soon as
//!   one is mended, so are the toggles that use it. The Node SDK confines each of these to the
//!   constraint or strategy; that is not offered here.
//! - **A value is compared as what it looks like.** `NUM_EQ` with `1.2.3` compares versions,
//!   `SEMVER_EQ` with `1.2` compares numbers, `DATE_AFTER` with `5` as well. A `SEMVER_...` value
//!   that starts with `v` is never met, not even inverted.
//! - **A constraint on what is absent is not met, and then inverted:** an inverted one is met.
//! - **A parent is evaluated in the name of its child:** a `flexibleRollout` of the parent without a
//!   `groupId` splits by the child's name, so that it may answer otherwise than when it is asked
//!   itself.
//! - A parent that has parents itself is never as it has to be.
//!
//! In three places this does not do as that engine does: variants whose weights sum to nothing give
//! the disabled variant, where the engine panics; values that contain parts of the engine's own
//! rule language are values, where the engine takes them for rules; and the custom strategies of a
//! parent are asked with the parent's own parameters, where the engine takes the child's results.
//!
//! # Chance
//!
//! Unleash draws where it has nothing to hang a split on: the user and session of the `default`
//! stickiness are both missing, a variant's stickiness names a field that is missing, the stickiness
//! is `random`, or the strategy `gradualRolloutRandom`. The numbers come from
//! [`Unleash::with_random`], or from a generator of the thread's own.
//!
//! A split that would have needed the targeting key, or that drew for want of one, says so
//! ([`EvaluationDetails::missing_key`](crate::flag::EvaluationDetails::missing_key)): a router then goes by its
//! [`MissingKey`](crate::router::MissingKey) policy.
//!
//! # Limits
//!
//! Evaluation is linear in the toggle, its parents and its segments, each asked once; text is
//! searched in one pass a value. JSON nested more than 127 deep is refused in what is read of a
//! feature, and skipped in what is not. Numbers of the context beyond 64 bits with a sign are
//! floats.
//!
//! # What allocates
//!
//! Evaluating allocates nothing, except for:
//! - a custom strategy that does;
//! - a comparison without case in which a capital sigma stands beside a character that is neither
//!   ASCII nor a plain letter or digit;
//! - a `REGEX` that the engine for large patterns has to match: very large Unicode classes, or
//!   Unicode word boundaries in text that is not ASCII.

mod compile;
mod constraint;
mod dependency;
mod document;
mod evaluate;
mod field;
mod lowercase;
mod model;
mod network;
mod options;
mod problems;
mod quoted;
mod segment;
mod shape;
#[cfg(feature = "unleash")]
mod source;
mod split;
mod strategy;
mod trace;
mod tree;

use std::sync::Arc;

#[cfg(feature = "unleash")]
pub use self::source::Source;
use self::{evaluate::Evaluator, options::UnleashOptions, trace::Untraced, tree::FeatureToggle};
pub use crate::router::impact::{ImpactMetric, ImpactMetrics, ImpactValue};
use crate::{
    clock::Clock,
    context::EvaluationContext,
    flag::{DocumentError, EvaluationCounts, FlagSet, MemoryLimit, Request},
    value::Map,
};

/// Reads Unleash's client features and delta events.
#[derive(Clone, Debug, Default)]
pub struct Unleash {
    options: Arc<UnleashOptions>,
}

impl Unleash {
    /// The dialect without defaults for the context and without custom strategies.
    pub fn new() -> Unleash {
        Unleash::default()
    }

    /// The `appName` of every context that does not bring its own.
    #[must_use]
    pub fn with_app_name(self, name: impl Into<Box<str>>) -> Unleash {
        self.with(|options| options.app_name = Some(name.into()))
    }

    /// The `environment` of every context that does not bring its own.
    #[must_use]
    pub fn with_environment(self, name: impl Into<Box<str>>) -> Unleash {
        self.with(|options| options.environment = Some(name.into()))
    }

    /// This host's name, for the strategy `applicationHostname`; without one it is false.
    #[must_use]
    pub fn with_host_name(self, name: impl Into<Box<str>>) -> Unleash {
        self.with(|options| options.host_name = Some(name.into()))
    }

    /// Answers for the custom strategy `name`: given its parameters, all of them text, and the
    /// context, is it true? One that panics is false, as is one that nobody answers for.
    ///
    /// The names of Unleash's own strategies are not asked for.
    #[must_use]
    pub fn with_strategy(
        self,
        name: impl Into<Box<str>>,
        strategy: impl Fn(&Map, &dyn EvaluationContext) -> bool + Send + Sync + 'static,
    ) -> Unleash {
        self.with(|options| options.strategies.push((name.into(), Arc::new(strategy))))
    }

    /// Draws random numbers from here: 64 bits, each as likely as the other. One that panics has
    /// drawn 0.
    ///
    /// They decide the strategy `gradualRolloutRandom`, splits with the stickiness `random`, and
    /// splits of a context that has nothing to be sticky on.
    #[must_use]
    pub fn with_random(self, random: impl Fn() -> u64 + Send + Sync + 'static) -> Unleash {
        self.with(|options| options.random = Some(Arc::new(random)))
    }

    /// Counts here what the features compiled from now on answer: off, on, and each variant.
    #[must_use]
    pub fn with_evaluation_counts(self, counts: &EvaluationCounts) -> Unleash {
        self.with(|options| options.counts = Some(counts.clone()))
    }

    /// The memory in bytes that compiling one document may take; otherwise eight times its size,
    /// and for any document 32 MiB.
    #[must_use]
    pub fn with_max_memory(self, bytes: u64) -> Unleash {
        self.with(|options| options.memory = MemoryLimit::bytes(bytes))
    }

    /// The `appName` of contexts that do not bring their own, where it was given.
    #[cfg(feature = "unleash")]
    pub(crate) fn app_name(&self) -> Option<&str> {
        self.options.app_name.as_deref()
    }

    /// The names of the custom strategies that somebody answers for.
    #[cfg(feature = "unleash")]
    pub(crate) fn strategies(&self) -> impl Iterator<Item = &str> {
        self.options.strategies.iter().map(|(name, _)| &**name)
    }

    fn with(mut self, change: impl FnOnce(&mut UnleashOptions)) -> Unleash {
        change(Arc::make_mut(&mut self.options));
        self
    }

    /// Compiles client features, or the delta events that make them up. A feature or segment that
    /// is malformed is left out and reported in the set's [problems](FlagSet::problems); it never
    /// takes its neighbours with it.
    ///
    /// # Errors
    /// When the text is not JSON, or has neither `features` nor `events`, or would take
    /// [more memory](DocumentError::too_large) than it may.
    pub fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        document::read(&self.options, &FlagSet::new(), crate::dialect::without_mark(text))
    }

    /// Applies delta events, in order. Only the features and segments that they carry are
    /// compiled; of all others pointers are copied. One that is malformed stays as it was.
    ///
    /// Client features in place of events replace everything there is.
    ///
    /// # Errors
    /// As for [`compile`](Unleash::compile).
    pub fn apply(&self, flags: &FlagSet, events: &str) -> Result<FlagSet, DocumentError> {
        document::read(&self.options, flags, crate::dialect::without_mark(events))
    }

    /// Whether a toggle is enabled, and its variant, as Unleash's own SDKs say it. A toggle that
    /// is not there is disabled.
    pub fn toggle<'a>(
        &self,
        flags: &'a FlagSet,
        name: &str,
        context: &'a dyn EvaluationContext,
        clock: &'a dyn Clock,
    ) -> Toggle<'a> {
        match flags.get(name).and_then(|flag| flag.rules::<FeatureToggle>()) {
            Some(toggle) => {
                let request = Request { context, key_override: None, counted: true, clock };
                Evaluator::new(toggle, &request, flags, Untraced).resolve().toggle()
            }
            None => Toggle::new(false, None),
        }
    }
}

/// What Unleash says of a toggle. Borrows from the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Toggle<'a> {
    /// Whether the toggle is on for this context.
    pub enabled: bool,
    /// The variant it gets.
    pub variant: Variant<'a>,
}

/// The variant of a toggle, in the vendor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Variant<'a> {
    /// Its name; `disabled` when there is none.
    pub name: &'a str,
    /// What comes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload<'a>>,
    /// Whether there is a variant.
    pub enabled: bool,
    /// Whether the toggle is on.
    pub feature_enabled: bool,
}

/// What comes with a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Payload<'a> {
    /// What its author says it is: `string`, `json`, `csv`, `number`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Its text.
    pub value: &'a str,
}

impl<'a> Toggle<'a> {
    fn new(enabled: bool, variant: Option<&'a tree::Variant>) -> Toggle<'a> {
        let variant = match variant {
            Some(variant) => Variant {
                name: &variant.name,
                payload: variant.payload.as_ref().map(|(kind, value)| Payload { kind, value }),
                enabled: true,
                feature_enabled: enabled,
            },
            None => Variant {
                name: "disabled",
                payload: None,
                enabled: false,
                feature_enabled: enabled,
            },
        };
        Toggle { enabled, variant }
    }
}
