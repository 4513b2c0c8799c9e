//! How often each flag answered what, for the server that it came from.
//!
//! Counting is on the way of every decision: it takes no lock, allocates nothing, and threads do
//! not share what they write to.

mod places;

use std::{fmt, sync::Arc};

use parking_lot::Mutex;

use self::places::{OpenPlaces, Places};
use super::AnswerObserver;
use crate::value::Value;

/// The answers that a flag can give, in the order of [`Evaluation::outcome`](super::Evaluation).
pub(crate) enum Outcomes {
    /// In the dialects that tell on and off from the variant.
    Switched(Box<[SwitchedOutcome]>),
    /// The caller's own default first, then the flag's variations: the flag's own list, for values
    /// may be large.
    Variations(Arc<[Value]>),
}

/// One of the answers that a flag can give in a dialect that tells on and off from the variant.
pub(crate) struct SwitchedOutcome {
    pub(crate) on: bool,
    pub(crate) variant: Option<Arc<str>>,
}

/// How often a flag gave one of its answers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EvaluationCount {
    /// The flag's key.
    pub flag: Arc<str>,
    /// The flag's version, where its dialect numbers them.
    pub version: Option<u64>,
    /// The place of the variation, from 0, where the dialect numbers them; `None` for the caller's
    /// own default.
    pub variation: Option<usize>,
    /// The variant's name, where it has one.
    pub variant: Option<Arc<str>>,
    /// Whether the flag was on, in the dialects that tell this apart from its value.
    pub on: Option<bool>,
    /// What was served, in the dialects that report it.
    pub value: Option<Value>,
    /// How often.
    pub count: u64,
}

/// Counts what flags answer, for a source that reports it to where the flags came from.
///
/// Given to a dialect that counts (of those here,
/// [Flagsmith](crate::flagsmith::Flagsmith::with_evaluation_counts),
/// [LaunchDarkly](crate::launchdarkly::LaunchDarkly::with_evaluation_counts) and
/// [Unleash](crate::unleash::Unleash::with_evaluation_counts)), it counts every answer of the flags
/// compiled from then on that a router or [`Flags`](crate::Flags) went by; not those of
/// [`FlagSet::evaluate`](crate::FlagSet::evaluate), nor those that were only explained. A clone counts in the same place.
///
/// ```
/// use modelgate::{Context, Flags, flag::EvaluationCounts, unleash::Unleash};
///
/// let counts = EvaluationCounts::new();
/// let unleash = Unleash::new().with_evaluation_counts(&counts);
/// let flags = Flags::from(unleash.compile(
///     r#"{"version": 2, "features": [{"name": "shadow-mode-v2", "enabled": true}]}"#,
/// )?);
/// for _ in 0..3 {
///     flags.boolean("shadow-mode-v2", &Context::new("user-42"), false);
/// }
/// let taken = counts.take();
/// assert_eq!((&*taken[0].flag, taken[0].on, taken[0].count), ("shadow-mode-v2", Some(true), 3));
/// assert!(counts.take().is_empty());
/// # Ok::<(), modelgate::flag::DocumentError>(())
/// ```
#[derive(Clone, Default)]
pub struct EvaluationCounts(Arc<Mutex<CountedFlags>>);

/// The flags that are counted, and where the next one will be.
#[derive(Default)]
struct CountedFlags {
    flags: Vec<Arc<Counted>>,
    places: OpenPlaces,
}

/// The counts of one compiled flag.
pub(crate) struct Counted {
    key: Arc<str>,
    version: Option<u64>,
    outcomes: Outcomes,
    counts: Places,
    observer: Option<Box<dyn AnswerObserver>>,
}

impl Outcomes {
    fn len(&self) -> usize {
        match self {
            Outcomes::Switched(outcomes) => outcomes.len(),
            Outcomes::Variations(values) => values.len().saturating_add(1),
        }
    }
}

impl Counted {
    /// Counts one answer. What is none of the outcomes is not counted.
    #[inline]
    pub(crate) fn count(&self, outcome: usize) {
        self.counts.count(outcome);
    }

    #[inline]
    pub(crate) fn observer(&self) -> Option<&dyn AnswerObserver> {
        self.observer.as_deref()
    }

