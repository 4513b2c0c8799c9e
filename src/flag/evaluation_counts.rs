//! How often each flag answered what, for the server that it came from.
//!
//! Counting is on the way of every decision: it takes no lock, allocates nothing, and threads do
//! not share what they write to.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use super::AnswerObserver;
use crate::{sharded::Sharded, value::Value};

/// More shards than this cost more memory, with thousands of flags, than they spare time.
const SHARDS: usize = 8;

/// Outcomes that are counted in place.
const INLINE: usize = 8;

/// One of the answers that a flag can give.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) variation: Option<usize>,
    pub(crate) variant: Option<Arc<str>>,
    pub(crate) on: Option<bool>,
    pub(crate) value: Option<Value>,
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
/// compiled from then on that a router or [`Flags`](crate::Flags) went by; not those of [`FlagSet::evaluate`](crate::FlagSet::evaluate),
/// nor those that were only explained. A clone counts in the same place.
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
pub struct EvaluationCounts(Arc<Mutex<Vec<Arc<Counted>>>>);

/// The counts of one compiled flag.
pub(crate) struct Counted {
    key: Arc<str>,
    version: Option<u64>,
    outcomes: Box<[Outcome]>,
    counts: Sharded<Counts>,
    observer: Option<Box<dyn AnswerObserver>>,
}

struct Counts {
    first: [AtomicU64; INLINE],
    others: Box<[AtomicU64]>,
}

impl Counted {
    /// Counts one answer. What is none of the outcomes is not counted.
    #[inline]
    pub(crate) fn count(&self, outcome: usize) {
        let counts = self.counts.of_this_thread();
        let count =
            counts.first.get(outcome).or_else(|| counts.others.get(outcome.checked_sub(INLINE)?));
        if let Some(count) = count {
            // Relaxed: only the sum matters, and it loses nothing.
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn observer(&self) -> Option<&dyn AnswerObserver> {
        self.observer.as_deref()
    }

    fn take(&self, mut taken: impl FnMut(EvaluationCount, Option<&dyn AnswerObserver>)) {
        for (place, outcome) in self.outcomes.iter().enumerate() {
            let shard = |counts: &Counts| {
                let others = || counts.others.get(place.checked_sub(INLINE)?);
                let count = counts.first.get(place).or_else(others);
                count.map_or(0, |count| count.swap(0, Ordering::Relaxed))
            };
            let count = self.counts.iter().map(shard).sum();
            if count > 0 {
                let Outcome { variation, variant, on, value } = outcome.clone();
                let (flag, version) = (Arc::clone(&self.key), self.version);
                let one = EvaluationCount { flag, version, variation, variant, on, value, count };
                taken(one, self.observer());
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
        outcomes: impl IntoIterator<Item = Outcome>,
        observer: Option<Box<dyn AnswerObserver>>,
    ) -> Arc<Counted> {
        let outcomes: Box<[Outcome]> = outcomes.into_iter().collect();
        let others = outcomes.len().saturating_sub(INLINE);
        let counts = Sharded::at_most(SHARDS, || Counts {
            first: Default::default(),
            others: (0..others).map(|_| AtomicU64::new(0)).collect(),
        });
        let counted = Arc::new(Counted { key, version, outcomes, counts, observer });
        self.0.lock().push(Arc::clone(&counted));
        counted
    }

    /// What was counted since the last time. Each answer is taken exactly once.
    pub fn take(&self) -> Vec<EvaluationCount> {
        let mut taken = Vec::new();
        self.take_each(|exposure, _| taken.push(exposure));
        taken
    }

    /// Takes the same, one by one, each with the witness of its flag.
    pub(crate) fn take_each(
        &self,
        mut taken: impl FnMut(EvaluationCount, Option<&dyn AnswerObserver>),
    ) {
        self.0.lock().retain(|counted| {
            // Looked at before it is taken: whoever still holds the flag may still count.
            let in_use = Arc::strong_count(counted) > 1;
            counted.take(&mut taken);
            in_use
        });
    }
}

impl fmt::Debug for EvaluationCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposures").field("flags", &self.0.lock().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn outcomes(count: usize) -> Vec<Outcome> {
        (0..count).map(|n| Outcome { variation: Some(n), ..Outcome::default() }).collect()
    }

    fn counted(ledger: &EvaluationCounts) -> Vec<(String, Option<usize>, u64)> {
        let one = |one: EvaluationCount| (one.flag.to_string(), one.variation, one.count);
        ledger.take().into_iter().map(one).collect()
    }

    #[test]
    fn every_answer_is_taken_exactly_once() {
        let ledger = EvaluationCounts::new();
        let flag = ledger.open("a".into(), None, outcomes(11), None);
        let mut seen = [0; 11];
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_100).for_each(|turn| flag.count(turn % 11)));
            }
            for _ in 0..50 {
                counted(&ledger).into_iter().for_each(|(_, n, count)| seen[n.unwrap()] += count);
            }
        });
        counted(&ledger).into_iter().for_each(|(_, n, count)| seen[n.unwrap()] += count);
        assert_eq!(seen, [400; 11]);
    }

    #[test]
    fn a_replaced_flag_is_taken_a_last_time_and_forgotten() {
        let ledger = EvaluationCounts::new();
        let old = ledger.open("a".into(), Some(1), outcomes(2), None);
        let new = ledger.open("a".into(), Some(2), outcomes(2), None);
        old.count(0);
        new.count(1);
        new.count(7);
        drop(old);
        let mut taken = counted(&ledger);
        taken.sort();
        assert_eq!(taken, [("a".to_owned(), Some(0), 1), ("a".to_owned(), Some(1), 1)]);
        assert_eq!(ledger.0.lock().len(), 1);
        assert!(ledger.take().is_empty());
    }
}
