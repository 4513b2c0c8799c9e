//! Evaluating a compiled toggle.

use std::fmt::Write;

use super::{
    Toggle,
    compile::prefix,
    field::Field,
    network::any_contains,
    segment::{Segment, Segments},
    settings::Settings,
    trace::{Recorder, Unwatched, Watcher},
    tree::{
        Base, Constraint, CustomCall, FeatureToggle, Parent, Rollout, Sticky, Strategy, Test,
        Variant, Variants,
    },
};
use crate::{
    clock::Clock,
    contain::contained,
    context::EvaluationContext,
    flag::{Evaluate, Evaluation, FlagSet, Reason, Request, Trace},
    value::{Map, ShortText, Value},
};

/// The seed of the hash that splits percentages.
pub(super) const ROLLOUTS: u32 = 0;

/// What a toggle without a payload serves.
static ON: Value = Value::Bool(true);
static OFF: Value = Value::Bool(false);

/// What one evaluation can see.
pub(super) struct Scene<'a, W> {
    pub(super) context: &'a dyn EvaluationContext,
    /// The targeting key, an empty one included.
    pub(super) key: Option<&'a str>,
    /// The key stands in for one that the context does not have.
    stand_in: bool,
    pub(super) clock: &'a dyn Clock,
    pub(super) settings: &'a Settings,
    set: &'a FlagSet,
    asked: &'a FeatureToggle,
    /// The toggle that is asked, while one of its parents is evaluated: a parent's split without a
    /// group goes by it.
    child: Option<&'a str>,
    /// A split wanted a key and there was none.
    missing_key: bool,
    pub(super) watcher: W,
}

/// What a toggle answered.
pub(super) struct Outcome<'a> {
    pub(super) enabled: bool,
    /// The chosen variant; `None` is the vendor's disabled one.
    pub(super) variant: Option<&'a Variant>,
    reason: Reason,
    missing_key: bool,
}

/// Whether the strategies of a toggle switch it on.
#[derive(Clone, Copy)]
enum Match<'a> {
    /// There are none.
    Unconditional,
    Strategy(usize, &'a Strategy),
    Nothing,
    Poisoned,
}

