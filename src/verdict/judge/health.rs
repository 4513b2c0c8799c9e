//! Whether the data can be trusted.

use std::collections::BTreeMap;

use crate::verdict::{
    ClassCoverage, Config, DriftJudgement, Health, LabelHealth, MetricCounts, MetricJudgement,
    SampleRatio, Tally,
    stats::{budget, drift, sample_ratio},
};

use super::words::{counted, percent};

/// The Bayes factor at which a split counts as wrong: a false alarm in at most a thousandth of the
/// rollouts.
const MISMATCH: f64 = 1_000.0;
/// Users seen in both arms of a stage are too many above this share of all, and at least this many: a
/// few come with every key that changes and every false positive of the filter.
const BOTH_ARMS_SHARE: f64 = 0.01;
const BOTH_ARMS_LEAST: u64 = 10;
/// Classes with fewer pairs say nothing about how evenly labels come.
const CLASS_LEAST: u64 = 30;
/// Labels come unevenly when a class has at most this part of another's share of them,
const UNEVEN_RATIO: f64 = 0.8;
/// and the two shares are this many standard errors apart: it is asked at every look, of the most
/// different of all classes.
const UNEVEN_ERRORS: f64 = 4.0;
/// The level of the test for drift, over all its looks.
const DRIFT: f64 = 0.05;
/// Observations until the first of those looks; each later one comes when they have doubled.
const FIRST_LOOK: u64 = 500;

pub(super) fn of(config: &Config, tally: &Tally, metrics: &[MetricJudgement]) -> Health {
    let pairs = &tally.pairs;
    let mut health = Health {
        pairs: pairs.scored,
        repeated: pairs.repeated,
        unkeyed: pairs.unkeyed,
        both_refused: pairs.both_refused,
        dropped: pairs.dropped.clone(),
        missing_share: pairs.missing_share(),
        too_much_missing: pairs.missing_share() > config.max_missing,
        sample_ratio: sample_ratio(tally),
        drift: tally.drift.iter().filter_map(|(name, counts)| drifted(name, counts)).collect(),
        ..Health::default()
    };
    if metrics.iter().any(|metric| metric.kind.needs_labels()) {
        health.labels = Some(labels(config, tally));
    }
    let seen: u64 = tally
        .live
        .values()
        .map(|stage| stage.candidate.keys.saturating_add(stage.held_back.keys))
        .fold(0, u64::saturating_add);
    let both = tally.live.values().map(|stage| stage.both).fold(0, u64::saturating_add);
    health.seen_in_both_arms = both;
    health.too_many_in_both_arms =
        both >= BOTH_ARMS_LEAST && both as f64 > BOTH_ARMS_SHARE * seen as f64;
    for (name, counts) in &tally.metrics {
        if let MetricCounts::Histogram { clipped, not_a_number, .. } = counts {
            if *clipped > 0 {
                health.clipped.insert(name.clone(), *clipped);
            }
            if *not_a_number > 0 {
                health.not_a_number.insert(name.clone(), *not_a_number);
            }
        }
    }
    notes(config, tally, &mut health);
    health
}

/// What a person should know about the data.
fn notes(config: &Config, tally: &Tally, health: &mut Health) {
    let mut notes = Vec::new();
    if health.too_much_missing {
        notes.push(format!(
            "{} of the pairs wanted are missing, which is more than {}",
            percent(health.missing_share),
            percent(config.max_missing)
        ));
    }
    if health.unkeyed > 0 {
        notes.push(format!(
            "{} without a user key: not scored; a service without keys must choose `Unit::Request`",
            counted(health.unkeyed, "pair")
        ));
    }
    if tally.pairs.candidate_refused > 0 {
        notes.push(format!(
            "the candidate alone refused the input of {}: counted as its failure",
            counted(tally.pairs.candidate_refused, "pair")
        ));
    }
    if tally.pairs.champion_refused > 0 {
        notes.push(format!(
            "the champion alone refused the input of {}: counted as its failure",
            counted(tally.pairs.champion_refused, "pair")
        ));
    }
    for (name, count) in &health.clipped {
        notes.push(format!(
            "{name}: {} lay beyond the bound and were cut to it",
            counted(*count, "value")
        ));
    }
    for (name, count) in &health.not_a_number {
        notes.push(format!(
            "{name}: {} were not numbers and counted as the worst",
            counted(*count, "value")
        ));
    }
    if let Some(ratio) = health.sample_ratio.filter(|ratio| ratio.mismatch) {
        notes.push(format!(
            "users are not split as asked: {} answered by the candidate, {} held back",
            counted(ratio.candidate, "user"),
            counted(ratio.held_back, "user")
        ));
    }
    if health.too_many_in_both_arms {
        notes.push(format!(
            "{} were seen in both arms of one stage",
            counted(health.seen_in_both_arms, "user")
        ));
    }
    if let Some(labels) = &health.labels {
        note_labels(config, labels, &mut notes);
    }
    for drift in health.drift.iter().filter(|drift| drift.moved) {
        notes.push(format!(
            "{} has moved: index {:.3}, critical {:.3}",
            drift.name, drift.psi, drift.critical
        ));
    }
    health.notes = notes;
}

