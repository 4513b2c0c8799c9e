//! Models routed by an Unleash server: a toggle's variant names the version that answers, another
//! toggle puts v2 in the shadow of the rest. Change them while it runs.
//!
//! ```text
//! docker compose -f examples/unleash/compose.yaml up -d    # or a server of yours
//! bash examples/unleash/flags.sh                           # makes the two toggles
//! export UNLEASH_URL=http://127.0.0.1:4242/api UNLEASH_API_TOKEN=default:development.try-it
//! cargo run --example unleash --no-default-features --features unleash
//! ```
//!
//! The server then shows how often each variant was given, and, as impact metrics, how long each
//! version takes and how often its shadow disagrees:
//! <http://127.0.0.1:4242/internal-backstage/impact/metrics>.

use std::{collections::BTreeMap, env, error::Error, process::ExitCode, thread, time::Duration};

use modelgate::{
    Binding, Context, ImpactMetrics, ModelRouter, Shadow, SourceState, Tolerance, UnleashSource,
    model_fn,
};

const USERS: usize = 1000;

/// What a payment looks like to a model.
type Payment = [f64];

fn main() -> ExitCode {
    let names = ["UNLEASH_URL", "UNLEASH_API_TOKEN"];
    let [Some(url), Some(token)] = names.map(|name| env::var(name).ok()) else {
        let missing: Vec<_> = names.into_iter().filter(|name| env::var(name).is_err()).collect();
        eprintln!(
            "not set: {}\n\n\
             UNLEASH_URL        where the server's API is: http://127.0.0.1:4242/api\n\
             UNLEASH_API_TOKEN  a backend token: default:development.<secret>\n\n\
             examples/unleash/compose.yaml starts a server, and says its token.",
            missing.join(", ")
        );
        return ExitCode::from(2);
    };
    // For ever, unless a number of rounds is given.
    let rounds = env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(usize::MAX);
    match run(&url, token, rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str, token: String, rounds: usize) -> Result<(), Box<dyn Error>> {
    let impact = ImpactMetrics::new();
    let source = UnleashSource::new(url, token)
        .app_name("fraud")
        .interval(Duration::from_secs(1))
        .metrics(Some(Duration::from_secs(10)))
        .impact_metrics(&impact)
        .last_known_good(env::temp_dir().join("modelgate-unleash-example.flags"));
    let router = ModelRouter::<Payment, f64>::builder(Binding::variant("ml-model-version"))
        .model("v1", model_fn(|payment: &Payment| Ok(by_amount(payment))))
        .model("v2", model_fn(|payment: &Payment| Ok(by_amount_and_distance(payment))))
        .fallback("v1")
        .source(source)
        .shadow(Shadow::flag("shadow-mode-v2").candidate("v2").queue(USERS))
        .compare(Tolerance::absolute(0.1))
        .impact_metrics("fraud", &impact)
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
