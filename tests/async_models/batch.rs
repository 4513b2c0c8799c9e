//! Many rows at once, by the async router: as the sync one answers them.
use crate::support;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context as TaskContext, Waker},
    time::Duration,
};

use futures::executor::block_on;
use modelgate::{
    AsyncModelRouter, Context, EvaluationContext, FallbackCause, Model, ModelError, ModelRouter,
    Rollout, RouterBuilder,
    compare::sink::MemorySink,
    model::{Acceptance, async_model_with},
    model_fn,
    router::{BreakerPolicy, OperateError},
    shadow::{Budget, DropCause},
};
use support::{Gate, OpensAtTheEnd, until};

const FLAG: &str = "version";

fn builder(flag: Rollout) -> RouterBuilder<[f32], f32> {
    ModelRouter::builder(FLAG).fallback("v1").source(flag.flag(FLAG).unwrap())
}

fn users(count: usize) -> Vec<String> {
    (0..count).map(|user| format!("user-{user}")).collect()
}

/// The rows `0.0`, `1.0`, … of as many users.
fn ask(router: &AsyncModelRouter<[f32], f32>, count: usize) -> Vec<(String, f32, bool)> {
    let users = users(count);
    let contexts: Vec<Context<'_>> = users.iter().map(|user| Context::new(user)).collect();
    let rows = contexts.iter().enumerate();
    let rows = rows.map(|(row, user)| (user as &dyn EvaluationContext, vec![row as f32]));
    block_on(router.predict_batch(rows.collect()))
        .into_iter()
        .map(|answer| answer.unwrap())
        .map(|answer| (answer.version().to_string(), *answer.output(), answer.fell_back()))
        .collect()
}

/// Adds a number, counts its batches (which a closure does not see), and cannot read 7.
struct Adds(f32, Arc<AtomicUsize>);

impl Model<[f32], f32> for Adds {
    fn predict(&self, features: &[f32]) -> Result<f32, ModelError> {
        match features {
            [row] if *row != 7.0 => Ok(row + self.0),
            _ => Err(ModelError::new("cannot read it")),
        }
    }
    fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<f32, ModelError>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        rows.iter().map(|row| self.predict(row)).collect()
    }
}

#[test]
fn rows_are_decided_as_alone_asked_in_chunks_and_fall_back_alone() {
    let batches = Arc::new(AtomicUsize::new(0));
    let build = || {
        builder(Rollout::percent("v2", 50.0).or("v1"))
            .model("v1", model_fn(|row: &[f32]| Ok(row[0])))
            .model("v2", Adds(0.5, Arc::clone(&batches)))
    };
    let found = ask(&build().build_async().unwrap(), 200);
    let chunks = batches.load(Ordering::SeqCst);
    let sync = build().build().unwrap();
    let mut on_v2 = 0;
    for (row, (user, found)) in users(200).iter().zip(&found).enumerate() {
        let alone = sync.predict(&Context::new(user), &[row as f32]).unwrap();
        let (version, output, fell_back) = found;
        assert_eq!(version, alone.version().as_str());
        assert_eq!((*output, *fell_back), (*alone.output(), alone.fell_back()), "row {row}");
        on_v2 += usize::from(version == "v2");
    }
    assert!((60..140).contains(&on_v2), "{on_v2}");
    assert_eq!(chunks, on_v2.div_ceil(64));
}

#[test]
fn a_failing_row_falls_back_alone_and_shadows_see_what_was_served() {
    let seen = Arc::new(MemorySink::<f32>::new(100));
    let router = builder(Rollout::everyone("v2"))
        .model("v1", model_fn(|row: &[f32]| Ok(row[0])))
        .model("v2", Adds(0.5, Arc::default()))
        .model("v3", model_fn(|row: &[f32]| Ok(row[0] + 0.25)))
        .shadow(
            modelgate::Shadow::always()
                .candidate("v3")
                .budget(modelgate::shadow::Budget::unlimited()),
        )
        .sink(Arc::clone(&seen))
        .build_async()
        .unwrap();
    let found = ask(&router, 10);
    for (row, (version, output, fell_back)) in found.into_iter().enumerate() {
        let expected = if row == 7 { ("v1", 7.0, true) } else { ("v2", row as f32 + 0.5, false) };
        assert_eq!((&*version, output, fell_back), expected);
    }
    assert!(router.flush(Duration::from_secs(30)));
    assert_eq!(seen.take().len(), 10);
    let stats = router.stats();
    let v2 = stats.versions.iter().find(|version| version.version == "v2").unwrap();
    assert_eq!(v2.replaced.iter().map(|(_, count)| count).sum::<u64>(), 1);
}

