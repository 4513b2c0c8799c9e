//! Pairs that wait for their labels.

use smallvec::SmallVec;

use super::{VerdictState, since_epoch};
use crate::{
    compare::{Comparison, Run},
    contain::contained,
    prediction_id::PredictionId,
    verdict::{
        ClassCoverage, LabelOutcome,
        classes::{Class, NONE},
        labels::{Evicted, LabelJoin, LabelMatch, PendingPair, PendingRun},
        plan::VerdictPlan,
    },
};

impl<P, L> VerdictState<P, L> {
    /// Keeps a pair until its label comes, or scores it if that has come.
    pub(super) fn wait(
        &mut self,
        plan: &VerdictPlan<P, L>,
        comparison: &Comparison<P>,
        (champion, candidate): (&Run<P>, &Run<P>),
        (champion_class, candidate_class): (Class, Class),
        slices: &SmallVec<[u16; 2]>,
        reversed: bool,
    ) {
        let Some(waiting) = &mut self.waiting else { return };
        let keep = |run: &Run<P>, class| PendingRun {
            failed: run.outcome.is_err(),
            class,
            output: plan
                .keep
                .and_then(|keep| contained(|| run.outcome.as_ref().ok().map(keep)).flatten()),
        };
        let pair = PendingPair {
            champion: keep(champion, champion_class),
            candidate: keep(candidate, candidate_class),
            slices: slices.clone(),
            reversed,
        };
        let id = comparison.prediction_id;
        let early = waiting.take_early(id);
        let (waits, scored) = match early {
            Some(label) => (None, Some((pair, label))),
            None => (Some(pair), None),
        };
        let out = waiting.put(id, since_epoch(comparison.time), waits);
        self.count_evicted(out);
        if !reversed {
            self.labels.pairs += 1;
            self.cover(champion_class, candidate_class, |class| class.pairs += 1);
        }
        if let Some((pair, label)) = scored {
            self.score(plan, id, &pair, &label);
        }
    }

    fn count_evicted(&mut self, out: Evicted) {
        self.labels.expired += out.pairs;
        self.labels.unknown += out.labels;
    }

    pub(super) fn cover(
        &mut self,
        champion: Class,
        candidate: Class,
        change: impl Fn(&mut ClassCoverage),
    ) {
        for (version, class) in [champion, candidate].into_iter().enumerate() {
            if class == NONE {
                continue;
            }
            let place = usize::from(class);
            if place >= self.coverage.len() {
                self.coverage.resize(place + 1, Default::default());
            }
            if let Some(counts) =
                self.coverage.get_mut(place).and_then(|class| class.get_mut(version))
            {
                change(counts);
            }
        }
    }

    /// Scores a pair by its label, or keeps the label for a pair that has not come.
    pub(in crate::verdict) fn label(
        &mut self,
        plan: &VerdictPlan<P, L>,
        id: PredictionId,
        label: L,
    ) -> LabelOutcome {
        let Some(waiting) = &mut self.waiting else { return LabelOutcome::NotScored };
        match waiting.find(id) {
            LabelMatch::Pair(pair) => self.score(plan, id, &pair, &label),
            LabelMatch::Duplicate => {
                self.labels.duplicate += 1;
                LabelOutcome::Duplicate
            }
            LabelMatch::Repeated => {
                self.labels.repeated += 1;
                LabelOutcome::Repeated
            }
            LabelMatch::Nothing => match waiting.put_early(id, label) {
                Some(out) => {
                    self.count_evicted(out);
                    LabelOutcome::Waits
                }
                None => {
                    self.labels.duplicate += 1;
                    LabelOutcome::Duplicate
                }
            },
        }
    }

    /// Gives up on the labels that have not come.
    pub(in crate::verdict) fn close_labels(&mut self) {
        if let Some(out) = self.waiting.as_mut().map(LabelJoin::close) {
            self.count_evicted(out);
        }
    }
}
