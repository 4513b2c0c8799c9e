//! Whole runs, with every fault that candidates, comparators and sinks can have.

use std::{
    collections::HashSet,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant, UNIX_EPOCH},
};

use proptest::prelude::*;

use super::*;
use crate::{
    clock::{Clock, ManualClock},
    compare::{
        Agreement, Comparator, Comparison, Run, Tolerance,
        key::KeyHasher,
        sink::{ComparisonSink, FanOut, MemorySink},
    },
    cpu_time,
    model::{ModelError, ModelErrorKind},
    prediction_id::PredictionId,
    value::Value,
    version::Version,
};

const LONG: Duration = Duration::from_secs(60);

/// No budget: what these tests want to run is to run on a busy machine, too.
fn policy() -> Shadow {
    Shadow::always().candidate("v2").budget(Budget::unlimited())
}

struct Bench {
    line: ShadowLine<f64>,
    candidate: Arc<Candidate>,
    seen: Arc<MemorySink<f64>>,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new(policy: Shadow) -> Bench {
        Bench::with_sinks(policy, FanOut::new())
    }

    fn with_sinks(policy: Shadow, sinks: FanOut<f64>) -> Bench {
        let seen = Arc::new(MemorySink::new(10_000));
        let clock = Arc::new(ManualClock::at_unix(Duration::from_secs(1_700_000_000)));
        let comparator: Box<dyn Comparator<f64>> = Box::new(Tolerance::absolute(0.1));
        let line = ShadowLine::start(
            &policy,
            Some(comparator),
            sinks.and(seen.clone()),
            clock.clone() as Arc<dyn Clock>,
        )
        .unwrap();
        let candidate = line.candidate(&Version::new("v2"));
        Bench { line, candidate, seen, clock }
    }

    fn offer(
        &self,
        call: impl FnOnce() -> Result<f64, ModelError> + Send + 'static,
    ) -> Result<(), DropCause> {
        self.line.offer(&self.candidate, wanted, || (answered(Some("user-42")), call))
    }

    fn settle(&self) -> ShadowCounts {
        assert!(self.line.flush(LONG).unwrap(), "runs did not end");
        self.candidate.counts()
    }

    /// Keeps the (only) shadow thread busy until the sender is dropped.
    fn occupy(&self) -> SyncSender<()> {
        let (release, wait) = sync_channel::<()>(0);
        let (started, has_started) = sync_channel(1);
        self.offer(move || {
            started.send(()).unwrap();
            let _ = wait.recv();
            Ok(1.0)
        })
        .unwrap();
        has_started.recv_timeout(LONG).unwrap();
        release
    }
}

/// A run that takes two milliseconds of processor time.
fn spin() -> Result<f64, ModelError> {
    let begun = cpu_time::to_charge();
    while cpu_time::to_charge() - begun < Duration::from_millis(2) {
        std::hint::spin_loop();
    }
    Ok(1.0)
}

fn wanted() -> ShadowRequest {
    answered(Some("user-42")).wanted()
}

fn answered(key: Option<&str>) -> PrimaryAnswer<f64> {
    PrimaryAnswer {
        prediction_id: PredictionId::from_u128(5),
        revision: 9,
        targeting_key: key.map(Into::into),
        features: None,
        primary: Run::new("v1", Ok(1.0), Duration::from_micros(3)),
    }
}

fn assert_adds_up(counts: &ShadowCounts) {
    assert_eq!(counts.wanted(), counts.handed_over() + counts.refused(), "{counts:?}");
    assert_eq!(counts.wanted(), counts.completed() + counts.dropped_in_all(), "{counts:?}");
    assert_eq!(counts.pending(), 0, "{counts:?}");
}

