//! What all flags answer one context, in the form that the vendor's front ends start from.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    detail::{Detail, Reason, ReasonKind},
    evaluator::Evaluator,
    prerequisite_recorder::PrerequisiteRecorder,
    time::now,
    tree::LaunchDarklyFlag,
};
use crate::{context::EvaluationContext, flag::store, value::Value};

/// Which flags a [`FlagsState`] has, and how much of each.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct FlagsStateOptions {
    client_side_only: bool,
    with_reasons: bool,
    details_only_for_tracked_flags: bool,
}

impl FlagsStateOptions {
    /// All flags, without reasons.
    pub fn new() -> FlagsStateOptions {
        FlagsStateOptions::default()
    }

    /// Only the flags that are made available to client-side SDKs: what is handed to a browser ought
    /// to hold no others.
    pub fn client_side_only(mut self) -> FlagsStateOptions {
        self.client_side_only = true;
        self
    }

    /// Adds why each flag answered what it did.
    pub fn with_reasons(mut self) -> FlagsStateOptions {
        self.with_reasons = true;
        self
    }

    /// Leaves out version and reason of the flags whose answers a front end does not report one by
    /// one: they are neither tracked nor debugged, and no part of an experiment.
    pub fn details_only_for_tracked_flags(mut self) -> FlagsStateOptions {
        self.details_only_for_tracked_flags = true;
        self
    }
}

/// What all LaunchDarkly flags answer one context: as JSON, what the vendor's JavaScript SDKs are
/// bootstrapped with. Making one reports nothing.
///
/// ```
/// use modelgate::{
///     Context, Flags,
///     launchdarkly::{FlagsState, FlagsStateOptions, LaunchDarkly},
/// };
///
/// let flags = Flags::from(LaunchDarkly::new().compile(
///     r#"{"flags": {"banner": {"key": "banner", "version": 7, "on": true, "variations": ["a", "b"],
///         "fallthrough": {"variation": 1}, "clientSideAvailability": {"usingEnvironmentId": true}}}}"#,
/// )?);
/// let options = FlagsStateOptions::new().client_side_only();
/// let state = FlagsState::of(&flags.snapshot(), &Context::new("user-42"), options);
/// assert_eq!(
///     serde_json::to_string(&state)?,
///     r#"{"banner":"b","$flagsState":{"banner":{"variation":1,"version":7}},"$valid":true}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FlagsState {
    flags: BTreeMap<Box<str>, FlagState>,
    is_valid: bool,
}

/// One flag's part.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct FlagState {
    #[serde(skip)]
    value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    variation: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    track_events: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    track_reason: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug_events_until_date: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prerequisites: Vec<Box<str>>,
}

impl FlagsState {
    /// What the LaunchDarkly flags of this snapshot answer this context. It has no flags and is not
    /// [valid](FlagsState::is_valid) before the flags are there, and for a context without a key of
    /// any kind.
    pub fn of(
        flags: &store::Snapshot,
        context: &dyn EvaluationContext,
        options: FlagsStateOptions,
    ) -> FlagsState {
        let mut state = FlagsState { flags: BTreeMap::new(), is_valid: flags.is_ready() };
        for set in flags.sources().filter_map(|(_, set)| set) {
            if !Evaluator::new(context, None, set, PrerequisiteRecorder::default()).has_context() {
                return FlagsState { is_valid: false, flags: BTreeMap::new() };
            }
            for flag in set.iter() {
                let Some(rules) = LaunchDarklyFlag::of(flag) else { continue };
                if options.client_side_only && !rules.client_side {
                    // What an earlier source has under this key is not in force.
                    state.flags.remove(flag.key());
                    continue;
                }
                let mut evaluator =
                    Evaluator::new(context, None, set, PrerequisiteRecorder::default());
                let detail = evaluator.detail(rules);
                let mut prerequisites: Vec<Box<str>> = Vec::new();
                for visit in evaluator.tracer.visits {
                    if std::ptr::eq(visit.of, rules)
                        && !prerequisites.iter().any(|key| **key == *visit.key)
                    {
                        prerequisites.push(visit.key.into());
                    }
                }
                let one = FlagState::new(rules, &detail, prerequisites, options);
                state.flags.insert(flag.key().into(), one);
            }
        }
        state
    }

    /// Whether it is what the flags answer: they were there, and so was the context.
    pub fn is_valid(&self) -> bool {
        self.is_valid
    }

    /// What a flag answers, null where it leaves that to the caller; `None` where the state does not have
    /// the flag.
    pub fn value(&self, flag: &str) -> Option<&Value> {
        self.flags.get(flag).map(|flag| &flag.value)
    }

    /// The flags' keys and values, in the order of the keys.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.flags.iter().map(|(key, flag)| (&**key, &flag.value))
    }
}

impl FlagState {
    fn new(
        flag: &LaunchDarklyFlag,
        detail: &Detail<'_>,
        prerequisites: Vec<Box<str>>,
        options: FlagsStateOptions,
    ) -> FlagState {
        let explained = flag.is_explained(&detail.reason);
        let tracking = &flag.tracking;
        let is_debugged = tracking.debug_until > now();
        let brief =
            options.details_only_for_tracked_flags && !(tracking.all || explained || is_debugged);
        let reason = (options.with_reasons || explained) && !brief;
        FlagState {
            value: detail.value.cloned().unwrap_or(Value::Null),
            variation: detail.variation_index,
            version: (!brief).then_some(flag.version),
            reason: reason.then(|| serde_json::to_value(detail.reason).ok()).flatten(),
            track_events: tracking.all || explained,
            track_reason: explained,
            debug_events_until_date: Some(tracking.debug_until).filter(|until| *until > 0),
            prerequisites,
        }
    }
}

impl LaunchDarklyFlag {
    /// Whether an answer is reported with its reason, whatever the flag says of the others: it came
    /// of a rule that is tracked, or of an experiment.
    pub(super) fn is_explained(&self, reason: &Reason<'_>) -> bool {
        let rule = || self.rules.get(reason.rule_index?);
        reason.in_experiment
            || match reason.kind {
                ReasonKind::Fallthrough => self.tracking.fallthrough,
                ReasonKind::RuleMatch => rule().is_some_and(|rule| rule.tracked),
                _ => false,
            }
    }
}

impl Serialize for FlagsState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.flags.len() + 2))?;
        for (key, flag) in &self.flags {
            members.serialize_entry(key, &flag.value)?;
        }
        members.serialize_entry("$flagsState", &self.flags)?;
        members.serialize_entry("$valid", &self.is_valid)?;
        members.end()
    }
}
