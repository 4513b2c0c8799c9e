//! What a verdict has counted so far, and how a pair of answers is scored.

mod again;
mod scored;
mod tally;

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::again::Again;
use super::{
    ClassCoverage, Counts, DriftCounts, LabelCounts, LabelOutcome, PairCounts, ScoreCounts,
    TimeCounts, Unit,
    classes::{Class, Classes, NONE},
    disagreements::Reservoir,
    labels::{Found, KeptPair, KeptRun, ThrownOut, Waiting},
    plan::{Observer, Plan, Watched},
    seen::{self, Seen},
    stats::e_detector::EDetector,
    timeline::Timeline,
};
use crate::{
    compare::{Comparison, Run, key::KeyHash},
    contain::contained,
    model::ModelErrorKind,
    prediction_id::PredictionId,
};

/// More slices are not told apart.
const MOST_SLICES: usize = 100;
/// More pairs of classes are counted together.
const MOST_CLASS_PAIRS: usize = 4_096;
/// A user is watched once a day after promotion.
const DAY: u64 = 86_400_000;

pub(super) struct State<P, L> {
    counts: Vec<Counts>,
    slices: Vec<(String, Vec<Counts>)>,
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
    waiting: Option<Waiting<P, L>>,
    again: Again,
    pub(super) timelines: Vec<Timeline>,
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
    Again,
    Other,
}

impl<P, L> State<P, L> {
    pub(super) fn new(
        plan: &Plan<P, L>,
        classes: Option<Box<dyn Classes<P, L>>>,
        open_labels: usize,
        patience: Duration,
    ) -> State<P, L> {
        let none = || plan.observers.iter().map(Observer::no_counts).collect::<Vec<_>>();
        let bins = vec![0; Watched::<P>::BINS];
        State {
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
            waiting: plan.needs_labels.then(|| Waiting::new(open_labels, patience)),
            again: Again::new(plan.again.is_some()),
            timelines: plan.observers.iter().map(|_| Timeline::new()).collect(),
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

    /// Begins anew.
    pub(super) fn reset(&mut self, plan: &Plan<P, L>) {
        let (open, patience) = self.open;
        *self = State::new(plan, self.classes.take(), open, patience);
    }

    /// Takes a comparison in.
    pub(super) fn record(&mut self, plan: &Plan<P, L>, seen: &Seen, comparison: &Comparison<P>) {
        match plan.pairing(&comparison.primary, &comparison.candidate) {
            Pairing::Other => self.pairs.other_versions += 1,
            Pairing::Again => self.again(plan, comparison),
            Pairing::Reversed => self.reversed(plan, seen, comparison),
            Pairing::Forward => self.forward(plan, seen, comparison),
        }
    }

    /// Whether this is the user's first pair; counts it if not. Knows nothing of the outcome.
    fn is_first(
        &mut self,
        plan: &Plan<P, L>,
        seen: &Seen,
        key: Option<&KeyHash>,
        id: PredictionId,
        time: Duration,
    ) -> bool {
        let window = match plan.config.unit {
            Unit::Key => 0,
            Unit::KeyPer(window) => 1 + millis(time) / window.max(1),
            Unit::Request => {
                // A line that is read twice is still one request.
                let known = self.waiting.as_ref().is_some_and(|waiting| waiting.knows(id));
                self.pairs.repeated += u64::from(known);
                return !known;
            }
        };
        let Some(key) = key else {
            self.pairs.unkeyed += 1;
            return false;
        };
        if seen.insert(seen::of_key(key, window)) {
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
        plan: &Plan<P, L>,
        seen: &Seen,
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
    pub(super) fn untold(&mut self, runs: u64) {
        let count = self.pairs.dropped.entry("untold".to_owned()).or_default();
        *count = count.saturating_add(runs);
    }

    /// Counts in a metric, and notes the point on its line.
    fn count(&mut self, place: usize, change: impl FnOnce(&mut Counts)) {
        if let (Some(counts), Some(line)) =
            (self.counts.get_mut(place), self.timelines.get_mut(place))
        {
            change(counts);
            line.note(counts);
        }
    }

    /// The numbers of the slices a comparison lies in.
    fn slices_of(&mut self, plan: &Plan<P, L>, comparison: &Comparison<P>) -> SmallVec<[u16; 2]> {
        let mut numbers = SmallVec::new();
        for (name, slice) in plan.config.slices.iter().zip(&plan.slices) {
            let Some(part) = contained(|| slice(comparison)).flatten() else { continue };
            let part = format!("{name}={part}");
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
    fn count_in(&mut self, slices: &[u16], place: usize, change: impl Fn(&mut Counts)) {
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

    /// Keeps a pair until its label comes, or scores it if that has come.
    fn wait(
        &mut self,
        plan: &Plan<P, L>,
        comparison: &Comparison<P>,
        (champion, candidate): (&Run<P>, &Run<P>),
        (champion_class, candidate_class): (Class, Class),
        slices: &SmallVec<[u16; 2]>,
        reversed: bool,
    ) {
        let Some(waiting) = &mut self.waiting else { return };
        let keep = |run: &Run<P>, class| KeptRun {
            failed: run.outcome.is_err(),
            class,
            output: plan
                .keep
                .and_then(|keep| contained(|| run.outcome.as_ref().ok().map(keep)).flatten()),
        };
        let pair = KeptPair {
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
        self.thrown_out(out);
        if !reversed {
            self.labels.pairs += 1;
            self.cover(champion_class, candidate_class, |class| class.pairs += 1);
        }
        if let Some((pair, label)) = scored {
            self.score(plan, id, &pair, &label);
        }
    }

    fn thrown_out(&mut self, out: ThrownOut) {
        self.labels.expired += out.pairs;
        self.labels.unknown += out.labels;
    }

    fn cover(&mut self, champion: Class, candidate: Class, change: impl Fn(&mut ClassCoverage)) {
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

    /// Takes a label in.
    pub(super) fn label(&mut self, plan: &Plan<P, L>, id: PredictionId, label: L) -> LabelOutcome {
        let Some(waiting) = &mut self.waiting else { return LabelOutcome::NotScored };
        match waiting.find(id) {
            Found::Pair(pair) => self.score(plan, id, &pair, &label),
            Found::Duplicate => {
                self.labels.duplicate += 1;
                LabelOutcome::Duplicate
            }
            Found::Repeated => {
                self.labels.repeated += 1;
                LabelOutcome::Repeated
            }
            Found::Nothing => match waiting.put_early(id, label) {
                Some(out) => {
                    self.thrown_out(out);
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
    pub(super) fn close_labels(&mut self) {
        if let Some(out) = self.waiting.as_mut().map(Waiting::close) {
            self.thrown_out(out);
        }
    }

    /// Whether nothing at all has been counted.
    pub(super) fn pairs_scored(&self) -> u64 {
        self.pairs.scored
    }
}

impl<P, L> Plan<P, L> {
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
            Pairing::Again
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
    fn no_counts(&self) -> Counts {
        match self {
            Observer::Disagreement => Counts::no_shares(),
            Observer::Distance(_) | Observer::Loss(_) => Counts::no_values(),
            _ => Counts::no_pairs(),
        }
    }
}

pub(super) fn refused<P>(run: &Run<P>) -> bool {
    run.outcome.as_ref().is_err_and(|error| error.kind() == ModelErrorKind::InvalidInput)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// To the millisecond, as JSONL records carry it; a time before 1970 is 1970.
pub(super) fn since_epoch(time: SystemTime) -> Duration {
    Duration::from_millis(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
}

/// As JSONL records carry it, so that a replay scores alike.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
