//! Models routed by a flagd server: a string flag names the version that answers, a boolean flag puts
//! v2 in the shadow of the rest. Change them while it runs.
//!
//! ```text
//! docker run --rm -p 8015:8015 -v "$PWD/examples:/flags" ghcr.io/open-feature/flagd:latest \
//!     start --uri file:/flags/flags.json                   # or a server of yours
//! export FLAGD_HOST=127.0.0.1 FLAGD_SYNC_PORT=8015
//! cargo run --example flagd --no-default-features --features flagd,file
//! ```
//!
//! Without a server: `FLAGD_OFFLINE_FLAG_SOURCE_PATH=examples/flags.json` watches the file.

use std::{collections::BTreeMap, env, error::Error, process::ExitCode, thread, time::Duration};

use modelgate::{Context, FlagdSource, ModelRouter, Shadow, SourceState, Tolerance, model_fn};

const USERS: usize = 1000;

/// Where the flags may be. The rest of the flagd providers' variables have defaults.
const PLACES: [&str; 3] = ["FLAGD_HOST", "FLAGD_SOCKET_PATH", "FLAGD_OFFLINE_FLAG_SOURCE_PATH"];

/// What a payment looks like to a model.
type Payment = [f64];

fn main() -> ExitCode {
    if PLACES.iter().all(|name| env::var_os(name).is_none()) {
        eprintln!(
            "none of these is set: {}\n\n\
             FLAGD_HOST                      where the server is: 127.0.0.1\n\
             FLAGD_SYNC_PORT                 the port of its sync service: 8015 unless set\n\
             FLAGD_TLS                       true for an encrypted connection\n\
             FLAGD_SOURCE_SELECTOR           which of its flags: flagSetId=models\n\
             FLAGD_SOCKET_PATH               a Unix socket instead of host and port\n\
             FLAGD_OFFLINE_FLAG_SOURCE_PATH  a file instead of a server: examples/flags.json\n\n\
             The first lines of examples/flagd.rs start a server.",
            PLACES.join(", ")
        );
        return ExitCode::from(2);
    }
    // For ever, unless a number of rounds is given.
    let rounds = env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(usize::MAX);
    match run(rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(rounds: usize) -> Result<(), Box<dyn Error>> {
    let source = FlagdSource::from_environment()?
        .last_known_good(env::temp_dir().join("modelgate-flagd-example.flags"));
    let router = ModelRouter::<Payment, f64>::builder("ml-model-version")
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
