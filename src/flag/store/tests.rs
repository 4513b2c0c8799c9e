use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::{Flags, Snapshot, SnapshotListener, SourceState};
use crate::{
    clock::ManualClock,
    context::Context,
    flag::{ErrorCode, FlagSet, Reason},
    source::{
        self, FlagSource, FlagUpdates, Subscription,
        testing::{PATIENCE, Scripted, flag, scripted, set, text},
    },
    value::{Map, Value},
};

#[test]
fn flags_made_in_code_are_ready_at_once() {
    let flags =
        Flags::from(set(r#"{"on": true, "n": 3, "x": 0.5, "name": "v2", "map": {"a": 1}}"#));
    let user = Context::new("user");
    assert!(flags.is_ready());
    assert!(flags.boolean("on", &user, false));
    assert_eq!(flags.integer("n", &user, 0), 3);
    assert_eq!(flags.float("x", &user, 0.0), 0.5);
    assert_eq!(flags.float("n", &user, 0.0), 3.0);
    assert_eq!(flags.string("name", &user, ""), "v2");
    assert_eq!(flags.object("map", &user, Map::new()).get("a"), Some(&Value::Int(1)));
}

#[test]
fn a_default_served_says_why() {
    let (flags, sink) = scripted();
    let user = Context::new("user");
    let early = flags.details("name", &user, String::from("mine"));
    assert_eq!((early.reason, &*early.value), (Reason::NotReady, "mine"));
    assert_eq!(flags.snapshot().revision(), 0);
    sink.replace(set(r#"{"name": "v2"}"#));
    let absent = flags.details("other", &user, true);
    assert_eq!((absent.reason, absent.error), (Reason::Error, Some(ErrorCode::FlagNotFound)));
    let mistyped = flags.details("name", &user, 7_i64);
    assert_eq!(mistyped.value, 7);
    assert_eq!(mistyped.error, Some(ErrorCode::TypeMismatch));
    let good = flags.details("name", &user, String::new());
    assert_eq!((good.reason, &*good.value), (Reason::Static, "v2"));
    assert_eq!(flags.snapshot().revision(), 1);
}

#[test]
fn later_sources_override_earlier_ones_flag_by_flag() {
    let flags = Flags::builder()
        .source(set(r#"{"a": "first", "b": "first"}"#))
        .source(set(r#"{"b": "second"}"#))
        .build()
        .unwrap();
    assert_eq!((text(&flags, "a"), text(&flags, "b")), ("first".into(), "second".into()));
    let snapshot = flags.snapshot();
    assert_eq!(snapshot.source_of("a"), Some("static"));
    assert_eq!(snapshot.source_of("b"), Some("static-2"));
    assert_eq!(snapshot.source_of("c"), None);
}

#[test]
fn an_override_that_goes_away_uncovers_what_it_covered() {
    let (send, receive) = mpsc::channel();
    let flags = Flags::builder()
        .source(set(r#"{"a": "base"}"#))
        .optional_source(Scripted("override", send))
        .build()
        .unwrap();
    assert!(flags.is_ready(), "nobody waits for the optional one");
    let sink = receive.recv().unwrap();
    sink.upsert(flag("a", "covered"));
    assert_eq!(text(&flags, "a"), "covered");
    sink.remove("a");
    assert_eq!(text(&flags, "a"), "base");
}

#[test]
fn a_source_that_keeps_failing_is_never_called_ready() {
    let (flags, sink) = scripted();
    for attempt in 1..=3 {
        sink.report(source::Error::with_source(
            "request failed",
            std::io::Error::other(format!("no route, attempt {attempt}")),
        ));
    }
    assert!(!flags.is_ready());
    let status = flags.status();
    assert!(!status.ready);
    assert_eq!(
        status.sources[0].state,
        SourceState::Starting {
            attempts: 3,
            last_error: Some("request failed: no route, attempt 3".into())
        }
    );
    let error = flags.wait_ready(Duration::ZERO).unwrap_err();
    assert_eq!(error.sources().collect::<Vec<_>>(), ["scripted"]);
    assert_eq!(
        error.to_string(),
        "flags are not ready: source `scripted` has delivered nothing after 3 failed attempts \
         (the last: request failed: no route, attempt 3)"
    );
    sink.confirm();
    assert!(!flags.is_ready(), "there is nothing to confirm yet");
}

#[test]
fn wait_ready_returns_when_the_last_source_delivers() {
    let (send, receive) = mpsc::channel();
    let flags = Flags::builder()
        .source(Scripted("one", send.clone()))
        .source(Scripted("two", send))
        .build()
        .unwrap();
    let (one, two) = (receive.recv().unwrap(), receive.recv().unwrap());
    one.replace(FlagSet::new());
    let error = flags.wait_ready(Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "flags are not ready: source `two` has delivered nothing");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| flags.wait_ready(PATIENCE));
        two.replace(FlagSet::new());
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn a_source_that_flaps_keeps_its_last_good_flags_and_shows_their_age() {
    let clock = Arc::new(ManualClock::default());
    let (send, receive) = mpsc::channel();
    let flags =
        Flags::builder().clock(clock.clone()).source(Scripted("scripted", send)).build().unwrap();
    let sink = receive.recv().unwrap();
    assert_eq!(flags.age(), None);
    for round in 1..=20 {
        sink.replace(set(&format!(r#"{{"a": "{round}"}}"#)));
        assert!(flags.status().sources[0].is_ready());
        assert_eq!(flags.age(), Some(Duration::ZERO));
        clock.advance(Duration::from_secs(7));
        sink.report(source::Error::new("lost"));
        sink.report(source::Error::new("lost"));
        let status = flags.status();
        assert_eq!(
            status.sources[0].state,
            SourceState::Stale { reason: "lost".into(), attempts: 2 }
        );
        assert_eq!(status.age, Some(Duration::from_secs(7)));
        assert!(status.ready);
        assert_eq!(text(&flags, "a"), round.to_string());
    }
    sink.confirm();
    let status = flags.status();
    assert!(status.sources[0].is_ready());
    assert_eq!((status.age, status.revision), (Some(Duration::ZERO), 20));
}

#[test]
fn a_set_known_to_be_old_is_served_as_stale() {
    let (flags, sink) = scripted();
    let age = Duration::from_secs(3600);
    assert!(sink.replace_stale(set(r#"{"a": "old"}"#), Some(age), "from a file"));
    assert!(flags.is_ready());
    let status = flags.status();
    assert_eq!(
        status.sources[0].state,
        SourceState::Stale { reason: "from a file".into(), attempts: 0 }
    );
    assert!(status.age >= Some(age));
    sink.replace(set(r#"{"a": "new"}"#));
    assert!(flags.status().sources[0].is_ready());
}

#[test]
fn a_bad_flag_keeps_its_last_good_form_and_is_reported_by_name() {
    let (flags, sink) = scripted();
    sink.replace(set(r#"{"a": "1", "b": "1"}"#));
    sink.replace(set(r#"{"a": "!bad", "b": "2", "c": "!bad"}"#));
    assert_eq!((text(&flags, "a"), text(&flags, "b")), ("1".into(), "2".into()));
    assert_eq!(text(&flags, "c"), "absent");
    let keys = |flags: &Flags| -> Vec<String> {
        flags.status().sources[0].problems.iter().map(|problem| problem.key.clone()).collect()
    };
    assert_eq!(keys(&flags), ["a", "c"]);
    sink.upsert(flag("a", "3"));
    assert_eq!((text(&flags, "a"), keys(&flags)), ("3".into(), vec!["c".to_owned()]));
    sink.replace(set(r#"{"b": "4"}"#));
    assert_eq!(text(&flags, "a"), "absent", "a flag that is gone is gone");
    assert!(keys(&flags).is_empty());
}

#[test]
fn an_older_sequence_never_replaces_a_newer_one() {
    let (flags, sink) = scripted();
    assert!(sink.replace(set(r#"{"a": "5"}"#).with_sequence(5)));
    assert!(!sink.replace(set(r#"{"a": "4"}"#).with_sequence(4)));
    assert_eq!(text(&flags, "a"), "5");
    let status = flags.status();
    assert_eq!((status.revision, status.sources[0].refused), (1, 1));
    assert!(sink.replace(set(r#"{"a": "6"}"#).with_sequence(6)));
    assert!(!sink.replace_stale(set("{}").with_sequence(5), None, "old"));
    sink.upsert(flag("b", "1"));
    assert!(!sink.replace(set("{}").with_sequence(5)), "an upsert keeps the sequence");
    assert_eq!((text(&flags, "a"), flags.status().sources[0].refused), ("6".into(), 3));
}

#[test]
fn a_callback_that_panics_stops_neither_the_others_nor_the_source() {
    let (flags, sink) = scripted();
    let (send, told) = mpsc::channel();
    flags.on_change(|_| panic!("a user's mistake"));
    flags.on_change(move |snapshot| send.send(snapshot.revision()).unwrap());
    sink.replace(FlagSet::new());
    sink.replace(FlagSet::new());
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [1, 2]);
    assert!(flags.status().sources[0].is_ready());
}

#[test]
fn a_callback_may_use_the_store_and_its_sources() {
    let (flags, sink) = scripted();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (inner, inner_sink) = (Arc::clone(&seen), sink.clone());
    flags.on_change(move |snapshot| {
        inner.lock().unwrap().push(snapshot.revision());
        if snapshot.revision() == 1 {
            inner_sink.upsert(flag("again", true));
            inner_sink.report(source::Error::new("noted"));
        }
    });
    sink.replace(FlagSet::new());
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
    assert!(flags.boolean("again", &Context::new("user"), false));
}

struct Listening {
    seen: Mutex<Vec<u64>>,
    /// A router holds its store.
    flags: Mutex<Option<Flags>>,
}

impl SnapshotListener for Listening {
    fn published(&self, snapshot: &Arc<Snapshot>) {
        self.seen.lock().unwrap().push(snapshot.revision());
    }
}

#[test]
fn a_listener_hears_of_the_present_and_of_every_later_snapshot_before_anybody_else() {
    let (flags, sink) = scripted();
    sink.replace(FlagSet::new());
    let listener =
        Arc::new(Listening { seen: Mutex::default(), flags: Mutex::new(Some(flags.clone())) });
    flags.listen(Arc::downgrade(&listener) as Weak<dyn SnapshotListener>);
    let announced = Arc::clone(&listener);
    flags.on_change(move |snapshot| {
        assert_eq!(announced.seen.lock().unwrap().last(), Some(&snapshot.revision()));
    });
    sink.replace(FlagSet::new());
    sink.upsert(flag("a", true));
    assert_eq!(*listener.seen.lock().unwrap(), [1, 2, 3]);
    *listener.flags.lock().unwrap() = None;
}

#[test]
fn several_writers_are_heard_in_order_and_readers_never_go_back() {
    let (flags, sink) = scripted();
    let listener = Arc::new(Listening { seen: Mutex::default(), flags: Mutex::default() });
    flags.listen(Arc::downgrade(&listener) as Weak<dyn SnapshotListener>);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let revision = flags.load().revision();
                    assert!(revision >= last);
                    last = revision;
                }
                assert_eq!(flags.load().revision(), 400);
            });
        }
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let sink = sink.clone();
                scope.spawn(move || {
                    for n in 0..200 {
                        sink.upsert(flag(&format!("{writer}-{n}"), n));
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(*listener.seen.lock().unwrap(), (0..=400).collect::<Vec<_>>());
    assert_eq!(flags.status().sources[0].flags, 400);
}

#[test]
fn nothing_arrives_after_the_last_handle_is_dropped() {
    static STOPPED: AtomicBool = AtomicBool::new(false);

    struct Stoppable(mpsc::Sender<FlagUpdates>);
    impl FlagSource for Stoppable {
        fn name(&self) -> Cow<'static, str> {
            "stoppable".into()
        }
        fn subscribe(self: Box<Self>, sink: FlagUpdates) -> Result<Subscription, source::Error> {
            self.0.send(sink).unwrap();
            Ok(Subscription::on_drop(|| STOPPED.store(true, Ordering::Release)))
        }
    }

    let (send, receive) = mpsc::channel();
    let flags = Flags::builder().source(Stoppable(send)).build().unwrap();
    let sink = receive.recv().unwrap();
    let told = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&told);
    flags.on_change(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let clone = flags.clone();
    drop(flags);
    assert!(!sink.is_closed());
    assert!(sink.replace(FlagSet::new()));
    drop(clone);
    assert!(STOPPED.load(Ordering::Acquire));
    assert!(sink.is_closed());
    assert!(!sink.replace(FlagSet::new()));
    sink.upsert(flag("a", true));
    sink.report(source::Error::new("late"));
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn the_last_handle_may_be_dropped_by_a_callback() {
    let (flags, sink) = scripted();
    let held = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&held);
    flags.on_change(move |_| drop(slot.lock().unwrap().take()));
    *held.lock().unwrap() = Some(flags);
    sink.replace(FlagSet::new());
    assert!(sink.is_closed());
}

#[test]
fn a_router_that_dies_with_its_store_while_it_is_told_stops_nothing() {
    let (flags, sink) = scripted();
    struct Leaving(Mutex<Option<Arc<Leaving>>>, Mutex<Option<Flags>>);
    impl SnapshotListener for Leaving {
        fn published(&self, snapshot: &Arc<Snapshot>) {
            if snapshot.revision() == 1 {
                // The writer's own handle is the last one now.
                self.0.lock().unwrap().take();
            }
        }
    }
    let leaving = Arc::new(Leaving(Mutex::default(), Mutex::default()));
    flags.listen(Arc::downgrade(&leaving) as Weak<dyn SnapshotListener>);
    *leaving.1.lock().unwrap() = Some(flags);
    *leaving.0.lock().unwrap() = Some(Arc::clone(&leaving));
    drop(leaving);
    sink.replace(FlagSet::new());
    assert!(sink.is_closed());
}

#[test]
fn a_source_that_panics_on_its_thread_leaves_its_flags_and_shows_as_stale() {
    let (flags, sink) = scripted();
    sink.replace(set(r#"{"a": "good"}"#));
    let ended = thread::spawn(move || {
        let _sink = sink;
        panic!("a source's mistake");
    })
    .join();
    assert!(ended.is_err());
    assert_eq!(text(&flags, "a"), "good");
    let reason = "the source panicked".into();
    assert_eq!(flags.status().sources[0].state, SourceState::Stale { reason, attempts: 1 });
}

#[test]
fn a_source_that_cannot_start_is_named_and_the_others_are_stopped() {
    struct Broken(bool);
    impl FlagSource for Broken {
        fn name(&self) -> Cow<'static, str> {
            "broken".into()
        }
        fn subscribe(self: Box<Self>, _: FlagUpdates) -> Result<Subscription, source::Error> {
            assert!(!self.0, "a source's mistake");
            Err(source::Error::new("URL is malformed"))
        }
    }
    for (panics, cause) in [(false, "URL is malformed"), (true, "the source panicked")] {
        let (send, receive) = mpsc::channel();
        let error = Flags::builder()
            .source(Scripted("good", send))
            .source(Broken(panics))
            .build()
            .unwrap_err();
        assert_eq!(error.to_string(), "flag source `broken` could not start");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), cause);
        assert_eq!(error.source_name(), "broken");
        assert!(receive.recv().unwrap().is_closed());
    }
}

#[test]
fn the_status_is_written_as_json() {
    let (flags, sink) = scripted();
    let status = serde_json::to_value(flags.status()).unwrap();
    assert_eq!(status["sources"][0]["state"], "starting");
    assert_eq!(status["sources"][0]["attempts"], 0);
    assert_eq!(status["age_seconds"], serde_json::Value::Null);
    sink.replace(set(r#"{"a": "!bad", "b": 1}"#).with_revision("etag"));
    sink.report(source::Error::new("lost"));
    let status = serde_json::to_value(flags.status()).unwrap();
    let source = &status["sources"][0];
    assert_eq!(status["ready"], true);
    assert_eq!((&source["state"], &source["reason"]), (&"stale".into(), &"lost".into()));
    assert_eq!((&source["revision"], &source["flags"]), (&"etag".into(), &1.into()));
    assert_eq!(source["problems"][0]["key"], "a");
}

#[test]
fn handles_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Flags>();
    shared::<FlagUpdates>();
    shared::<Snapshot>();
}
