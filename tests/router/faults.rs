//! Whatever a model does: the caller has the right answer of the right version.

use crate::support;

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use modelgate::{
    Context, EvaluationContext, FallbackCause, Model, ModelError, ModelRouter, RouterBuilder,
    Shadow,
    clock::ManualClock,
    model::{Acceptance, ErrorKind, LazyModel},
    model_fn,
    router::{BreakerPolicy, stats::VersionState},
};
use parking_lot::Mutex;
use support::{
    Gate, Mood, OpensAtTheEnd, PATIENCE, Puppet, flags as compiled_flags, panic_nastily,
    quiet_panics, serving, test_flags,
};

const FLAG: &str = "ml-model-version";

type Router = ModelRouter<[f64], f64>;

/// v1 answers 1.0 plus the features and is the fallback; flags send everybody to v2.
fn builder(v2: impl Model<[f64], f64> + 'static) -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", v2)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::disabled())
}

/// One request, and one in a batch: both answered alike.
fn ask(router: &Router) -> (String, f64, Option<FallbackCause>) {
    let user = Context::new("user-1");
    let alone = router.predict(&user, &[0.5]).unwrap();
    let rows: [(&dyn EvaluationContext, &[f64]); 1] = [(&user, &[0.5])];
    let together = router.predict_batch(&rows).remove(0).unwrap();
    assert_eq!(alone.version(), together.version());
    assert_eq!(alone.output(), together.output());
    assert_eq!(alone.fallback(), together.fallback());
    (alone.version().to_string(), *alone.output(), alone.fallback())
}

fn fell_back(kind: ErrorKind) -> (String, f64, Option<FallbackCause>) {
    ("v1".to_owned(), 1.5, Some(FallbackCause::Failed(kind)))
}

#[test]
fn a_panic_whose_payload_panics_too_is_one_failed_call() {
    quiet_panics();
    let router = builder(model_fn(|_: &[f64]| panic_nastily())).build().unwrap();
    for _ in 0..10 {
        assert_eq!(ask(&router), fell_back(ErrorKind::Panicked));
    }
    let stats = router.stats();
    // A batch of one that panics is asked again row by row: the row's own panic is what counts.
    assert_eq!((stats.versions[1].panics, stats.versions[1].answered.total()), (20, 0));
    assert_eq!(stats.versions[0].answered.total(), 20);
}

#[test]
fn a_batch_that_loses_count_is_asked_row_by_row() {
    /// A model of a closure, or a puppet, has the provided batch, which never loses count.
    struct Forgetful(usize);
    impl Model<[f64], f64> for Forgetful {
        fn predict(&self, row: &[f64]) -> Result<f64, ModelError> {
            Ok(2.0 + row[0])
        }
        fn predict_batch(&self, rows: &[&[f64]]) -> Vec<Result<f64, ModelError>> {
            (0..rows.len() + self.0 - 1).map(|_| Ok(99.0)).collect()
        }
    }
    for answers in [0, 2] {
        let router = builder(Forgetful(answers)).build().unwrap();
        assert_eq!(ask(&router), ("v2".to_owned(), 2.5, None));
    }
}

#[test]
fn a_check_for_nan_that_panics_is_the_versions_failure() {
    #[derive(Clone, Debug)]
    struct Odd(f64);
    impl modelgate::model::FiniteOutput for Odd {
        fn is_finite(&self) -> bool {
            assert!(self.0 < 2.0, "cannot look at this");
            true
        }
    }
    quiet_panics();
    let router = ModelRouter::<[f64], Odd>::builder(FLAG)
        .model("v1", model_fn(|_: &[f64]| Ok(Odd(1.0))))
        .model("v2", model_fn(|_: &[f64]| Ok(Odd(2.0))))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .refuse_non_finite()
        .build()
        .unwrap();
    let answer = router.predict(&Context::new("user-1"), &[]).unwrap();
    assert_eq!((answer.version().as_str(), answer.output().0), ("v1", 1.0));
    assert_eq!(answer.fallback(), Some(FallbackCause::Failed(ErrorKind::Panicked)));
}

struct DropsBadly(f64);

impl Drop for DropsBadly {
    fn drop(&mut self) {
        panic_nastily();
    }
}

fn drops_badly(answer: f64) -> impl Model<[f64], f64> + 'static {
    let held = DropsBadly(answer);
    model_fn(move |row: &[f64]| {
        let DropsBadly(answer) = &held;
        Ok(answer + row.iter().sum::<f64>())
    })
}

