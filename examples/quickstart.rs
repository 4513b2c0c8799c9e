//! 450 handwritten digits that no model was trained on, through two versions of a model: a
//! quarter of the users get v2, and each answer is compared with the other version's.
//!
//! ```sh
//! cargo run --release --example quickstart
//! ```

#[path = "service/config.rs"]
#[allow(dead_code)]
mod config;
#[path = "service/digits.rs"]
#[allow(dead_code)]
mod digits;

use std::{
    collections::HashMap,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use digits::{Digits, Row};
use indicatif::ProgressBar;
use modelgate::{
    Classification, Context, ModelRouter, PredictionId, Rollout, Shadow,
    compare::{ProbabilityDistance, Run, sink::MemorySink},
    model::Label,
    shadow::Budget,
};

fn main() -> Result<(), Box<dyn Error>> {
    let digits = Digits::open(&config::in_repository("examples/models"))?;
    let rows = digits.rows();
    let comparisons = Arc::new(MemorySink::<Classification>::new(rows.len()));

    let router = ModelRouter::builder("ml-model-version")
        .model("v1", digits.model("v1")?)
        .check("v1", digits.acceptance("v1")?)
        .model("v2", digits.model("v2")?)
        .check("v2", digits.acceptance("v2")?)
        .fallback("v1")
        .source(Rollout::percent("v2", 25.0).or("v1").flag("ml-model-version")?)
        // Whichever version answers, the other one runs in its shadow. Nobody waits for it: the
        // queue has room for all of them, and `flush` waits at the end. A service would keep the
        // default budget, which leaves the processors to its answers and drops what is beyond.
        .shadow(
            Shadow::always()
                .candidate("v1")
                .candidate("v2")
                .queue(rows.len())
                .budget(Budget::unlimited()),
        )
        .compare(ProbabilityDistance::argmax())
        .sink(Arc::clone(&comparisons))
        .build()?;

    let started = Instant::now();
    let mut progress = None;
    let mut asked: HashMap<PredictionId, &Row> = HashMap::new();
    for (number, row) in rows.iter().enumerate() {
        // An application has the id of its user; here each row is a user of its own.
        let user = format!("user-{number}");
        let prediction = router.predict(&Context::new(&user), &row.features())?;
        // The id joins an answer with what turns out later: here, the digit that was meant.
        asked.insert(prediction.id(), row);
        if started.elapsed() > Duration::from_secs(1) {
            let bar = progress.get_or_insert_with(|| ProgressBar::new(rows.len() as u64));
            bar.set_position(number as u64 + 1);
        }
    }
    if let Some(bar) = progress {
        bar.finish_and_clear();
    }
    if !router.flush(Duration::from_secs(60)) {
        println!("some shadows were not done after a minute");
    }

    let comparisons = comparisons.take();
    let mut right: HashMap<&str, usize> = HashMap::new();
    for comparison in &comparisons {
        let truth = asked.get(&comparison.prediction_id).map(|row| &row.label);
        for side in [&comparison.primary, &comparison.candidate] {
            *right.entry(&side.version).or_default() += usize::from(label(side) == truth);
        }
    }

    println!("{} digits, each from a user of its own; a quarter of the users get v2\n", rows.len());
    println!("version  answered        share   accuracy       p50       p99");
    for version in router.stats().versions {
        let answered = version.answered.total() as usize;
        let right = right.get(version.version.as_str()).copied().unwrap_or(0);
        println!(
            "{:<8} {answered:>4} of {:<4} {:>8} {:>10} {:>9} {:>9}",
            version.version.as_str(),
            rows.len(),
            percent(answered, rows.len()),
            percent(right, comparisons.len()),
            microseconds(version.service_time.p50),
            microseconds(version.service_time.p99),
        );
    }
    let agreed = comparisons.iter().filter(|pair| pair.agreement.agrees() == Some(true)).count();
    println!(
        "\nShadow: the other version ran beside {} of {} answers, and both named the same digit in {}.",
        comparisons.len(),
        rows.len(),
        percent(agreed, comparisons.len()),
    );
    println!(
        "\
\nTry next:
  run it again: the same users get the same version
  change 25.0 in examples/quickstart.rs to 50.0: everybody who has v2 keeps it
  cargo run --release --example axum           the same as a service, with flags in a file
  cargo run --release --example custom_sink    where the versions disagree
  cargo run --release --example async_models   slow models and models elsewhere"
    );
    Ok(())
}

fn label(run: &Run<Classification>) -> Option<&Label> {
    run.outcome.as_ref().ok().map(|answer| &answer.label)
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

fn microseconds(time: Duration) -> String {
    format!("{:.1} us", time.as_nanos() as f64 / 1_000.0)
}
