//! Evaluating a feature: which of its states counts for this context, and which variant.

use std::sync::Arc;

use super::{
    Engine, Generation,
    environment::Environment,
    hashing::Prefix,
    identity::Identity,
    outcomes::outcome,
    segments::{Overrides, Segments},
    trace::{TraceRecorder, Tracer, Untraced},
    tree::{FeatureState, Segment, Variant},
    walk::{Memo, Walk, address},
};
use crate::{
    flag::{ErrorCode, Evaluate, Evaluation, EvaluationTrace, FlagSet, Reason, Request},
    hash::Md5,
    value::Map,
};

/// A feature as the environment has it; what overrides it is found in the set's [`Segments`].
#[derive(Debug)]
pub(super) struct Feature {
    pub(super) state: FeatureState,
    pub(super) environment: Arc<Environment>,
}

/// What was decided, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision<'a> {
    pub(super) state: &'a FeatureState,
    pub(super) cause: Cause<'a>,
    pub(super) choice: VariantChoice<'a>,
    /// A split wanted an identity, and there was none.
    pub(super) missing_key: bool,
}

/// Why this state of the feature counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'a> {
    /// The segment of this name overrides it.
    Segment(&'a str),
    /// Segments override it, and none of them matched.
    Default,
    /// Nothing overrides it.
    Static,
    /// It depends on itself.
    Circular,
}

/// Which of the feature's variants was chosen.
#[derive(Clone, Copy, Debug)]
pub(super) enum VariantChoice<'a> {
    /// There was no choice.
    None,
    /// None of them: the feature's own value.
    Control,
    Variant(&'a Variant),
}

impl Evaluate for Feature {
    #[inline]
    fn evaluate<'a>(&'a self, request: &Request<'a>, set: &'a FlagSet) -> Evaluation<'a> {
        self.evaluation(&self.decide(request, set))
    }

    fn explain<'a>(
        &'a self,
        request: &Request<'a>,
        set: &'a FlagSet,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        let mut evaluator =
            Evaluator::new(request, set, &self.environment, TraceRecorder::default());
        let decision = evaluator.decide(&self.state);
        let result = super::FeatureResult::of(&decision);
        evaluator.tracer.note(|| format!("`{}`: {}", self.state.name, result.reason));
        (self.evaluation(&decision), evaluator.tracer.trace)
    }

    fn metadata(&self) -> &Map {
        &self.state.metadata
    }
}

impl Feature {
    #[inline]
    pub(super) fn decide<'a>(&'a self, request: &Request<'a>, set: &'a FlagSet) -> Decision<'a> {
        Evaluator::new(request, set, &self.environment, Untraced).decide(&self.state)
    }

    #[inline]
    fn evaluation<'a>(&self, decision: &Decision<'a>) -> Evaluation<'a> {
        let on = decision.state.enabled;
        let (reason, error) = match (decision.cause, decision.choice) {
            _ if !on => (Reason::Disabled, None),
            (Cause::Circular, _) => (Reason::Error, Some(ErrorCode::General)),
            (_, VariantChoice::Control | VariantChoice::Variant(_)) => (Reason::Split, None),
            (Cause::Segment(_), VariantChoice::None) => (Reason::TargetingMatch, None),
            (Cause::Default, VariantChoice::None) => (Reason::Default, None),
            (Cause::Static, VariantChoice::None) => (Reason::Static, None),
        };
        Evaluation {
            value: on.then_some(decision.value()),
            variant: decision.variant(),
            reason,
            error,
            metadata: &decision.state.metadata,
            on: Some(on),
            missing_key: decision.missing_key,
            outcome: outcome(&self.state, decision),
            truncates: false,
        }
    }
}

/// One evaluation.
pub(super) struct Evaluator<'a, W> {
    pub(super) set: &'a FlagSet,
    pub(super) segments: Option<&'a Segments>,
    pub(super) environment: &'a Environment,
    pub(super) identity: Option<Identity<'a>>,
    /// Made by the first decision that depends on other flags, or queries the context.
    walk: Option<Walk<'a>>,
    pub(super) tracer: W,
}

