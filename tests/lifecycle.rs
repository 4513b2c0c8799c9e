//! What is dropped leaves nothing running, nothing open and nothing unwritten.
#![cfg(all(target_os = "linux", feature = "async", feature = "file"))]

mod support;

use std::{cell::RefCell, fs, sync::Arc, thread, time::Duration};

use modelgate::{
    AsyncModelRouter, Context, Flags, Model, ModelRouter, RouterBuilder, Shadow,
    compare::{Comparison, Tolerance, sink::JsonlSink},
    model_fn,
    shadow::Budget,
    source::FileSource,
};
use parking_lot::{Mutex, MutexGuard};
use support::{Gate, OpensAtTheEnd, PATIENCE, Puppet, serving, test_flags, until};

const FLAG: &str = "ml-model-version";

type Router = ModelRouter<[f64], f64>;

/// Threads and files are counted for the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock()
}

/// The names of our threads that are running, sorted.
fn our_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    let mut ours: Vec<_> = names
        .map(|name| name.trim_end().to_owned())
        // The kernel keeps 15 bytes of a name.
        .filter(|name| name.starts_with("modelgate-") || name.starts_with("notify"))
        .collect();
    ours.sort();
    ours
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A thread has its name only once it has begun.
#[track_caller]
fn running(expected: &[&str]) {
    let runs = |name: &&str| our_threads().iter().any(|ours| ours == name);
    until("each of these threads runs", || expected.iter().all(runs));
}

#[track_caller]
fn nothing_runs() {
    until("the last of our threads is gone", || our_threads().is_empty());
}

fn builder(v2: impl Model<[f64], f64> + 'static) -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", v2)
        .fallback("v1")
        .compare(Tolerance::absolute(0.1))
}

fn shadow() -> Shadow {
    Shadow::always().candidate("v2").budget(Budget::unlimited())
}

/// A router with everything that has a thread or an open file.
struct Whole {
    folder: tempfile::TempDir,
}

impl Whole {
    fn new() -> Whole {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("flags.json"), serving(FLAG, "v1")).unwrap();
        Whole { folder }
    }

    fn parts(&self) -> RouterBuilder<[f64], f64> {
        let path = |name: &str| self.folder.path().join(name);
        builder(Puppet::new(2.0))
            .source(FileSource::watch(path("flags.json")))
            .shadow(shadow().threads(2))
            .shadow(shadow().joined())
            .sink(JsonlSink::create(path("comparisons.jsonl")).unwrap())
    }

    fn build(&self) -> Router {
        self.parts().build().unwrap()
    }

    fn build_async(&self) -> AsyncModelRouter<[f64], f64> {
        self.parts().deadline(Duration::from_secs(60)).build_async().unwrap()
    }
}

#[test]
fn a_dropped_router_leaves_no_thread() {
    let _alone = alone();
    let whole = Whole::new();
    let router = whole.build();
    router.predict(&Context::new("user-1"), &[]).unwrap();
    running(&["modelgate-file", "modelgate-jsonl", "modelgate-shado", "modelgate-besid"]);
    drop(router);
    nothing_runs();

    let router = whole.build_async();
    futures::executor::block_on(router.predict(&Context::new("user-1"), vec![])).unwrap();
    running(&["modelgate-compu", "modelgate-timer"]);
    drop(router);
    nothing_runs();
}

#[test]
fn threads_of_the_host_that_are_idle_keep_nothing_of_a_router_that_is_gone() {
    let _alone = alone();
    let whole = Whole::new();
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let v3 = model_fn(move |_: &[f64]| Ok(Arc::strong_count(&held) as f64));
    let sync = whole.parts().model("v3", v3.clone()).build().unwrap();
    let both = whole.parts().model("v3", v3.clone()).build_async().unwrap();
    drop(v3);
    let (end, idle) = (Gate::new(), Gate::new());
    let _open = OpensAtTheEnd(end.clone());
    idle.open();
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (sync, both, end, idle) = (sync.clone(), both.clone(), end.clone(), idle.clone());
            thread::spawn(move || {
                let user = Context::new("user-1");
                sync.predict(&user, &[]).unwrap();
                futures::executor::block_on(both.predict(&user, vec![])).unwrap();
                drop((sync, both));
                idle.pass();
                end.pass();
            })
        })
        .collect();
    idle.wait_for(3);
    drop((sync, both));
    until("the models are freed", || Arc::strong_count(&alive) == 1);
    nothing_runs();
    end.open();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
}

#[test]
fn a_retired_version_keeps_no_idle_thread_and_no_model_though_requests_are_under_way() {
    let _alone = alone();
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let waits = gate.clone();
    let slow = model_fn(move |_: &[f64]| {
        waits.pass();
        Ok(1.0)
    });
    let router = builder(model_fn(move |_: &[f64]| Ok(Arc::strong_count(&held) as f64)))
        .model("v3", slow)
        .source(test_flags(&serving(FLAG, "v2")))
        .compute_threads(1)
        .build_async()
        .unwrap();
    let user = Context::new("user-1");
    futures::executor::block_on(router.predict(&user, vec![])).unwrap();
    router.pin("v3").unwrap();
    let under_way = {
        let router = router.clone();
        thread::spawn(move || {
            let user = Context::new("user-1");
            futures::executor::block_on(router.predict(&user, vec![])).map(drop).unwrap();
        })
    };
    gate.wait_for(1);
    let lingering = || our_threads().iter().filter(|name| *name == "modelgate-compu").count();
    until("all three have begun", || lingering() == 3);
    router.retire("v2").unwrap();
    // That of v2 ends; those of the fallback and of the version under way stay.
    until("the idle thread of v2 ends", || lingering() == 2);
    gate.open();
    under_way.join().unwrap();
    until("the model of v2 is freed", || Arc::strong_count(&alive) == 1);
    drop(router);
    nothing_runs();
}

