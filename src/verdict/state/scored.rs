//! Scoring a pair: what its answers say at once, and what its label says later.

use super::{
    Class, Comparison, DAY, MOST_CLASS_PAIRS, MetricCounts, NONE, Observer, PredictionId, Run,
    SmallVec, TimeCounts, UserFilter, VerdictPlan, VerdictState, WatchedNumber, contained, micros,
    millis, refused, since_epoch, user_filter,
};
use crate::{
    compare::measure,
    verdict::{
        LabelOutcome, MetricConfig,
        labels::{PendingPair, PendingRun},
        stats::rounding,
    },
};

impl<P, L> VerdictState<P, L> {
    /// A pair in which the champion answered and the candidate ran in its shadow.
    pub(super) fn forward(
        &mut self,
        plan: &VerdictPlan<P, L>,
        seen: &UserFilter,
        comparison: &Comparison<P>,
    ) {
        let (champion, candidate) = (&comparison.primary, &comparison.candidate);
        let id = comparison.prediction_id;
        if !self.is_first(
            plan,
            seen,
            comparison.key_hash.as_ref(),
            id,
            since_epoch(comparison.time),
        ) {
            return;
        }
        let refusals = (refused(champion), refused(candidate));
        if refusals == (true, true) {
            self.pairs.both_refused += 1;
            return;
        }
        self.pairs.scored += 1;
        self.pairs.champion_refused += u64::from(refusals.0);
        self.pairs.candidate_refused += u64::from(refusals.1);
        let slices =
            if plan.slices.is_empty() { SmallVec::new() } else { self.slices_of(plan, comparison) };
        let classes = (self.class(champion), self.class(candidate));
        let disagrees = disagrees(plan, comparison, classes);
        self.count_answers(plan, comparison, &slices, disagrees);
        self.join_candidate(plan, comparison, disagrees);
        self.note_figures(plan, comparison, classes);
        if disagrees == Some(true) && plan.shown.is_some() {
            self.disagreements.offer(plan, comparison);
        }
        self.wait(plan, comparison, (champion, candidate), classes, &slices, false);
    }

    /// Counts what a pair's answers say at once, in each metric and slice.
    fn count_answers(
        &mut self,
        plan: &VerdictPlan<P, L>,
        comparison: &Comparison<P>,
        slices: &[u16],
        disagrees: Option<bool>,
    ) {
        let (champion, candidate) = (&comparison.primary, &comparison.candidate);
        let id = comparison.prediction_id;
        for (place, observer) in plan.observers.iter().enumerate() {
            let Some(metric) = plan.config.metrics.get(place) else { continue };
            match observer {
                Observer::Failures => {
                    let failed = (candidate.outcome.is_err(), champion.outcome.is_err());
                    self.count_in(slices, place, |counts| counts.pair(failed.0, failed.1));
                }
                Observer::Disagreement => {
                    if let Some(disagrees) = disagrees {
                        self.count_in(slices, place, |counts| counts.share(disagrees));
                    }
                }
                Observer::Distance(distance) => {
                    if let (Ok(p), Ok(c)) = (&champion.outcome, &candidate.outcome) {
                        let far = contained(|| distance(p, c)).unwrap_or(f64::NAN);
                        self.count_in(slices, place, |counts| counts.distance(far, metric, id));
                    }
                }
                // Between an answer and a shadow only processor time can be compared.
                Observer::Late(limit) if !metric.both_in_shadow => {
                    if let (Ok(_), Ok(_), Some(p), Some(c)) = (
                        &champion.outcome,
                        &candidate.outcome,
                        champion.cpu_time,
                        candidate.cpu_time,
                    ) {
                        let late = (micros(c) > *limit, micros(p) > *limit);
                        self.count_in(slices, place, |counts| counts.pair(late.0, late.1));
                    }
                }
                // Noise and lateness wait for the champion's own shadow.
                Observer::Late(_)
                | Observer::Noise
                | Observer::Accuracy
                | Observer::Loss(_)
                | Observer::Live => {}
            }
        }
    }

