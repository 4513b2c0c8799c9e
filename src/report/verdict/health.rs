//! The checks of a verdict's own health, and whom it counted.

use super::super::{
    content::{Check, Count, Standing},
    figure::{Percent, Short, Whole},
};
use crate::verdict::{self, Health, SampleRatio};

pub(super) fn checks(health: &Health) -> Vec<Check> {
    let check = |name: &str, bad: bool, words: (&str, &str), detail: String| Check {
        name: name.to_owned(),
        standing: if bad { Standing::Bad } else { Standing::Good },
        word: if bad { words.1.to_owned() } else { words.0.to_owned() },
        detail,
    };
    let mut checks = Vec::new();
    let wanted = health.dropped.values().sum::<u64>().saturating_add(health.pairs);
    let by_cause = health.dropped.iter().filter(|(_, count)| **count > 0);
    let by_cause =
        by_cause.map(|(cause, count)| format!("{} {}", cause.replace('_', " "), Whole(*count)));
    let by_cause = by_cause.collect::<Vec<_>>().join(", ");
    let by_cause = if by_cause.is_empty() { "none dropped".to_owned() } else { by_cause };
    checks.push(check(
        "Missing pairs",
        health.too_much_missing,
        ("few", "too many"),
        format!("{} of {}: {by_cause}", Percent(health.missing_share), Whole(wanted)),
    ));
    let counted = |split: &&SampleRatio| split.candidate > 0 || split.held_back > 0;
    if let Some(split) = health.sample_ratio.as_ref().filter(counted) {
        checks.push(check(
            "Split as asked",
            split.mismatch,
            ("yes", "no"),
            format!(
                "{} users let through, {} held back; ln Bayes factor {} of 6.91",
                Whole(split.candidate),
                Whole(split.held_back),
                Short(split.ln_bayes_factor)
            ),
        ));
    }
    if health.seen_in_both_arms > 0 {
        checks.push(check(
            "Users in both arms",
            health.too_many_in_both_arms,
            ("few", "too many"),
            Whole(health.seen_in_both_arms).to_string(),
        ));
    }
    if let Some(labels) = &health.labels {
        let coverage =
            labels.coverage.map_or("none due yet".to_owned(), |c| Percent(c).to_string());
        checks.push(check(
            "Labels",
            labels.too_low,
            ("enough", "too few"),
            format!(
                "{coverage}; {} joined, {} open, {} expired, {} of unknown predictions",
                Whole(labels.joined),
                Whole(labels.open),
                Whole(labels.expired),
                Whole(labels.unknown)
            ),
        ));
    }
    for drift in &health.drift {
        checks.push(Check {
            name: format!("Drift of {}", drift.name),
            standing: if drift.moved { Standing::Caution } else { Standing::Good },
            word: if drift.moved { "moved" } else { "steady" }.to_owned(),
            detail: format!("PSI {} of {}", Short(drift.psi), Short(drift.critical)),
        });
    }
    let clipped = health.clipped.iter().chain(&health.not_a_number);
    for (metric, count) in clipped.filter(|(_, count)| **count > 0) {
        checks.push(Check {
            name: format!("Values of {metric}"),
            standing: Standing::Caution,
            word: "cut".to_owned(),
            detail: format!("{} beyond the bound or not a number", Whole(*count)),
        });
    }
    for note in &health.notes {
        checks.push(Check {
            name: "Note".to_owned(),
            standing: Standing::Caution,
            word: "to know".to_owned(),
            detail: note.clone(),
        });
    }
    checks
}

pub(super) fn users(health: &Health, tally: &verdict::Tally) -> Vec<Count> {
    let count = |name: &str, count: u64| Count { name: name.to_owned(), count };
    let mut users = vec![
        count("Pairs scored", health.pairs),
        count("Pairs dropped as repeats", health.repeated),
        count("Pairs without a key", health.unkeyed),
        count("Pairs both refused", health.both_refused),
    ];
    let exposed = tally.live.values().map(|stage| stage.candidate.keys).sum();
    let held_back = tally.live.values().map(|stage| stage.held_back.keys).sum();
    // Without a router's report of who answered, users were not counted: that is unknown, not zero.
    if exposed > 0 || held_back > 0 {
        users.insert(0, count("Let through, by stage", exposed));
        users.insert(1, count("Held back, by stage", held_back));
    }
    users
}
