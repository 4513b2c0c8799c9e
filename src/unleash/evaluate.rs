//! Evaluating a compiled toggle.

use super::{
    Toggle,
    field::Field,
    network::any_contains,
    options::UnleashOptions,
    segment::{Segment, Segments},
    trace::{TraceRecorder, Tracer, Untraced},
    tree::{Constraint, CustomCall, FeatureToggle, Strategy, StrategyKind, Test, Variant},
};
use crate::{
    clock::Clock,
    contain::contained,
    context::EvaluationContext,
    flag::{Evaluate, Evaluation, EvaluationTrace, FlagSet, Reason, Request},
    value::{Map, ShortText, Value},
};

/// The seed of the hash that splits percentages.
pub(super) const ROLLOUTS: u32 = 0;

/// What a toggle without a payload serves.
static ON: Value = Value::Bool(true);
static OFF: Value = Value::Bool(false);

/// What one evaluation can see.
pub(super) struct Evaluator<'a, W> {
    pub(super) context: &'a dyn EvaluationContext,
    /// The targeting key, an empty one included.
    pub(super) key: Option<&'a str>,
    /// The key stands in for one that the context does not have.
    pub(super) stand_in: bool,
    pub(super) clock: &'a dyn Clock,
    pub(super) options: &'a UnleashOptions,
    pub(super) set: &'a FlagSet,
    asked: &'a FeatureToggle,
    /// The toggle that is asked, while one of its parents is evaluated: a parent's split without a
    /// group goes by it.
    pub(super) child: Option<&'a str>,
    /// The field that a constraint last asked for, and its text: rules that follow each other
    /// mostly ask for one field.
    last: Option<(&'a Field, &'a str)>,
    /// A split wanted a key and there was none.
    pub(super) missing_key: bool,
    pub(super) tracer: W,
}

/// What a toggle answered.
pub(super) struct Outcome<'a> {
    pub(super) enabled: bool,
    /// The chosen variant; `None` is the vendor's disabled one.
    pub(super) variant: Option<&'a Variant>,
    reason: Reason,
    pub(super) missing_key: bool,
}

/// Whether the strategies of a toggle switch it on.
#[derive(Clone, Copy)]
pub(super) enum Match<'a> {
    /// There are none.
    Unconditional,
    Strategy(usize, &'a Strategy),
    Nothing,
    Poisoned,
}

