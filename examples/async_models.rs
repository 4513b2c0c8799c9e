//! Models that take long: one that computes for 20 ms, one that waits for an inference server,
//! and one that hangs. Answers come within a deadline, and other tasks of the runtime go on.
//!
//! ```sh
//! cargo run --release --example async_models
//! ```

use std::{
    error::Error,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use modelgate::{
    AsyncModelRouter, Context, ModelError, ModelRouter, async_model_fn, flagd::Flagd, model_fn,
};
use tokio::{task::JoinSet, time::sleep};

/// Who is served by what, as a flag file would say it.
const FLAGS: &str = r#"{
  "flags": {
    "ml-model-version": {
      "state": "ENABLED",
      "variants": { "computes": "computes", "waits": "waits", "hangs": "hangs" },
      "defaultVariant": "computes",
      "targeting": { "var": "model" }
    }
  }
}"#;

const DEADLINE: Duration = Duration::from_millis(250);
const CALLERS: usize = 8;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let router: AsyncModelRouter<[f32], f32> = ModelRouter::builder("ml-model-version")
        .model("average", model_fn(|row: &[f32]| Ok(row.iter().sum::<f32>() / row.len() as f32)))
        .model("computes", model_fn(|row: &[f32]| Ok(compute(row))))
        .async_model("waits", async_model_fn(|row: &[f32]| Box::pin(ask_server(row))))
        .async_model(
            "hangs",
            async_model_fn(|_: &[f32]| Box::pin(std::future::pending::<Result<f32, ModelError>>())),
        )
        .fallback("average")
        .source(Flagd::new().compile(FLAGS)?)
        .deadline(DEADLINE)
        .build_async()?;

    println!("One request to each model, with a deadline of {DEADLINE:?}:");
    for model in ["computes", "waits", "hangs"] {
        let started = Instant::now();
        let context = Context::new("user-1").with("model", model);
        let answer = router.predict(&context, vec![1.0, 2.0, 3.0]).await?;
        let fallback = answer.fallback().map_or_else(String::new, |cause| format!(" ({cause})"));
        println!(
            "  {model:<9} {:>7.3} by {}{fallback} after {:.0?}",
            answer.output(),
            answer.version(),
            started.elapsed()
        );
    }

    println!(
        "\n{CALLERS} callers keep the 20 ms model busy. Meanwhile a task wants to run every ms:"
    );
    let in_place = longest_wait(|| async {
        black_box(compute(&[1.0, 2.0, 3.0]));
    })
    .await;
    println!(
        "  computed in place, on the runtime's own threads: held up for {in_place:.1?} at worst"
    );
    let by_router = longest_wait(|| {
        let router = router.clone();
        async move {
            let context = Context::new("user-1").with("model", "computes");
            // Late answers are the fallback's: nothing to do here.
            let _ = router.predict(&context, vec![1.0, 2.0, 3.0]).await;
        }
    })
    .await;
    println!(
        "  through the router, on a pool of its own:        held up for {by_router:.1?} at worst"
    );

    println!(
        "\
\nTry next:
  set DEADLINE to 10 ms: the average answers in place of the model that computes
  cargo run --release --example axum     models so quick that they need no pool"
    );
    Ok(())
}

/// 20 ms of computing.
fn compute(row: &[f32]) -> f32 {
    let started = Instant::now();
    let mut value = row.iter().sum::<f32>().sin().abs();
    while started.elapsed() < Duration::from_millis(20) {
        for _ in 0..1_000 {
            value = black_box(3.9 * value * (1.0 - value));
        }
    }
    value
}

/// An inference server that answers after 20 ms; a real one is asked with an HTTP client.
async fn ask_server(row: &[f32]) -> Result<f32, ModelError> {
    sleep(Duration::from_millis(20)).await;
    Ok(row.iter().product())
}

/// How long a task that wants to run every millisecond is held up at worst, while callers make one
/// request after another.
async fn longest_wait<R>(request: impl Fn() -> R) -> Duration
where
    R: Future<Output = ()> + Send + 'static,
{
    const EACH: usize = 10;
    let done = Arc::new(AtomicBool::new(false));
    let beat = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let due = Instant::now() + Duration::from_millis(1);
                sleep(Duration::from_millis(1)).await;
                longest = longest.max(due.elapsed());
            }
            longest
        }
    });
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let requests: Vec<R> = (0..EACH).map(|_| request()).collect();
        callers.spawn(async move {
            for request in requests {
                request.await;
                tokio::task::yield_now().await;
            }
        });
    }
    callers.join_all().await;
    done.store(true, Ordering::Relaxed);
    beat.await.unwrap_or_default()
}
