//! Batching beside none: throughput and the 99th percentile at 1, 8 and 64 concurrent callers, as
//! ratios.
//!
//! ```text
//! cargo bench --bench batched
//! ```
//!
//! Callers are threads for the sync face, and futures on one thread for the async one, where the
//! model without batching stands on the router's pool. Each figure is the median of several rounds
//! that alternate between the two.

#[path = "support/networks.rs"]
mod networks;

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use futures::{executor::block_on, future::join_all};
use modelgate::{
    AsyncModelRouter, Classification, Context, Model, ModelRouter, Rollout, model::Batched, onnx,
};

/// One run: calls a second, and how long 99 of 100 took at most.
#[derive(Clone, Copy)]
struct Measured {
    rate: f64,
    p99: Duration,
}

fn measured(mut times: Vec<Duration>, took: Duration) -> Measured {
    times.sort_unstable();
    let p99 = times[(times.len() * 99 / 100).min(times.len() - 1)];
    Measured { rate: times.len() as f64 / took.as_secs_f64(), p99 }
}

fn on_threads(
    model: &(impl Model<[f32], Classification> + ?Sized),
    rows: &[Vec<f32>],
    callers: usize,
    length: Duration,
) -> Measured {
    let begun = Instant::now();
    let times: Vec<Duration> = thread::scope(|scope| {
        let callers: Vec<_> = (0..callers)
            .map(|caller| {
                scope.spawn(move || {
                    let mut times = Vec::new();
                    while begun.elapsed() < length {
                        let row = &rows[(caller + times.len()) % rows.len()];
                        let asked = Instant::now();
                        black_box(model.predict(row)).unwrap();
                        times.push(asked.elapsed());
                    }
                    times
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    measured(times, begun.elapsed())
}

fn in_futures(
    router: &AsyncModelRouter<[f32], Classification>,
    rows: &[Vec<f32>],
    callers: usize,
    length: Duration,
) -> Measured {
    let begun = Instant::now();
    let caller = |caller: usize| async move {
        let (user, mut times) = (Context::new("user"), Vec::new());
        while begun.elapsed() < length {
            let row = rows[(caller + times.len()) % rows.len()].clone();
            let asked = Instant::now();
            black_box(router.predict(&user, row).await).unwrap();
            times.push(asked.elapsed());
        }
        times
    };
    let times = block_on(join_all((0..callers).map(caller)));
    measured(times.into_iter().flatten().collect(), begun.elapsed())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let trial = std::env::args().any(|argument| argument == "--test");
    let (length, rounds) =
        if trial { (Duration::from_millis(5), 1) } else { (Duration::from_millis(400), 5) };
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/digits_v2.onnx");
    let models = [
        ("MLP 64-128-64-10", onnx::Classifier::load(digits).unwrap()),
        ("MLP 256-1024-1024-10", networks::load(&networks::mlp(256, 1024))),
        ("CNN 16x16, 8+16 filters", networks::load(&networks::cnn())),
    ];
    println!(
        "| model | face | callers | plain /s | batched /s | throughput | p99 | rows a batch |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, model) in &models {
        let rows: Vec<Vec<f32>> =
            (0..64).map(|row| networks::values(model.input_len(), row)).collect();
        for callers in [1, 8, 64] {
            let batched = Batched::new(model.clone());
            let rounds = |run: &dyn Fn(bool) -> Measured| -> Vec<(Measured, Measured)> {
                (0..rounds).map(|_| (run(false), run(true))).collect()
            };
            let sync = rounds(&|with| match with {
                true => on_threads(&batched, &rows, callers, length),
                false => on_threads(model, &rows, callers, length),
            });
            let stats = batched.stats();
            report(name, "sync", callers, &sync, stats.rows as f64 / stats.batches as f64);
            let waiting = Batched::new(model.clone()).into_async().unwrap();
            let builder = || {
                ModelRouter::<[f32], Classification>::builder("version")
                    .fallback("v1")
                    .source(Rollout::everyone("v1").flag("version").unwrap())
            };
            let plain = builder().model("v1", model.clone()).build_async().unwrap();
            let with = builder().async_model("v1", waiting.clone()).build_async().unwrap();
            let futures = rounds(&|batched| {
                in_futures(if batched { &with } else { &plain }, &rows, callers, length)
            });
            let stats = waiting.stats();
            report(name, "async", callers, &futures, stats.rows as f64 / stats.batches as f64);
        }
    }
}

fn report(name: &str, face: &str, callers: usize, rounds: &[(Measured, Measured)], batch: f64) {
    let of =
        |value: &dyn Fn(&(Measured, Measured)) -> f64| median(rounds.iter().map(value).collect());
    println!(
        "| {name} | {face} | {callers} | {:.0} | {:.0} | {:.2} | {:.2} | {batch:.1} |",
        of(&|(plain, _)| plain.rate),
        of(&|(_, batched)| batched.rate),
        of(&|(plain, batched)| batched.rate / plain.rate),
        of(&|(plain, batched)| batched.p99.as_secs_f64() / plain.p99.as_secs_f64()),
    );
}