#[test]
fn a_run_is_compared_and_recorded_with_all_that_is_known_of_it() {
    let hasher = KeyHasher::new([1; 16]).unwrap();
    let bench = Bench::new(policy().key_hasher(hasher.clone()));
    let clock = bench.clock.clone();
    let release = bench.occupy();
    bench.offer(|| Ok(1.5)).unwrap();
    clock.advance(Duration::from_millis(20));
    drop(release);
    let counts = bench.settle();
    assert_eq!((counts.agreed(), counts.disagreed()), (1, 1));
    let seen = bench.seen.take();
    let run = &seen[1];
    assert_eq!(run.prediction_id, PredictionId::from_u128(5));
    assert_eq!(run.revision, 9);
    assert_eq!(run.time, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    assert_eq!(run.key_hash, Some(hasher.hash("user-42")));
    assert_eq!(run.queue_wait, Duration::from_millis(20));
    assert_eq!(run.primary.version, "v1");
    assert_eq!(run.candidate.version, "v2");
    assert_eq!(*run.candidate.outcome.as_ref().unwrap(), 1.5);
    assert_eq!(run.agreement.distance(), Some(0.5));
}

#[test]
fn key_and_features_are_recorded_only_when_asked_for() {
    let bench = Bench::new(policy());
    assert!(!bench.line.records_features());
    bench.offer(|| Ok(1.0)).unwrap();
    bench.line.offer(&bench.candidate, wanted, || (answered(None), || Ok(1.0))).unwrap();
    bench.settle();
    let seen = bench.seen.take();
    assert_eq!((&seen[0].targeting_key, &seen[0].features), (&None, &None));
    assert!(seen[0].key_hash.is_some());
    assert_eq!(seen[1].key_hash, None);

    let bench = Bench::new(policy().record_targeting_key().record_features());
    assert!(bench.line.records_features());
    let features = || Some(Value::List(vec![2.0_f64.into()]));
    let with_features = || PrimaryAnswer { features: features(), ..answered(Some("user-42")) };
    bench.line.offer(&bench.candidate, wanted, || (with_features(), || Ok(1.0))).unwrap();
    bench.settle();
    let seen = bench.seen.take();
    assert_eq!(seen[0].targeting_key.as_deref(), Some("user-42"));
    assert_eq!(seen[0].features, features());
}

#[test]
fn an_error_of_the_candidate_is_completed_and_a_panic_is_lost_and_both_are_shown() {
    let bench = Bench::new(policy());
    bench.offer(|| Err(ModelError::new("no such table"))).unwrap();
    bench.offer(|| panic!("out of luck")).unwrap();
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.not_compared(), counts.dropped(DropCause::Panic)), (1, 1));
    let kinds: Vec<_> = bench
        .seen
        .take()
        .into_iter()
        .map(|run| (run.candidate.outcome.unwrap_err().kind(), run.agreement.agrees()))
        .collect();
    assert_eq!(kinds, [(ModelErrorKind::Failed, None), (ModelErrorKind::Panicked, None)]);
}

#[test]
fn nothing_is_copied_where_there_is_no_room() {
    let bench = Bench::new(policy().queue(1));
    let _release = bench.occupy();
    bench.offer(|| Ok(1.0)).unwrap();
    let refused =
        bench.line.offer(&bench.candidate, wanted, || -> (PrimaryAnswer<f64>, fn() -> _) {
            panic!("copied although the queue is full")
        });
    assert_eq!(refused, Err(DropCause::QueueFull));
    assert_eq!(bench.candidate.counts().dropped(DropCause::QueueFull), 1);
    drop(_release);
    assert_adds_up(&bench.settle());
}

#[test]
fn a_panic_while_copying_stays_off_the_request_and_gives_its_place_back() {
    let bench = Bench::new(policy().queue(1));
    for _ in 0..3 {
        let refused =
            bench.line.offer(&bench.candidate, wanted, || -> (PrimaryAnswer<f64>, fn() -> _) {
                panic!("a clone that panics")
            });
        assert_eq!(refused, Err(DropCause::Panic));
    }
    bench.offer(|| Ok(1.0)).unwrap();
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.refused(), counts.completed()), (3, 1));
}

#[test]
fn a_run_that_waited_past_the_deadline_is_not_started() {
    let bench = Bench::new(policy().deadline(Duration::from_millis(10)));
    let clock = bench.clock.clone();
    let release = bench.occupy();
    let ran = Arc::new(AtomicBool::new(false));
    let runs = ran.clone();
    bench
        .offer(move || {
            runs.store(true, Ordering::SeqCst);
            Ok(1.0)
        })
        .unwrap();
    clock.advance(Duration::from_millis(11));
    drop(release);
    let counts = bench.settle();
    assert_adds_up(&counts);
    // The one that occupied the thread ended late as well.
    assert_eq!(counts.dropped(DropCause::Deadline), 2);
    assert!(!ran.load(Ordering::SeqCst));
    assert!(bench.seen.is_empty());
}

