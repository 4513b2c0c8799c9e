//! The sums of a verdict: integers only, so that they add up exactly.

mod live;
mod paired;

use std::{collections::BTreeMap, error::Error, fmt};

use serde::{Deserialize, Serialize};

pub use self::{
    live::{ArmCounts, KeySample, OutcomeCounts, StageCounts},
    paired::{DriftCounts, MetricCounts, ScoreCounts},
};
use crate::mismatch::Mismatch;

/// All that a verdict has counted: whole numbers, and nothing else.
///
/// Adding tallies is exact, and gives the same in any order: keep the newest tally of each process (a
/// restarted one counts as another), and add these up. Then duplicates, late arrivals and restarts
/// change nothing. Evidence is computed from the sum.
///
/// Serializes as JSON for storing and sending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tally {
    /// [`Config::hash`](super::Config::hash) of the question these sums answer.
    pub config_hash: String,
    /// The attempt, from 0.
    pub attempt: u32,
    /// The sums of each paired metric, by name.
    pub metrics: BTreeMap<String, MetricCounts>,
    /// The same by slice (`country=de`).
    pub slices: BTreeMap<String, BTreeMap<String, MetricCounts>>,
    /// What became of the pairs.
    pub pairs: PairCounts,
    /// What became of the labels.
    pub labels: LabelCounts,
    /// What was answered live, by stage of the ramp.
    pub live: BTreeMap<u32, StageCounts>,
    /// How the answers agree.
    pub agreement: AgreementCounts,
    /// Distributions that are watched, by name.
    pub drift: BTreeMap<String, DriftCounts>,
    /// Service times of both versions' scored runs.
    pub times: TimeCounts,
}

/// What became of the pairs of answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PairCounts {
    /// Scored.
    pub scored: u64,
    /// Left out, as their user had been scored already.
    pub repeated: u64,
    /// Without a key, where the unit is the user.
    pub unkeyed: u64,
    /// Both versions refused the input: the caller's mistake, and no pair.
    pub both_refused: u64,
    /// Only the candidate refused the input: scored as its failure.
    pub candidate_refused: u64,
    /// Only the champion refused the input: scored as its failure.
    pub champion_refused: u64,
    /// Of other versions than the two judged.
    pub other_versions: u64,
    /// Runs that came to no comparison, by cause. `deadline` and `panic` are scored as failures; any
    /// other is a missing pair.
    pub dropped: BTreeMap<String, u64>,
}

impl PairCounts {
    /// Pairs that were wanted and are missing, for a reason that is not the candidate's answer.
    pub fn missing(&self) -> u64 {
        let scored = |cause: &str| matches!(cause, "deadline" | "panic");
        let missing = self.dropped.iter().filter(|(cause, _)| !scored(cause));
        missing.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The share of the wanted pairs that is missing; 0 when none was wanted.
    pub fn missing_share(&self) -> f64 {
        let missing = self.missing() as f64;
        let wanted = missing + self.scored as f64;
        if wanted > 0.0 { missing / wanted } else { 0.0 }
    }
}

/// What became of the labels, and of the pairs that wait for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LabelCounts {
    /// Scored pairs that can be labelled.
    pub pairs: u64,
    /// Labels that were joined to their pair.
    pub joined: u64,
    /// Pairs whose label did not come in time, or for which there was no room.
    pub expired: u64,
    /// A second label for the same pair.
    pub duplicate: u64,
    /// For a pair left out as a repeat.
    pub repeated: u64,
    /// For an id that was never seen or has been forgotten.
    pub unknown: u64,
    /// Pairs whose class or loss is not known, so that the label scored nothing.
    pub not_scored: u64,
    /// By the class that a version predicted: `candidate` or `champion`, then the class.
    pub by_class: BTreeMap<String, BTreeMap<String, ClassCoverage>>,
}

/// How many pairs of one predicted class have a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClassCoverage {
    /// Pairs in which the version predicted it.
    pub pairs: u64,
    /// Those with a label.
    pub labelled: u64,
}