    /// Counts what decides nothing: classes, scores, watched numbers and service times.
    fn note_figures(
        &mut self,
        plan: &VerdictPlan<P, L>,
        comparison: &Comparison<P>,
        classes: (Class, Class),
    ) {
        let (champion, candidate) = (&comparison.primary, &comparison.candidate);
        if classes.0 != NONE && classes.1 != NONE {
            let room = self.class_pairs.len() < MOST_CLASS_PAIRS;
            match self.class_pairs.get_mut(&classes) {
                Some(count) => *count += 1,
                None if room => drop(self.class_pairs.insert(classes, 1)),
                None => self.other_classes += 1,
            }
        }
        if let (Some(((low, high), score)), Some(sums)) = (&plan.score, &mut self.scores)
            && let (Ok(p), Ok(c)) = (&champion.outcome, &candidate.outcome)
            && let Some((Some(p), Some(c))) = contained(|| (score(p), score(c)))
            && p.is_finite()
            && c.is_finite()
        {
            sums.observe((p - low) / (high - low), (c - low) / (high - low));
        }
        for (watched, counts) in plan.watched.iter().zip(&mut self.drift) {
            let (low, high) = watched.range;
            if let Some(number) = contained(|| (watched.of)(comparison)).flatten()
                && number.is_finite()
            {
                let place = ((number.clamp(low, high) - low) / (high - low)
                    * WatchedNumber::<P>::BINS as f64) as usize;
                counts.observe(place.min(WatchedNumber::<P>::BINS - 1));
            }
        }
        for (bins, run) in
            [(&mut self.times.champion, champion), (&mut self.times.candidate, candidate)]
        {
            if let Some(count) = bins.get_mut(TimeCounts::bin(micros(run.service_time))) {
                *count += 1;
            }
        }
    }

    /// A pair in which the candidate answered, as after promotion: it feeds only the guards.
    pub(super) fn reversed(
        &mut self,
        plan: &VerdictPlan<P, L>,
        seen: &UserFilter,
        comparison: &Comparison<P>,
    ) {
        let (candidate, champion) = (&comparison.primary, &comparison.candidate);
        if refused(candidate) && refused(champion) {
            return;
        }
        if let Some(key) = &comparison.key_hash {
            // Counted down from the largest number: windows that no unit has.
            let window = u64::MAX - millis(since_epoch(comparison.time)) / DAY;
            if !seen.insert(user_filter::of_key(key, window)) {
                return;
            }
        }
        let failures = |run: &Run<P>| f64::from(u8::from(run.outcome.is_err()));
        for (observer, guard) in plan.observers.iter().zip(&mut self.guards) {
            if matches!(observer, Observer::Failures) {
                guard.observe(failures(candidate) - failures(champion));
            }
        }
        let classes = (self.class(champion), self.class(candidate));
        self.wait(plan, comparison, (champion, candidate), classes, &SmallVec::new(), true);
    }

