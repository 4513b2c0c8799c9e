//! Payments, two models that judge them, and a thousand users who send one each: what the examples
//! of the vendors' flags have in common.

use std::{collections::BTreeMap, env, error::Error, process::ExitCode, thread, time::Duration};

use modelgate::{
    Binding, Context, FlagSource, ModelRouter, RouterBuilder, Shadow, compare::Tolerance,
    flag::store::SourceState, model_fn,
};

const USERS: usize = 1000;

/// What a payment looks like to a model: its amount, and the distance from home.
pub type Payment = [f64];

/// v1, or v2 where the flag behind `binding` says so; v1 while there are no flags.
pub fn router(
    binding: impl Into<Binding>,
    source: impl FlagSource + 'static,
) -> RouterBuilder<Payment, f64> {
    ModelRouter::builder(binding)
        .model("v1", model_fn(|payment: &Payment| Ok(by_amount(payment))))
        .model("v2", model_fn(|payment: &Payment| Ok(by_amount_and_distance(payment))))
        .fallback("v1")
        .source(source)
        .compare(Tolerance::absolute(0.1))
}

/// v2 in the shadow of v1 while the flag `shadow-mode-v2` is on.
pub fn shadow() -> Shadow {
    Shadow::flag("shadow-mode-v2").candidate("v2").queue(USERS)
}

/// Sends payments, and says each second who answered; for ever, unless the example was given a
/// number of rounds.
pub fn serve(router: &ModelRouter<Payment, f64>) -> Result<(), Box<dyn Error>> {
    if let Err(not_ready) = router.wait_ready(Duration::from_secs(5)) {
        println!("{not_ready}\nv1 answers everybody until the flags are there.");
    }
    let rounds = env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(usize::MAX);
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
        // The default budget is small: what is beyond it is dropped, and nobody waits for it.
        let dropped: u64 = candidates().map(|candidate| candidate.dropped_in_all()).sum();
        let shares: Vec<_> =
            shares.iter().map(|(version, users)| format!("{version}: {users}")).collect();
        println!(
            "of {USERS} users {:<20} shadows agreed {agreed}, disagreed {disagreed}, \
             dropped {dropped}   flags {}",
            shares.join(", "),
            state(&router.status().sources[0].state),
        );
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn state(state: &SourceState) -> String {
    match state {
        SourceState::Ready => "fresh".to_owned(),
        SourceState::Stale { reason, .. } => format!("stale: {reason}"),
        SourceState::Rejected { reason, .. } => format!("rejected: {reason}"),
        SourceState::Starting { last_error, .. } => {
            format!("none yet: {}", last_error.as_deref().unwrap_or("no answer so far"))
        }
        _ => "unknown".to_owned(),
    }
}

/// How the example ends: an error is said with all its causes.
pub fn ended(result: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
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
