//! Verdicts on real models and real data: predictions of two versions, cross-validated over
//! scikit-learn's own data sets, row by row, with the true labels.
//!
//! The predictions lie outside this repository: `MODELGATE_VERDICT` names their folder.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use modelgate::{
    Context, ModelError, ModelRouter, PredictionId, Rollout, Shadow,
    compare::{
        Comparison, Run, SameLabel,
        key::KeyHasher,
        sink::{ComparisonSink, JsonlSink},
    },
    model_fn,
    verdict::{
        Finding, Metric, MetricCounts, Overall, RecordedLabel, RecordedOutput, Verdict,
        stats::grid::{Observed, ln_e_above},
    },
};

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("MODELGATE_VERDICT").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: MODELGATE_VERDICT names no folder");
    }
    folder
}

/// The truth, the champion's answer, the candidate's.
type Row = [f64; 3];

fn rows(file: &str) -> Option<Vec<Row>> {
    let text = std::fs::read_to_string(folder()?.join(file)).expect("a file of predictions");
    let row = |line: &str| {
        let numbers: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        [numbers[1], numbers[2], numbers[3]]
    };
    Some(text.lines().skip(1).map(row).collect())
}

fn classes(file: &str) -> Option<Arc<Vec<[i64; 3]>>> {
    Some(Arc::new(rows(file)?.iter().map(|row| row.map(|number| number as i64)).collect()))
}

fn verdict() -> Verdict<i64, i64> {
    let builder = Verdict::builder("candidate").against("champion");
    builder.metric(Metric::accuracy()).build().unwrap()
}

/// What is known after which row.
#[derive(Debug, Default, PartialEq)]
struct Found {
    worse: u64,
    better: u64,
    first_worse: Option<usize>,
    first_not_worse: Option<usize>,
    first_better: Option<usize>,
    last: Option<Finding>,
    interval: (f64, f64),
    ln_e_better: f64,
}

/// Shadows every row through a router, labels it by its id, and asks after every row.
fn shadowed(rows: &Arc<Vec<[i64; 3]>>) -> (Verdict<i64, i64>, Found) {
    let verdict = verdict();
    let version = |column: usize| {
        let rows = Arc::clone(rows);
        model_fn(move |row: &usize| -> Result<i64, ModelError> { Ok(rows[*row][column]) })
    };
    let router = ModelRouter::<usize, i64>::builder("version")
        .model("champion", version(1))
        .model("candidate", version(2))
        .fallback("champion")
        .source(Rollout::everyone("champion").flag("version").unwrap())
        .shadow(Shadow::always().candidate("candidate").joined())
        .compare(SameLabel)
        .sink(verdict.clone())
        .build()
        .unwrap();
    let mut found = Found::default();
    for (row, [truth, champion, _]) in rows.iter().enumerate() {
        let key = format!("row-{row}");
        let answer = router.predict(&Context::new(&key), &row).unwrap();
        assert_eq!(answer.output(), champion);
        verdict.label(answer.id(), *truth);
        let tally = verdict.tally();
        // The whole judgement is asked for where it may have changed, and at the end.
        let judgement = verdict.judge();
        let accuracy = judgement.metric("accuracy").unwrap();
        assert_eq!(accuracy.pairs, row as u64 + 1);
        let enough = |ln_e: f64, threshold: f64| (ln_e >= threshold).then_some(row + 1);
        let threshold = accuracy.threshold;
        found.first_worse = found.first_worse.or(enough(accuracy.ln_e_worse, threshold.worse));
        found.first_not_worse =
            found.first_not_worse.or(enough(accuracy.ln_e_not_worse.unwrap(), threshold.not_worse));
        found.first_better =
            found.first_better.or(enough(accuracy.ln_e_better.unwrap(), threshold.not_worse));
        found.last = Some(accuracy.finding);
        found.interval = accuracy.interval.unwrap();
        found.ln_e_better = accuracy.ln_e_better.unwrap();
        if let Some(MetricCounts::Paired { worse, better, .. }) = tally.metrics.get("accuracy") {
            (found.worse, found.better) = (*worse, *better);
        }
    }
    (verdict, found)
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
}

