//! A verdict as sections of a report.

mod health;

use self::health::{checks, users};
use super::{
    content::{
        Agreement, Content, Decision, Disagreement, Disagreements, EvidenceBar, Figure, Headline,
        Histogram, Latency, Metric, Point, Series, Standing, Unit,
    },
    figure::{Percent, Short, Whole},
};
use crate::verdict::{
    self, AgreementFigures, Finding, Judgement, MetricConfig, MetricJudgement, MetricKind,
    MetricTimeline, Overall, Role, TimeCounts,
};

/// The most classes that a confusion table is readable with.
const CLASSES: usize = 20;

pub(super) fn fill(
    content: &mut Content,
    evidence: &verdict::Evidence,
    timelines: Vec<MetricTimeline>,
    disagreements: verdict::Disagreements,
) {
    let (config, judgement) = (&evidence.config, &evidence.judgement);
    content.champion = judgement.champion.clone();
    content.candidate = Some(judgement.candidate.clone());
    content.headline = headline(judgement);
    content.metrics = judgement.metrics.iter().map(|metric| row(config, metric)).collect();
    content.series =
        timelines.into_iter().filter_map(|line| series(config, judgement, line)).collect();
    let figures = verdict::agreement_figures(&evidence.tally);
    content.agreement = Some(agreement(judgement, &figures, &evidence.tally));
    let times = latency(judgement, &evidence.tally);
    // The router's own times of who answered are finer.
    let known = |version: &str| content.latency.iter().any(|latency| latency.version == version);
    let live = |time: &Latency| time.measured == COMPARED && known(&time.version);
    let times: Vec<Latency> = times.into_iter().filter(|time| !live(time)).collect();
    content.latency.extend(times);
    content.disagreements = Some(examples(disagreements));
    content.health.extend(checks(&judgement.health));
    content.users.extend(users(&judgement.health, &evidence.tally));
    content.decision = Some(decision(evidence));
}

fn headline(judgement: &Judgement) -> Headline {
    let candidate = &judgement.candidate;
    let reason = judgement.why.first().map_or(String::new(), |why| format!(": {why}"));
    let (standing, word) = match judgement.overall {
        Overall::RollBack => (Standing::Bad, "should be rolled back"),
        Overall::Advance => (Standing::Good, "may go on"),
        Overall::Hold => (Standing::Neutral, "is not decided yet"),
    };
    Headline { sentence: format!("{candidate} {word}{reason}"), standing }
}

fn unit(kind: MetricKind) -> Unit {
    match kind {
        MetricKind::LiveFailures | MetricKind::LiveLate => Unit::Ratio,
        MetricKind::Distance | MetricKind::Loss | MetricKind::Outcome => Unit::Number,
        MetricKind::Disagreement => Unit::Part,
        _ => Unit::Share,
    }
}

fn standing(metric: &MetricJudgement) -> Standing {
    match (metric.finding, metric.role) {
        (Finding::Worse, Role::Watch) => Standing::Caution,
        (Finding::Worse, _) => Standing::Bad,
        (finding, _) if finding.passes() => Standing::Good,
        _ => Standing::Neutral,
    }
}

fn row(config: &verdict::Config, metric: &MetricJudgement) -> Metric {
    let asked = config.metric(&metric.name);
    let role = match metric.role {
        Role::Guardrail => "guardrail",
        Role::Signal => "signal",
        Role::Watch => "watched",
    };
    let not_worse = metric.ln_e_not_worse;
    Metric {
        name: metric.name.clone(),
        role: role.to_owned(),
        finding: metric.finding.to_string(),
        standing: standing(metric),
        champion: metric.champion,
        candidate: metric.candidate,
        estimate: metric.estimate,
        interval: metric.interval,
        margin: margin(metric, asked),
        unit: unit(metric.kind),
        pairs: metric.pairs,
        expected_pairs: metric.expected_pairs,
        // Without a limit on disagreement, there is no evidence for or against it.
        worse: (unit(metric.kind) != Unit::Part || metric.margin.is_some())
            .then_some(EvidenceBar { ln_e: metric.ln_e_worse, threshold: metric.threshold.worse }),
        not_worse: not_worse
            .map(|ln_e| EvidenceBar { ln_e, threshold: metric.threshold.not_worse }),
        sentence: metric.sentence.clone(),
    }
}

