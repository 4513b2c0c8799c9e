//! What sinks hear of runs that were dropped.

use super::*;

/// A sink that keeps what it hears of drops.
#[derive(Default)]
struct Hearer(parking_lot::Mutex<Vec<Dropped>>, AtomicU64);

impl ComparisonSink<f64> for Hearer {
    fn record(&self, _: &Comparison<f64>) {}

    fn dropped(&self, dropped: &Dropped) {
        self.0.lock().push(dropped.clone());
    }

    fn dropped_unreported(&self, candidate: &Version, runs: u64) {
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
    let (told, unreported) = (hearer.causes().len() as u64, hearer.1.load(Ordering::SeqCst));
    assert!(unreported > 0 && told + unreported == 3_000, "{told} {unreported}");
    assert_eq!(bench.line.stats().unreported_drops, unreported);
}

#[test]
fn a_sink_hears_the_number_of_a_candidate_that_others_left_no_room_for() {
    /// The numbers by candidate.
    #[derive(Default)]
    struct Numbers(parking_lot::Mutex<Vec<(Version, u64)>>);
    impl ComparisonSink<f64> for Numbers {
        fn record(&self, _: &Comparison<f64>) {}
        fn dropped_unreported(&self, candidate: &Version, runs: u64) {
            self.0.lock().push((candidate.clone(), runs));
        }
    }

    let numbers = Arc::new(Numbers::default());
    let bench = Bench::with_sinks(policy(), FanOut::new().and(numbers.clone()));
    let release = bench.occupy();
    let other = bench.line.candidate(&Version::new("v3"));
    let wanted = || ShadowRequest {
        prediction_id: PredictionId::from_u128(5),
        revision: 9,
        targeting_key: None,
        primary: Version::new("v1"),
    };
    for _ in 0..1_024 {
        bench.line.refuse(&bench.candidate, DropCause::Unanswered, wanted);
    }
    bench.line.refuse(&other, DropCause::Unanswered, wanted);
    drop(release);
    bench.settle();
    assert_eq!(*numbers.0.lock(), [(Version::new("v3"), 1)]);
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
    assert_eq!(bench.line.stats().unreported_drops, 0);
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