#[test]
fn a_run_that_ends_exactly_at_the_deadline_counts() {
    let bench = Bench::new(policy().deadline(Duration::from_millis(10)));
    let clock = bench.clock.clone();
    bench
        .offer(move || {
            clock.advance(Duration::from_millis(10));
            Ok(1.0)
        })
        .unwrap();
    assert_eq!(bench.settle().completed(), 1);
}

#[test]
fn a_spent_budget_refuses_and_time_refills_it() {
    let budget = Budget::cpu_percent(0.1).burst(Duration::ZERO);
    let bench = Bench::new(policy().budget(budget));
    bench.offer(spin).unwrap();
    bench.settle();
    assert_eq!(bench.offer(spin), Err(DropCause::Budget));
    // Two milliseconds at a thousandth take at least two thousand to earn.
    bench.clock.advance(Duration::from_millis(1_999));
    assert_eq!(bench.offer(spin), Err(DropCause::Budget));
    bench.clock.advance(Duration::from_secs(3600));
    bench.offer(spin).unwrap();
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.completed(), counts.dropped(DropCause::Budget)), (2, 2));
}

#[test]
fn a_run_in_the_queue_is_lost_when_the_one_before_it_spends_the_budget() {
    let bench = Bench::new(policy().budget(Budget::cpu_percent(1e-6).burst(Duration::ZERO)));
    let release = bench.occupy();
    bench.offer(|| Ok(1.0)).unwrap();
    drop(release);
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.completed(), counts.dropped(DropCause::Budget)), (1, 1));
}

#[test]
fn while_the_budget_is_overdrawn_one_run_may_wait_for_it() {
    let bench = Bench::new(policy().budget(Budget::cpu_percent(0.25).burst(Duration::ZERO)));
    bench.offer(spin).unwrap();
    // Two milliseconds at a four-hundredth are paid off in 800: until then the thread naps.
    let until = Instant::now() + LONG;
    while bench.candidate.counts().completed() == 0 {
        assert!(Instant::now() < until, "the first run did not end");
        std::thread::yield_now();
    }
    let mut refused = 0;
    while bench.offer(|| Ok(1.0)).is_err() {
        refused += 1;
        assert!(Instant::now() < until, "nothing was ever taken on");
        // On a busy machine the run cost more, and the debt is too long to be waited for yet.
        bench.clock.advance(Duration::from_millis(50));
    }
    bench.clock.advance(Duration::from_secs(2));
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.completed(), counts.dropped(DropCause::Budget)), (2, refused));
}

#[cfg(unix)]
#[test]
fn the_processor_time_of_both_sides_is_recorded_and_counted_where_both_are_known() {
    let bench = Bench::new(policy());
    let known = || {
        let mut answered = answered(None);
        answered.primary.cpu_time = Some(Duration::from_millis(1));
        answered
    };
    bench.line.offer(&bench.candidate, wanted, || (known(), spin)).unwrap();
    bench.line.offer(&bench.candidate, wanted, || (answered(None), spin)).unwrap();
    let elsewhere = || {
        cpu_time::is_spent_elsewhere();
        Ok(1.0)
    };
    bench.line.offer(&bench.candidate, wanted, || (known(), elsewhere)).unwrap();
    let counts = bench.settle();
    let times = |run: &Comparison<f64>| (run.primary.cpu_time, run.candidate.cpu_time);
    let seen: Vec<_> = bench.seen.take().iter().map(times).collect();
    let two = Duration::from_millis(2);
    assert_eq!(seen[0].0, Some(Duration::from_millis(1)));
    assert!(seen[0].1.unwrap() >= two && seen[0].1.unwrap() < two * 10, "{seen:?}");
    assert!(seen[1].0.is_none() && seen[1].1.is_some() && seen[2].1.is_none(), "{seen:?}");
    assert_eq!((counts.primary_cpu().count, counts.candidate_cpu().count), (1, 1));
    assert_eq!(counts.primary_cpu().max, Duration::from_millis(1));
    assert!(counts.candidate_cpu().max >= two);
}

