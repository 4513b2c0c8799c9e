//! What is dropped leaves nothing running, nothing open and nothing unwritten.
#![cfg(all(target_os = "linux", feature = "async", feature = "file"))]

#[path = "../support/mod.rs"]
mod support;

mod handles;
mod versions;

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
    running(&["modelgate-file", "modelgate-jsonl", "modelgate-shado", "modelgate-joine"]);
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
