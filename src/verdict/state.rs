//! What a verdict has counted so far, and how a pair of answers is scored.

mod labels;
mod rerun;
mod scored;
mod tally;

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::rerun::RerunJoin;
use super::{
    ClassCoverage, DriftCounts, LabelCounts, MetricCounts, PairCounts, ScoreCounts, TimeCounts,
    Unit,
    classes::{Class, Classes, NONE},
    disagreements::Reservoir,
    labels::LabelJoin,
    plan::{Observer, VerdictPlan, WatchedNumber},
    stats::e_detector::EDetector,
    timeline::{StageMark, Timeline},
    user_filter::{self, UserFilter},
};
use crate::{
    compare::{Comparison, Run, key::KeyHash},
    contain::contained,
    model::ErrorKind,
    prediction_id::PredictionId,
};

/// Slices beyond this many are not counted.
const MOST_SLICES: usize = 100;
/// Pairs of classes beyond this many are counted together.
const MOST_CLASS_PAIRS: usize = 4_096;
/// How often a user feeds the guard after promotion, in milliseconds.
const DAY: u64 = 86_400_000;

pub(super) struct VerdictState<P, L> {
    counts: Vec<MetricCounts>,
    slices: Vec<(String, Vec<MetricCounts>)>,
    slice_numbers: HashMap<String, u16>,
    pairs: PairCounts,
    labels: LabelCounts,
    /// By class: the champion's and the candidate's.
    coverage: Vec<[ClassCoverage; 2]>,
    classes: Option<Box<dyn Classes<P, L>>>,
    class_pairs: FxHashMap<(Class, Class), u64>,
    other_classes: u64,
    /// Both right, only the champion, only the candidate, both wrong.
    right_and_wrong: [u64; 4],
    scores: Option<ScoreCounts>,
    drift: Vec<DriftCounts>,
    times: TimeCounts,
    waiting: Option<LabelJoin<P, L>>,
    rerun_join: RerunJoin,
    pub(super) timelines: Vec<Timeline>,
    /// Stages of the ramp: number, share, and what each metric had observed when it began.
    stages: Vec<(u32, u32, Vec<u64>)>,
    pub(super) disagreements: Reservoir,
    pub(super) guards: Vec<EDetector>,
    /// Room for labels, and how long a pair waits for one.
    open: (usize, Duration),
}

/// Which versions a comparison is of.
enum Pairing {
    /// The champion answered, the candidate ran in its shadow.
    Forward,
    /// The candidate answered, the champion ran in its shadow.
    Reversed,
    /// The champion ran in its own shadow.
    Rerun,
    Other,
}

impl<P, L> VerdictState<P, L> {
    pub(super) fn new(
        plan: &VerdictPlan<P, L>,
        classes: Option<Box<dyn Classes<P, L>>>,
        open_labels: usize,
        patience: Duration,
    ) -> VerdictState<P, L> {
        let none = || plan.observers.iter().map(Observer::no_counts).collect::<Vec<_>>();
        let bins = vec![0; WatchedNumber::<P>::BINS];
        VerdictState {
            counts: none(),
            slices: Vec::new(),
            slice_numbers: HashMap::new(),
            pairs: PairCounts::default(),
            labels: LabelCounts::default(),
            coverage: Vec::new(),
            classes,
            class_pairs: FxHashMap::default(),
            other_classes: 0,
            right_and_wrong: [0; 4],
            scores: plan.score.as_ref().map(|_| ScoreCounts::begun()),
            drift: plan
                .watched
                .iter()
                .map(|_| DriftCounts { base: bins.clone(), now: bins.clone() })
                .collect(),
            times: TimeCounts {
                champion: vec![0; TimeCounts::BINS],
                candidate: vec![0; TimeCounts::BINS],
            },
            waiting: plan.needs_labels.then(|| LabelJoin::new(open_labels, patience)),
            rerun_join: RerunJoin::new(plan.again.is_some()),
            timelines: plan.observers.iter().map(|_| Timeline::new()).collect(),
            stages: Vec::new(),
            disagreements: Reservoir::default(),
            open: (open_labels, patience),
            guards: plan
                .config
                .metrics
                .iter()
                .map(|metric| EDetector::new(metric.margin.unwrap_or(0.0) / metric.bound))
                .collect(),
        }
    }

