//! One snapshot a request; revisions that never go back; assignments that last.

use crate::support;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use modelgate::testing::TestFlags;
use modelgate::{
    Context, EvaluationContext, FlagSet, ModelRouter, PredictionId, Reason, Rollout, Shadow,
    compare::{Comparison, Tolerance, sink::MemorySink},
    model::Acceptance,
    model_fn,
    shadow::Budget,
};
use support::{PATIENCE, Puppet, flags, settled, until};

const FLAG: &str = "ml-model-version";

/// v1 answers and v2 runs in its shadow, or the other way round.
fn pair(answers: &str, shadows: &str) -> FlagSet {
    flags(&format!(
        r#"{{"flags": {{
            "ml-model-version": {{"state": "ENABLED", "defaultVariant": "it",
                "variants": {{"it": "{answers}"}}}},
            "shadow": {{"state": "ENABLED", "defaultVariant": "it",
                "variants": {{"it": "{shadows}"}}}}}}}}"#
    ))
}

/// What a caller was told of one answer.
type Told = HashMap<PredictionId, (String, u64)>;

fn of_one_revision(comparisons: &[Comparison<f64>], told: &Told) {
    assert_eq!(comparisons.len(), told.len(), "each answer has its shadow");
    for comparison in comparisons {
        let (version, revision) = &told[&comparison.prediction_id];
        assert_eq!((&*comparison.primary.version, comparison.revision), (&**version, *revision));
        // Revision 1 and every second one after it: v1 answers, v2 in shadow.
        let expected = if revision % 2 == 1 { ("v1", "v2") } else { ("v2", "v1") };
        let found = (&*comparison.primary.version, &*comparison.candidate.version);
        assert_eq!(found, expected, "revision {revision}");
    }
}

#[test]
fn version_and_shadow_of_a_request_come_from_one_revision() {
    let asked = 3_000;
    for policy in [Shadow::flag("shadow"), Shadow::flag("shadow").joined()] {
        let source = TestFlags::silent();
        let sink = Arc::new(MemorySink::new(10 * asked));
        let router = ModelRouter::<[f64], f64>::builder(FLAG)
            .model("v1", Puppet::new(1.0))
            .model("v2", Puppet::new(2.0))
            .fallback("v1")
            .source(source.clone())
            .shadow(policy.queue(10 * asked).budget(Budget::unlimited()))
            .sink(sink.clone())
            .build()
            .unwrap();
        let sets = [pair("v1", "v2"), pair("v2", "v1")];
        source.replace(sets[0].clone());
        let (done, flips) = (AtomicBool::new(false), AtomicUsize::new(0));
        let mut told = Told::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let updates = source.clone();
                while !done.load(Ordering::Relaxed) {
                    let flips = flips.fetch_add(1, Ordering::Relaxed) + 1;
                    updates.replace(sets[flips % 2].clone());
                }
            });
            let clients: Vec<_> = (0..2)
                .map(|client| {
                    let (router, flips) = (&router, &flips);
                    scope.spawn(move || {
                        let user = Context::new("user-1");
                        let (mut told, mut last) = (Told::new(), 0);
                        let mut note = |answer: modelgate::Prediction<f64>| {
                            assert!(answer.revision() >= last, "never back");
                            last = answer.revision();
                            // The label on the answer is the version that made it.
                            let made_by = if *answer.output() == 1.0 { "v1" } else { "v2" };
                            assert_eq!(answer.version().as_str(), made_by);
                            told.insert(answer.id(), (made_by.to_owned(), answer.revision()));
                        };
                        for n in 0..asked {
                            if n % 200 == 0 {
                                // On a busy machine one side may rest while the other goes on.
                                let before = flips.load(Ordering::Relaxed);
                                until("a flip", || flips.load(Ordering::Relaxed) > before + 1);
                            }
                            if client == 0 || n % 10 != 0 {
                                note(router.predict(&user, &[]).unwrap());
                                continue;
                            }
                            let row: (&dyn EvaluationContext, &[f64]) = (&user, &[]);
                            let answers = router.predict_batch(&[row; 3]);
                            let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
                            let revision = answers[0].revision();
                            assert!(answers.iter().all(|one| one.revision() == revision));
                            answers.into_iter().for_each(&mut note);
                        }
                        told
                    })
                })
                .collect();
            // Whatever became of the clients, the flips end.
            let clients: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
            done.store(true, Ordering::Relaxed);
            clients.into_iter().for_each(|client| told.extend(client.unwrap()));
        });
        assert!(router.flush(PATIENCE));
        let stats = router.stats();
        assert_eq!(
            settled(&stats, "v1").dropped_in_all() + settled(&stats, "v2").dropped_in_all(),
            0
        );
        of_one_revision(&sink.take(), &told);
    }
}

