//! From nothing to the first answer, without a network: a flag file of 5,000 flags, and a server
//! that is down with a last-known-good file of as many: one that is polled, and LaunchDarkly's stream.
//!
//! `cargo bench --no-default-features --features file,launchdarkly --bench start`

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use modelgate::{Context, FlagSource, ModelRouter, model_fn};

mod support;

use support::Rules;

const FLAGS: usize = 5_000;

/// The time until a router over this source has answered; its end is not counted.
#[cfg_attr(not(any(feature = "file", feature = "http")), allow(dead_code))]
fn start<S: FlagSource>(
    criterion: &mut Criterion,
    name: &str,
    stale: bool,
    source: impl Fn() -> S,
) {
    let key = support::key(FLAGS / 2);
    let users = support::users();
    let first = || {
        let begun = Instant::now();
        let router = ModelRouter::<[f32], f32>::builder(&*key)
            .model("fraud-v1", model_fn(|row: &[f32]| Ok(row.iter().sum())))
            .model("fraud-v2", model_fn(|row: &[f32]| Ok(row.iter().sum())))
            .fallback("fraud-v1")
            .source(source())
            .build()
            .unwrap();
        let context: Context<'_> = users[0].context();
        let answer = router.predict(&context, &[1.0]).unwrap();
        let took = begun.elapsed();
        let status = router.status();
        assert!(!answer.fell_back() && status.sources[0].is_stale() == stale, "{status:?}");
        took
    };
    let mut group = criterion.benchmark_group("start to first answer");
    group.sample_size(10);
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| first()).sum::<Duration>());
    });
    group.finish();
}

#[cfg(feature = "file")]
fn file(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    std::fs::write(&path, support::flagd::definition(Rules::RuleThenSplit, FLAGS).to_string())
        .unwrap();
    start(criterion, "flag file", false, || modelgate::source::FileSource::watch(&path));
}

#[cfg(feature = "http")]
fn http(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last-known-good.json");
    let definition = support::flagd::definition(Rules::RuleThenSplit, FLAGS).to_string();
    modelgate::source::LastKnownGood::at(&path).save(&definition).unwrap();
    // Nothing listens on port 9 of this machine.
    start(criterion, "server down, last-known-good file", true, || {
        modelgate::source::HttpSource::poll("http://127.0.0.1:9/flags.json").last_known_good(&path)
    });
}

#[cfg(feature = "launchdarkly")]
fn launchdarkly(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last-known-good.json");
    let data = support::launchdarkly::definition(Rules::RuleThenSplit, FLAGS).to_string();
    modelgate::source::LastKnownGood::at(&path).save(&data).unwrap();
    start(criterion, "LaunchDarkly down, last-known-good file", true, || {
        modelgate::launchdarkly::Source::new("sdk-key")
            .relay("http://127.0.0.1:9")
            .last_known_good(&path)
    });
}

#[cfg(not(feature = "launchdarkly"))]
fn launchdarkly(_: &mut Criterion) {}

#[cfg(not(feature = "file"))]
fn file(_: &mut Criterion) {}

#[cfg(not(feature = "http"))]
fn http(_: &mut Criterion) {}

criterion_group!(benches, file, http, launchdarkly);
criterion_main!(benches);