    /// Forgets all that was counted.
    pub(super) fn reset(&mut self, plan: &VerdictPlan<P, L>) {
        let (open, patience) = self.open;
        *self = VerdictState::new(plan, self.classes.take(), open, patience);
    }

    /// A stage of the ramp begins, unless it is known to have begun.
    pub(super) fn begin_stage(&mut self, stage: u32, share: u32) {
        if self.stages.iter().all(|(known, ..)| *known != stage) {
            let observed = self.counts.iter().map(MetricCounts::observed).collect();
            self.stages.push((stage, share, observed));
        }
    }

    /// Where the stages began on the timeline of the metric at this index.
    pub(super) fn stage_marks(&self, place: usize) -> Vec<StageMark> {
        let marks = self.stages.iter().map(|(stage, share, observed)| StageMark {
            stage: *stage,
            share: *share,
            pairs: observed.get(place).copied().unwrap_or(0),
        });
        marks.collect()
    }

    /// Scores or counts a comparison.
    pub(super) fn record(
        &mut self,
        plan: &VerdictPlan<P, L>,
        seen: &UserFilter,
        comparison: &Comparison<P>,
    ) {
        match plan.pairing(&comparison.primary, &comparison.candidate) {
            Pairing::Other => self.pairs.other_versions += 1,
            Pairing::Rerun => self.record_rerun(plan, comparison),
            Pairing::Reversed => self.reversed(plan, seen, comparison),
            Pairing::Forward => self.forward(plan, seen, comparison),
        }
    }

    /// Whether this is the user's first pair; counts it if not. Decided without the outcome, so that it
    /// selects none.
    fn is_first(
        &mut self,
        plan: &VerdictPlan<P, L>,
        seen: &UserFilter,
        key: Option<&KeyHash>,
        id: PredictionId,
        time: Duration,
    ) -> bool {
        let window = match plan.config.unit {
            Unit::Key => 0,
            Unit::KeyPer(window) => 1 + millis(time) / window.max(1),
            Unit::Request => {
                // A request recorded twice is still one.
                let known = self.waiting.as_ref().is_some_and(|waiting| waiting.knows(id));
                self.pairs.repeated += u64::from(known);
                return !known;
            }
        };
        let Some(key) = key else {
            self.pairs.unkeyed += 1;
            return false;
        };
        if seen.insert_looking(user_filter::of_key(key, window)) {
            return true;
        }
        self.pairs.repeated += 1;
        if let Some(waiting) = &mut self.waiting
            && !waiting.knows(id)
        {
            waiting.remember_repeat(id);
        }
        false
    }

    /// A run that came to no comparison. A deadline or a panic is the candidate's failure; any
    /// other cause is a missing pair.
    pub(super) fn dropped(
        &mut self,
        plan: &VerdictPlan<P, L>,
        seen: &UserFilter,
        cause: &'static str,
        (key, id, time): (Option<&KeyHash>, PredictionId, Duration),
    ) {
        if matches!(cause, "deadline" | "panic") {
            if !self.is_first(plan, seen, key, id, time) {
                return;
            }
            self.pairs.scored += 1;
            for (place, observer) in plan.observers.iter().enumerate() {
                if matches!(observer, Observer::Failures) {
                    self.count(place, |counts| counts.pair(true, false));
                }
            }
        }
        match self.pairs.dropped.get_mut(cause) {
            Some(count) => *count += 1,
            None => {
                self.pairs.dropped.insert(cause.to_owned(), 1);
            }
        }
    }