struct Expected {
    file: &'static str,
    n: usize,
    worse: u64,
    better: u64,
    first_worse: Option<usize>,
    first_not_worse: Option<usize>,
    first_better: Option<usize>,
    finding: Finding,
    overall: Overall,
    /// To four digits.
    interval: (f64, f64),
}

/// The rows of the table: what must be found, and after which row.
fn check(expected: &Expected) {
    let Some(rows) = classes(expected.file) else { return };
    assert_eq!(rows.len(), expected.n);
    let (verdict, found) = shadowed(&rows);
    assert_eq!((found.worse, found.better), (expected.worse, expected.better));
    assert_eq!(found.first_worse, expected.first_worse, "worse at row");
    assert_eq!(found.first_not_worse, expected.first_not_worse, "not worse at row");
    assert_eq!(found.first_better, expected.first_better, "better at row");
    assert_eq!(found.last, Some(expected.finding));
    near(found.interval.0, expected.interval.0, 0.5e-4);
    near(found.interval.1, expected.interval.1, 0.5e-4);
    let judgement = verdict.judge();
    assert_eq!(judgement.overall, expected.overall, "{judgement}");
    verdict.evidence().verify().unwrap();
    replayed_alike(&rows);
}

/// The same rows through a file and back: the same bits, for one's own types and for recorded ones.
fn replayed_alike(rows: &[[i64; 3]]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let live = verdict();
    let sink = JsonlSink::builder(&path).queue(10_000).create().unwrap();
    let hasher = KeyHasher::new([7; 32]).unwrap();
    let mut labels = HashMap::new();
    for (row, [truth, champion, candidate]) in rows.iter().enumerate() {
        let run = |version: &str, class: i64| {
            Run::new(version, Ok(class), Duration::from_nanos(80_321 + row as u64))
        };
        let mut comparison =
            Comparison::new(run("champion", *champion), run("candidate", *candidate));
        comparison.prediction_id = PredictionId::from_u128(row as u128);
        comparison.key_hash = Some(hasher.hash(&format!("row-{row}")));
        comparison.agreement =
            modelgate::compare::Comparator::compare(&SameLabel, champion, candidate);
        live.record(&comparison);
        sink.record(&comparison);
        live.label(comparison.prediction_id, *truth);
        labels.insert(comparison.prediction_id, *truth);
    }
    sink.flush().unwrap();
    let file = std::fs::read(&path).unwrap();

    let again = verdict();
    let read = again.replay_labelled(&file[..], labels.clone()).unwrap();
    assert_eq!((read.comparisons, read.malformed), (rows.len() as u64, 0));
    assert_eq!(again.evidence(), live.evidence());

    let recorded = Verdict::<RecordedOutput, RecordedLabel>::builder("candidate")
        .against("champion")
        .metric(Metric::recorded_accuracy())
        .build()
        .unwrap();
    let labels = labels.iter().map(|(id, truth)| (*id, RecordedLabel::from(*truth as f64)));
    recorded.replay_labelled(&file[..], labels.collect()).unwrap();
    assert_eq!(recorded.evidence(), live.evidence());
}

#[test]
fn digits_by_a_decision_tree_is_worse_at_row_71() {
    check(&Expected {
        file: "data_digits_3.csv",
        n: 1797,
        worse: 236,
        better: 25,
        first_worse: Some(71),
        first_not_worse: None,
        first_better: None,
        finding: Finding::Worse,
        overall: Overall::RollBack,
        interval: (0.0899, 0.1482),
    });
}

#[test]
fn digits_by_a_support_vector_machine_is_better_at_row_248() {
    check(&Expected {
        file: "data_digits_2.csv",
        n: 1797,
        worse: 2,
        better: 44,
        first_worse: None,
        first_not_worse: Some(96),
        first_better: Some(248),
        finding: Finding::Better,
        overall: Overall::Advance,
        interval: (-0.0374, -0.0132),
    });
}

#[test]
fn digits_by_nearly_the_same_model_is_not_worse_at_row_451_and_never_better() {
    let file = "data_digits_4.csv";
    check(&Expected {
        file,
        n: 1797,
        worse: 0,
        better: 5,
        first_worse: None,
        first_not_worse: Some(451),
        first_better: None,
        // Not worse by a point, and not better by one either.
        finding: Finding::Equivalent,
        overall: Overall::Advance,
        interval: (-0.0087, 0.0010),
    });
    if let Some(rows) = classes(file) {
        near(shadowed(&rows).1.ln_e_better, 2.287, 0.5e-3);
    }
}