#[test]
fn a_model_that_panics_when_it_is_dropped_hurts_neither_operators_nor_requests() {
    quiet_panics();
    let router = builder(drops_badly(2.0)).build().unwrap();
    assert_eq!(ask(&router).1, 2.5);
    router.install("v2", drops_badly(20.0), &Acceptance::new()).unwrap();
    assert_eq!(ask(&router).1, 20.5);
    router.retire("v2").unwrap();
    assert_eq!(ask(&router).2, Some(FallbackCause::UnknownVersion));

    // The last user is a request that looks up the next table.
    router.install("v2", drops_badly(2.0), &Acceptance::new()).unwrap();
    assert_eq!(ask(&router).1, 2.5);
    std::thread::scope(|scope| {
        scope.spawn(|| router.retire("v2").unwrap()).join().unwrap();
    });
    assert_eq!(ask(&router), ("v1".to_owned(), 1.5, Some(FallbackCause::UnknownVersion)));

    // The last user is a thread at its end, where a panic would abort the process.
    router.install("v2", drops_badly(2.0), &Acceptance::new()).unwrap();
    let (asked, has_asked) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let theirs = router.clone();
    let thread = std::thread::spawn(move || {
        assert_eq!(ask(&theirs).1, 2.5);
        drop(theirs);
        asked.send(()).unwrap();
        let _ = ends.recv();
    });
    has_asked.recv_timeout(PATIENCE).unwrap();
    router.retire("v2").unwrap();
    drop(router);
    drop(end);
    thread.join().unwrap();
}

/// What asks its model's router something when it goes.
struct LooksBack(Arc<Mutex<Option<Router>>>, mpsc::Sender<usize>);

impl Drop for LooksBack {
    fn drop(&mut self) {
        let router = self.0.lock().take();
        if let Some(router) = router {
            let _ = self.1.send(router.versions().len() + router.stats().versions.len());
        }
    }
}

#[test]
fn a_model_may_ask_its_router_when_it_goes_whoever_lets_go_of_it() {
    let (send, receive) = mpsc::channel();
    let slot = Arc::default();
    let looks_back = LooksBack(Arc::clone(&slot), send);
    let v2 = model_fn(move |_: &[f64]| {
        let _held = &looks_back;
        Ok(2.0)
    });
    let router = builder(v2).build().unwrap();
    *slot.lock() = Some(router.clone());
    let (done, is_done) = mpsc::channel();
    // On a thread of its own, so that a deadlock fails the test and does not hang it.
    std::thread::spawn(move || {
        router.predict(&Context::new("user-1"), &[]).unwrap();
        // Another thread retires the version; this one still has it in its cache ...
        let theirs = router.clone();
        std::thread::spawn(move || theirs.retire("v2").unwrap()).join().unwrap();
        // ... and lets go of it as it changes something itself.
        router.unpin();
        done.send(()).unwrap();
    });
    is_done.recv_timeout(PATIENCE).expect("a deadlock");
    assert_eq!(receive.recv_timeout(PATIENCE).unwrap(), 2, "one version is left");
}

#[test]
fn a_callers_mistake_does_not_cost_a_recovering_version_its_trial() {
    let v2 = Puppet::new(2.0);
    let clock = Arc::new(ManualClock::default());
    let router = builder(v2.clone())
        .breaker(BreakerPolicy::new(1, Duration::from_secs(30)))
        .clock(clock.clone())
        .build()
        .unwrap();
    let ask = || router.predict(&Context::new("user-1"), &[]).unwrap().fallback();
    v2.behave(Mood::Errors);
    ask();
    assert_eq!(ask(), Some(FallbackCause::BreakerOpen));
    clock.advance(Duration::from_secs(30));
    v2.behave(Mood::RefusesInput);
    assert_eq!(ask(), Some(FallbackCause::Failed(ErrorKind::InvalidInput)));
    v2.behave(Mood::Answers);
    assert_eq!(ask(), None, "the next request is the trial");
    assert_eq!(router.stats().versions[1].state, VersionState::Eligible);
}

#[test]
fn a_version_that_is_loaded_later_proves_itself_then() {
    let good = || LazyModel::new(|| Ok::<_, std::io::Error>(Puppet::new(2.0)));
    let golden = |expected: f64| {
        Acceptance::<[f64], f64>::new().golden([(vec![0.5], expected)], |expected, found| {
            match expected == found {
                true => Ok(()),
                false => Err(format!("found {found}, expected {expected}")),
            }
        })
    };
    for (expected, eligible) in [(2.5, true), (7.0, false)] {
        let router = builder(good()).check("v2", golden(expected)).build().unwrap();
        assert_eq!(ask(&router).2, Some(FallbackCause::Ineligible), "not loaded yet");
        assert_eq!(router.stats().versions[1].state, VersionState::NotLoaded);
        let loaded = router.load("v2");
        assert_eq!(loaded.is_ok(), eligible, "{loaded:?}");
        match eligible {
            true => assert_eq!(ask(&router), ("v2".to_owned(), 2.5, None)),
            false => {
                let error = loaded.unwrap_err().to_string();
                assert!(error.contains("golden row 0: found 2.5, expected 7"), "{error}");
                assert_eq!(ask(&router).2, Some(FallbackCause::Ineligible));
            }
        }
    }
}