    fn take(&self, mut taken: impl FnMut(EvaluationCount, Option<&dyn AnswerObserver>)) {
        for outcome in 0..self.outcomes.len() {
            let count = self.counts.take(outcome);
            if count > 0 {
                taken(self.counted(outcome, count), self.observer());
            }
        }
    }

    fn counted(&self, outcome: usize, count: u64) -> EvaluationCount {
        let (flag, version) = (Arc::clone(&self.key), self.version);
        match &self.outcomes {
            Outcomes::Switched(outcomes) => {
                let outcome = outcomes.get(outcome);
                let variant = outcome.and_then(|outcome| outcome.variant.clone());
                let on = outcome.map(|outcome| outcome.on);
                EvaluationCount { flag, version, variation: None, variant, on, value: None, count }
            }
            Outcomes::Variations(values) => {
                let variation = outcome.checked_sub(1);
                let value = variation.and_then(|variation| values.get(variation).cloned());
                EvaluationCount { flag, version, variation, variant: None, on: None, value, count }
            }
        }
    }
}

impl EvaluationCounts {
    /// Nothing counted yet.
    pub fn new() -> EvaluationCounts {
        EvaluationCounts::default()
    }

    /// Begins to count a flag that can answer with these outcomes.
    pub(crate) fn open(
        &self,
        key: Arc<str>,
        version: Option<u64>,
        outcomes: Outcomes,
        observer: Option<Box<dyn AnswerObserver>>,
    ) -> Arc<Counted> {
        let mut counted = self.0.lock();
        let counts = counted.places.take(outcomes.len());
        let flag = Arc::new(Counted { key, version, outcomes, counts, observer });
        counted.flags.push(Arc::clone(&flag));
        flag
    }

    /// What was counted since the last time. Each answer is taken exactly once.
    pub fn take(&self) -> Vec<EvaluationCount> {
        let mut taken = Vec::new();
        self.take_each(|count, _| taken.push(count));
        taken
    }

    /// Takes the same, one by one, each with the observer of its flag.
    pub(crate) fn take_each(
        &self,
        mut taken: impl FnMut(EvaluationCount, Option<&dyn AnswerObserver>),
    ) {
        self.0.lock().flags.retain(|counted| {
            // Looked at before it is taken: whoever still holds the flag may still count.
            let in_use = Arc::strong_count(counted) > 1;
            counted.take(&mut taken);
            in_use
        });
    }
}

impl fmt::Debug for EvaluationCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationCounts")
            .field("flags", &self.0.lock().flags.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// The caller's default, and variations.
    fn outcomes(count: usize) -> Outcomes {
        Outcomes::Variations(vec![Value::Null; count - 1].into())
    }

    fn counted(counts: &EvaluationCounts) -> Vec<(String, Option<usize>, u64)> {
        let one = |one: EvaluationCount| (one.flag.to_string(), one.variation, one.count);
        counts.take().into_iter().map(one).collect()
    }

    #[test]
    fn every_answer_is_taken_exactly_once() {
        let counts = EvaluationCounts::new();
        let flag = counts.open("a".into(), None, outcomes(11), None);
        let mut seen = [0; 11];
        let place = |variation: Option<usize>| variation.map_or(0, |variation| variation + 1);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_100).for_each(|turn| flag.count(turn % 11)));
            }
            for _ in 0..50 {
                counted(&counts).into_iter().for_each(|(_, n, count)| seen[place(n)] += count);
            }
        });
        counted(&counts).into_iter().for_each(|(_, n, count)| seen[place(n)] += count);
        assert_eq!(seen, [400; 11]);
    }

    #[test]
    fn a_replaced_flag_is_taken_a_last_time_and_forgotten() {
        let counts = EvaluationCounts::new();
        let old = counts.open("a".into(), Some(1), outcomes(2), None);
        let new = counts.open("a".into(), Some(2), outcomes(2), None);
        old.count(0);
        new.count(1);
        new.count(7);
        drop(old);
        let mut taken = counted(&counts);
        taken.sort();
        assert_eq!(taken, [("a".to_owned(), None, 1), ("a".to_owned(), Some(0), 1)]);
        assert_eq!(counts.0.lock().flags.len(), 1);
        assert!(counts.take().is_empty());
    }
}