#[test]
fn breast_cancer_by_a_tree_is_worse_at_row_42() {
    check(&Expected {
        file: "data_breast_cancer_5.csv",
        n: 569,
        worse: 37,
        better: 6,
        first_worse: Some(42),
        first_not_worse: None,
        first_better: None,
        finding: Finding::Worse,
        overall: Overall::RollBack,
        interval: (0.0211, 0.0956),
    });
}

#[test]
fn breast_cancer_the_other_way_round_is_better_at_row_42() {
    check(&Expected {
        file: "data_breast_cancer_7.csv",
        n: 569,
        worse: 6,
        better: 37,
        first_worse: None,
        first_not_worse: Some(39),
        first_better: Some(42),
        finding: Finding::Better,
        overall: Overall::Advance,
        interval: (-0.0956, -0.0211),
    });
}

#[test]
fn breast_cancer_by_naive_bayes_is_worse_at_row_92() {
    check(&Expected {
        file: "data_breast_cancer_6.csv",
        n: 569,
        worse: 28,
        better: 6,
        first_worse: Some(92),
        first_not_worse: None,
        first_better: None,
        finding: Finding::Worse,
        overall: Overall::RollBack,
        interval: (0.0083, 0.0756),
    });
}

#[test]
fn wine_by_naive_bayes_is_never_decided() {
    check(&Expected {
        file: "data_wine_8.csv",
        n: 178,
        worse: 4,
        better: 2,
        first_worse: None,
        first_not_worse: None,
        first_better: None,
        finding: Finding::Undecided,
        overall: Overall::Hold,
        interval: (-0.0396, 0.0676),
    });
}

/// The absolute error as a part of the range of the target.
fn losses(row: &Row) -> (f64, f64) {
    ((row[1] - row[0]).abs() / 321.0, (row[2] - row[0]).abs() / 321.0)
}

#[test]
fn diabetes_by_a_regression_tree_is_worse_and_sooner_with_a_tighter_bound() {
    let Some(rows) = rows("data_diabetes_9.csv") else { return };
    assert_eq!(rows.len(), 442);
    for (bound, exact) in [(1.0, 69), (0.5, 26)] {
        // Without rounding, by the formula alone.
        let mut seen: Vec<Observed> = Vec::new();
        let first = rows.iter().position(|row| {
            let (champion, candidate) = losses(row);
            let d = ((candidate - champion) / bound).clamp(-1.0, 1.0);
            seen.push(((d + 1.0) / 2.0, 1.0));
            ln_e_above(&seen, 0.5) >= 20_f64.ln()
        });
        assert_eq!(first.map(|row| row + 1), Some(exact));

        // As the verdict counts, in 129 bins: near it.
        let verdict = Verdict::<f64, f64>::builder("candidate")
            .metric(
                Metric::loss("error", |output: &f64, truth: &f64| (output - truth).abs() / 321.0)
                    .bound(bound)
                    .margin(0.01),
            )
            .build()
            .unwrap();
        let hasher = KeyHasher::new([7; 32]).unwrap();
        let mut first = None;
        for (row, [truth, champion, candidate]) in rows.iter().enumerate() {
            let run = |version: &str, output: f64| Run::new(version, Ok(output), Duration::ZERO);
            let mut comparison =
                Comparison::new(run("champion", *champion), run("candidate", *candidate));
            comparison.prediction_id = PredictionId::from_u128(row as u128);
            comparison.key_hash = Some(hasher.hash(&format!("row-{row}")));
            verdict.record(&comparison);
            verdict.label(comparison.prediction_id, *truth);
            let worse = verdict.judge().metric("error").unwrap().finding == Finding::Worse;
            first = first.or(worse.then_some(row + 1));
        }
        let first = first.expect("worse");
        println!("bound {bound}: worse at row {exact}, in bins at row {first}");
        assert!(first.abs_diff(exact) <= 3, "bound {bound}: {first}");
        let judgement = verdict.judge();
        assert_eq!(judgement.overall, Overall::RollBack);
        if bound == 1.0 {
            near(judgement.metric("error").unwrap().estimate.unwrap(), 0.0549, 1e-3);
        }
    }
}
