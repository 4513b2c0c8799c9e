//! Deciding, and answering without shadows, allocate nothing; a shadow that is refused copies
//! nothing.

use crate::counting;
use crate::not_worse;
use crate::support;

use std::{hint::black_box, sync::Arc, time::Duration};

use counting::allocations;
use modelgate::{
    Binding, Context, ModelRouter, RouterBuilder, Shadow,
    autopilot::{Autopilot, Stage, store::MemoryStore},
    clock::ManualClock,
    model_fn,
    shadow::{Budget, DropCause},
};
use support::{Gate, OpensAtTheEnd, settled, test_flags};

fn targeting(rule: &str) -> String {
    format!(
        r#"{{"flags": {{"flag": {{"state": "ENABLED", "defaultVariant": "v1",
            "variants": {{"v1": "v1", "v2": "v2"}}, "targeting": {rule}}},
            "shadow": {{"state": "ENABLED", "defaultVariant": "off",
            "variants": {{"on": true, "off": false}},
            "targeting": {{"fractional": [["on", 0], ["off", 100]]}}}},
            "use-v2": {{"state": "ENABLED", "defaultVariant": "off",
            "variants": {{"on": true, "off": false}},
            "targeting": {{"fractional": [["on", 25], ["off", 75]]}}}}}}}}"#
    )
}

const SPLIT: &str = r#"{"fractional": [["v2", 25], ["v1", 75]]}"#;

fn rules() -> Vec<String> {
    let one = format!(r#"{{"if": [{{"==": [{{"var": "region"}}, "eu"]}}, "v2", {SPLIT}]}}"#);
    let ten = (0..10).fold(SPLIT.to_owned(), |rest, n| {
        format!(r#"{{"if": [{{"==": [{{"var": "region"}}, "r{n}"]}}, "v2", {rest}]}}"#)
    });
    vec!["null".to_owned(), SPLIT.to_owned(), one, ten]
}

fn builder(binding: impl Into<Binding>, flags: &str) -> RouterBuilder<[f32], f32> {
    ModelRouter::builder(binding)
        .model("v1", model_fn(|row: &[f32]| Ok(row.iter().sum())))
        .model("v2", model_fn(|row: &[f32]| Ok(row.iter().product())))
        .fallback("v1")
        .source(test_flags(flags))
}

fn context() -> Context<'static> {
    Context::new(black_box("user-42"))
        .with("region", black_box("us"))
        .with("home", "eu")
        .with("age", 41)
        .with("score", 1.5)
        .with("beta", true)
        .with("version", "2.1.0")
        .with("tenant", "t-9")
        .with("plan", "free")
}

#[test]
fn a_decision_allocates_nothing_its_context_included() {
    let bindings = || -> [Binding; 3] {
        ["flag".into(), Binding::variant("flag"), Binding::switch("use-v2", "v2").otherwise("v1")]
    };
    for rule in rules() {
        for binding in bindings() {
            let router = builder(binding.clone(), &targeting(&rule)).build().unwrap();
            // A thread's first look at a router's table fills its cache.
            router.decide(&context()).unwrap();
            let count = allocations(|| {
                for _ in 0..100 {
                    black_box(router.decide(&context()).unwrap());
                }
            });
            assert_eq!(count, 0, "{rule} with {binding:?}");
        }
    }
}

#[test]
fn an_answer_allocates_nothing_of_its_own() {
    for rule in rules() {
        let router = builder("flag", &targeting(&rule)).build().unwrap();
        let ask = || black_box(router.predict(&context(), black_box(&[1.0, 2.0])).unwrap());
        ask();
        assert_eq!(allocations(|| (0..100).for_each(|_| drop(ask()))), 0, "{rule}");
    }
    let router = builder("flag", &targeting(SPLIT)).refuse_non_finite().build().unwrap();
    router.pin("v2").unwrap();
    let ask = || black_box(router.predict(&context(), black_box(&[1.0, 2.0])).unwrap());
    ask();
    assert_eq!(allocations(|| (0..100).for_each(|_| drop(ask()))), 0, "pinned");
}

#[test]
fn a_shadow_flag_that_is_off_allocates_nothing() {
    let shadow = || Shadow::flag("shadow").candidate("v2");
    let router =
        builder("flag", &targeting("null")).shadow(shadow()).shadow(shadow()).build().unwrap();
    let ask = || black_box(router.predict(&context(), black_box(&[1.0, 2.0])).unwrap());
    ask();
    assert_eq!(allocations(|| (0..100).for_each(|_| drop(ask()))), 0);
    assert_eq!(settled(&router.stats(), "v2").wanted(), 0);
}

#[test]
fn a_user_outside_the_sample_costs_no_allocation() {
    let router = builder("flag", &targeting("null"))
        .shadow(Shadow::always().candidate("v2").sample(0.001))
        .build()
        .unwrap();
    let ask = || black_box(router.predict(&context(), black_box(&[1.0, 2.0])).unwrap());
    ask();
    assert_eq!(allocations(|| (0..100).for_each(|_| drop(ask()))), 0);
}

#[test]
fn a_shadow_for_which_there_is_no_room_copies_nothing() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let router = ModelRouter::<[f32], f32>::builder("flag")
        .model("v1", model_fn(|row: &[f32]| Ok(row.iter().sum())))
        .model(
            "v2",
            model_fn(move |_: &[f32]| {
                sleeps.pass();
                Ok(1.0)
            }),
        )
        .fallback("v1")
        .source(test_flags(&targeting("null")))
        .shadow(Shadow::always().candidate("v2").queue(1).budget(Budget::unlimited()))
        .build()
        .unwrap();
    let ask = || black_box(router.predict(&context(), black_box(&[1.0, 2.0])).unwrap());
    ask();
    gate.wait_for(1);
    ask();
    assert_eq!(allocations(|| (0..100).for_each(|_| drop(ask()))), 0);
    let counts = router.stats().shadows[0].candidates[0].clone();
    assert_eq!(counts.dropped(DropCause::QueueFull), 100);
}

