//! Rows of callers in futures, run together on threads of the model's own.
use std::{sync::Arc, thread, time::Duration};

use futures::{FutureExt, executor::block_on, future::join_all};
use modelgate::{
    AsyncModelRouter, Context, FallbackCause, ModelRouter, Rollout, Shadow, async_model_fn,
    compare::{Tolerance, sink::MemorySink},
    model::{AsyncBatched, Batched, ErrorKind},
    model_fn,
    router::BreakerPolicy,
};

use crate::{
    doubles::{Doubles, doubles},
    support::until,
};

type Doubling = AsyncBatched<[f32], f32>;

/// One batch at a time, and no row in a hurry.
fn one_at_a_time(model: &Arc<Doubles>) -> Doubling {
    slow(model, Duration::from_secs(3_600))
}

fn slow(model: &Arc<Doubles>, delay: Duration) -> Doubling {
    Batched::new(Arc::clone(model)).concurrency(1).max_delay(delay).into_async().unwrap()
}

#[test]
fn futures_that_wait_together_run_as_one_batch_and_not_on_their_executor() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let held = batched.submit(vec![0.0]);
    handle.entered.recv().unwrap();
    let rows: Vec<_> = [1.0, 2.0, 3.0].map(|row| batched.submit(vec![row])).into();
    assert_eq!(batched.stats().waiting, 3);
    handle.go.send(()).unwrap();
    assert_eq!(block_on(held).unwrap(), 0.0);
    let answers: Vec<f32> = block_on(join_all(rows)).into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [2.0, 4.0, 6.0]);
    assert_eq!(handle.model.batches(), [vec![0.0], vec![1.0, 2.0, 3.0]]);
    let here = thread::current().id();
    assert!(handle.model.ran.lock().unwrap().iter().all(|(_, thread)| *thread != here));
    let stats = batched.stats();
    assert_eq!((stats.rows, stats.batches, stats.largest, stats.overdue), (4, 2, 3, 0));
}

#[test]
fn a_caller_that_gives_up_takes_its_row_out_of_the_batch() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let held = batched.submit(vec![0.0]);
    handle.entered.recv().unwrap();
    let (first, second, third) =
        (batched.submit(vec![1.0]), batched.submit(vec![2.0]), batched.submit(vec![3.0]));
    drop(second);
    handle.go.send(()).unwrap();
    block_on(held).unwrap();
    assert_eq!((block_on(first).unwrap(), block_on(third).unwrap()), (2.0, 6.0));
    assert_eq!(handle.model.batches(), [vec![0.0], vec![1.0, 3.0]]);
    assert_eq!(batched.stats().abandoned, 1);
}

#[test]
fn a_row_that_has_waited_for_the_delay_runs_beside_batches_that_hang() {
    let handle = doubles();
    let batched = slow(&handle.model, Duration::from_millis(1));
    let held: Vec<_> = (0..5)
        .map(|_| {
            let held = batched.submit(vec![0.0]);
            handle.entered.recv().unwrap();
            held
        })
        .collect();
    assert_eq!(block_on(batched.submit(vec![4.0])).unwrap(), 8.0);
    assert_eq!(batched.stats().overdue, 5);
    for _ in &held {
        handle.go.send(()).unwrap();
    }
    assert!(block_on(join_all(held)).into_iter().all(|answer| answer.is_ok()));
}

#[test]
fn the_queue_is_bounded_and_rows_given_up_make_room() {
    let handle = doubles();
    let batched = Batched::new(handle.model.clone())
        .concurrency(1)
        .queue(1)
        .max_delay(Duration::from_secs(3_600))
        .into_async()
        .unwrap();
    let held = batched.submit(vec![0.0]);
    handle.entered.recv().unwrap();
    let waits = batched.submit(vec![1.0]);
    assert!(block_on(batched.submit(vec![2.0])).is_err());
    assert_eq!(batched.stats().refused, 1);
    drop(waits);
    let waits = batched.submit(vec![3.0]);
    handle.go.send(()).unwrap();
    assert_eq!(block_on(waits).unwrap(), 6.0);
    block_on(held).unwrap();
}

#[test]
fn dropping_the_model_fails_the_rows_that_wait_and_ends_its_threads() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let held = batched.submit(vec![0.0]);
    handle.entered.recv().unwrap();
    let waits = batched.submit(vec![1.0]);
    drop(batched.clone());
    assert_eq!(batched.stats().waiting, 1);
    drop(batched);
    let error = block_on(waits).unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "the batched model was dropped");
    handle.go.send(()).unwrap();
    assert_eq!(block_on(held).unwrap(), 0.0, "the batch that runs ends as it would");
    // The threads are the last to hold the model.
    until("its threads end", || Arc::strong_count(&handle.model) == 1);
}

#[test]
fn a_panic_fails_its_row_only() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let held = batched.submit(vec![0.0]);
    handle.entered.recv().unwrap();
    let rows: Vec<_> = [1.0, 13.0, 3.0].map(|row| batched.submit(vec![row])).into();
    handle.go.send(()).unwrap();
    block_on(held).unwrap();
    let answers = block_on(join_all(rows));
    assert_eq!((*answers[0].as_ref().unwrap(), *answers[2].as_ref().unwrap()), (2.0, 6.0));
    assert!(answers[1].is_err());
    assert_eq!(batched.stats().split, 1);
    assert_eq!(block_on(batched.submit(vec![5.0])).unwrap(), 10.0, "its threads live on");
}

