//! Whole runs, with every fault that candidates, comparators and sinks can have.

mod accounting;
mod budget;
mod drops;
mod filter;
mod panic_pause;
mod shutdown;

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
        Agreement, Comparator, Comparison, Run, Slices, Tolerance,
        key::KeyHasher,
        sink::{ComparisonSink, FanOut, MemorySink},
    },
    cpu_time,
    model::{ErrorKind, ModelError},
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
    candidate: Arc<CandidateCounts>,
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

    fn settle(&self) -> Counts {
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
        slices: Slices::default(),
        primary: Run::new("v1", Ok(1.0), Duration::from_micros(3)),
    }
}

fn assert_adds_up(counts: &Counts) {
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
    assert_eq!(kinds, [(ErrorKind::Failed, None), (ErrorKind::Panicked, None)]);
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
        Err(ModelError::of_kind(ErrorKind::Panicked, "model panicked")),
        Err(ModelError::of_kind(ErrorKind::Deadline, "too late")),
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

/// The types a router shares between threads.
#[test]
fn a_line_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<ShadowLine<f64>>();
    shared::<CandidateCounts>();
    shared::<Shadow>();
    shared::<Comparison<f64>>();
    fn sent<T: Send>() {}
    sent::<Receiver<Comparison<f64>>>();
}