impl LabelCounts {
    /// The share of the pairs due that have a label: labelled of labelled or expired. `None` when
    /// none is due.
    pub fn coverage(&self) -> Option<f64> {
        let due = self.joined.saturating_add(self.expired);
        (due > 0).then(|| self.joined as f64 / due as f64)
    }
}

/// How the two versions' answers agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AgreementCounts {
    /// The champion's class, then the candidate's, and how often they met.
    pub classes: BTreeMap<String, BTreeMap<String, u64>>,
    /// Answers whose pair of classes has no cell of its own: the table holds 4,096.
    pub other_classes: u64,
    /// With labels: both right.
    pub both_right: u64,
    /// With labels: only the champion was right (a negative flip).
    pub only_champion_right: u64,
    /// With labels: only the candidate was right.
    pub only_candidate_right: u64,
    /// With labels: both wrong.
    pub both_wrong: u64,
    /// Sums of the scores, where there are any.
    pub scores: Option<ScoreCounts>,
}

/// Service times by bins a quarter of a doubling wide: bin `i` begins at `2^(i/4)` microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimeCounts {
    /// The champion's.
    pub champion: Vec<u64>,
    /// The candidate's, on a shadow thread.
    pub candidate: Vec<u64>,
}

impl TimeCounts {
    pub(super) const BINS: usize = 128;

    /// Where bin `bin` begins, in microseconds.
    pub fn bin_start_us(bin: usize) -> f64 {
        if bin == 0 { 0.0 } else { (bin as f64 / 4.0).exp2() }
    }

    pub(super) fn bin(micros: u64) -> usize {
        if micros < 2 {
            return 0;
        }
        // By comparison with 2^(1/4), 2^(2/4) and 2^(3/4): the same bin on every platform, where a
        // logarithm's last bit differs.
        let doubling = micros.ilog2();
        let within = micros as f64 / f64::from(doubling).exp2();
        let quarter = usize::from(within >= 1.189_207_115_002_721)
            + usize::from(within >= std::f64::consts::SQRT_2)
            + usize::from(within >= 1.681_792_830_507_429);
        (doubling as usize * 4 + quarter).min(TimeCounts::BINS - 1)
    }
}

/// Two tallies cannot be added: they answer different questions, or their parts do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TallyMismatch(Mismatch);

impl TallyMismatch {
    pub(super) fn new(
        field: &'static str,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> TallyMismatch {
        TallyMismatch(Mismatch::new(field, found, expected))
    }

    /// What differs: `config_hash`, `attempt`, or the part of the tally.
    pub fn field(&self) -> &str {
        self.0.field
    }
}

impl fmt::Display for TallyMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tally {}", self.0)
    }
}

impl Error for TallyMismatch {}

impl Tally {
    /// An empty tally for this question.
    pub fn new(config_hash: impl Into<String>, attempt: u32) -> Tally {
        Tally { config_hash: config_hash.into(), attempt, ..Tally::default() }
    }

    /// Adds another tally to this one. Sums beyond 64 bits stay at the largest number.
    ///
    /// # Errors
    ///
    /// [`TallyMismatch`] when the other answers another question (its configuration or attempt
    /// differs) or its parts do not fit; then nothing was added.
    pub fn merge(&mut self, other: &Tally) -> Result<(), TallyMismatch> {
        if self.config_hash != other.config_hash {
            return Err(TallyMismatch::new("config_hash", &other.config_hash, &self.config_hash));
        }
        if self.attempt != other.attempt {
            return Err(TallyMismatch::new("attempt", other.attempt, self.attempt));
        }
        let mut sum = self.clone();
        add_each(&mut sum.metrics, &other.metrics, MetricCounts::merge)?;
        add_each(&mut sum.slices, &other.slices, |mine, theirs| {
            add_each(mine, theirs, MetricCounts::merge)
        })?;
        add_each(&mut sum.live, &other.live, StageCounts::merge)?;
        add_each(&mut sum.drift, &other.drift, DriftCounts::merge)?;
        sum.pairs.merge(&other.pairs);
        sum.labels.merge(&other.labels);
        sum.agreement.merge(&other.agreement)?;
        add_bins(&mut sum.times.champion, &other.times.champion)?;
        add_bins(&mut sum.times.candidate, &other.times.candidate)?;
        *self = sum;
        Ok(())
    }
}

