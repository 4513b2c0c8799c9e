//! What a shadow holds, a live request waits for: so it holds nothing that one may want, by default.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    time::{Duration, Instant},
};

use modelgate::{
    Context, Model, ModelError, ModelRouter, Rollout, Shadow,
    compare::sink::MemorySink,
    model::{Batched, LazyModel},
    model_fn,
    router::stats::RouterStats,
    shadow::{self, Budget, DropCause, is_shadow},
};

const LONG: Duration = Duration::from_secs(60);

type Router = ModelRouter<[f32], f32>;

fn everyone_gets_v1() -> modelgate::flag::Flag {
    Rollout::everyone("v1").flag("m").unwrap()
}

/// `v1` answers everybody, and `v2` is in its shadow.
fn router(v1: impl Model<[f32], f32> + 'static, v2: impl Model<[f32], f32> + 'static) -> Router {
    router_with(v1, v2, Shadow::always().budget(Budget::unlimited()))
}

fn router_with(
    v1: impl Model<[f32], f32> + 'static,
    v2: impl Model<[f32], f32> + 'static,
    shadow: Shadow,
) -> Router {
    ModelRouter::builder("m")
        .model("v1", v1)
        .model("v2", v2)
        .fallback("v1")
        .source(everyone_gets_v1())
        .shadow(shadow.candidate("v2"))
        .build()
        .unwrap()
}

fn constant(answer: f32) -> impl Model<[f32], f32> {
    model_fn(move |_: &[f32]| Ok::<_, ModelError>(answer))
}

fn counts(stats: &RouterStats) -> &shadow::Counts {
    &stats.shadows[0].candidates[0]
}

fn ask(router: &Router) -> f32 {
    *router.predict(&Context::new("user"), &[1.0]).unwrap().output()
}

/// Waits for a condition of the shadow's counts.
fn wait(router: &Router, until: impl Fn(&shadow::Counts) -> bool) -> shadow::Counts {
    let give_up = Instant::now() + LONG;
    loop {
        let stats = router.stats();
        if until(counts(&stats)) {
            return counts(&stats).clone();
        }
        assert!(Instant::now() < give_up, "{:?}", counts(&stats));
        std::thread::yield_now();
    }
}

/// The scheduling class and the nice value of the calling thread.
#[cfg(target_os = "linux")]
fn class_and_nice() -> (i32, i32) {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // After the name in parentheses, which may hold anything: fields 3 and on of proc(5).
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[41 - 3].parse().unwrap(), fields[19 - 3].parse().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn shadows_and_what_they_start_run_at_the_priority_of_everybody() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let candidate = model_fn(move |_: &[f32]| {
        let child = std::thread::spawn(class_and_nice).join().unwrap();
        sees.lock().unwrap().extend([class_and_nice(), child]);
        Ok::<_, ModelError>(1.0)
    });
    let router = router(constant(1.0), candidate);
    ask(&router);
    assert!(router.flush(LONG));
    assert_eq!(*seen.lock().unwrap(), [class_and_nice(); 2]);
}

/// A model that holds up live calls until it is told to go on, and answers shadows at once: a puppet
/// would hold up both, and a closure sees no batches.
struct Held {
    started: std::sync::mpsc::SyncSender<()>,
    go_on: Mutex<Receiver<()>>,
    rows: Arc<Mutex<Vec<usize>>>,
}

impl Model<[f32], f32> for Held {
    fn predict(&self, row: &[f32]) -> Result<f32, ModelError> {
        self.predict_batch(&[row]).remove(0)
    }

    fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<f32, ModelError>> {
        self.rows.lock().unwrap().push(rows.len());
        if !is_shadow() {
            self.started.send(()).unwrap();
            self.go_on.lock().unwrap().recv_timeout(LONG).unwrap();
        }
        rows.iter().map(|row| Ok(row[0])).collect()
    }
}

#[test]
fn a_shadow_neither_leads_nor_joins_a_batch_of_live_rows() {
    let (started, has_started) = sync_channel(1);
    let (go_on, wait_for_it) = sync_channel::<()>(1);
    let rows = Arc::new(Mutex::new(Vec::new()));
    let held = Held { started, go_on: Mutex::new(wait_for_it), rows: Arc::clone(&rows) };
    let batched = Batched::new(held).concurrency(1).max_delay(LONG);
    let router = router(constant(1.0), batched.clone());
    std::thread::scope(|scope| {
        let live = batched.clone();
        let live = scope.spawn(move || live.predict(&[2.0]));
        has_started.recv_timeout(LONG).unwrap();
        // The live batch runs, and as many run as may. The shadow does not wait behind it.
        ask(&router);
        let counts = wait(&router, |counts| counts.completed() == 1);
        assert_eq!(counts.dropped_in_all(), 0);
        assert_eq!(batched.stats().waiting, 0);
        go_on.send(()).unwrap();
        assert_eq!(live.join().unwrap().unwrap(), 2.0);
    });
    let stats = batched.stats();
    assert_eq!((stats.rows, stats.batches, stats.shadow_rows), (1, 1, 1));
    assert_eq!(*rows.lock().unwrap(), [1, 1]);
}