#[test]
fn a_shadow_for_which_there_is_no_budget_copies_nothing() {
    let router = builder("flag", &targeting("null"))
        .shadow(
            Shadow::always()
                .candidate("v2")
                .budget(Budget::cpu_percent(1e-6).burst(Duration::ZERO)),
        )
        .clock(Arc::new(ManualClock::default()))
        .build()
        .unwrap();
    let ask = || black_box(router.predict(&context(), black_box(&[1.0, 2.0])).unwrap());
    ask();
    assert!(router.flush(support::PATIENCE));
    assert_eq!(allocations(|| (0..100).for_each(|_| drop(ask()))), 0);
    assert_eq!(settled(&router.stats(), "v2").dropped(DropCause::Budget), 100);
}

#[test]
fn a_decision_under_an_autopilot_allocates_nothing_whoever_asks() {
    let evidence = not_worse::NotWorse;
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO);
    let autopilot = Autopilot::builder("flag", "v2")
        .stages([stage(25.0), stage(50.0).approval()])
        .shadow_for(Duration::ZERO)
        .min_pairs(0)
        .require(&evidence)
        .store(MemoryStore::new())
        .every(Duration::from_millis(10))
        .build()
        .unwrap();
    let router = builder("flag", &targeting(r#"{"if": [true, "v2"]}"#))
        .autopilot(&autopilot)
        .build()
        .unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while autopilot.status().share != 25.0 {
        assert!(std::time::Instant::now() < deadline, "{}", autopilot.status());
        std::thread::yield_now();
    }
    // Its threads go on; whatever they allocate is theirs.
    for n in 0..100 {
        let key = format!("user-{n}");
        let context = Context::new(&key);
        router.decide(&context).unwrap();
        router.predict(&context, &[1.0]).unwrap();
        let count = allocations(|| {
            black_box(router.decide(&context).unwrap());
            black_box(router.predict(&context, &[1.0]).unwrap());
        });
        assert_eq!(count, 0, "{key}");
    }
}