impl PairCounts {
    fn merge(&mut self, other: &PairCounts) {
        for (mine, theirs) in [
            (&mut self.scored, other.scored),
            (&mut self.repeated, other.repeated),
            (&mut self.unkeyed, other.unkeyed),
            (&mut self.both_refused, other.both_refused),
            (&mut self.candidate_refused, other.candidate_refused),
            (&mut self.champion_refused, other.champion_refused),
            (&mut self.other_versions, other.other_versions),
        ] {
            add(mine, theirs);
        }
        for (cause, count) in &other.dropped {
            add(self.dropped.entry(cause.clone()).or_default(), *count);
        }
    }
}

impl LabelCounts {
    fn merge(&mut self, other: &LabelCounts) {
        for (mine, theirs) in [
            (&mut self.pairs, other.pairs),
            (&mut self.joined, other.joined),
            (&mut self.expired, other.expired),
            (&mut self.duplicate, other.duplicate),
            (&mut self.repeated, other.repeated),
            (&mut self.unknown, other.unknown),
            (&mut self.not_scored, other.not_scored),
        ] {
            add(mine, theirs);
        }
        for (version, classes) in &other.by_class {
            let mine = self.by_class.entry(version.clone()).or_default();
            for (class, counts) in classes {
                let mine = mine.entry(class.clone()).or_default();
                add(&mut mine.pairs, counts.pairs);
                add(&mut mine.labelled, counts.labelled);
            }
        }
    }
}

impl AgreementCounts {
    fn merge(&mut self, other: &AgreementCounts) -> Result<(), TallyMismatch> {
        for (champion, classes) in &other.classes {
            let row = self.classes.entry(champion.clone()).or_default();
            for (candidate, count) in classes {
                add(row.entry(candidate.clone()).or_default(), *count);
            }
        }
        for (mine, theirs) in [
            (&mut self.other_classes, other.other_classes),
            (&mut self.both_right, other.both_right),
            (&mut self.only_champion_right, other.only_champion_right),
            (&mut self.only_candidate_right, other.only_candidate_right),
            (&mut self.both_wrong, other.both_wrong),
        ] {
            add(mine, theirs);
        }
        match (&mut self.scores, &other.scores) {
            (Some(mine), Some(theirs)) => mine.merge(theirs)?,
            (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
            (_, None) => {}
        }
        Ok(())
    }
}

/// Adds the sums of each name; those of a new name are taken over.
fn add_each<K: Ord + Clone, T: Clone>(
    mine: &mut BTreeMap<K, T>,
    theirs: &BTreeMap<K, T>,
    merge: impl Fn(&mut T, &T) -> Result<(), TallyMismatch>,
) -> Result<(), TallyMismatch> {
    for (name, counts) in theirs {
        match mine.get_mut(name) {
            Some(known) => merge(known, counts)?,
            None => {
                mine.insert(name.clone(), counts.clone());
            }
        }
    }
    Ok(())
}

pub(super) fn add(mine: &mut u64, theirs: u64) {
    *mine = mine.saturating_add(theirs);
}

/// Adds bin by bin; a histogram that has not begun takes the other's bins.
pub(super) fn add_bins(mine: &mut Vec<u64>, theirs: &[u64]) -> Result<(), TallyMismatch> {
    if theirs.is_empty() {
        return Ok(());
    }
    if mine.is_empty() {
        mine.resize(theirs.len(), 0);
    }
    if mine.len() != theirs.len() {
        return Err(TallyMismatch::new("bins", theirs.len(), mine.len()));
    }
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        add(mine, *theirs);
    }
    Ok(())
}