#[cfg(feature = "async")]
#[test]
fn a_shadow_neither_leads_nor_joins_an_async_batch_of_live_rows() {
    use modelgate::AsyncModel;

    let (started, has_started) = sync_channel(1);
    let (go_on, wait_for_it) = sync_channel::<()>(1);
    let rows = Arc::new(Mutex::new(Vec::new()));
    let held = Held { started, go_on: Mutex::new(wait_for_it), rows: Arc::clone(&rows) };
    let batched = Batched::new(held).concurrency(1).max_delay(LONG).into_async().unwrap();
    let live = batched.submit(vec![2.0]);
    has_started.recv_timeout(LONG).unwrap();
    let in_shadow = batched.clone();
    let candidate = model_fn(move |row: &[f32]| {
        futures::executor::block_on(AsyncModel::<[f32], f32>::predict(&in_shadow, row))
    });
    let router = router(constant(1.0), candidate);
    ask(&router);
    let counts = wait(&router, |counts| counts.completed() == 1);
    assert_eq!(counts.dropped_in_all(), 0);
    go_on.send(()).unwrap();
    assert_eq!(futures::executor::block_on(live).unwrap(), 2.0);
    let stats = batched.stats();
    assert_eq!((stats.rows, stats.batches, stats.shadow_rows), (1, 1, 1));
    assert_eq!(*rows.lock().unwrap(), [1, 1]);
}

#[test]
fn a_shadow_does_not_load_a_model_that_requests_may_load() {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let lazy = LazyModel::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(constant(2.0))
    });
    let router = router(constant(1.0), lazy.load_on_request());
    ask(&router);
    assert!(router.flush(LONG));
    let stats = router.stats();
    assert_eq!((counts(&stats).completed(), counts(&stats).not_compared()), (1, 1));
    assert_eq!(loads.load(Ordering::SeqCst), 0);
    router.load("v2").unwrap();
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[test]
fn by_default_shadows_take_a_bounded_share_of_the_processors() {
    let spin = model_fn(|_: &[f32]| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        Ok::<_, ModelError>(1.0)
    });
    let router = router_with(constant(1.0), spin, Shadow::always());
    let give_up = Instant::now() + LONG;
    while counts(&router.stats()).dropped(DropCause::Budget) == 0 {
        assert!(Instant::now() < give_up, "{:?}", router.stats().shadows);
        ask(&router);
        std::thread::yield_now();
    }
}

#[test]
fn a_candidate_that_panics_at_every_call_is_called_three_times_and_then_left_alone() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let panics = model_fn(move |_: &[f32]| -> Result<f32, ModelError> {
        counted.fetch_add(1, Ordering::SeqCst);
        panic!("at every call")
    });
    let clock = Arc::new(modelgate::clock::ManualClock::default());
    let sink = Arc::new(MemorySink::new(100));
    let router = Router::builder("m")
        .model("v1", constant(1.0))
        .model("v2", panics)
        .fallback("v1")
        .source(everyone_gets_v1())
        .shadow(Shadow::always().candidate("v2").budget(Budget::unlimited()))
        .sink(Arc::clone(&sink))
        .clock(Arc::clone(&clock) as _)
        .build()
        .unwrap();
    for _ in 0..50 {
        ask(&router);
        assert!(router.flush(LONG));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    let stats = router.stats();
    let (panicked, rested) =
        (counts(&stats).dropped(DropCause::Panic), counts(&stats).dropped(DropCause::Resting));
    assert_eq!((panicked, rested, sink.len()), (3, 47, 3));
    clock.advance(Duration::from_secs(1));
    ask(&router);
    assert!(router.flush(LONG));
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    // Another model under its name begins anew.
    router.install("v2", constant(1.0), &modelgate::model::Acceptance::new()).unwrap();
    ask(&router);
    assert!(router.flush(LONG));
    assert_eq!(counts(&router.stats()).completed(), 1);
}

#[test]
fn the_fallback_that_answers_for_a_failed_version_is_not_compared_with_itself() {
    for shadow in [Shadow::always(), Shadow::always().joined()] {
        let sink = Arc::new(MemorySink::new(10));
        let failing = model_fn(|_: &[f32]| Err::<f32, _>(ModelError::new("no such table")));
        let router = Router::builder("m")
            .model("v1", constant(1.0))
            .model("v2", failing)
            .fallback("v1")
            .source(Rollout::everyone("v2").flag("m").unwrap())
            .shadow(shadow.candidate("v1").budget(Budget::unlimited()))
            .sink(Arc::clone(&sink))
            .build()
            .unwrap();
        ask(&router);
        assert!(router.flush(LONG));
        assert_eq!((sink.len(), counts(&router.stats()).wanted()), (0, 0));
    }
}

#[test]
fn counts_go_on_where_a_version_is_retired_and_comes_back() {
    let router = router(constant(1.0), constant(2.0));
    router.pin("v2").unwrap();
    ask(&router);
    router.retire("v2").unwrap();
    router.install("v2", constant(3.0), &modelgate::model::Acceptance::new()).unwrap();
    router.pin("v2").unwrap();
    ask(&router);
    let stats = router.stats();
    let v2 = stats.versions.iter().find(|one| one.version == "v2").unwrap();
    assert_eq!(v2.answered.total(), 2);
}
