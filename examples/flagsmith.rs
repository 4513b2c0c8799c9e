//! Models routed by Flagsmith: a feature's value names the version that answers, another feature
//! puts v2 in the shadow of the rest. Change them while it runs.
//!
//! ```text
//! docker compose -f examples/flagsmith/compose.yaml up -d    # or an environment of yours
//! bash examples/flagsmith/flags.sh                           # makes the features, says the key
//! export FLAGSMITH_URL=http://127.0.0.1:8000/api/v1 FLAGSMITH_SERVER_KEY=ser.<what it said>
//! cargo run --example flagsmith --no-default-features --features flagsmith
//! ```

use std::{collections::BTreeMap, env, error::Error, process::ExitCode, thread, time::Duration};

use modelgate::{
    Binding, Context, FlagsmithSource, ModelRouter, Shadow, SourceState, Tolerance, model_fn,
};

const USERS: usize = 1000;

/// What a payment looks like to a model.
type Payment = [f64];

fn main() -> ExitCode {
    let names = ["FLAGSMITH_URL", "FLAGSMITH_SERVER_KEY"];
    let [Some(url), Some(key)] = names.map(|name| env::var(name).ok()) else {
        let missing: Vec<_> = names.into_iter().filter(|name| env::var(name).is_err()).collect();
        eprintln!(
            "not set: {}\n\n\
             FLAGSMITH_URL         where the API is: http://127.0.0.1:8000/api/v1, or the cloud's\n\
             \x20                     https://edge.api.flagsmith.com/api/v1\n\
             FLAGSMITH_SERVER_KEY  a server-side key of the environment: ser.<secret>\n\n\
             examples/flagsmith/compose.yaml starts a server, and says how to get a key.\n\
             FLAGSMITH_REALTIME_URL may name a real-time service: https://realtime.flagsmith.com",
            missing.join(", ")
        );
        return ExitCode::from(2);
    };
    // For ever, unless a number of rounds is given.
    let rounds = env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(usize::MAX);
    match run(&url, key, rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str, key: String, rounds: usize) -> Result<(), Box<dyn Error>> {
    let mut source = FlagsmithSource::new(key)
        .url(url)
        .application("fraud", env!("CARGO_PKG_VERSION"))
        .interval(Duration::from_secs(1))
        .analytics(Some(Duration::from_secs(10)))
        .last_known_good(env::temp_dir().join("modelgate-flagsmith-example.flags"));
    if let Ok(url) = env::var("FLAGSMITH_REALTIME_URL") {
        source = source.realtime_url(url);
    }
    let router = ModelRouter::<Payment, f64>::builder(Binding::value("ml-model-version"))
        .model("v1", model_fn(|payment: &Payment| Ok(by_amount(payment))))
        .model("v2", model_fn(|payment: &Payment| Ok(by_amount_and_distance(payment))))
        .fallback("v1")
        .source(source)
        .shadow(Shadow::flag("shadow-mode-v2").candidate("v2").queue(USERS))
        .compare(Tolerance::absolute(0.1))
        .build()?;
    if let Err(not_ready) = router.wait_ready(Duration::from_secs(5)) {
        println!("{not_ready}\nv1 answers everybody until the server does.");
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
