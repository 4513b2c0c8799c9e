//! Shadows through the router: who runs, for whom, and what is recorded.

mod joined;

use crate::support;

use std::{collections::HashSet, sync::Arc};

use modelgate::{
    Context, EvaluationContext, ModelRouter, RouterBuilder, Shadow,
    compare::{Comparison, Tolerance, key::KeyHasher, sink::MemorySink},
    model::{Acceptance, LazyModel},
    model_fn,
    shadow::{Budget, DropCause},
    value::Value,
};
use support::{
    Gate, Mood, OpensAtTheEnd, PATIENCE, Puppet, quiet_panics, serving, settled, settled_in,
    test_flags,
};

const FLAG: &str = "ml-model-version";

type Router = ModelRouter<[f64], f64>;
type Sink = Arc<MemorySink<f64>>;

fn sink() -> Sink {
    Arc::new(MemorySink::new(100_000))
}

fn normal(policy: Shadow) -> Shadow {
    policy.budget(Budget::unlimited()).queue(100_000)
}

/// Versions v1 to v4 answer with their number; `flags` is a flagd document.
fn builder(flags: &str) -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .model("v3", Puppet::new(3.0))
        .model("v4", Puppet::new(4.0))
        .fallback("v1")
        .source(test_flags(flags))
        .compare(Tolerance::absolute(0.5))
}

fn ask(router: &Router, key: &str) -> modelgate::Prediction<f64> {
    router.predict(&Context::new(key), &[]).unwrap()
}

#[track_caller]
fn flushed(router: &Router, sink: &Sink) -> Vec<Comparison<f64>> {
    assert!(router.flush(PATIENCE), "shadows did not end");
    sink.take()
}

/// The candidates, in alphabetic order.
fn candidates(comparisons: &[Comparison<f64>]) -> Vec<String> {
    let mut names: Vec<_> =
        comparisons.iter().map(|one| one.candidate.version.to_string()).collect();
    names.sort();
    names
}

/// A document of the version flag, and of a shadow flag with these variants.
fn with_shadow_flag(version: &str, shadow: &str) -> String {
    format!(
        r#"{{"flags": {{
            "ml-model-version": {{"state": "ENABLED", "defaultVariant": "it",
                "variants": {{"it": "{version}"}}}},
            "shadow": {shadow}}}}}"#
    )
}

