//! Models routed by LaunchDarkly: a string flag names the version that answers, a boolean one puts v2
//! in the shadow of the rest. Change them while it runs; the flags' use and the shadow's comparisons
//! are reported back.
//!
//! In LaunchDarkly, make a string flag `ml-model-version` with the variations `v1` and `v2`, and a
//! boolean flag `shadow-mode-v2`. Then:
//!
//! ```text
//! export LAUNCHDARKLY_SDK_KEY=sdk-...
//! cargo run --example launchdarkly --no-default-features --features launchdarkly
//! ```
//!
//! `LAUNCHDARKLY_RELAY_URL` names a Relay Proxy to use instead of LaunchDarkly's own services.

use std::{collections::BTreeMap, env, error::Error, process::ExitCode, thread, time::Duration};

use modelgate::{
    Context, DualReads, LaunchDarklySource, ModelRouter, Shadow, SourceState, Tolerance, model_fn,
};

const USERS: usize = 1000;

/// What a payment looks like to a model.
type Payment = [f64];

fn main() -> ExitCode {
    let Ok(key) = env::var("LAUNCHDARKLY_SDK_KEY") else {
        eprintln!(
            "not set: LAUNCHDARKLY_SDK_KEY\n\n\
             LAUNCHDARKLY_SDK_KEY    an environment's SDK key: sdk-<uuid>\n\
             LAUNCHDARKLY_RELAY_URL  a Relay Proxy, if there is one: http://127.0.0.1:8030\n\n\
             The environment needs a string flag `ml-model-version` with the variations v1 and v2,\n\
             and a boolean flag `shadow-mode-v2`."
        );
        return ExitCode::from(2);
    };
    // For ever, unless a number of rounds is given.
    let rounds = env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(usize::MAX);
    match run(key, env::var("LAUNCHDARKLY_RELAY_URL").ok(), rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(key: String, relay: Option<String>, rounds: usize) -> Result<(), Box<dyn Error>> {
    let dual_reads = DualReads::new("ml-model-migration", "v1", "v2");
    let source = LaunchDarklySource::new(key)
        .dual_reads(&dual_reads)
        .last_known_good(env::temp_dir().join("modelgate-launchdarkly-example.flags"));
    let source = match relay {
        Some(url) => source.relay(url),
        None => source,
    };
    let router = ModelRouter::<Payment, f64>::builder("ml-model-version")
        .model("v1", model_fn(|payment: &Payment| Ok(by_amount(payment))))
        .model("v2", model_fn(|payment: &Payment| Ok(by_amount_and_distance(payment))))
        .fallback("v1")
        .source(source)
        .shadow(Shadow::flag("shadow-mode-v2").candidate("v2").queue(USERS).record_targeting_key())
        .compare(Tolerance::absolute(0.1))
        .sink(dual_reads)
        .build()?;
    if let Err(not_ready) = router.wait_ready(Duration::from_secs(5)) {
        println!("{not_ready}\nv1 answers everybody until LaunchDarkly does.");
    }

    for _ in 0..rounds {
        let mut shares = BTreeMap::new();
        for user in 0..USERS {
            let id = format!("user-{user}");
            let region = ["eu-west-1", "us-east-1", "ap-south-1"][user % 3];
            let context = Context::new(&id).with("region", region);
            let answer = router.predict(&context, &[user as f64, (user % 40) as f64])?;
            *shares.entry(answer.version().to_string()).or_insert(0) += 1;
        }
        router.flush(Duration::from_secs(5));
        let shadows = router.stats().shadows;
        let candidates = || shadows.iter().flat_map(|line| &line.candidates);
        let disagreed: u64 = candidates().map(|candidate| candidate.disagreed()).sum();
        let agreed: u64 = candidates().map(|candidate| candidate.agreed()).sum();
        let state = match &router.status().sources[0].state {
            SourceState::Ready => "fresh".to_owned(),
            SourceState::Stale { reason, .. } => format!("stale: {reason}"),
            SourceState::Starting { last_error, .. } => {
                format!("none yet: {}", last_error.as_deref().unwrap_or("no answer so far"))
            }
            _ => "unknown".to_owned(),
        };
        let shares: Vec<_> =
            shares.iter().map(|(version, users)| format!("{version}: {users}")).collect();
        println!(
            "of {USERS} users {:<20} shadows agreed {agreed}, disagreed {disagreed}   flags {state}",
            shares.join(", ")
        );
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// Large payments are suspicious.
fn by_amount(payment: &Payment) -> f64 {
    let [amount, ..] = payment else { return 0.0 };
    (amount / USERS as f64).min(1.0)
}

/// So are those from far away.
fn by_amount_and_distance(payment: &Payment) -> f64 {
    let distance = payment.get(1).copied().unwrap_or_default();
    (by_amount(payment) + distance / 200.0).min(1.0)
}