    /// Runs that came to no comparison, and of which nothing else is known.
    pub(super) fn unreported(&mut self, runs: u64) {
        let count = self.pairs.dropped.entry("unreported".to_owned()).or_default();
        *count = count.saturating_add(runs);
    }

    /// Counts in a metric, and adds the point to its timeline.
    fn count(&mut self, place: usize, change: impl FnOnce(&mut MetricCounts)) {
        if let (Some(counts), Some(line)) =
            (self.counts.get_mut(place), self.timelines.get_mut(place))
        {
            change(counts);
            line.note(counts);
        }
    }

    /// The numbers of the slices a comparison lies in.
    fn slices_of(
        &mut self,
        plan: &VerdictPlan<P, L>,
        comparison: &Comparison<P>,
    ) -> SmallVec<[u16; 2]> {
        let mut numbers = SmallVec::new();
        for (name, slice) in &plan.slices {
            let part = slice.part(name, comparison, |part| format!("{name}={part}"));
            let Some(part) = part else { continue };
            if let Some(known) = self.slice_numbers.get(&part) {
                numbers.push(*known);
            } else if let Ok(new) = u16::try_from(self.slices.len())
                && self.slices.len() < MOST_SLICES
            {
                let counts = plan.observers.iter().map(Observer::no_counts).collect();
                self.slices.push((part.clone(), counts));
                self.slice_numbers.insert(part, new);
                numbers.push(new);
            }
        }
        numbers
    }

    /// Counts in a metric, over all and in each slice.
    fn count_in(&mut self, slices: &[u16], place: usize, change: impl Fn(&mut MetricCounts)) {
        for slice in slices {
            if let Some(counts) = self
                .slices
                .get_mut(usize::from(*slice))
                .and_then(|(_, counts)| counts.get_mut(place))
            {
                change(counts);
            }
        }
        self.count(place, change);
    }

    fn class(&mut self, run: &Run<P>) -> Class {
        match (&mut self.classes, &run.outcome) {
            (Some(classes), Ok(output)) => contained(|| classes.predicted(output)).unwrap_or(NONE),
            _ => NONE,
        }
    }

    /// Pairs scored so far.
    pub(super) fn pairs_scored(&self) -> u64 {
        self.pairs.scored
    }
}

impl<P, L> VerdictPlan<P, L> {
    fn pairing(&self, primary: &Run<P>, shadow: &Run<P>) -> Pairing {
        let is_champion = |version: &crate::Version| match &self.champion {
            Some(champion) => champion == version,
            None => *version != self.candidate && self.again.as_ref() != Some(version),
        };
        if shadow.version == self.candidate && is_champion(&primary.version) {
            Pairing::Forward
        } else if primary.version == self.candidate && is_champion(&shadow.version) {
            Pairing::Reversed
        } else if self.again.as_ref() == Some(&shadow.version) && is_champion(&primary.version) {
            Pairing::Rerun
        } else {
            Pairing::Other
        }
    }

    /// Whether a dropped run would have been a pair.
    pub(super) fn is_pair(&self, primary: &crate::Version, shadow: &crate::Version) -> bool {
        let champion = self.champion.as_ref().is_none_or(|champion| champion == primary);
        *shadow == self.candidate && champion && *primary != self.candidate
    }
}

impl<P, L> Observer<P, L> {
    fn no_counts(&self) -> MetricCounts {
        match self {
            Observer::Disagreement => MetricCounts::no_shares(),
            Observer::Distance(_) | Observer::Loss(_) => MetricCounts::no_values(),
            _ => MetricCounts::no_pairs(),
        }
    }
}

pub(super) fn refused<P>(run: &Run<P>) -> bool {
    run.outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidInput)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// To the millisecond, as JSONL records carry it, so that a replay scores alike; a time before 1970 is
/// 1970.
pub(super) fn since_epoch(time: SystemTime) -> Duration {
    Duration::from_millis(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
}

/// As JSONL records carry it.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