    /// Scores a pair by its label.
    pub(super) fn score(
        &mut self,
        plan: &VerdictPlan<P, L>,
        id: PredictionId,
        pair: &PendingPair<P>,
        label: &L,
    ) -> LabelOutcome {
        let (champion, candidate) = (&pair.champion, &pair.candidate);
        let truth =
            self.classes.as_ref().and_then(|classes| contained(|| classes.truth(label)).flatten());
        let mut scored = false;
        for (place, observer) in plan.observers.iter().enumerate() {
            let Some(metric) = plan.config.metrics.get(place) else { continue };
            match observer {
                Observer::Accuracy => {
                    let known = |run: &PendingRun<P>| run.failed || run.class != NONE;
                    let Some(truth) = truth.filter(|_| known(champion) && known(candidate)) else {
                        continue;
                    };
                    scored = true;
                    let wrong = |run: &PendingRun<P>| run.failed || run.class != truth;
                    let (c, p) = (wrong(candidate), wrong(champion));
                    if pair.reversed {
                        let d = f64::from(u8::from(c)) - f64::from(u8::from(p));
                        self.guard(place, d);
                        continue;
                    }
                    self.count_in(&pair.slices, place, |counts| counts.pair(c, p));
                    let cell = usize::from(p) * 2 + usize::from(c);
                    // Both right, only the champion, only the candidate, neither.
                    if let Some(count) = self.right_and_wrong.get_mut(cell) {
                        *count += 1;
                    }
                }
                Observer::Loss(loss) => {
                    scored = true;
                    let lost = |run: &PendingRun<P>| match &run.output {
                        Some(output) => contained(|| loss(output, label)).unwrap_or(f64::NAN),
                        None => metric.bound,
                    };
                    let losses = (lost(candidate), lost(champion));
                    if pair.reversed {
                        self.guard(place, difference(losses, metric).0);
                        continue;
                    }
                    self.count_in(&pair.slices, place, |counts| counts.loss(losses, metric, id));
                }
                _ => {}
            }
        }
        if !pair.reversed {
            self.labels.joined += 1;
            self.labels.not_scored += u64::from(!scored);
            self.cover(champion.class, candidate.class, |class| class.labelled += 1);
            if let (Some(classes), Some(truth)) = (&self.classes, truth) {
                self.disagreements.label(id, classes.name(truth));
            }
        }
        if scored { LabelOutcome::Joined } else { LabelOutcome::NotScored }
    }

    fn guard(&mut self, place: usize, difference: f64) {
        if let Some(guard) = self.guards.get_mut(place) {
            guard.observe(difference);
        }
    }
}

/// Whether the two disagree: by the comparator, or by their classes.
fn disagrees<P, L>(
    plan: &VerdictPlan<P, L>,
    comparison: &Comparison<P>,
    (champion, candidate): (Class, Class),
) -> Option<bool> {
    match comparison.agreement.agrees() {
        Some(agrees) => Some(!agrees),
        None if comparison.agreement.measure() == measure::NONE && plan.compares_classes => {
            (champion != NONE && candidate != NONE).then_some(champion != candidate)
        }
        None => None,
    }
}

/// The difference of two losses in units of the bound, whether it was clipped, and whether a loss was
/// NaN, which counts as the worst loss of the version that gave it.
fn difference((candidate, champion): (f64, f64), metric: &MetricConfig) -> (f64, bool, bool) {
    let difference = match (candidate.is_nan(), champion.is_nan()) {
        (true, true) => return (0.0, false, true),
        (true, false) => return (1.0, false, true),
        (false, true) => return (-1.0, false, true),
        // Two equal infinities too, whose difference would be NaN.
        (false, false) if candidate == champion => 0.0,
        (false, false) => (candidate - champion) / metric.bound,
    };
    (difference.clamp(-1.0, 1.0), difference.abs() > 1.0, false)
}

impl MetricCounts {
    fn loss(&mut self, losses: (f64, f64), metric: &MetricConfig, id: PredictionId) {
        let (difference, cut, odd) = difference(losses, metric);
        self.value(f64::midpoint(difference, 1.0), cut, odd, id);
    }

    fn distance(&mut self, distance: f64, metric: &MetricConfig, id: PredictionId) {
        let x = distance / metric.bound;
        self.value(x, !(0.0..=1.0).contains(&x) && !x.is_nan(), x.is_nan(), id);
    }

    fn value(&mut self, x: f64, cut: bool, odd: bool, id: PredictionId) {
        if let MetricCounts::Histogram { bins, clipped, not_a_number } = self {
            if let Some(count) = bins.get_mut(rounding::bin(x, id)) {
                *count = count.saturating_add(1);
            }
            *clipped += u64::from(cut);
            *not_a_number += u64::from(odd);
        }
    }
}
