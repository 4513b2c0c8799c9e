//! What is noted of one flag's answers, as they are given.

use std::{
    any::Any,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Ledger, context_snapshot};
use crate::{
    flag::{AnswerObserver, ObservedAnswer},
    launchdarkly::{
        evaluator::Evaluator, prerequisite_recorder::PrerequisiteRecorder, tree::LaunchDarklyFlag,
    },
    value::Value,
};

/// What is noted of one compiled flag.
pub(in crate::launchdarkly) struct FlagObserver {
    ledger: Arc<Ledger>,
    in_summaries: bool,
    /// The first that a caller gave.
    default: OnceLock<Value>,
    /// The context kinds since the last summary, and in it.
    kinds: AtomicU64,
    last_kinds: AtomicU64,
}

impl FlagObserver {
    pub(super) fn new(ledger: Arc<Ledger>, flag: &LaunchDarklyFlag) -> FlagObserver {
        FlagObserver {
            ledger,
            in_summaries: flag.tracking.in_summaries,
            default: OnceLock::new(),
            kinds: AtomicU64::new(0),
            last_kinds: AtomicU64::new(0),
        }
    }

    pub(super) fn of(observer: &dyn AnswerObserver) -> Option<&FlagObserver> {
        let observer: &dyn Any = observer;
        observer.downcast_ref()
    }

    /// The default and the context kinds for a summary; `None` where the flag is left out of summaries.
    ///
    /// Counts and kinds are taken one after the other, so that a count may arrive without its kinds:
    /// it is then reported with those of the summary before.
    pub(super) fn take_summary(&self) -> Option<(Value, u64)> {
        if !self.in_summaries {
            return None;
        }
        let kinds = match self.kinds.swap(0, Ordering::Relaxed) {
            0 => self.last_kinds.load(Ordering::Relaxed),
            kinds => {
                self.last_kinds.store(kinds, Ordering::Relaxed);
                kinds
            }
        };
        Some((self.default.get().cloned().unwrap_or(Value::Null), kinds))
    }

    #[inline]
    fn note_kinds(&self, kinds: u64) {
        // Mostly there already, and reading shares what writing would not.
        if self.kinds.load(Ordering::Relaxed) & kinds != kinds {
            self.kinds.fetch_or(kinds, Ordering::Relaxed);
        }
    }

    /// The answer once more, with its reason and with what its prerequisites answered.
    #[inline(never)]
    fn evaluate_again<'a>(
        &self,
        flag: &'a LaunchDarklyFlag,
        kinds: u64,
        answer: &ObservedAnswer<'a>,
    ) {
        let ObservedAnswer { set, request, with_reason, .. } = *answer;
        let mut evaluator = Evaluator::new(
            request.context,
            request.key_override,
            set,
            PrerequisiteRecorder::default(),
        );
        let detail = evaluator.detail(flag);
        for visit in evaluator.tracer.visits {
            let Some(counted) = set.get(visit.key).and_then(|flag| flag.counted()) else {
                continue;
            };
            if let Some(observer) = counted.observer().and_then(FlagObserver::of) {
                observer.note_kinds(kinds);
            }
            counted.count(visit.variation.map_or(0, |index| index as usize + 1));
            if let Some(evaluated) = visit.evaluated {
                let (detail, of) = (evaluated.detail(visit.flag), Some(&*visit.of.key));
                let null = || Value::Null;
                self.ledger.single(visit.flag, visit.key, &detail, request, null, of, with_reason);
            }
        }
        let default = || answer.default.map_or(Value::Null, |default| default());
        let key = answer.flag.key();
        self.ledger.single(flag, key, &detail, request, default, None, with_reason);
    }
}

impl AnswerObserver for FlagObserver {
    #[inline]
    fn answered(&self, answer: &ObservedAnswer<'_>) {
        let request = answer.request;
        if self.ledger.closed.load(Ordering::Relaxed) || !context_snapshot::has_context(request) {
            return;
        }
        let Some(flag) = LaunchDarklyFlag::of(answer.flag) else { return };
        if let (None, Some(default)) = (self.default.get(), answer.default) {
            let _ = self.default.set(default());
        }
        let kinds = self.ledger.kinds.of(request);
        self.note_kinds(kinds);
        self.ledger.seen(request);
        let may_report = self.ledger.may_report(&flag.tracking, request);
        if may_report || flag.on && !flag.prerequisites.is_empty() {
            self.evaluate_again(flag, kinds, answer);
        }
    }
}