impl<'a, W: Watcher> Scene<'a, W> {
    #[inline]
    pub(super) fn new(
        toggle: &'a FeatureToggle,
        request: &Request<'a>,
        set: &'a FlagSet,
        watcher: W,
    ) -> Scene<'a, W> {
        Scene {
            context: request.context,
            key: request.key_override.or_else(|| request.context.targeting_key()),
            stand_in: request.key_override.is_some(),
            clock: request.clock,
            settings: &toggle.settings,
            set,
            asked: toggle,
            child: None,
            missing_key: false,
            watcher,
        }
    }

    #[inline]
    pub(super) fn resolve(&mut self) -> Outcome<'a> {
        let toggle = self.asked;
        if !toggle.enabled {
            self.watcher.note(|| "the toggle is switched off".to_owned());
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
    fn matched(&mut self, toggle: &'a FeatureToggle) -> Match<'a> {
        if toggle.poisoned || !toggle.segments.is_empty() && !self.segments_are_whole(toggle) {
            self.watcher.note(|| "a strategy cannot be compiled, so the toggle is off".to_owned());
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
        self.watcher.operator(|| format!("/strategies/{index}"), &strategy.name, holds);
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
            self.watcher.operator(path, "segment", met);
            if !met {
                return false;
            }
        }
        true
    }

    #[inline]
    fn meets(&mut self, constraint: &'a Constraint, path: impl FnOnce() -> String) -> bool {
        let mut room = ShortText::default();
        let met = match &constraint.test {
            Test::Never => false,
            test => match self.text(&constraint.field, &mut room) {
                Some(text) => test.is_met_by(text),
                None => false,
            },
        };
        let met = met != constraint.inverted;
        self.watcher.operator(path, constraint.operator, met);
        met
    }

    #[inline]
    fn base(&mut self, strategy: &'a Strategy, index: usize) -> bool {
        match &strategy.base {
            Base::Always => true,
            Base::Rollout(rollout) => self.rolled_out(rollout, index),
            other => self.other_base(other),
        }
    }

    #[inline(never)]
    fn other_base(&mut self, base: &'a Base) -> bool {
        let mut room = ShortText::default();
        match base {
            Base::Always => true,
            Base::Never | Base::Rollout(_) => false,
            Base::UserWithId(ids) => {
                let id = self.text(&Field::UserId, &mut room);
                id.is_some_and(|id| ids.contain(id))
            }
            Base::RemoteAddress(networks) => {
                let address = self.text(&Field::RemoteAddress, &mut room);
                address.is_some_and(|address| any_contains(networks, address))
            }
            Base::Random(percent) => u64::from(self.settings.below(99)) + 1 < *percent,
            Base::Custom(call) => self.custom(call),
        }
    }

    /// Asks the caller's strategy. One that panics is false.
    fn custom(&self, call: &CustomCall) -> bool {
        let Some(strategy) = &call.strategy else {
            return false;
        };
        contained(|| strategy(&call.parameters, self.context)).unwrap_or(false)
    }

    /// Whether the key's bucket is among those that are in.
    #[inline]
    fn rolled_out(&mut self, rollout: &'a Rollout, index: usize) -> bool {
        let mut room = Room::default();
        let key = match self.sticky(&rollout.sticky, &mut room) {
            Some(key) => key,
            None if matches!(rollout.sticky, Sticky::Field(_)) => return false,
            None => {
                let number = self.settings.below(9_999) + 1;
                let drawn = &mut room.drawn;
                // Writing to it cannot fail.
                let _ = write!(drawn, "{number}");
                drawn.as_str()
            }
        };
        let mut state = match self.child {
            Some(child) if rollout.by_asked => prefix(ROLLOUTS, child),
            _ => rollout.prefix,
        };
        state.write(key.as_bytes());
        let (bucket, percent) = (state.finish() % 100, rollout.percent);
        let share = if bucket < percent { (0, percent) } else { (percent, 100) };
        self.watcher.bucket(|| format!("/strategies/{index}"), bucket, share, 100);
        bucket < percent
    }

    /// What a split hangs on, if the context has it.
    #[inline]
    fn sticky<'t>(&mut self, sticky: &'a Sticky, room: &'t mut Room) -> Option<&'t str>
    where
        'a: 't,
    {
        let Room { user, other, .. } = room;
        match sticky {
            Sticky::Default => match self.user(user) {
                None => {
                    let session = self.text(&Field::SessionId, other);
                    self.missing_key |= session.is_none() && !self.stand_in;
                    session
                }
                user => user,
            },
            Sticky::Field(Field::UserId) => {
                let user = self.user(user);
                self.missing_key |= user.is_none() && !self.stand_in;
                user
            }
            Sticky::Field(field) => self.text(field, other),
            Sticky::Random => None,
        }
    }

    /// The user's id. An empty one is hashed like any other, but is none to tell users apart by.
    #[inline]
    fn user<'t>(&mut self, room: &'t mut ShortText) -> Option<&'t str>
    where
        'a: 't,
    {
        let user = self.text(&Field::UserId, room);
        self.missing_key |= user.is_some_and(str::is_empty);
        user
    }

    /// The variant that the context gets, and why, if it is for a reason of its own.
    #[inline]
    fn choose(
        &mut self,
        variants: &'a Variants,
        strategy: Option<usize>,
    ) -> Option<(&'a Variant, Option<Reason>)> {
        if variants.overridden
            && let Some(variant) = self.overriding(variants)
        {
            return Some((variant, Some(Reason::TargetingMatch)));
        }
        if variants.total == 0 {
            return None;
        }
        if let [variant] = &*variants.list {
            return Some((variant, None));
        }
        let mut room = Room::default();
        let bucket = match self.sticky(&variants.sticky, &mut room) {
            Some(key) => {
                let mut state = variants.prefix;
                state.write(key.as_bytes());
                state.finish() % variants.total
            }
            None => {
                // A drawn variant changes from request to request, unless that is what was asked
                // for.
                self.missing_key |= !self.stand_in && !variants.sticky.is_random();
                self.settings.below(variants.total)
            }
        };
        let variant = variants.list.iter().find(|variant| bucket < variant.end)?;
        self.watcher.bucket(
            || match strategy {
                Some(index) => format!("/strategies/{index}/variants"),
                None => "/variants".to_owned(),
            },
            bucket,
            variants.bounds(variant),
            variants.total,
        );
        Some((variant, Some(Reason::Split)))
    }

    #[inline(never)]
    fn overriding(&mut self, variants: &'a Variants) -> Option<&'a Variant> {
        for variant in &variants.list {
            for (field, values) in &variant.overrides {
                let mut room = ShortText::default();
                // The time counts only where the context says it.
                let given = *field != Field::CurrentTime || self.time_is_given();
                let text = if given { self.text(field, &mut room) } else { None };
                if text.is_some_and(|text| values.contain(text)) {
                    return Some(variant);
                }
            }
        }
        None
    }

    /// Whether every toggle that this one depends on is as it has to be. A parent that has parents
    /// itself never is.
    #[inline(never)]
    fn dependencies(&mut self, toggle: &'a FeatureToggle) -> bool {
        self.child = Some(&toggle.name);
        let satisfied = toggle.dependencies.iter().all(|parent| {
            let satisfied = self.parent(parent);
            self.watcher.operator(
                || format!("/dependencies/{}", parent.place),
                &parent.feature,
                satisfied,
            );
            satisfied
        });
        self.child = None;
        satisfied
    }

    fn parent(&mut self, parent: &'a Parent) -> bool {
        let rules = self.set.get(&parent.feature).and_then(|flag| flag.rules::<FeatureToggle>());
        let Some(rules) = rules.filter(|rules| rules.dependencies.is_empty()) else {
            self.watcher
                .note(|| format!("parent `{}` is not there or has parents itself", parent.feature));
            return false;
        };
        self.watcher.note(|| format!("parent `{}` is asked", parent.feature));
        let matched = self.matched(rules);
        let enabled =
            rules.enabled && matches!(matched, Match::Strategy(..) | Match::Unconditional);
        // The variant of a parent counts even while the parent is off.
        let variant = match matched {
            _ if parent.wanted.iter().all(|wanted| wanted.variants.is_empty()) => None,
            Match::Strategy(index, strategy) if !strategy.variants.list.is_empty() => {
                self.choose(&strategy.variants, Some(index))
            }
            _ if rules.variants.list.is_empty() => None,
            _ => self.choose(&rules.variants, None),
        };
        parent.wanted.iter().all(|wanted| {
            wanted.enabled == enabled
                && match variant {
                    Some((variant, _)) if !wanted.variants.is_empty() => {
                        wanted.variants.contain(&variant.name)
                    }
                    _ => true,
                }
        })
    }
}

/// Room for the text that a split hangs on.
#[derive(Default)]
struct Room {
    user: ShortText,
    other: ShortText,
    drawn: ShortText,
}

impl<'a> Outcome<'a> {
    pub(super) fn toggle(&self) -> Toggle<'a> {
        Toggle::new(self.enabled, self.variant)
    }

    #[inline]
    fn evaluation(&self, toggle: &'a FeatureToggle) -> Evaluation<'a> {
        let (value, variant) = match self.variant {
            Some(variant) => (&variant.value, Some(&*variant.name)),
            None if self.enabled => (&ON, None),
            None => (&OFF, None),
        };
        Evaluation {
            value: Some(value),
            variant,
            reason: self.reason,
            error: None,
            metadata: &toggle.metadata,
            on: Some(self.enabled),
            missing_key: self.missing_key,
        }
    }
}

impl Evaluate for FeatureToggle {
    fn evaluate<'a>(&'a self, request: &Request<'a>, set: &'a FlagSet) -> Evaluation<'a> {
        Scene::new(self, request, set, Unwatched).resolve().evaluation(self)
    }

    fn explain<'a>(&'a self, request: &Request<'a>, set: &'a FlagSet) -> (Evaluation<'a>, Trace) {
        let mut scene = Scene::new(self, request, set, Recorder::default());
        let evaluation = scene.resolve().evaluation(self);
        (evaluation, scene.watcher.trace)
    }

    fn metadata(&self) -> &Map {
        &self.metadata
    }
}
