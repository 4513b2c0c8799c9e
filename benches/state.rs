//! One prepared graph that all threads run, as `onnx::Classifier` has it, beside a state of the engine for
//! each thread: on models so small that making the state could count.
//!
//! `cargo bench --bench state --no-default-features --features onnx`

use std::{
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use modelgate::{Model, onnx};
use tract_onnx::prelude::{
    Datum, Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTValue, Tensor,
    TypedRunnableModel, tvec,
};

/// Runs something as often on each of so many threads, and takes the time of the slowest.
fn on_threads<R>(threads: usize, times: u64, make: impl Fn() -> R + Sync) -> Duration
where
    R: FnMut(),
{
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let run = || {
            let mut once = make();
            once();
            barrier.wait();
            let start = Instant::now();
            for _ in 0..times {
                once();
            }
            start.elapsed()
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).max().unwrap_or_default()
    })
}

fn plan(path: &str, width: usize) -> Arc<TypedRunnableModel> {
    let mut graph = tract_onnx::onnx().model_for_path(path).unwrap();
    graph.set_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), tvec!(1, width))).unwrap();
    graph.into_optimized().unwrap().into_runnable().unwrap()
}

fn input(row: &[f32]) -> Tensor {
    Tensor::from_shape(&[1, row.len()], row).unwrap()
}

fn state(criterion: &mut Criterion) {
    for (name, width) in [("digits_v1", 64), ("digits_v2", 64)] {
        let path = format!("{}/examples/models/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
        let row: Vec<f32> = (0..width).map(|place| (place % 17) as f32).collect();
        let plan = plan(&path, width);
        let model = onnx::Classifier::load(&path).unwrap();
        // Both forms answer alike.
        let shared = plan.run(tvec!(input(&row).into_tvalue())).unwrap();
        let mut own = plan.spawn().unwrap();
        for _ in 0..2 {
            assert_eq!(own.run(tvec!(input(&row).into_tvalue())).unwrap(), shared);
        }
        let mut group = criterion.benchmark_group(name);
        for threads in [1, 2] {
            group.bench_function(BenchmarkId::new("model", threads), |bencher| {
                bencher.iter_custom(|times| {
                    on_threads(threads, times, || || drop(black_box(model.predict(&row))))
                });
            });
            group.bench_function(BenchmarkId::new("shared plan", threads), |bencher| {
                bencher.iter_custom(|times| {
                    on_threads(threads, times, || {
                        || drop(black_box(plan.run(tvec!(input(&row).into_tvalue()))))
                    })
                });
            });
            group.bench_function(BenchmarkId::new("state each", threads), |bencher| {
                bencher.iter_custom(|times| {
                    on_threads(threads, times, || {
                        let mut state = plan.spawn().unwrap();
                        let row = &row;
                        move || drop(black_box(state.run(tvec!(input(row).into_tvalue()))))
                    })
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, state);
criterion_main!(benches);