impl<'a, W: Tracer> Evaluator<'a, W> {
    #[inline]
    pub(super) fn new(
        toggle: &'a FeatureToggle,
        request: &Request<'a>,
        set: &'a FlagSet,
        tracer: W,
    ) -> Evaluator<'a, W> {
        Evaluator {
            context: request.context,
            key: request.key_override.or_else(|| request.context.targeting_key()),
            stand_in: request.key_override.is_some(),
            clock: request.clock,
            options: &toggle.options,
            set,
            asked: toggle,
            child: None,
            last: None,
            missing_key: false,
            tracer,
        }
    }

    #[inline]
    pub(super) fn resolve(&mut self) -> Outcome<'a> {
        let toggle = self.asked;
        if !toggle.enabled {
            self.tracer.note(|| "the toggle is switched off".to_owned());
            return self.off();
        }
        if !toggle.dependencies.is_empty() && !self.dependencies(toggle) {
            return self.off();
        }
        let (variants, reason, path) = match self.matched(toggle) {
            Match::Strategy(index, strategy) if !strategy.variants.list.is_empty() => {
                (&strategy.variants, strategy.reason, Some(index))
            }
            Match::Strategy(_, strategy) => (&toggle.variants, strategy.reason, None),
            Match::Unconditional if toggle.dependencies.is_empty() => {
                (&toggle.variants, Reason::Static, None)
            }
            Match::Unconditional => (&toggle.variants, Reason::Default, None),
            Match::Nothing | Match::Poisoned => return self.off(),
        };
        let chosen = if variants.list.is_empty() { None } else { self.choose(variants, path) };
        let (variant, reason) = match chosen {
            Some((variant, Some(reason))) => (Some(variant), reason),
            Some((variant, None)) => (Some(variant), reason),
            None => (None, reason),
        };
        Outcome { enabled: true, variant, reason, missing_key: self.missing_key }
    }

    fn off(&self) -> Outcome<'a> {
        let (reason, missing_key) = (Reason::Disabled, self.missing_key);
        Outcome { enabled: false, variant: None, reason, missing_key }
    }

    /// The first strategy that is true.
    #[inline]
    pub(super) fn matched(&mut self, toggle: &'a FeatureToggle) -> Match<'a> {
        if toggle.poisoned || !toggle.segments.is_empty() && !self.segments_are_whole(toggle) {
            self.tracer.note(|| "a strategy cannot be compiled, so the toggle is off".to_owned());
            return Match::Poisoned;
        }
        if toggle.strategies.is_empty() {
            return Match::Unconditional;
        }
        // The split of a strategy that did not switch the toggle on counts only when none does.
        let before = self.missing_key;
        let mut missing_key = before;
        for (index, strategy) in toggle.strategies.iter().enumerate() {
            self.missing_key = before;
            if self.holds(strategy, index) {
                return Match::Strategy(index, strategy);
            }
            missing_key |= self.missing_key;
        }
        self.missing_key = missing_key;
        Match::Nothing
    }

    /// Whether every segment that a strategy of the toggle names is there and can be evaluated:
    /// one that is not switches the whole toggle off, not only the strategy that names it.
    fn segments_are_whole(&self, toggle: &FeatureToggle) -> bool {
        let Some(segments) = self.set.shared::<Segments>() else {
            return false;
        };
        toggle.segments.iter().all(|id| matches!(segments.get(id), Some(Segment::Constraints(_))))
    }

    #[inline]
    fn holds(&mut self, strategy: &'a Strategy, index: usize) -> bool {
        for (place, constraint) in strategy.constraints.iter().enumerate() {
            let path = || format!("/strategies/{index}/constraints/{place}");
            if !self.meets(constraint, path) {
                return false;
            }
        }
        if !strategy.segments.is_empty() && !self.in_segments(strategy, index) {
            return false;
        }
        let holds = self.base(strategy, index);
        self.tracer.operator(|| format!("/strategies/{index}"), &strategy.name, holds);
        holds
    }

    #[inline(never)]
    fn in_segments(&mut self, strategy: &'a Strategy, index: usize) -> bool {
        let Some(segments) = self.set.shared::<Segments>() else {
            return false;
        };
        for (place, id) in strategy.segments.iter().enumerate() {
            let Some(Segment::Constraints(constraints)) = segments.get(id) else {
                return false;
            };
            let mut met = true;
            for (nth, constraint) in constraints.iter().enumerate() {
                let path = || format!("/strategies/{index}/segments/{place}/constraints/{nth}");
                if !self.meets(constraint, path) {
                    met = false;
                    break;
                }
            }
            let path = || format!("/strategies/{index}/segments/{place}");
            self.tracer.operator(path, "segment", met);
            if !met {
                return false;
            }
        }
        true
    }

    #[inline]
    fn meets(&mut self, constraint: &'a Constraint, path: impl FnOnce() -> String) -> bool {
        let field = &*constraint.field;
        let met = match self.last {
            Some((last, text)) if std::ptr::eq(last, field) => constraint.test.is_met_by(text),
            _ => match self.borrowed(field) {
                Some(text) => {
                    self.last = Some((field, text));
                    constraint.test.is_met_by(text)
                }
                None => self.meets_other(constraint),
            },
        };
        let met = met != constraint.inverted;
        self.tracer.operator(path, constraint.operator, met);
        met
    }

    /// Whether a text is met that is written first, or is not there.
    #[inline(never)]
    fn meets_other(&mut self, constraint: &'a Constraint) -> bool {
        if let Test::Number(number, order) = &constraint.test
            && let Some(found) = self.number(&constraint.field)
        {
            return order.admits_number(found, *number);
        }
        let mut room = ShortText::default();
        match self.text(&constraint.field, &mut room) {
            Some(text) => constraint.test.is_met_by(text),
            None => false,
        }
    }

    #[inline]
    fn base(&mut self, strategy: &'a Strategy, index: usize) -> bool {
        match &strategy.base {
            StrategyKind::Always => true,
            StrategyKind::Rollout(rollout) => self.rolled_out(rollout, index),
            other => self.other_base(other),
        }
    }

    #[inline(never)]
    fn other_base(&mut self, base: &'a StrategyKind) -> bool {
        let mut room = ShortText::default();
        match base {
            StrategyKind::Always => true,
            StrategyKind::Never | StrategyKind::Rollout(_) => false,
            StrategyKind::UserWithId(ids) => {
                let id = self.text(&Field::UserId, &mut room);
                id.is_some_and(|id| ids.contains(id))
            }
            StrategyKind::RemoteAddress(networks) => {
                let address = self.text(&Field::RemoteAddress, &mut room);
                address.is_some_and(|address| any_contains(networks, address))
            }
            StrategyKind::Random(percent) => u64::from(self.options.below(99)) + 1 < *percent,
            StrategyKind::Custom(call) => self.custom(call),
        }
    }

    /// Asks the caller's strategy. One that panics is false.
    fn custom(&self, call: &CustomCall) -> bool {
        let Some(strategy) = &call.strategy else {
            return false;
        };
        contained(|| strategy(&call.parameters, self.context)).unwrap_or(false)
    }
}

impl<'a> Outcome<'a> {
    pub(super) fn toggle(&self) -> Toggle<'a> {
        Toggle::new(self.enabled, self.variant)
    }

    #[inline]
    fn evaluation(&self, toggle: &'a FeatureToggle) -> Evaluation<'a> {
        let (value, variant, outcome) = match self.variant {
            Some(variant) => (&variant.value, Some(&*variant.name), variant.outcome),
            None if self.enabled => (&ON, None, 1),
            None => (&OFF, None, 0),
        };
        Evaluation {
            value: Some(value),
            variant,
            reason: self.reason,
            error: None,
            metadata: &toggle.metadata,
            on: Some(self.enabled),
            missing_key: self.missing_key,
            outcome,
            truncates: false,
        }
    }
}

impl Evaluate for FeatureToggle {
    fn evaluate<'a>(&'a self, request: &Request<'a>, set: &'a FlagSet) -> Evaluation<'a> {
        Evaluator::new(self, request, set, Untraced).resolve().evaluation(self)
    }

    fn explain<'a>(
        &'a self,
        request: &Request<'a>,
        set: &'a FlagSet,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        let mut evaluator = Evaluator::new(self, request, set, TraceRecorder::default());
        let evaluation = evaluator.resolve().evaluation(self);
        (evaluation, evaluator.tracer.trace)
    }

    fn metadata(&self) -> &Map {
        &self.metadata
    }
}