#[test]
fn a_sink_that_blocks_holds_no_caller() {
    let (release, wait) = sync_channel::<()>(0);
    let wait = parking_lot::Mutex::new(wait);
    let blocks = move |_: &Comparison<f64>| {
        let _ = wait.lock().recv();
    };
    let bench = Bench::with_sinks(policy().queue(4), FanOut::new().and(blocks));
    let mut refused = 0;
    for _ in 0..100 {
        refused += u64::from(bench.offer(|| Ok(1.0)).is_err());
    }
    assert!(refused >= 95, "{refused}");
    drop(release);
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!(counts.dropped(DropCause::QueueFull), refused);
    assert_eq!(bench.seen.len() as u64, 100 - refused);
}

#[test]
fn panics_of_sinks_and_comparators_are_counted_and_end_nothing() {
    let panics = |_: &Comparison<f64>| panic!("sink");
    let seen = Arc::new(MemorySink::new(10));
    let comparator: Box<dyn Comparator<f64>> =
        Box::new(|_: &f64, _: &f64| -> Agreement { panic!("comparator") });
    let line = ShadowLine::start(
        &policy(),
        Some(comparator),
        FanOut::new().and(panics).and(seen.clone()),
        Arc::new(ManualClock::default()),
    )
    .unwrap();
    let candidate = line.candidate(&Version::new("v2"));
    for _ in 0..3 {
        line.offer(&candidate, wanted, || (answered(None), || Ok(1.0))).unwrap();
    }
    assert!(line.flush(LONG).unwrap());
    assert_eq!(candidate.counts().not_compared(), 3);
    assert_eq!(seen.len(), 3);
    let stats = line.stats();
    assert_eq!((stats.comparator_panics, stats.sink_panics, stats.sinks.failed), (3, 3, 3));
}

#[test]
fn finished_runs_are_compared_here_or_on_a_shadow_thread() {
    let bench = Bench::new(policy().deadline(Duration::from_millis(10)));
    let outcomes = [
        Ok(1.0),
        Err(ModelError::of_kind(ModelErrorKind::Panicked, "model panicked")),
        Err(ModelError::of_kind(ModelErrorKind::Deadline, "too late")),
    ];
    for outcome in outcomes {
        let took = Duration::from_micros(7);
        let side = Run::new("v2", outcome, took);
        bench.line.record_finished(&bench.candidate, answered(None), side.clone());
        bench.line.offer_finished(&bench.candidate, answered(None), side).unwrap();
    }
    bench.line.refuse(&bench.candidate, DropCause::QueueFull, wanted);
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.completed(), counts.agreed()), (2, 2));
    assert_eq!((counts.dropped(DropCause::Panic), counts.dropped(DropCause::Deadline)), (2, 2));
    assert_eq!(bench.seen.len(), 4);
    assert_eq!(bench.seen.take()[0].candidate.service_time, Duration::from_micros(7));
}

#[test]
fn shutting_down_loses_what_is_queued_and_refuses_the_rest() {
    let bench = Bench::new(policy().grace(LONG));
    let release = bench.occupy();
    for _ in 0..5 {
        bench.offer(|| Ok(1.0)).unwrap();
    }
    std::thread::scope(|scope| {
        let line = &bench.line;
        let down = scope.spawn(move || line.stop());
        // The queue is emptied at once, while the running one still runs.
        while bench.candidate.counts().dropped(DropCause::Shutdown) < 5 {
            std::thread::yield_now();
        }
        assert_eq!(bench.offer(|| Ok(1.0)), Err(DropCause::Shutdown));
        drop(release);
        down.join().unwrap().unwrap();
    });
    bench.line.stop().unwrap();
    let counts = bench.candidate.counts();
    assert_adds_up(&counts);
    assert_eq!((counts.completed(), counts.dropped(DropCause::Shutdown)), (1, 6));
}

#[test]
fn a_model_that_never_returns_does_not_hang_the_drop_and_is_counted_once() {
    let bench = Bench::new(policy().grace(Duration::from_millis(1)));
    let release = bench.occupy();
    bench.offer(|| Ok(1.0)).unwrap();
    let Bench { line, candidate, seen, .. } = bench;
    drop(line);
    let counts = candidate.counts();
    assert_adds_up(&counts);
    assert_eq!(counts.dropped(DropCause::Shutdown), 2);
    // It returns after all, to nobody: its sinks are dropped when its thread is done.
    drop(release);
    while Arc::strong_count(&seen) > 1 {
        std::thread::yield_now();
    }
    assert_eq!(candidate.counts(), counts);
    assert!(seen.is_empty());
}

