//! Whoever drops the last handle: many threads at once, a destructor of a thread, a sink.

use super::*;

#[test]
fn the_last_of_many_handles_on_many_threads_stops_everything() {
    let _alone = alone();
    let whole = Whole::new();
    for _ in 0..5 {
        let router = whole.build();
        let threads: Vec<_> = (0..8)
            .map(|turn| {
                let router = router.clone();
                thread::spawn(move || {
                    for _ in 0..turn * 5 {
                        router.predict(&Context::new("user-1"), &[]).unwrap();
                    }
                    drop(router);
                })
            })
            .collect();
        drop(router);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        nothing_runs();
    }
}

#[test]
fn a_router_may_be_used_and_dropped_by_a_threads_own_destructors() {
    let _alone = alone();
    struct AtTheEnd(Router, Arc<Mutex<Vec<String>>>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let user = Context::new("user-1");
            let answer = self.0.predict(&user, &[]).unwrap();
            assert_eq!(self.0.decide(&user).unwrap().version(), answer.version());
            assert_eq!(self.0.predict_batch(&[(&user, &[])]).len(), 1);
            self.1.lock().push(answer.version().to_string());
        }
    }
    thread_local! {
        static EARLY: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
        static LATE: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    for used_before in [false, true] {
        let router = builder(Puppet::new(2.0))
            .source(test_flags(&serving(FLAG, "v2")))
            .shadow(Shadow::always().candidate("v1").budget(Budget::unlimited()))
            .build()
            .unwrap();
        let theirs = (router.clone(), Arc::clone(&seen));
        let thread = thread::spawn(move || {
            let (router, seen) = theirs;
            // Destructors run in the order of registration or the reverse: be on both sides of
            // the router's own thread-local cache.
            EARLY.set(Some(AtTheEnd(router.clone(), Arc::clone(&seen))));
            if used_before {
                router.predict(&Context::new("user-1"), &[]).unwrap();
            }
            LATE.set(Some(AtTheEnd(router, seen)));
        });
        drop(router);
        thread.join().unwrap();
        nothing_runs();
    }
    assert_eq!(*seen.lock(), ["v2"; 4]);
}

#[test]
fn a_router_may_be_dropped_by_its_own_sink() {
    let _alone = alone();
    let slot = Arc::new(Mutex::new(None::<Router>));
    let held = Arc::clone(&slot);
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let waits = gate.clone();
    let router = builder(Puppet::new(2.0))
        .source(test_flags(&serving(FLAG, "v1")))
        .shadow(shadow().grace(Duration::from_millis(10)))
        .sink(move |_: &Comparison<f64>| {
            waits.pass();
            let last = held.lock().take();
            drop(last);
        })
        .build()
        .unwrap();
    router.predict(&Context::new("user-1"), &[]).unwrap();
    *slot.lock() = Some(router);
    gate.open();
    until("the sink has dropped it", || slot.lock().is_none());
    nothing_runs();
}
