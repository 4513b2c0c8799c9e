//! A store that is slow, full, gone or broken touches no request.

use crate::moody_store;
use crate::not_worse;
use crate::support;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use modelgate::{
    Context, FallbackCause, ModelRouter,
    autopilot::{
        Autopilot, CommandError, Stage,
        store::MemoryStore,
        writer::{Intent, ShareWriter, WriteError, Written},
    },
    model_fn,
};
use moody_store::{LetsGo, Mood, Moody};
use not_worse::NotWorse;
use parking_lot::Mutex;
use support::{serving, test_flags};

const FLAG: &str = "ml-model-version";

fn autopilot(store: &Moody) -> Autopilot {
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO);
    Autopilot::builder(FLAG, "v2")
        .stages([stage(50.0), stage(75.0).approval()])
        .shadow_for(Duration::ZERO)
        .require(&NotWorse)
        .store(store.clone())
        .every(Duration::from_millis(10))
        .freshness(Duration::from_millis(100), Duration::from_millis(400))
        .build()
        .unwrap()
}

fn router(autopilot: &Autopilot) -> ModelRouter<[f32], f32> {
    ModelRouter::builder(FLAG)
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f32]| Ok(2.0)))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .autopilot(autopilot)
        .build()
        .unwrap()
}

#[track_caller]
fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !what() {
        assert!(Instant::now() < deadline, "not within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Every request is answered, by this version.
#[track_caller]
fn all_answered_by(router: &ModelRouter<[f32], f32>, version: &str) {
    for n in 0..200 {
        let answer = router.predict(&Context::new(&format!("user-{n}")), &[]).unwrap();
        assert_eq!(answer.version().as_str(), version);
    }
}

#[test]
fn a_store_that_is_away_from_the_start_lets_nobody_through_and_fails_no_request() {
    for mood in [Mood::Gone, Mood::Full, Mood::Panics, Mood::Hangs] {
        let store = Moody::default();
        let _let_go = LetsGo(store.clone());
        store.is(mood);
        let autopilot = autopilot(&store);
        let router = router(&autopilot);
        all_answered_by(&router, "v1");
        let decision = router.decide(&Context::new("user-1")).unwrap();
        assert_eq!(decision.fallback(), Some(FallbackCause::HeldBack), "{mood:?}");
        assert!(autopilot.status().phase.is_none() || mood == Mood::Full, "{mood:?}");
        if mood != Mood::Hangs {
            store.is(Mood::Well);
            until(|| autopilot.status().share == 50.0);
        }
    }
}

#[test]
fn a_store_that_goes_away_takes_the_share_with_it_in_time_and_gives_it_back() {
    for mood in [Mood::Gone, Mood::Panics, Mood::Hangs] {
        let store = Moody::default();
        let let_go = LetsGo(store.clone());
        let autopilot = autopilot(&store);
        let router = router(&autopilot);
        until(|| autopilot.status().share == 50.0);
        store.is(mood);
        until(|| autopilot.status().share == 0.0);
        all_answered_by(&router, "v1");
        let status = autopilot.status();
        assert!(status.share_because.contains("the state is lost"), "{mood:?}: {status:?}");
        assert!(status.headline.contains("the store has not answered"), "{mood:?}: {status}");
        assert_eq!(
            status.agreed_share, 50.0,
            "{mood:?}: what the fleet agreed on is another thing"
        );
        store.is(Mood::Well);
        drop(let_go);
        until(|| autopilot.status().share == 50.0);
    }
}

#[test]
fn an_abort_needs_no_store_to_be_in_force() {
    let store = Moody::default();
    let _let_go = LetsGo(store.clone());
    let autopilot = autopilot(&store);
    let router = router(&autopilot);
    until(|| autopilot.status().share == 50.0);
    store.is(Mood::Gone);
    let done = autopilot.abort("support calls");
    assert!(matches!(done, Err(CommandError::StoreUnavailable { .. })), "{done:?}");
    all_answered_by(&router, "v1");
    store.is(Mood::Well);
    until(|| autopilot.status().phase.is_some_and(|phase| phase.name() == "RolledBack"));
}

#[test]
fn no_request_ever_calls_the_store_however_it_is() {
    for mood in [Mood::Well, Mood::Gone, Mood::Full, Mood::Slow, Mood::Panics, Mood::Hangs] {
        let store = Moody::default();
        let let_go = LetsGo(store.clone());
        let autopilot = autopilot(&store);
        let router = router(&autopilot);
        until(|| autopilot.status().share == 50.0);
        store.is(mood);
        // Whether the share stands or has lapsed by then, all are answered while the store is so:
        // one that hangs is let go only afterwards.
        let requests: Vec<_> = (0..2)
            .map(|thread| {
                let router = router.clone();
                std::thread::spawn(move || {
                    for n in 0..5_000 {
                        let key = format!("user-{thread}-{n}");
                        router.predict(&Context::new(&key), &[]).unwrap();
                        router.decide(&Context::new(&key)).unwrap();
                    }
                })
            })
            .collect();
        until(|| requests.iter().all(std::thread::JoinHandle::is_finished));
        let callers = store.callers.lock().clone();
        assert!(!callers.is_empty());
        for request in requests {
            assert!(!callers.contains(&request.thread().id()), "{mood:?}");
            request.join().unwrap();
        }
        assert!(!callers.contains(&std::thread::current().id()), "nor does asking how it stands");
        drop(let_go);
    }
}

/// What a writer was told last, and whether it ever comes back.
#[derive(Clone)]
struct Told {
    name: &'static str,
    hangs: Option<Moody>,
    intents: Arc<Mutex<Vec<Intent>>>,
}

impl ShareWriter for Told {
    fn name(&self) -> Cow<'static, str> {
        self.name.into()
    }
    fn write(&self, intent: &Intent, _: Option<&Written>) -> Result<Written, WriteError> {
        self.intents.lock().push(intent.clone());
        if let Some(hangs) = &self.hangs {
            // Only its answer is of interest, which comes when the test is over.
            let _ = hangs.answer(true);
        }
        Ok(Written(serde_json::Value::Null))
    }
}

#[test]
fn a_vendor_that_never_answers_a_writer_delays_no_step_no_request_and_no_other_writer() {
    let vendor = Moody::default();
    vendor.is(Mood::Hangs);
    let _let_go = LetsGo(vendor.clone());
    let told = |name, hangs| Told { name, hangs, intents: Arc::default() };
    let (hung, well) = (told("hung", Some(vendor)), told("well", None));
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO);
    let autopilot = Autopilot::builder(FLAG, "v2")
        .stages([stage(25.0), stage(50.0), stage(75.0)])
        .shadow_for(Duration::ZERO)
        .guard_for(Duration::ZERO)
        .require(&NotWorse)
        .store(MemoryStore::new())
        .writer(hung.clone())
        .writer(well.clone())
        .every(Duration::from_millis(10))
        .build()
        .unwrap();
    let router = router(&autopilot);
    until(|| autopilot.status().phase.is_some_and(|phase| phase.name() == "Released"));
    until(|| autopilot.status().share == 100.0);
    all_answered_by(&router, "v2");
    until(|| well.intents.lock().last().is_some_and(|last| last.to.name() == "Released"));
    assert_eq!(hung.intents.lock().len(), 1, "it has never come back from the first");
}