fn note_labels(config: &Config, labels: &LabelHealth, notes: &mut Vec<String>) {
    if labels.not_scored > 0 {
        notes.push(format!(
            "{} had a label and were not scored: an answer names no class",
            counted(labels.not_scored, "pair")
        ));
    }
    if let Some(uneven) = &labels.uneven {
        notes.push(format!("labels come unevenly: {uneven}"));
    }
    if labels.coverage.is_some_and(|coverage| coverage < config.min_coverage) {
        notes.push(format!(
            "only {} of the pairs due have a label",
            percent(labels.coverage.unwrap_or(0.0))
        ));
    }
}

fn sample_ratio(tally: &Tally) -> Option<SampleRatio> {
    let split: Vec<_> =
        tally.live.values().filter(|stage| stage.share() > 0.0 && stage.share() < 1.0).collect();
    if split.is_empty() {
        return None;
    }
    let ln_bayes_factor: f64 = split
        .iter()
        .map(|stage| {
            let (counts, share) = ([stage.candidate.keys, stage.held_back.keys], stage.share());
            sample_ratio::ln_bayes_factor(&counts, &[share, 1.0 - share])
        })
        .sum();
    let total = |keys: fn(&crate::verdict::StageCounts) -> u64| {
        split.iter().map(|stage| keys(stage)).fold(0, u64::saturating_add)
    };
    Some(SampleRatio {
        candidate: total(|stage| stage.candidate.keys),
        held_back: total(|stage| stage.held_back.keys),
        ln_bayes_factor,
        p: sample_ratio::p_value(ln_bayes_factor),
        mismatch: ln_bayes_factor >= MISMATCH.ln(),
    })
}

fn labels(config: &Config, tally: &Tally) -> LabelHealth {
    let counts = &tally.labels;
    let ended = counts.joined.saturating_add(counts.expired);
    let uneven = counts.by_class.iter().find_map(|(version, classes)| uneven(version, classes));
    let coverage = counts.coverage();
    LabelHealth {
        pairs: counts.pairs,
        joined: counts.joined,
        expired: counts.expired,
        open: counts.pairs.saturating_sub(ended),
        duplicate: counts.duplicate,
        repeated: counts.repeated,
        unknown: counts.unknown,
        not_scored: counts.not_scored,
        coverage,
        by_class: counts.by_class.clone(),
        too_low: uneven.is_some() || coverage.is_none_or(|coverage| coverage < config.min_coverage),
        uneven,
    }
}

/// Whether labels depend on what was predicted: the class with the smallest share of labelled pairs
/// against that with the largest, by the pooled test of two proportions. Labels that are merely late
/// leave all classes alike.
fn uneven(version: &str, classes: &BTreeMap<String, ClassCoverage>) -> Option<String> {
    let share = |class: &ClassCoverage| class.labelled as f64 / class.pairs as f64;
    let enough = || classes.iter().filter(|(_, class)| class.pairs >= CLASS_LEAST);
    let (most_name, most) = enough().max_by(|a, b| share(a.1).total_cmp(&share(b.1)))?;
    let (least_name, least) = enough().min_by(|a, b| share(a.1).total_cmp(&share(b.1)))?;
    let pooled =
        (most.labelled as f64 + least.labelled as f64) / (most.pairs as f64 + least.pairs as f64);
    let error =
        (pooled * (1.0 - pooled) * (1.0 / most.pairs as f64 + 1.0 / least.pairs as f64)).sqrt();
    let gap = share(most) - share(least);
    (share(least) < UNEVEN_RATIO * share(most) && gap > UNEVEN_ERRORS * error).then(|| {
        format!(
            "of the {version}'s `{least_name}` {} have one, of its `{most_name}` {}",
            percent(share(least)),
            percent(share(most))
        )
    })
}

/// Whether a distribution has moved. However often it is asked, each doubling of the observations
/// counts as one look, and all looks share the error.
fn drifted(name: &str, counts: &crate::verdict::DriftCounts) -> Option<DriftJudgement> {
    let total = |bins: &[u64]| bins.iter().fold(0_u64, |sum, n| sum.saturating_add(*n));
    let (base, now) = (total(&counts.base), total(&counts.now));
    let look = u64::from((now / FIRST_LOOK).max(1).ilog2()) + 1;
    let found = drift::compare(&counts.base, &counts.now, budget::spend(DRIFT, look))?;
    Some(DriftJudgement {
        name: name.to_owned(),
        base,
        now,
        psi: found.psi,
        critical: found.critical,
        moved: found.psi > found.critical,
    })
}
