//! A router, a verdict and an autopilot together: real predictions, a clock turned by hand.

use crate::support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use modelgate::{
    Context, ModelError, ModelRouter, Shadow,
    autopilot::{
        Autopilot, Phase, Stage,
        store::{self, Expect, MemoryStore, StateStore, Tag},
        verify_history,
    },
    clock::ManualClock,
    compare::key::KeyHasher,
    model_fn,
    verdict::{Metric, Verdict},
};
use support::{serving, test_flags, until};

const FLAG: &str = "ml-model-version";
const PERIOD: Duration = Duration::from_millis(10);

/// A store that counts how often it was looked at.
#[derive(Clone, Default)]
struct Counted {
    store: MemoryStore,
    looks: Arc<AtomicU64>,
}

impl StateStore for Counted {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, store::Error> {
        if name.ends_with("state.json") {
            self.looks.fetch_add(1, Ordering::SeqCst);
        }
        self.store.load(name)
    }
    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, store::Error> {
        self.store.store(name, bytes, expect)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, store::Error> {
        self.store.list(prefix)
    }
    fn remove(&self, name: &str) -> Result<(), store::Error> {
        self.store.remove(name)
    }
}

/// A service whose flag names v2 for everybody, so that the autopilot alone holds anybody back.
struct Service {
    router: ModelRouter<[f32], f32>,
    autopilot: Autopilot,
    clock: Arc<ManualClock>,
    store: Counted,
    /// Whether v2 fails for every second user.
    broken: Arc<AtomicBool>,
    users: u64,
    by_candidate: u64,
}

impl Service {
    fn new() -> Service {
        let clock = Arc::new(ManualClock::at_unix(Duration::from_secs(1_700_000_000)));
        let (store, broken) = (Counted::default(), Arc::new(AtomicBool::new(false)));
        let verdict = Verdict::<f32>::builder("v2")
            .against("v1")
            .metric(Metric::failures().margin(0.02))
            .metric(Metric::live_failures())
            .build()
            .unwrap();
        let stage = |percent| Stage::percent(percent).for_at_least(PERIOD * 3);
        let autopilot = Autopilot::builder(FLAG, "v2")
            .stages([stage(5.0), stage(25.0), stage(50.0)])
            .shadow_for(PERIOD * 3)
            .guard_for(PERIOD * 5)
            .require(&verdict)
            .store(store.clone())
            .every(PERIOD)
            .clock(Arc::clone(&clock) as _)
            .build()
            .unwrap();
        let hasher = KeyHasher::new([7; 32]).unwrap();
        let breaks = Arc::clone(&broken);
        let router = ModelRouter::<[f32], f32>::builder(FLAG)
            .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
            .model(
                "v2",
                model_fn(move |features: &[f32]| {
                    let fails = breaks.load(Ordering::SeqCst) && features == [1.0];
                    if fails { Err(ModelError::new("broken")) } else { Ok(1.0) }
                }),
            )
            .fallback("v1")
            .source(test_flags(&serving(FLAG, "v2")))
            // Both, so that either is shadowed while the other answers.
            .shadow(Shadow::always().candidate("v2").candidate("v1").key_hasher(hasher).joined())
            .sink(verdict.clone())
            .observer(verdict)
            .autopilot(&autopilot)
            .build()
            .unwrap();
        let service =
            Service { router, autopilot, clock, store, broken, users: 0, by_candidate: 0 };
        service.look();
        service
    }

    /// Waits until the replica has looked, and decided by what it saw.
    fn look(&self) {
        let seen = self.store.looks.load(Ordering::SeqCst);
        // The second look begins when the first is over.
        until("two looks", || self.store.looks.load(Ordering::SeqCst) >= seen + 2);
    }

    /// Users whom nobody has seen, each answered whatever happens; then the time of one look.
    fn go_on(&mut self) {
        for _ in 0..40 {
            self.users += 1;
            let key = format!("user-{}", self.users);
            let odd = if self.users.is_multiple_of(2) { 0.0 } else { 1.0 };
            let answer = self.router.predict(&Context::new(&key), &[odd]).unwrap();
            self.by_candidate += u64::from(answer.version().as_str() == "v2");
        }
        self.clock.advance(PERIOD);
        self.look();
    }

    fn phase(&self) -> Option<Phase> {
        self.autopilot.status().phase
    }

    #[track_caller]
    fn go_on_until(&mut self, what: impl Fn(&Service) -> bool) {
        for _ in 0..1_000 {
            if what(self) {
                return;
            }
            self.go_on();
        }
        panic!("not in a thousand looks: {}", self.autopilot.status());
    }
}

#[test]
fn a_good_candidate_climbs_to_everybody_through_real_predictions() {
    let mut service = Service::new();
    let mut shares = vec![0.0];
    service.go_on_until(|service| service.phase() == Some(Phase::Shadowing));
    assert_eq!(service.by_candidate, 0, "nobody before the shadow has shown enough");
    for _ in 0..1_000 {
        service.go_on();
        let share = service.autopilot.status().share;
        if shares.last() != Some(&share) {
            shares.push(share);
        }
        if service.phase() == Some(Phase::Released) {
            break;
        }
    }
    assert_eq!(shares, [0.0, 5.0, 25.0, 50.0, 100.0], "{}", service.autopilot.status());
    let before = service.by_candidate;
    service.go_on();
    assert_eq!(service.by_candidate - before, 40, "everybody");
    verify_history(&service.autopilot.status().transitions).unwrap();
}

#[test]
fn a_candidate_that_is_bad_from_the_start_answers_nobody() {
    let mut service = Service::new();
    service.broken.store(true, Ordering::SeqCst);
    service.go_on_until(|service| service.phase() == Some(Phase::RolledBack));
    assert_eq!(service.by_candidate, 0);
    verify_history(&service.autopilot.status().transitions).unwrap();
}

#[test]
fn a_candidate_that_breaks_at_a_quarter_of_the_users_is_taken_back() {
    let mut service = Service::new();
    service.go_on_until(|service| service.autopilot.status().share == 25.0);
    service.go_on();
    assert!(service.by_candidate > 0);
    service.broken.store(true, Ordering::SeqCst);
    service.go_on_until(|service| service.phase() == Some(Phase::RolledBack));
    // What was decided is in force when the look is over.
    service.look();
    let before = service.by_candidate;
    service.go_on();
    assert_eq!(service.by_candidate, before, "nobody any more");
    let status = service.autopilot.status();
    verify_history(&status.transitions).unwrap();
    assert_eq!(status.share, 0.0);
}