#[test]
fn every_future_gets_the_answer_of_its_own_row() {
    for (rows, concurrency, delay) in [(1, 1, 5), (4, 2, 0), (32, 1, 50_000)] {
        let handle = doubles();
        let batched = Batched::new(handle.model.clone())
            .max_rows(rows)
            .concurrency(concurrency)
            .max_delay(Duration::from_micros(delay))
            .into_async()
            .unwrap();
        thread::scope(|scope| {
            for caller in 0..4_u16 {
                let batched = &batched;
                scope.spawn(move || {
                    let values: Vec<f32> =
                        (0..100).map(|n| f32::from(caller * 100 + n + 20)).collect();
                    let answers = values.iter().map(|value| batched.submit(vec![*value]));
                    for (value, answer) in values.iter().zip(block_on(join_all(answers))) {
                        assert_eq!(answer.unwrap(), value * 2.0);
                    }
                });
            }
        });
        let stats = batched.stats();
        assert_eq!((stats.rows, stats.waiting), (400, 0));
        assert!(stats.largest <= rows as u64);
    }
}

fn router(model: Doubling) -> AsyncModelRouter<[f32], f32> {
    ModelRouter::<[f32], f32>::builder("version")
        // It waits for no thread: its own deadline cannot pass on a busy machine.
        .async_model("plain", async_model_fn(|_: &[f32]| Box::pin(async { Ok(-1.0) })))
        .async_model("batched", model)
        .fallback("plain")
        .source(Rollout::everyone("batched").flag("version").unwrap())
        .deadline(Duration::from_millis(500))
        .build_async()
        .unwrap()
}

#[test]
fn behind_a_router_a_late_row_is_given_up_and_the_fallback_answers() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let router = router(batched.clone());
    let user = Context::new("user");
    let mut late = Box::pin(router.predict(&user, vec![0.0]));
    // It runs before its deadline is looked at again, however busy the machine is.
    assert!((&mut late).now_or_never().is_none());
    handle.entered.recv().unwrap();
    assert_eq!(*block_on(late).unwrap().output(), -1.0);
    // The model is held: this one never runs.
    assert_eq!(*block_on(router.predict(&user, vec![7.0])).unwrap().output(), -1.0);
    handle.go.send(()).unwrap();
    assert_eq!(block_on(batched.submit(vec![8.0])).unwrap(), 16.0);
    assert_eq!(handle.model.batches(), [vec![0.0], vec![8.0]]);
    assert_eq!((batched.stats().abandoned, router.stats().versions[1].deadlines), (1, 2));
}

#[test]
fn it_serves_as_a_shadow_candidate() {
    let handle = doubles();
    let sink = Arc::new(MemorySink::new(16));
    let router = ModelRouter::<[f32], f32>::builder("version")
        .model("plain", model_fn(|_: &[f32]| Ok(-1.0)))
        .async_model("batched", one_at_a_time(&handle.model))
        .fallback("plain")
        .source(Rollout::everyone("plain").flag("version").unwrap())
        .shadow(Shadow::always().candidate("batched"))
        .compare(Tolerance::absolute(10.0))
        .sink(Arc::clone(&sink))
        .build_async()
        .unwrap();
    let user = Context::new("user");
    assert_eq!(*block_on(router.predict(&user, vec![4.0])).unwrap().output(), -1.0);
    until("the shadow runs", || !handle.model.batches().is_empty());
    assert_eq!(handle.model.batches(), [vec![4.0]]);
}

#[test]
fn a_refusal_for_want_of_room_says_nothing_of_the_version() {
    let handle = doubles();
    let bounds = Batched::new(Arc::clone(&handle.model)).concurrency(1).queue(1);
    let batched = bounds.max_delay(Duration::from_secs(3_600)).into_async().unwrap();
    let router: AsyncModelRouter<[f32], f32> = ModelRouter::builder("version")
        .model("plain", model_fn(|_: &[f32]| Ok(-1.0)))
        .async_model("batched", batched.clone())
        .fallback("plain")
        .source(Rollout::everyone("batched").flag("version").unwrap())
        .breaker(BreakerPolicy::new(1, Duration::from_secs(3_600)))
        .build_async()
        .unwrap();
    let held = batched.submit(vec![0.0]);
    handle.entered.recv().unwrap();
    let waits = batched.submit(vec![1.0]);
    let ask = || block_on(router.predict(&Context::new("user"), vec![2.0])).unwrap();
    assert_eq!(ask().fallback(), Some(FallbackCause::Failed(ErrorKind::Overloaded)));
    handle.go.send(()).unwrap();
    assert_eq!((block_on(held).unwrap(), block_on(waits).unwrap()), (0.0, 2.0));
    assert_eq!(ask().version(), "batched", "it was busy, not broken");
}