#[test]
fn flush_waits_for_what_was_accepted_and_not_for_what_comes_later() {
    let bench = Bench::new(policy().threads(2));
    let release = bench.occupy();
    assert!(!bench.line.flush(Duration::from_millis(1)).unwrap());
    drop(release);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let _ = bench.offer(|| Ok(1.0));
            }
        });
        for _ in 0..50 {
            let before = bench.candidate.counts();
            assert!(bench.line.flush(LONG).unwrap());
            let after = bench.candidate.counts();
            assert!(after.completed() >= before.handed_over(), "{before:?} {after:?}");
            bench.seen.take();
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert_adds_up(&bench.settle());
}

#[test]
fn threads_have_names_and_are_gone_after_the_drop() {
    let bench = Bench::new(policy().threads(3));
    let names = Arc::new(parking_lot::Mutex::new(HashSet::new()));
    let together = Arc::new(Barrier::new(3));
    for _ in 0..3 {
        let (names, together) = (names.clone(), together.clone());
        bench
            .offer(move || {
                names.lock().insert(std::thread::current().name().unwrap().to_owned());
                together.wait();
                Ok(1.0)
            })
            .unwrap();
    }
    bench.settle();
    let expected = ["modelgate-shadow-0", "modelgate-shadow-1", "modelgate-shadow-2"];
    assert_eq!(*names.lock(), expected.map(str::to_owned).into());
    let seen = bench.seen.clone();
    drop(bench);
    assert_eq!(Arc::strong_count(&seen), 1);
}

/// A sink that keeps what it hears of drops.
#[derive(Default)]
struct Hearer(parking_lot::Mutex<Vec<Dropped>>, AtomicU64);

impl ComparisonSink<f64> for Hearer {
    fn record(&self, _: &Comparison<f64>) {}

    fn dropped(&self, dropped: &Dropped) {
        self.0.lock().push(dropped.clone());
    }

    fn dropped_untold(&self, candidate: &Version, runs: u64) {
        assert_eq!(candidate.as_str(), "v2");
        self.1.fetch_add(runs, Ordering::SeqCst);
    }
}

impl Hearer {
    fn causes(&self) -> Vec<DropCause> {
        self.0.lock().iter().map(|dropped| dropped.cause).collect()
    }
}

#[test]
fn of_drops_that_come_too_many_at_once_a_sink_hears_the_number() {
    let hearer = Arc::new(Hearer::default());
    let bench = Bench::with_sinks(policy().queue(1), FanOut::new().and(hearer.clone()));
    let release = bench.occupy();
    bench.offer(|| Ok(1.0)).unwrap();
    for _ in 0..3_000 {
        assert_eq!(bench.offer(|| Ok(1.0)), Err(DropCause::QueueFull));
    }
    drop(release);
    let counts = bench.settle();
    assert_eq!(counts.dropped(DropCause::QueueFull), 3_000);
    let (told, untold) = (hearer.causes().len() as u64, hearer.1.load(Ordering::SeqCst));
    assert!(untold > 0 && told + untold == 3_000, "{told} {untold}");
    assert_eq!(bench.line.stats().untold_drops, untold);
}