#[test]
fn a_change_acts_on_the_next_request_of_the_thread_that_made_it() {
    let source = TestFlags::silent();
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(source.clone())
        .build()
        .unwrap();
    let sets = [pair("v1", "v2"), pair("v2", "v1")];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                router.predict(&Context::new("user-1"), &[]).unwrap();
            }
        });
        for turn in 0..2_000 {
            source.replace(sets[turn % 2].clone());
            let expected = ["v1", "v2"][turn % 2];
            assert_eq!(router.decide(&Context::new("user-1")).unwrap().version(), expected);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn nobody_is_moved_by_growth_updates_installs_or_retirements() {
    let source = TestFlags::silent();
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(source.clone())
        .build()
        .unwrap();
    let keys: Vec<String> = (0..1_000).map(|n| format!("user-{n}")).collect();
    let assignments = || -> Vec<bool> {
        let decide = |key: &String| router.decide(&Context::new(key)).unwrap();
        keys.iter().map(|key| *decide(key).version() == *"v2").collect()
    };
    let publish = |percent: f64, extra: usize| {
        let rollout = Rollout::percent("v2", percent).or("v1");
        let mut set: FlagSet = [rollout.flag(FLAG).unwrap()].into_iter().collect();
        for n in 0..extra {
            let other = Rollout::everyone("v1").flag(&format!("other-{n}")).unwrap();
            set = set.with(other);
        }
        source.replace(set);
    };
    let mut before: Option<Vec<bool>> = None;
    for (percent, extra) in [(5.0, 0), (25.0, 3), (25.0, 0), (50.0, 7), (100.0, 1)] {
        publish(percent, extra);
        let now = assignments();
        if let Some(before) = &before {
            assert!(before.iter().zip(&now).all(|(before, now)| *now || !*before), "{percent} %");
        }
        // Another version beside them, and the same one gone and back, changes nobody.
        router.install("v3", Puppet::new(3.0), &Acceptance::new()).unwrap();
        assert_eq!(assignments(), now);
        router.retire("v2").unwrap();
        assert!(assignments().iter().all(|candidate| !candidate));
        router.install("v2", Puppet::new(20.0), &Acceptance::new()).unwrap();
        assert_eq!(assignments(), now);
        router.retire("v3").unwrap();
        before = Some(now);
    }
    assert!(before.unwrap().iter().all(|candidate| *candidate), "100 % is everybody");
}

#[test]
fn installs_under_load_never_mix_an_answer_with_another_label() {
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(pair("v2", "v1"))
        .shadow(Shadow::flag("shadow").budget(Budget::unlimited()))
        .compare(Tolerance::absolute(0.0))
        .build()
        .unwrap();
    let (stop, by_v2) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = router.predict(&Context::new("user-1"), &[]).unwrap();
                    let expected = if *answer.output() == 1.0 { "v1" } else { "v2" };
                    assert_eq!(answer.version(), &expected);
                    if expected == "v2" {
                        by_v2.store(true, Ordering::Relaxed);
                    }
                    let pinned = answer.reason() == Reason::Pinned;
                    assert_eq!(answer.fell_back(), !pinned && *answer.version() == *"v1");
                }
            });
        }
        // And until a reader has met v2: on a busy machine none may run for a while.
        for turn in 0_u32.. {
            if turn >= 300 && by_v2.load(Ordering::Relaxed) {
                break;
            }
            let answer = 2.0 + f64::from(turn);
            let model = model_fn(move |_: &[f64]| Ok(answer));
            router.install("v2", model, &Acceptance::new().probe([])).unwrap();
            if turn % 3 == 0 {
                router.retire("v2").unwrap();
            }
            if turn % 5 == 0 {
                router.pin("v1").unwrap();
                router.unpin();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(router.flush(PATIENCE));
    settled(&router.stats(), "v1");
}
