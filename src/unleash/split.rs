//! Splits: which percentage a key belongs to, and which variant it gets.

use std::fmt::Write;

use super::{
    compile::prefix,
    evaluate::{Evaluator, ROLLOUTS},
    field::Field,
    trace::Tracer,
    tree::{Rollout, Stickiness, Variant, Variants},
};
use crate::{flag::Reason, value::ShortText};

impl<'a, W: Tracer> Evaluator<'a, W> {
    /// Whether the key's bucket is among those that are in.
    #[inline]
    pub(super) fn rolled_out(&mut self, rollout: &'a Rollout, index: usize) -> bool {
        let mut room = SplitKeyBuffer::default();
        let key = match self.sticky(&rollout.sticky, &mut room) {
            Some(key) => key,
            None if matches!(rollout.sticky, Stickiness::Field(_)) => return false,
            None => {
                let number = self.options.below(9_999) + 1;
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
        self.tracer.bucket(|| format!("/strategies/{index}"), bucket, share, 100);
        bucket < percent
    }

    /// What a split hangs on, if the context has it.
    #[inline]
    fn sticky<'t>(
        &mut self,
        sticky: &'a Stickiness,
        room: &'t mut SplitKeyBuffer,
    ) -> Option<&'t str>
    where
        'a: 't,
    {
        let SplitKeyBuffer { user, other, .. } = room;
        match sticky {
            Stickiness::Default => match self.user(user) {
                None => {
                    let session = self.text(&Field::SessionId, other);
                    self.missing_key |= session.is_none() && !self.stand_in;
                    session
                }
                user => user,
            },
            Stickiness::Field(Field::UserId) => {
                let user = self.user(user);
                self.missing_key |= user.is_none() && !self.stand_in;
                user
            }
            Stickiness::Field(field) => self.text(field, other),
            Stickiness::Random => None,
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
    pub(super) fn choose(
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
        let mut room = SplitKeyBuffer::default();
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
                self.options.below(variants.total)
            }
        };
        let variant = variants.list.iter().find(|variant| bucket < variant.end)?;
        self.tracer.bucket(
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
                if text.is_some_and(|text| values.contains(text)) {
                    return Some(variant);
                }
            }
        }
        None
    }
}

/// Room for the text that a split hangs on.
#[derive(Default)]
struct SplitKeyBuffer {
    user: ShortText,
    other: ShortText,
    drawn: ShortText,
}
