//! Tree ensembles: a row alone and rows together, through `onnx::Classifier`, beside the engine's own
//! operator and beside the plainest walk over flat arrays.
//!
//! What is counted is the time of this thread on a processor, so that other programs on the machine
//! do not count: one thread only. Each call gets another row, or the branches of the plain walk
//! would be learnt by heart.
//!
//! `cargo bench --bench trees --no-default-features --features onnx`

#[path = "../tests/onnx_ml/file.rs"]
#[allow(dead_code)]
mod file;
#[path = "../tests/onnx_ml/tree_nodes.rs"]
#[allow(dead_code)]
mod tree_nodes;

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use modelgate::{Model, onnx};
use tract_onnx::prelude::{
    Datum, Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTValue, Tensor, tvec,
};

use self::{
    file::rows,
    tree_nodes::{Numbers, Tree, classifier},
};

const FEATURES: usize = 30;

/// Whole trees of this depth, split at random, that vote for each class in turn.
fn trees(count: usize, depth: u64, classes: i64) -> Vec<Tree> {
    let mut numbers = Numbers(5);
    (0..count).map(|place| tree(&mut numbers, depth, place as i64 % classes)).collect()
}

fn tree(numbers: &mut Numbers, depth: u64, class: i64) -> Tree {
    let fraction = |numbers: &mut Numbers| numbers.next(1 << 20) as f32 / (1 << 20) as f32;
    if depth == 0 {
        return tree_nodes::leaf(class, fraction(numbers) - 0.5);
    }
    let (feature, threshold) = (numbers.next(FEATURES as u64) as i64, fraction(numbers));
    let (yes, no) = (tree(numbers, depth - 1, class), tree(numbers, depth - 1, class));
    tree_nodes::split(feature, "BRANCH_LEQ", threshold, yes, no)
}

/// The plainest form: a list for each property, a loop with a branch.
struct Flat {
    feature: Vec<u32>,
    threshold: Vec<f32>,
    yes: Vec<u32>,
    no: Vec<u32>,
    roots: Vec<u32>,
}

impl Flat {
    fn new(trees: &[Tree]) -> Flat {
        let (feature, threshold, yes, no) = Default::default();
        let mut flat = Flat { feature, threshold, yes, no, roots: Vec::new() };
        for tree in trees {
            let root = flat.add(tree);
            flat.roots.push(root);
        }
        flat
    }

    fn add(&mut self, tree: &Tree) -> u32 {
        let place = self.feature.len();
        self.feature.push(u32::MAX);
        self.threshold.push(0.0);
        self.yes.push(0);
        self.no.push(0);
        match tree {
            Tree::Leaf(votes) => self.threshold[place] = votes[0].1,
            Tree::Split { feature, threshold, yes, no, .. } => {
                self.feature[place] = *feature as u32;
                self.threshold[place] = *threshold;
                self.yes[place] = self.add(yes);
                self.no[place] = self.add(no);
            }
        }
        place as u32
    }

    fn score(&self, row: &[f32]) -> f32 {
        let mut sum = 0.0;
        for root in &self.roots {
            let mut at = *root as usize;
            while self.feature[at] != u32::MAX {
                let passes = row[self.feature[at] as usize] <= self.threshold[at];
                at = if passes { self.yes[at] } else { self.no[at] } as usize;
            }
            sum += self.threshold[at];
        }
        sum
    }
}

fn values(count: usize) -> Vec<f32> {
    let mut numbers = Numbers(9);
    (0..count * FEATURES).map(|_| numbers.next(1 << 20) as f32 / (1 << 20) as f32).collect()
}

/// The time of this thread that calling something this often takes.
fn spent<T>(times: u64, mut call: impl FnMut(usize) -> T) -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let begun = now();
    for time in 0..times as usize {
        black_box(call(time));
    }
    now() - begun
}

fn bench(criterion: &mut Criterion) {
    let many = values(4096);
    let single: Vec<&[f32]> = many.chunks(FEATURES).collect();
    for (count, depth) in [(100, 4), (500, 8)] {
        let trees = trees(count, depth, 1);
        let file = classifier(&[0, 1], &trees)
            .text("post_transform", "LOGISTIC")
            .file(&[rows(FEATURES, values(1))]);
        let options = onnx::Classifier::builder().label_output("y0").probabilities_output("y1");
        let ours = options.from_bytes(&file).unwrap();
        let flat = Flat::new(&trees);
        for batch in [1, 32, 1024] {
            let mut group = criterion.benchmark_group(format!("{count}x{depth}"));
            group.throughput(Throughput::Elements(batch as u64)).sample_size(20);
            let values = values(batch);
            let rows: Vec<&[f32]> = values.chunks(FEATURES).collect();
            let expected: Vec<f32> = rows.iter().map(|row| flat.score(row)).collect();
            for (found, expected) in ours.predict_batch(&rows).into_iter().zip(&expected) {
                let near = 1.0 / (1.0 + (-expected).exp());
                assert!((found.unwrap().probabilities[1] - near).abs() < 1e-5);
            }
            group.bench_function(BenchmarkId::new("ours", batch), |bencher| match batch {
                1 => bencher.iter_custom(|times| {
                    spent(times, |time| ours.predict(black_box(single[time % single.len()])))
                }),
                _ => bencher
                    .iter_custom(|times| spent(times, |_| ours.predict_batch(black_box(&rows)))),
            });
            group.bench_function(BenchmarkId::new("flat arrays", batch), |bencher| {
                bencher.iter_custom(|times| match batch {
                    1 => spent(times, |time| flat.score(black_box(single[time % single.len()]))),
                    _ => spent(times, |_| {
                        rows.iter().map(|row| flat.score(black_box(row))).sum::<f32>()
                    }),
                });
            });
            // The engine's own takes so long that one size says it.
            if count == 100 && batch < 1024 {
                let tract = tract_onnx::onnx()
                    .model_for_read(&mut &*file)
                    .unwrap()
                    .with_input_fact(
                        0,
                        InferenceFact::dt_shape(f32::datum_type(), [batch, FEATURES]),
                    )
                    .unwrap()
                    .into_optimized()
                    .unwrap()
                    .into_runnable()
                    .unwrap();
                let input = Tensor::from_shape(&[batch, FEATURES], &values).unwrap();
                group.bench_function(BenchmarkId::new("tract", batch), |bencher| {
                    bencher.iter_custom(|times| {
                        spent(times, |_| tract.run(tvec!(input.clone().into_tvalue())).unwrap())
                    });
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