#[test]
fn a_sink_hears_of_each_drop_with_its_cause_and_whose_it_was() {
    let hearer = Arc::new(Hearer::default());
    let hasher = KeyHasher::new([1; 16]).unwrap();
    let policy = policy().queue(1).deadline(Duration::from_millis(10)).key_hasher(hasher.clone());
    let bench = Bench::with_sinks(policy, FanOut::new().and(hearer.clone()));
    let release = bench.occupy();
    bench.offer(|| Ok(1.0)).unwrap();
    assert_eq!(bench.offer(|| Ok(1.0)), Err(DropCause::QueueFull));
    assert!(hearer.causes().is_empty(), "a sink was called by the request");
    bench.clock.advance(Duration::from_millis(11));
    drop(release);
    let counts = bench.settle();
    assert_adds_up(&counts);
    let mut heard = hearer.0.lock().clone();
    heard.sort_by_key(|dropped| dropped.cause.as_str());
    let causes: Vec<_> = heard.iter().map(|dropped| dropped.cause).collect();
    assert_eq!(causes, [DropCause::Deadline, DropCause::Deadline, DropCause::QueueFull]);
    for dropped in heard {
        assert_eq!(dropped.prediction_id, PredictionId::from_u128(5));
        assert_eq!((dropped.primary.as_str(), dropped.candidate.as_str()), ("v1", "v2"));
        assert_eq!(
            (dropped.revision, dropped.time),
            (9, UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        );
        assert_eq!(dropped.key_hash, Some(hasher.hash("user-42")));
    }
    assert_eq!(bench.line.stats().untold_drops, 0);
}

#[test]
fn a_sink_hears_of_what_a_shutdown_drops_and_of_a_panic_by_its_record_alone() {
    let hearer = Arc::new(Hearer::default());
    let sinks = FanOut::new().and(hearer.clone());
    let bench = Bench::with_sinks(policy().grace(Duration::from_millis(1)), sinks);
    bench.offer(|| panic!("out of luck")).unwrap();
    bench.settle();
    assert_eq!((hearer.causes(), bench.seen.len()), (vec![], 1));
    let release = bench.occupy();
    bench.offer(|| Ok(1.0)).unwrap();
    let line = bench.line;
    drop(line);
    assert_eq!(hearer.causes(), [DropCause::Shutdown; 2]);
    drop(release);
}

#[test]
fn a_filter_passes_over_whom_it_does_not_want_and_is_not_asked_about_nobody() {
    let hasher = KeyHasher::new([1; 16]).unwrap();
    let unwanted = hasher.hash("user-42");
    let policy = policy().key_hasher(hasher).admit(move |key| *key != unwanted);
    let bench = Bench::new(policy);
    let ran = Arc::new(AtomicU64::new(0));
    for key in [Some("user-42"), Some("user-43"), None] {
        let ran = ran.clone();
        let prepare = || {
            let call = move || {
                ran.fetch_add(1, Ordering::SeqCst);
                Ok(1.0)
            };
            (answered(key), call)
        };
        bench.line.offer(&bench.candidate, wanted, prepare).unwrap();
        let side = Run::new("v2", Ok(1.0), Duration::ZERO);
        bench.line.record_finished(&bench.candidate, answered(key), side);
    }
    let counts = bench.settle();
    assert_eq!((counts.passed_over(), counts.wanted(), counts.completed()), (2, 4, 4));
    assert_eq!((counts.pending(), counts.dropped_in_all()), (0, 0));
    assert_eq!((ran.load(Ordering::SeqCst), bench.seen.len()), (2, 4));
}

#[test]
fn a_filter_that_panics_keeps_nobody_out() {
    let bench = Bench::new(policy().admit(|_| panic!("filter")));
    bench.offer(|| Ok(1.0)).unwrap();
    assert_eq!(bench.settle().completed(), 1);
}

#[test]
fn a_candidate_that_panics_again_and_again_is_left_alone_for_longer_and_longer() {
    let bench = Bench::new(policy());
    let panics = || -> Result<(), DropCause> {
        let offered = bench.offer(|| panic!("out of luck"));
        bench.settle();
        offered
    };
    for _ in 0..3 {
        panics().unwrap();
    }
    assert_eq!(panics(), Err(DropCause::Resting));
    bench.clock.advance(Duration::from_millis(1_000));
    panics().unwrap();
    bench.clock.advance(Duration::from_millis(1_999));
    assert_eq!(panics(), Err(DropCause::Resting));
    bench.clock.advance(Duration::from_millis(1));
    bench.offer(|| Ok(1.0)).unwrap();
    bench.settle();
    for _ in 0..3 {
        panics().unwrap();
    }
    assert_eq!(panics(), Err(DropCause::Resting));
    bench.line.forgive(&Version::new("v2"));
    panics().unwrap();
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.dropped(DropCause::Panic), counts.dropped(DropCause::Resting)), (8, 3));
}

#[test]
fn those_that_wait_behind_three_panics_are_not_run() {
    let bench = Bench::new(policy());
    let release = bench.occupy();
    for _ in 0..5 {
        bench.offer(|| panic!("out of luck")).unwrap();
    }
    drop(release);
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.dropped(DropCause::Panic), counts.dropped(DropCause::Resting)), (3, 2));
}

