//! Flushing, shutting down, and what is left after it.

use super::*;

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
fn a_run_that_meets_the_shutdown_is_counted_once_and_every_thread_ends() {
    for round in 0..500 {
        let bench = Bench::new(policy().grace(LONG).threads(1 + round % 2));
        let met = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    met.wait();
                    let _ = bench.offer(|| Ok(1.0));
                });
            }
            met.wait();
            let begun = std::time::Instant::now();
            bench.line.stop().unwrap();
            // A thread that sleeps on is waited for until the grace has passed.
            assert!(begun.elapsed() < LONG, "round {round}");
        });
        assert_adds_up(&bench.candidate.counts());
    }
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