impl<'a, W: Tracer> Evaluator<'a, W> {
    #[inline]
    pub(super) fn new(
        request: &Request<'a>,
        set: &'a FlagSet,
        environment: &'a Environment,
        tracer: W,
    ) -> Evaluator<'a, W> {
        Evaluator {
            set,
            segments: set.shared(),
            environment,
            identity: Identity::of(request, &environment.key),
            walk: None,
            tracer,
        }
    }

    #[inline]
    pub(super) fn decide(&mut self, state: &'a FeatureState) -> Decision<'a> {
        match self.segments.and_then(|segments| segments.overrides(state)) {
            None => self.serve(state, self.default_cause(), false),
            Some(overrides) if overrides.reads_flags => self.decide_dependent(state, overrides),
            Some(overrides) => self.first_override(state, overrides),
        }
    }

    /// Decides where segments that override the feature read other flags.
    #[cold]
    fn decide_dependent(
        &mut self,
        state: &'a FeatureState,
        overrides: &'a Overrides,
    ) -> Decision<'a> {
        self.walk().enter(address(state));
        let decision = self.strongest_of_all(state, overrides, Evaluator::remembered_segment);
        self.walk().leave();
        if self.walk().unresolved == 0 {
            return decision;
        }
        // What lies beside a circle depends on where one comes from. The official engine asks all
        // segments, in the order of the document; so is everything asked again.
        self.tracer.note(|| "a flag depends on itself: all segments are asked in order".to_owned());
        self.walk().forget_flags();
        let mut verdicts = Memo::default();
        for segment in self.segments.map(Segments::in_order).unwrap_or_default() {
            if !self.passes_over(segment) {
                verdicts.insert(address(segment), self.belongs_to(segment));
            }
        }
        if let Some(decision) = self.walk().resolved.get(address(state)) {
            return decision;
        }
        let decision = self.strongest_of_all(state, overrides, |_, segment| {
            verdicts.get(address(segment)).unwrap_or_default()
        });
        if self.walk().is_cyclic(address(state)) {
            return Decision { cause: Cause::Circular, ..decision };
        }
        decision
    }

    /// Why a feature that nothing overrides has its value.
    #[inline]
    fn default_cause(&self) -> Cause<'a> {
        match self.environment.options.generation {
            Generation::FlagDependencies => Cause::Static,
            Generation::BeforeFlagDependencies => Cause::Default,
        }
    }

    pub(super) fn walk(&mut self) -> &mut Walk<'a> {
        self.walk.get_or_insert_default()
    }

    /// Serves a state, or one of its variants.
    #[inline]
    fn serve(
        &mut self,
        state: &'a FeatureState,
        cause: Cause<'a>,
        missing_key: bool,
    ) -> Decision<'a> {
        let Some(prefix) = &state.prefix else {
            return Decision { state, cause, choice: VariantChoice::None, missing_key };
        };
        let Some(identity) = self.identity else {
            return Decision { state, cause, choice: VariantChoice::None, missing_key: true };
        };
        let rest = |hash: &mut Md5| hash.write(identity.identifier.as_bytes());
        let given = |hash: &mut Md5, key: &str| hash.write(key.as_bytes());
        let mut limit = 0.0;
        let (percentage, chosen) = match self.environment.options.engine {
            Engine::Python => {
                let whole = |hash: &mut Md5| identity.hash_key(hash);
                let percentage = match identity.given_key() {
                    None => prefix.below_100(&state.key, rest, whole),
                    Some(key) => Prefix::new(&state.key).below_100(
                        &state.key,
                        |hash| given(hash, key),
                        whole,
                    ),
                };
                let chosen = state.variants.iter().position(|variant| {
                    let from = limit;
                    limit += variant.weight;
                    from <= percentage && percentage < limit
                });
                (percentage, chosen)
            }
            Engine::Rust => {
                let percentage = match identity.given_key() {
                    None => prefix.percentage(rest),
                    Some(key) => Prefix::new(&state.key).percentage(|hash| given(hash, key)),
                };
                let chosen = state.variants.iter().position(|variant| {
                    limit += variant.weight;
                    percentage <= limit
                });
                (percentage, chosen)
            }
        };
        self.tracer.variant(percentage, &state.variants, chosen);
        let choice = chosen.and_then(|chosen| state.variants.get(chosen));
        let choice = choice.map_or(VariantChoice::Control, VariantChoice::Variant);
        Decision { state, cause, choice, missing_key }
    }

    /// The strongest override that counts, where no segment reads flags: the first that matches.
    #[inline]
    fn first_override(
        &mut self,
        state: &'a FeatureState,
        overrides: &'a Overrides,
    ) -> Decision<'a> {
        if let Some(own) = self.identity_override(overrides) {
            return self.serve(own, Cause::Segment(IDENTITY_OVERRIDES), false);
        }
        let (mut cause, mut missing_key) = (self.default_cause(), false);
        for candidate in &overrides.strongest_first {
            let segment = &*candidate.segment;
            if self.passes_over(segment) {
                missing_key |= segment.reads.split;
                continue;
            }
            cause = Cause::Default;
            if self.matches(segment) {
                return self.serve(&candidate.state, Cause::Segment(&segment.name), missing_key);
            }
        }
        if self.identity.is_some() && overrides.by_identity.is_some() {
            cause = Cause::Default;
        }
        self.serve(state, cause, missing_key)
    }

    /// The same, where segments read flags: all of them are asked, in the order of the document,
    /// because each may find that the flag depends on itself.
    #[cold]
    fn strongest_of_all(
        &mut self,
        state: &'a FeatureState,
        overrides: &'a Overrides,
        matches: impl Fn(&mut Self, &'a Segment) -> bool,
    ) -> Decision<'a> {
        let (mut cause, mut missing_key) = (self.default_cause(), false);
        let mut found: Option<usize> = None;
        for place in &overrides.document_order {
            let Some(candidate) = overrides.strongest_first.get(*place) else { continue };
            let segment = &*candidate.segment;
            if self.passes_over(segment) {
                missing_key |= segment.reads.split;
                continue;
            }
            cause = Cause::Default;
            if matches(self, segment) {
                found = Some(found.map_or(*place, |found| found.min(*place)));
            }
        }
        if let Some(own) = self.identity_override(overrides) {
            return self.serve(own, Cause::Segment(IDENTITY_OVERRIDES), false);
        }
        if self.identity.is_some() && overrides.by_identity.is_some() {
            cause = Cause::Default;
        }
        match found.and_then(|found| overrides.strongest_first.get(found)) {
            Some(found) => {
                self.serve(&found.state, Cause::Segment(&found.segment.name), missing_key)
            }
            None => self.serve(state, cause, missing_key),
        }
    }

    /// The state that this very identity has instead.
    #[inline]
    fn identity_override(&self, overrides: &'a Overrides) -> Option<&'a FeatureState> {
        let identity = self.identity?;
        overrides.by_identity.as_ref()?.get(identity.identifier).map(|state| &**state)
    }

    /// What another flag answers this context; nothing when it depends on itself.
    pub(super) fn resolve(&mut self, state: &'a FeatureState) -> Option<Decision<'a>> {
        let flag = address(state);
        if let Some(decision) = self.walk().resolved.get(flag) {
            return Some(decision);
        }
        if !self.walk().enter(flag) {
            return None;
        }
        let decision = match self.segments.and_then(|segments| segments.overrides(state)) {
            Some(overrides) if overrides.reads_flags => {
                self.strongest_of_all(state, overrides, Evaluator::remembered_segment)
            }
            Some(overrides) => self.first_override(state, overrides),
            None => self.serve(state, self.default_cause(), false),
        };
        self.walk().leave();
        if self.walk().is_cyclic(flag) {
            return None;
        }
        self.walk().resolved.insert(flag, decision);
        Some(decision)
    }
}

/// What Flagsmith calls the segment of those whose features are overridden one by one.
pub(super) const IDENTITY_OVERRIDES: &str = "identity_overrides";