fn enabled(value: &str) -> String {
    format!(r#"{{"state": "ENABLED", "defaultVariant": "it", "variants": {{"it": {value}}}}}"#)
}

#[test]
fn the_shadow_flag_says_who_runs() {
    let declared = || Shadow::flag("shadow").candidate("v2").candidate("v3");
    let cases: &[(&str, &[&str])] = &[
        ("true", &["v2", "v3"]),
        ("false", &[]),
        (r#""v4""#, &["v4"]),
        (r#""v9""#, &[]),
        (r#""""#, &[]),
        ("7", &[]),
        (r#"{"candidates": ["v2", "v9", 7, "v4", "v2"]}"#, &[]),
    ];
    for mode in [Shadow::detached, Shadow::joined] {
        for (value, expected) in cases {
            let sink = sink();
            let router = builder(&with_shadow_flag("v1", &enabled(value)))
                .shadow(mode(normal(declared())))
                .sink(sink.clone())
                .build()
                .unwrap();
            assert_eq!(ask(&router, "user-1").version(), "v1");
            assert_eq!(candidates(&flushed(&router, &sink)), *expected, "{value}");
        }
    }
    let off = r#"{"state": "DISABLED", "defaultVariant": "it", "variants": {"it": true}}"#;
    let sink = sink();
    let router = builder(&with_shadow_flag("v1", off))
        .shadow(normal(declared()))
        .shadow(normal(Shadow::flag("no such flag").candidate("v2")))
        .sink(sink.clone())
        .build()
        .unwrap();
    ask(&router, "user-1");
    assert!(flushed(&router, &sink).is_empty());
}

#[test]
fn a_list_of_names_runs_each_of_them_once() {
    use modelgate::flagd::Flagd;
    // flagd's variants have no lists by its schema; where a source delivers one, it counts.
    let text = with_shadow_flag("v1", &enabled(r#"["v2", "v9", 7, "v4", "v2", "v1"]"#));
    let compiled = Flagd::new().compile(&text).unwrap();
    if !compiled.problems().is_empty() {
        return;
    }
    let sink = sink();
    let router =
        builder(&text).shadow(normal(Shadow::flag("shadow"))).sink(sink.clone()).build().unwrap();
    ask(&router, "user-1");
    assert_eq!(candidates(&flushed(&router, &sink)), ["v2", "v4"]);
}

#[test]
fn several_policies_run_their_candidates_and_none_twice() {
    let sink = sink();
    let router = builder(&serving(FLAG, "v1"))
        .shadow(normal(Shadow::always().candidate("v2").candidate("v1")))
        .shadow(normal(Shadow::always().candidate("v2").candidate("v3")).joined())
        .shadow(normal(Shadow::always().candidate("v4")))
        .sink(sink.clone())
        .build()
        .unwrap();
    for n in 0..10 {
        ask(&router, &format!("user-{n}"));
    }
    let seen = flushed(&router, &sink);
    assert_eq!(candidates(&seen).iter().filter(|name| *name == "v2").count(), 10);
    assert_eq!(seen.len(), 30);
    let ids: HashSet<_> = seen.iter().map(|one| one.prediction_id).collect();
    assert_eq!(ids.len(), 10);
    let stats = router.stats();
    let wanted = |policy, name| settled_in(&stats, policy, name).wanted();
    assert_eq!((wanted(0, "v2"), wanted(1, "v2"), wanted(1, "v3")), (10, 0, 10));
    assert_eq!((wanted(0, "v1"), wanted(2, "v4")), (0, 10), "v1 answered itself");
}

#[test]
fn the_candidate_that_answers_is_left_out_and_a_fallback_is_compared_under_its_own_name() {
    quiet_panics();
    let v2 = Puppet::new(2.0);
    for policy in [Shadow::always(), Shadow::always().joined()] {
        let sink = sink();
        let router = ModelRouter::<[f64], f64>::builder(FLAG)
            .model("v1", Puppet::new(1.0))
            .model("v2", v2.clone())
            .model("v3", Puppet::new(3.0))
            .fallback("v1")
            .source(test_flags(&serving(FLAG, "v2")))
            .shadow(normal(policy.candidate("v2").candidate("v3")))
            .sink(sink.clone())
            .build()
            .unwrap();
        v2.behave(Mood::Answers);
        ask(&router, "user-1");
        let seen = flushed(&router, &sink);
        assert_eq!((candidates(&seen), &*seen[0].primary.version), (vec!["v3".into()], "v2"));

        v2.behave(Mood::Panics);
        assert_eq!(ask(&router, "user-1").version(), "v1");
        let seen = flushed(&router, &sink);
        // It was asked already: it is no candidate of this request, whatever became of it.
        assert_eq!((candidates(&seen), &*seen[0].primary.version), (vec!["v3".into()], "v1"));
        assert_eq!(*seen[0].primary.outcome.as_ref().unwrap(), 1.0);
    }
}

#[test]
fn a_request_that_nobody_could_answer_is_shown_with_its_error() {
    let v1 = Puppet::new(1.0);
    v1.behave(Mood::Errors);
    let sink = sink();
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", v1)
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .shadow(normal(Shadow::always().candidate("v2")))
        .compare(Tolerance::absolute(0.5))
        .sink(sink.clone())
        .build()
        .unwrap();
    router.predict(&Context::new("user-1"), &[]).unwrap_err();
    let seen = flushed(&router, &sink);
    assert!(seen[0].primary.outcome.is_err() && seen[0].candidate.outcome.is_ok());
    assert_eq!(settled(&router.stats(), "v2").not_compared(), 1);
}

#[test]
fn the_sample_has_its_share_lasts_and_is_independent_of_the_rollout() {
    let half = r#"{"flags": {"ml-model-version": {"state": "ENABLED", "defaultVariant": "v1",
        "variants": {"v1": "v1", "v2": "v2"},
        "targeting": {"fractional": [["v2", 50], ["v1", 50]]}}}}"#;
    let sink = sink();
    let policy = normal(Shadow::always().candidate("v3").sample(50.0)).record_targeting_key();
    let router = builder(half).shadow(policy).sink(sink.clone()).build().unwrap();
    let keys: Vec<String> = (0..4_000).map(|n| format!("user-{n}")).collect();
    let ask_all = || -> (HashSet<String>, HashSet<String>) {
        let enrolled = keys.iter().filter(|key| *ask(&router, key).version() == *"v2");
        let enrolled = enrolled.cloned().collect();
        let seen = flushed(&router, &sink);
        let shadowed =
            seen.into_iter().map(|one| one.targeting_key.unwrap().into_string()).collect();
        (enrolled, shadowed)
    };
    let (enrolled, shadowed) = ask_all();
    assert_eq!(ask_all(), (enrolled.clone(), shadowed.clone()), "the same users again");
    let both = enrolled.intersection(&shadowed).count();
    // Five standard deviations of binomial draws: 158 of 2,000, 137 of 1,000.
    assert!((1_842..=2_158).contains(&shadowed.len()), "{}", shadowed.len());
    assert!((863..=1_137).contains(&both), "{both}");
    assert_eq!(settled(&router.stats(), "v3").wanted(), 2 * shadowed.len() as u64);
}

#[test]
fn key_and_features_are_recorded_only_if_asked_for() {
    let hasher = KeyHasher::new([3; 32]).unwrap();
    fn described(row: &[f64]) -> Value {
        Value::List(row.iter().map(|value| Value::from(*value)).collect())
    }
    for mode in [Shadow::detached, Shadow::joined] {
        let record = |policy: Shadow| {
            let sink = sink();
            let router = builder(&serving(FLAG, "v1"))
                .shadow(mode(normal(policy.candidate("v2").key_hasher(hasher.clone()))))
                .features_as(described)
                .sink(sink.clone())
                .build()
                .unwrap();
            router.predict(&Context::new("user-42"), &[0.5]).unwrap();
            router.predict(&Context::new(""), &[0.5]).unwrap();
            router.predict(&Context::anonymous(), &[0.5]).unwrap();
            flushed(&router, &sink)
        };
        let plain = record(Shadow::always());
        assert_eq!(plain[0].key_hash, Some(hasher.hash("user-42")));
        assert!(plain.iter().all(|one| one.targeting_key.is_none() && one.features.is_none()));
        assert!(plain[1..].iter().all(|one| one.key_hash.is_none()), "nobody has no hash");
        let open = record(Shadow::always().record_targeting_key().record_features());
        assert_eq!(open[0].targeting_key.as_deref(), Some("user-42"));
        assert_eq!(open[0].features, Some(described(&[0.5])));
        assert!(open[1..].iter().all(|one| one.targeting_key.is_none()));
    }
}

#[test]
fn a_batch_is_shadowed_row_by_row() {
    let sink = sink();
    let router = builder(&serving(FLAG, "v2"))
        .shadow(normal(Shadow::always().candidate("v3").sample(50.0).record_targeting_key()))
        .sink(sink.clone())
        .build()
        .unwrap();
    let keys: Vec<String> = (0..300).map(|n| format!("user-{n}")).collect();
    let users: Vec<Context<'_>> = keys.iter().map(|key| Context::new(key)).collect();
    let rows: Vec<(&dyn EvaluationContext, &[f64])> =
        users.iter().map(|user| (user as _, &[][..])).collect();
    let answers: Vec<_> = router.predict_batch(&rows).into_iter().map(Result::unwrap).collect();
    let together: HashSet<_> =
        flushed(&router, &sink).into_iter().map(|one| one.targeting_key.unwrap()).collect();
    let ids: HashSet<_> = answers.iter().map(|answer| answer.id()).collect();
    assert_eq!(ids.len(), 300, "each row has its own id");
    keys.iter().for_each(|key| drop(ask(&router, key)));
    let alone: HashSet<_> =
        flushed(&router, &sink).into_iter().map(|one| one.targeting_key.unwrap()).collect();
    assert_eq!(together, alone, "the sample of a batch is that of its rows");
}

#[test]
fn who_may_not_answer_may_still_be_looked_at_and_who_is_not_there_is_not() {
    let lazy = Arc::new(LazyModel::new(|| Ok::<_, std::io::Error>(Puppet::new(5.0))));
    let sink = sink();
    let broken: Result<Puppet, std::fmt::Error> = Err(std::fmt::Error);
    let router = builder(&serving(FLAG, "v1"))
        .model("lazy", Arc::clone(&lazy))
        .try_model("broken", broken)
        .shadow(normal(
            Shadow::always().candidate("v2").candidate("lazy").candidate("broken").candidate("v3"),
        ))
        .sink(sink.clone())
        .build()
        .unwrap();
    router.block("v2").unwrap();
    router.retire("v3").unwrap();
    ask(&router, "user-1");
    assert_eq!(candidates(&flushed(&router, &sink)), ["v2"]);
    router.load("lazy").unwrap();
    router.install("broken", Puppet::new(6.0), &Acceptance::new()).unwrap();
    router.install("v3", Puppet::new(3.0), &Acceptance::new()).unwrap();
    ask(&router, "user-1");
    assert_eq!(candidates(&flushed(&router, &sink)), ["broken", "lazy", "v2", "v3"]);
    assert_eq!(settled(&router.stats(), "v2").wanted(), 2, "counts go on");
}

#[test]
fn flush_waits_for_what_was_accepted() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let sink = sink();
    let router = builder(&serving(FLAG, "v1"))
        .model(
            "slow",
            model_fn(move |_: &[f64]| {
                sleeps.pass();
                Ok(1.0)
            }),
        )
        .shadow(normal(Shadow::always().candidate("slow")))
        .shadow(normal(Shadow::always().candidate("v2")))
        .sink(sink.clone())
        .build()
        .unwrap();
    (0..5).for_each(|_| drop(ask(&router, "user-1")));
    gate.wait_for(1);
    assert!(!router.flush(std::time::Duration::from_millis(1)));
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| router.flush(PATIENCE));
        gate.open();
        assert!(flush.join().unwrap());
    });
    assert_eq!(sink.len(), 10);
}

#[test]
fn a_shadow_sees_the_features_of_its_own_request() {
    let echo = || model_fn(|row: &[f64]| Ok(row.iter().sum()));
    let sink = sink();
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", echo())
        .model("v2", echo())
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .shadow(normal(Shadow::always().candidate("v2")).threads(2))
        .compare(Tolerance::absolute(0.0))
        .sink(sink.clone())
        .build()
        .unwrap();
    for n in 0..500 {
        // The caller's buffer is reused as soon as the answer is there.
        let mut row = [f64::from(n), 0.25];
        router.predict(&Context::new("user-1"), &row).unwrap();
        row.fill(f64::NAN);
    }
    assert_eq!(flushed(&router, &sink).len(), 500);
    assert_eq!(settled(&router.stats(), "v2").agreed(), 500);
}
