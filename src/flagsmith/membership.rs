//! Whether a context belongs to a segment.

use super::{
    Engine,
    condition::{Condition, Test},
    environment::Shape,
    evaluate::Evaluator,
    property::Path,
    subject::Subject,
    trace::Tracer,
    tree::{Rule, Segment},
    walk::address,
};
use crate::hash::Md5;

impl<'a, W: Tracer> Evaluator<'a, W> {
    /// Whether a segment is left out because there is nobody that it could be about.
    #[inline]
    pub(super) fn passes_over(&self, segment: &Segment) -> bool {
        self.identity.is_none()
            && self.environment.shape == Shape::Document
            && (segment.reads.identity || !self.environment.reads_flags())
    }

    pub(super) fn remembered_segment(&mut self, segment: &'a Segment) -> bool {
        if let Some(matches) = self.walk().segments.get(address(segment)) {
            return matches;
        }
        let before = self.walk().unresolved;
        let matches = self.matches(segment);
        if self.walk().unresolved != before {
            // A verdict that rests on a flag without an answer is no match, and not remembered:
            // whoever asks again rests on that flag as well.
            return false;
        }
        self.walk().segments.insert(address(segment), matches);
        matches
    }

    /// Whether the context belongs to a segment, be it one that reads flags.
    pub(super) fn belongs_to(&mut self, segment: &'a Segment) -> bool {
        if segment.reads.flags { self.remembered_segment(segment) } else { self.matches(segment) }
    }

    /// Whether the rules of a segment hold.
    #[inline]
    pub(super) fn matches(&mut self, segment: &'a Segment) -> bool {
        self.tracer.enter(|| format!("/segments/{}", segment.id));
        let matches = !segment.rules.is_empty()
            && segment
                .rules
                .iter()
                .enumerate()
                .all(|(index, rule)| self.rule(segment, index, rule));
        self.tracer.note(|| {
            format!(
                "segment `{}` {}",
                segment.name,
                if matches { "matches" } else { "does not match" }
            )
        });
        self.tracer.leave();
        matches
    }

    /// Conditions and nested rules must both hold; a rule without either holds.
    #[inline(always)]
    fn rule(&mut self, segment: &'a Segment, index: usize, rule: &'a Rule) -> bool {
        self.tracer.enter(|| format!("/rules/{index}"));
        let holds = (rule.conditions.is_empty()
            || rule.kind.fold(&rule.conditions, |index, condition| {
                self.condition(segment, index, condition)
            }))
            && (rule.rules.is_empty()
                || rule.kind.fold(&rule.rules, |index, rule| self.nested(segment, index, rule)));
        self.tracer.leave();
        holds
    }

    #[inline(never)]
    fn nested(&mut self, segment: &'a Segment, index: usize, rule: &'a Rule) -> bool {
        self.rule(segment, index, rule)
    }

    #[inline(always)]
    fn condition(&mut self, segment: &'a Segment, index: usize, condition: &'a Condition) -> bool {
        self.tracer.enter(|| format!("/conditions/{index}"));
        let subject = self.read(&condition.property);
        let result = match (&condition.test, &subject) {
            (Test::Split(limit), _) => self.is_within(segment, condition, &subject, *limit),
            (Test::IsNotSet, subject) => subject.is_none(),
            (Test::Python(check), Some(subject)) => check.passes(subject),
            (test, Some(subject)) => test.passes(subject),
            (_, None) => false,
        };
        self.tracer.condition(condition, subject.as_ref(), result);
        self.tracer.leave();
        result
    }

    /// A percentage split: by the property, or without one by the identity's key.
    fn is_within(
        &mut self,
        segment: &Segment,
        condition: &Condition,
        subject: &Option<Subject<'a>>,
        limit: f64,
    ) -> bool {
        let key;
        let subject = match (&condition.property.path, subject) {
            (Path::Nowhere, _) => match self.identity_key() {
                Some(found) => {
                    key = found;
                    &key
                }
                None => return false,
            },
            (_, Some(subject)) => subject,
            (_, None) => return false,
        };
        let percentage = match self.environment.options.engine {
            Engine::Rust => segment.prefix.percentage(|hash| subject.hash(hash)),
            Engine::Python if matches!(condition.property.path, Path::Nowhere) => {
                let write = |hash: &mut Md5| subject.hash(hash);
                segment.prefix.below_100(&segment.key, write, write)
            }
            // What a property names is a number where it looks like one.
            Engine::Python => {
                let found = subject.with_value(|held| {
                    let write = |hash: &mut Md5| {
                        held.with_text(|text| hash.write(text.as_bytes()));
                    };
                    segment.prefix.below_100(&segment.key, write, write)
                });
                match found {
                    Some(percentage) => percentage,
                    None => return false,
                }
            }
        };
        self.tracer.split(percentage, limit);
        percentage <= limit
    }
}