#[test]
fn a_shadow_thread_says_that_it_is_one() {
    let bench = Bench::new(policy());
    bench.offer(|| Ok(f64::from(u8::from(is_shadow())))).unwrap();
    bench.settle();
    assert_eq!(bench.seen.take()[0].candidate.outcome.as_ref().unwrap(), &1.0);
    assert!(!is_shadow());
}

#[test]
fn the_same_version_has_the_same_counts() {
    let bench = Bench::new(policy());
    assert!(Arc::ptr_eq(&bench.candidate, &bench.line.candidate(&Version::new("v2"))));
    let other = bench.line.candidate(&Version::new("v3"));
    assert!(!Arc::ptr_eq(&bench.candidate, &other));
    // Nobody declared v3, and no flag has asked for it yet.
    assert_eq!(bench.line.stats().candidates.len(), 1);
    bench.line.offer(&other, wanted, || (answered(None), || Ok(1.0))).unwrap();
    assert_eq!(bench.line.stats().candidates.len(), 2);
}

#[derive(Clone, Debug)]
enum Fault {
    None,
    Error,
    Panic,
    Late,
    Block(u8),
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::Error),
        1 => Just(Fault::Panic),
        1 => Just(Fault::Late),
        1 => (0..8_u8).prop_map(Fault::Block),
    ];
    proptest::collection::vec(fault, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Every run that was wanted ends in exactly one way, whatever goes wrong, however many
    /// threads offer, and even when the line is shut down in the middle.
    #[test]
    fn every_run_wanted_ends_in_exactly_one_way(
        plans in proptest::collection::vec(faults(), 1..4),
        queue in 1..6_usize,
        threads in 1..4_usize,
        shutdown_after in proptest::option::of(0..40_u64),
        poor in any::<bool>(),
    ) {
        let budget = if poor {
            Budget::cpu_percent(0.001).burst(Duration::from_micros(100))
        } else {
            Budget::unlimited()
        };
        let policy = policy()
            .queue(queue)
            .threads(threads)
            .budget(budget)
            .deadline(Duration::from_secs(5))
            .grace(LONG);
        let bench = Bench::new(policy);
        let wanted: u64 = plans.iter().map(|plan| plan.len() as u64).sum();
        let accepted = AtomicU64::new(0);
        let offered = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for plan in &plans {
                let (bench, accepted, offered) = (&bench, &accepted, &offered);
                scope.spawn(move || {
                    for fault in plan.iter().cloned() {
                        let clock = bench.clock.clone();
                        let offer = bench.offer(move || match fault {
                            Fault::None => Ok(1.0),
                            Fault::Error => Err(ModelError::new("no such table")),
                            Fault::Panic => panic!("planned"),
                            Fault::Late => {
                                clock.advance(Duration::from_secs(6));
                                Ok(1.0)
                            }
                            Fault::Block(turns) => {
                                (0..turns).for_each(|_| std::thread::yield_now());
                                Ok(2.0)
                            }
                        });
                        accepted.fetch_add(u64::from(offer.is_ok()), Ordering::SeqCst);
                        offered.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            if let Some(after) = shutdown_after {
                let (line, offered) = (&bench.line, &offered);
                scope.spawn(move || {
                    while offered.load(Ordering::SeqCst) < after.min(wanted) {
                        std::thread::yield_now();
                    }
                    line.stop().unwrap();
                });
            }
        });
        let counts = bench.settle();
        prop_assert_eq!(counts.wanted(), wanted);
        prop_assert_eq!(counts.handed_over(), accepted.load(Ordering::SeqCst));
        prop_assert_eq!(counts.completed() + counts.dropped_in_all(), wanted, "{:?}", counts);
        // Refusals by panic do not occur here: what is dropped for a panic was run, and shown.
        let shown = counts.completed() + counts.dropped(DropCause::Panic);
        prop_assert_eq!(bench.seen.len() as u64, shown);
    }
}

/// The types a router shares between threads.
#[test]
fn a_line_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<ShadowLine<f64>>();
    shared::<Candidate>();
    shared::<Shadow>();
    shared::<Comparison<f64>>();
    fn sent<T: Send>() {}
    sent::<Receiver<Comparison<f64>>>();
}