fn margin(metric: &MetricJudgement, asked: Option<&MetricConfig>) -> Option<f64> {
    match unit(metric.kind) {
        Unit::Ratio => asked.and_then(|asked| asked.ratio),
        Unit::Share | Unit::Part | Unit::Number => metric.margin,
    }
}

fn series(config: &verdict::Config, judgement: &Judgement, line: MetricTimeline) -> Option<Series> {
    let metric = judgement.metric(&line.name)?;
    let points = line.points.iter().map(|point| Point {
        pairs: point.pairs,
        estimate: point.estimate,
        interval: Some((point.lower, point.upper)),
        ln_e_worse: point.ln_e_worse,
        ln_e_not_worse: point.ln_e_not_worse.unwrap_or(0.0),
    });
    Some(Series {
        points: points.collect(),
        margin: margin(metric, config.metric(&line.name)),
        unit: unit(metric.kind),
        thresholds: Some((metric.threshold.worse, metric.threshold.not_worse)),
        metric: line.name,
        stages: line
            .stages
            .iter()
            .map(|mark| (mark.pairs, Percent(f64::from(mark.share) / 100_000.0).to_string()))
            .collect(),
    })
}

/// Where a verdict's times of the champion were measured.
const COMPARED: &str = "answering, where it was compared";

/// How long both versions took where they were compared.
fn latency(judgement: &Judgement, tally: &verdict::Tally) -> Vec<Latency> {
    let champion = judgement.champion.as_deref().unwrap_or("whichever answered");
    let sides = [
        (champion, COMPARED, &tally.times.champion),
        (judgement.candidate.as_str(), "in shadow, by the clock", &tally.times.candidate),
    ];
    let timed = sides.into_iter().filter(|(.., bins)| bins.iter().any(|count| *count > 0));
    timed
        .map(|(version, measured, bins)| {
            let buckets: Vec<(f64, u64)> = bins
                .iter()
                .enumerate()
                .filter(|(_, count)| **count > 0)
                .map(|(bin, count)| (TimeCounts::bin_start_us(bin + 1), *count))
                .collect();
            let count = buckets.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
            let quantile = |share: f64| {
                let mut left = (share * count as f64).ceil() as u64;
                let reached = buckets.iter().find(|(_, count)| {
                    left = left.saturating_sub(*count);
                    left == 0
                });
                reached.or(buckets.last()).map_or(0.0, |(end, _)| *end)
            };
            Latency {
                version: version.to_owned(),
                measured: measured.to_owned(),
                count,
                p50_us: quantile(0.5),
                p90_us: quantile(0.9),
                p99_us: quantile(0.99),
                max_us: quantile(1.0),
                buckets,
            }
        })
        .collect()
}

/// How far the scores of pairs that differ are apart.
fn differences(tally: &verdict::Tally) -> Option<Histogram> {
    let bins = &tally.agreement.scores.as_ref()?.differences;
    let middle = bins.len() / 2;
    // Symmetric about zero, and as wide as the larger side needs.
    let far = bins.iter().enumerate().filter(|(_, count)| **count > 0);
    let far = far.map(|(bin, _)| bin.abs_diff(middle)).max()?;
    let half = (far as f64 + 0.5) * 2.0 / bins.len() as f64;
    Some(Histogram {
        of: "Score differences: candidate less champion, in units of their range".to_owned(),
        from: -half,
        to: half,
        counts: bins.get(middle - far..=middle + far)?.to_vec(),
    })
}

fn agreement(
    judgement: &Judgement,
    figures: &AgreementFigures,
    tally: &verdict::Tally,
) -> Agreement {
    let of_kind = |kind| judgement.metrics.iter().find(|metric| metric.kind == kind);
    let disagreement = of_kind(MetricKind::Disagreement);
    let pairs = disagreement.map_or(tally.pairs.scored, |metric| metric.pairs);
    let share = disagreement.and_then(|metric| metric.estimate).or(figures.churn);
    let disagreed = share.map_or(0, |share| (share * pairs as f64).round() as u64);
    let mut found = Agreement {
        pairs,
        disagreed,
        interval: disagreement.and_then(|metric| metric.interval),
        noise_floor: of_kind(MetricKind::Noise).and_then(|metric| metric.champion),
        figures: named(figures),
        right_and_wrong: figures.right_and_wrong,
        differences: differences(tally),
        ..Agreement::default()
    };
    if figures.classes.len() <= CLASSES {
        found.classes.clone_from(&figures.classes);
        found.confusion.clone_from(&figures.table);
    } else {
        found.commonest = commonest(figures);
    }
    found
}