#[test]
fn a_chunk_past_its_deadline_falls_back() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = parking_lot::Mutex::new(wait);
    let router = builder(Rollout::everyone("v2"))
        .model("v1", model_fn(|row: &[f32]| Ok(row[0])))
        .model(
            "v2",
            model_fn(move |row: &[f32]| {
                let _ = wait.lock().recv();
                Ok(row[0] + 0.5)
            }),
        )
        .compute_threads(1)
        .deadline(Duration::from_secs(1))
        .build_async()
        .unwrap();
    let users = users(3);
    let contexts: Vec<Context<'_>> = users.iter().map(|user| Context::new(user)).collect();
    let rows = contexts.iter().map(|user| (user as &dyn EvaluationContext, vec![1.0]));
    for answer in block_on(router.predict_batch(rows.collect())) {
        let answer = answer.unwrap();
        assert_eq!(*answer.output(), 1.0);
        assert!(matches!(answer.fallback(), Some(FallbackCause::Failed(_))));
    }
    drop(release);
}

/// v1 answers at the gate, with v2 in its shadow.
fn held_up(gate: &Gate) -> AsyncModelRouter<[f32], f32> {
    let held = gate.clone();
    builder(Rollout::everyone("v1"))
        .model(
            "v1",
            model_fn(move |row: &[f32]| {
                held.pass();
                Ok(row[0])
            }),
        )
        .model("v2", model_fn(|row: &[f32]| Ok(row[0])))
        .shadow(modelgate::Shadow::always().candidate("v2").budget(Budget::unlimited()))
        .compute_threads(1)
        .deadline(Duration::from_millis(50))
        .breaker(BreakerPolicy::disabled())
        .build_async()
        .unwrap()
}

#[test]
fn rows_of_a_batch_that_is_given_up_are_wanted_and_dropped_as_unanswered() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let router = held_up(&gate);
    let user = Context::new("user-1");
    let ask = || {
        let rows = (0..3).map(|row| (&user as &dyn EvaluationContext, vec![row as f32]));
        Box::pin(router.predict_batch(rows.collect()))
    };
    let unanswered = || {
        let counts = router.stats().shadows[0].candidates[0].clone();
        assert_eq!(counts.wanted(), counts.dropped(DropCause::Unanswered), "{counts:?}");
        counts.wanted()
    };
    drop(ask());
    assert_eq!(unanswered(), 3, "decided, and never polled");
    let mut running = ask();
    assert!(running.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())).is_pending());
    gate.wait_for(1);
    drop(running);
    assert_eq!(unanswered(), 6);
    drop(router.predict(&user, vec![1.0]));
    assert_eq!(unanswered(), 7);
}

#[test]
fn a_chunk_whose_caller_has_left_counts_at_its_deadline_and_its_thread_is_replaced() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let router = held_up(&gate);
    let user = Context::new("user-1");
    for hung in 1..=2 {
        let rows = vec![(&user as &dyn EvaluationContext, vec![1.0]); 3];
        let mut leaves = Box::pin(router.predict_batch(rows));
        assert!(leaves.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())).is_pending());
        // The second runs on the thread that stands in for the first's.
        gate.wait_for(hung);
        drop(leaves);
        until("each row is counted", || router.stats().versions[0].deadlines == 3 * hung as u64);
    }
}

#[test]
fn models_that_wait_answer_batches_are_tried_and_are_installed() {
    let model = |add: f32| {
        async_model_with(add, |add, row: Vec<f32>| async move {
            match row.first() {
                Some(row) if *row != 7.0 => Ok(row + add),
                _ => Err(ModelError::new("cannot read it")),
            }
        })
    };
    let mut broken = Err(std::fmt::Error);
    if false {
        broken = Ok(model(0.0));
    }
    let router = builder(Rollout::everyone("v2"))
        .async_model("v1", model(0.0))
        .try_async_model("v2", broken)
        .build_async();
    let router = router.unwrap();
    assert!(ask(&router, 3).iter().all(|(version, _, fell_back)| version == "v1" && *fell_back));

    let golden = |expected: f32| {
        Acceptance::<[f32], f32>::new().golden([(vec![1.0], expected)], |expected, found| {
            if expected == found { Ok(()) } else { Err(format!("found {found}")) }
        })
    };
    let refused = router.install_async_model("v2", model(0.5), &golden(9.0));
    assert!(matches!(refused, Err(OperateError::Ineligible { .. })));
    router.install_async_model("v2", model(0.5), &golden(1.5)).unwrap();
    let found = ask(&router, 7);
    assert_eq!(found[3], ("v2".to_owned(), 3.5, false));
    router.install_async_model("v1", model(0.0), &Acceptance::new()).unwrap();
    assert_eq!(ask(&router, 3).len(), 3);
}
