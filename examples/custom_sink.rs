//! A sink of one's own: it counts which digits two versions of a model confuse.
//!
//! ```sh
//! cargo run --release --example custom_sink
//! ```

#[path = "service/config.rs"]
#[allow(dead_code)]
mod config;
#[path = "service/digits.rs"]
#[allow(dead_code)]
mod digits;

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use digits::Digits;
use modelgate::{
    Classification, Context, ModelRouter, Rollout, Shadow,
    compare::{Comparison, SameLabel, sink::ComparisonSink},
    model::Label,
    shadow::Budget,
};

/// How often the primary said one thing and the candidate another.
#[derive(Default)]
struct Confusions(Mutex<BTreeMap<(Label, Label), u64>>);

impl ComparisonSink<Classification> for Confusions {
    // Runs on the shadow's thread: a lock held for a moment is fine, a database would get a
    // channel and a thread of its own.
    fn record(&self, comparison: &Comparison<Classification>) {
        let (Ok(primary), Ok(candidate)) =
            (&comparison.primary.outcome, &comparison.candidate.outcome)
        else {
            return; // One of them failed: the router's own counts tell.
        };
        if comparison.agreement.agrees() == Some(false) {
            let pair = (primary.label.clone(), candidate.label.clone());
            let mut pairs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *pairs.entry(pair).or_default() += 1;
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let digits = Digits::open(&config::in_repository("examples/models"))?;
    let rows = digits.rows();
    let confusions = Arc::new(Confusions::default());

    let router = ModelRouter::builder("ml-model-version")
        .model("v1", digits.model("v1")?)
        .model("v2", digits.model("v2")?)
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("ml-model-version")?)
        // A service would keep the default budget and see a part of its requests; this wants every row.
        .shadow(Shadow::always().candidate("v2").queue(rows.len()).budget(Budget::unlimited()))
        .compare(SameLabel)
        .sink(Arc::clone(&confusions))
        .build()?;

    for (number, row) in rows.iter().enumerate() {
        router.predict(&Context::new(&format!("user-{number}")), &row.features())?;
    }
    if !router.flush(Duration::from_secs(60)) {
        println!("some shadows were not done after a minute");
    }

    let confusions = confusions.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pairs: Vec<_> = confusions.iter().collect();
    pairs.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let all: u64 = confusions.values().sum();
    println!("v1 and v2 disagree on {all} of {} digits:\n", rows.len());
    for ((v1, v2), count) in pairs {
        println!("  v1 says {v1}, v2 says {v2}: {count}");
    }
    let stats = router.stats();
    let candidates = stats.shadows.iter().flat_map(|line| &line.candidates);
    for candidate in candidates.filter(|candidate| candidate.wanted() > 0) {
        println!(
            "\nShadow runs of {}: {} wanted, {} completed, {} dropped.",
            candidate.candidate(),
            candidate.wanted(),
            candidate.completed(),
            candidate.dropped_in_all(),
        );
    }
    println!(
        "\
\nTry next:
  use ProbabilityDistance::total_variation(0.2) in place of SameLabel: how sure they are counts too
  remove .budget(...): runs beyond the default budget are dropped and counted, nobody waits for them"
    );
    Ok(())
}