#[test]
fn a_blocked_version_keeps_no_idle_thread_and_has_them_again_when_it_is_not() {
    let _alone = alone();
    let router = builder(Puppet::new(2.0))
        .source(test_flags(&serving(FLAG, "v2")))
        .compute_threads(1)
        .build_async()
        .unwrap();
    let ask = || {
        let answer = router.predict(&Context::new("user-1"), vec![]);
        futures::executor::block_on(answer).unwrap().version().to_string()
    };
    let lingering = || our_threads().iter().filter(|name| *name == "modelgate-compu").count();
    assert_eq!(ask(), "v2");
    until("those of v1 and v2 have begun", || lingering() == 2);
    router.block("v2").unwrap();
    until("that of v2 ends", || lingering() == 1);
    assert_eq!(ask(), "v1");
    router.unblock("v2").unwrap();
    assert_eq!(ask(), "v2");
    until("v2 has a thread again", || lingering() == 2);
    drop(router);
    nothing_runs();
}

#[test]
fn two_hundred_routers_leak_neither_threads_nor_files() {
    let _alone = alone();
    let whole = Whole::new();
    let cycle = |turn: usize| {
        let user = Context::new("user-1");
        match turn % 2 {
            0 => drop(whole.build().predict(&user, &[]).unwrap()),
            _ => {
                let router = whole.build_async();
                futures::executor::block_on(router.predict(&user, vec![])).unwrap();
            }
        }
    };
    // What the process opens once and keeps is open after these.
    (0..4).for_each(cycle);
    nothing_runs();
    let before = open_files();
    (0..200).for_each(cycle);
    nothing_runs();
    until("all files are closed", || open_files() <= before);
}

#[test]
fn a_router_that_could_not_be_built_leaves_nothing() {
    let _alone = alone();
    let whole = Whole::new();
    let before = open_files();
    for _ in 0..5 {
        assert!(whole.parts().shadow(shadow().queue(0)).build().is_err());
        assert!(whole.parts().compute_threads(0).build_async().is_err());
        assert!(whole.parts().fallback("v9").build().is_err());
    }
    nothing_runs();
    until("all files are closed", || open_files() <= before);
}

#[test]
fn a_hung_shadow_holds_the_shutdown_no_longer_than_its_time_and_the_grace() {
    let _alone = alone();
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let v2 = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(1.0)
    });
    let router = builder(v2)
        .source(test_flags(&serving(FLAG, "v1")))
        .shadow(shadow().grace(Duration::from_millis(10)))
        .build()
        .unwrap();
    for _ in 0..10 {
        router.predict(&Context::new("user-1"), &[]).unwrap();
    }
    gate.wait_for(1);
    assert!(!router.shutdown(Duration::from_millis(10)));
    let pending = || -> u64 {
        let policies = router.stats().shadows;
        policies.iter().flat_map(|policy| &policy.candidates).map(|one| one.pending()).sum()
    };
    until("those that wait are lost, and the one that hangs", || pending() == 0);
    drop(router);
    // It is left to end by itself.
    running(&["modelgate-shado"]);
    gate.open();
    nothing_runs();
    assert_eq!(gate.arrived(), 1, "what waited was not started");
}

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

#[test]
fn a_store_stops_its_sources_when_its_last_user_goes() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    fs::write(&path, serving(FLAG, "v1")).unwrap();
    let flags = Flags::builder().source(FileSource::watch(&path)).build().unwrap();
    let router = builder(Puppet::new(2.0)).flags(flags.clone()).build().unwrap();
    drop(flags);
    running(&["modelgate-file"]);
    fs::write(&path, serving(FLAG, "v2")).unwrap();
    until("the change", || *router.decide(&Context::new("user-1")).unwrap().version() == *"v2");
    drop(router);
    nothing_runs();
}

#[test]
fn what_was_accepted_is_written_when_flushed_and_shut_down() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let router = builder(Puppet::new(2.0))
        .source(test_flags(&serving(FLAG, "v1")))
        .shadow(shadow().queue(1_000))
        .sink(JsonlSink::create(&path).unwrap())
        .build()
        .unwrap();
    for _ in 0..500 {
        router.predict(&Context::new("user-1"), &[]).unwrap();
    }
    assert!(router.flush(PATIENCE));
    for _ in 0..100 {
        router.predict(&Context::new("user-1"), &[]).unwrap();
    }
    assert!(router.shutdown(PATIENCE));
    drop(router);
    nothing_runs();
    let text = fs::read_to_string(&path).unwrap();
    let whole = text.lines().map(serde_json::from_str::<serde_json::Value>);
    let records: Vec<_> = whole.collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 600);
    assert!(text.ends_with('\n'));
    nothing_runs();
}