fn named(figures: &AgreementFigures) -> Vec<Figure> {
    let figure = |name: &str, value: Option<f64>, meaning: &str| {
        let (name, meaning) = (name.to_owned(), meaning.to_owned());
        value.filter(|value| value.is_finite()).map(|value| Figure { name, value, meaning })
    };
    [
        figure("Churn", figures.churn, "share of pairs whose classes differ"),
        figure("Cohen's kappa", figures.kappa, "1 is full agreement, 0 that of chance"),
        figure("Concordance", figures.concordance, "Lin's, of the scores: 1 is the same"),
        figure("Mean difference", figures.mean_difference, "of scores, in units of their range"),
        figure("RMS difference", figures.root_mean_square, "of scores, in units of their range"),
        figure("Negative flips", figures.negative_flips, "champion right, candidate wrong"),
        figure("Champion right", figures.champion_accuracy, "of labelled pairs"),
        figure("Candidate right", figures.candidate_accuracy, "of labelled pairs"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn commonest(figures: &AgreementFigures) -> Vec<(String, String, u64)> {
    let mut differing = Vec::new();
    for (champion, row) in figures.classes.iter().zip(&figures.table) {
        for (candidate, count) in figures.classes.iter().zip(row) {
            if champion != candidate && *count > 0 {
                differing.push((champion.clone(), candidate.clone(), *count));
            }
        }
    }
    differing.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| (&a.0, &a.1).cmp(&(&b.0, &b.1))));
    differing.truncate(CLASSES);
    differing
}

fn examples(kept: verdict::Disagreements) -> Disagreements {
    let shown = |kept: Vec<verdict::Disagreement>| {
        let rows = kept.into_iter().map(|one| Disagreement {
            prediction_id: one.prediction_id.to_string(),
            champion: one.champion,
            candidate: one.candidate,
            distance: one.distance,
            label: one.label,
            features: one.features.map(|features| features.to_string()),
        });
        rows.collect()
    };
    Disagreements { worst: shown(kept.worst), at_random: shown(kept.random) }
}

fn decision(evidence: &verdict::Evidence) -> Decision {
    let config = &evidence.config;
    let unit = match config.unit {
        verdict::Unit::Key => "a user, once an attempt".to_owned(),
        verdict::Unit::KeyPer(window) => format!("a user, once in {window} ms"),
        verdict::Unit::Request => "a request".to_owned(),
    };
    let setting = |name: &str, value: String| (name.to_owned(), value);
    let mut settings = vec![
        setting("Unit of evidence", unit),
        setting("Pairs before it may advance", Whole(config.min_pairs).to_string()),
        setting("Missing pairs allowed", Percent(config.max_missing).to_string()),
        setting("Attempt", Whole(u64::from(evidence.judgement.attempt)).to_string()),
        setting("Version of modelgate", evidence.modelgate.clone()),
        setting("Digest of the evidence", evidence.digest.clone()),
    ];
    for metric in &config.metrics {
        let margin = match (metric.margin, unit_of(metric)) {
            (Some(margin), Unit::Share | Unit::Part) => {
                format!("margin {} points", Short(margin * 100.0))
            }
            (Some(margin), _) => format!("margin {}", Short(margin)),
            (None, _) => match metric.ratio {
                Some(ratio) => format!("at most × {}", Short(ratio)),
                None => "no margin".to_owned(),
            },
        };
        settings.push((format!("Metric {}", metric.name), margin));
    }
    Decision {
        config_hash: evidence.judgement.config_hash.clone(),
        settings,
        evidence: serde_json::to_value(evidence).unwrap_or_default(),
    }
}

fn unit_of(metric: &MetricConfig) -> Unit {
    unit(metric.kind)
}