#[test]
fn a_model_that_sleeps_holds_its_own_callers_only() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let source = test_flags(&serving(FLAG, "v2"));
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model(
            "v2",
            model_fn(move |_: &[f64]| {
                sleeps.pass();
                Ok(2.0)
            }),
        )
        .fallback("v1")
        .source(source.clone())
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| router.predict(&Context::new("user-1"), &[]).unwrap());
        gate.wait_for(1);
        // Meanwhile flags change, versions come and go, others are answered.
        source.replace(compiled_flags(&serving(FLAG, "v1")));
        router.install("v3", Puppet::new(3.0), &Acceptance::new()).unwrap();
        router.retire("v2").unwrap();
        assert_eq!(router.predict(&Context::new("user-2"), &[]).unwrap().version(), "v1");
        gate.open();
        let answer = slow.join().unwrap();
        assert_eq!((answer.version().as_str(), *answer.output()), ("v2", 2.0));
    });
}

#[cfg(feature = "onnx")]
#[test]
fn an_input_of_the_wrong_length_is_refused_with_what_was_expected() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/digits_v1.onnx");
    let load = || modelgate::onnx::Classifier::load(file).unwrap();
    let router = ModelRouter::<[f32], modelgate::Classification>::builder(FLAG)
        .model("v1", load())
        .model("v2", load())
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::new(1, Duration::from_secs(30)))
        .build()
        .unwrap();
    let user = Context::new("user-1");
    for _ in 0..3 {
        let error = router.predict(&user, &[0.0; 3]).unwrap_err();
        assert!(error.is_invalid_input(), "{error:?}");
        let message = error.model_error().unwrap().to_string();
        assert!(message.contains('3') && message.contains("64"), "{message}");
    }
    let answer = router.predict(&user, &[0.0; 64]).unwrap();
    assert_eq!(answer.version(), "v2", "no breaker has opened");
}

/// A model whose lock a panic has poisoned: asked whether it is loaded, it panics from then on. That no
/// model of the crate does.
struct Poisoned;

impl Model<[f64], f64> for Poisoned {
    fn predict(&self, _: &[f64]) -> Result<f64, ModelError> {
        Ok(2.0)
    }
    fn is_loaded(&self) -> bool {
        panic!("the lock is poisoned")
    }
}

#[test]
fn a_model_that_panics_when_asked_whether_it_is_loaded_counts_as_one_that_is_not() {
    quiet_panics();
    let router = builder(Poisoned).build().unwrap();
    assert_eq!(ask(&router), ("v1".to_owned(), 1.5, Some(FallbackCause::Ineligible)));
    assert_eq!(router.decide(&Context::new("user-1")).unwrap().version(), "v1");
    assert_eq!(router.stats().versions[1].state, VersionState::NotLoaded);
}

#[test]
fn a_candidate_that_panics_when_asked_whether_it_is_loaded_fails_no_answer() {
    quiet_panics();
    for shadow in [Shadow::always().candidate("v3"), Shadow::always().candidate("v3").joined()] {
        let router = builder(Puppet::new(2.0)).model("v3", Poisoned).shadow(shadow);
        assert_eq!(ask(&router.build().unwrap()), ("v2".to_owned(), 2.5, None));
    }
}

/// An answer that panics when it is dropped, unless it is taken apart first.
#[derive(Clone)]
struct Fragile(f64, bool);

impl Drop for Fragile {
    fn drop(&mut self) {
        assert!(!self.1, "dropped");
    }
}

#[test]
fn answers_of_a_batch_that_lost_count_may_panic_when_they_are_dropped() {
    /// One answer more than rows: what a batch gives too many is dropped by the router.
    struct OneTooMany;
    impl Model<[f64], Fragile> for OneTooMany {
        fn predict(&self, row: &[f64]) -> Result<Fragile, ModelError> {
            Ok(Fragile(row[0], false))
        }
        fn predict_batch(&self, rows: &[&[f64]]) -> Vec<Result<Fragile, ModelError>> {
            let last = [Ok(Fragile(0.0, true))];
            rows.iter().map(|row| self.predict(row)).chain(last).collect()
        }
    }
    quiet_panics();
    let router = ModelRouter::<[f64], Fragile>::builder(FLAG)
        .model("v1", OneTooMany)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .build()
        .unwrap();
    let user = Context::new("user-1");
    let rows: [(&dyn EvaluationContext, &[f64]); 1] = [(&user, &[0.5])];
    assert_eq!(router.predict_batch(&rows).remove(0).unwrap().output().0, 0.5);
}
