//! Whatever a source of flags does: the last good flags stay in force, and the right version answers.

use crate::support;

use std::{borrow::Cow, sync::mpsc, time::Duration};

use modelgate::{
    Context, FallbackCause, FlagSource, ModelRouter, Reason,
    flag::store::SourceState,
    source::{self, FlagUpdates, Subscription},
    testing::TestFlags,
};
use support::{
    PATIENCE, Puppet, flags as compiled_flags, panic_nastily, quiet_panics, serving, test_flags,
};

const FLAG: &str = "ml-model-version";

/// v1 answers 1.0 and v2 2.0, plus the features; v1 is the fallback.
fn router(source: impl FlagSource) -> ModelRouter<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(source)
        .build()
        .unwrap()
}

#[test]
fn a_source_that_flaps_and_sends_garbage_leaves_the_last_good_flags_in_force() {
    let source = test_flags(&serving(FLAG, "v2"));
    let router = router(source.clone());
    let compile = |text: &str| modelgate::flagd::Flagd::new().compile(text);
    let garbage = [
        "",
        "{",
        "[]",
        "null",
        r#"{"flags": 7}"#,
        r#"{"flags": {"ml-model-version": {"state": "ENABLED", "variants": {"it": "v1"}, "#,
        "\u{0}\u{1}\u{2}",
    ];
    for text in garbage {
        source.fail(compile(text).unwrap_err().to_string());
        let answer = router.predict(&Context::new("user-1"), &[0.5]).unwrap();
        assert_eq!((answer.version().as_str(), *answer.output()), ("v2", 2.5), "{text:?}");
        assert!(!answer.fell_back());
    }
    // A flag of another shape is refused by name, and keeps its last good form.
    let bad = compile(
        r#"{"flags": {"ml-model-version": {"state": "PERHAPS", "variants": {"it": "v1"}},
            "other": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}}"#,
    );
    source.replace(bad.unwrap());
    assert_eq!(router.predict(&Context::new("user-1"), &[]).unwrap().version(), "v2");
    assert!(router.flags().boolean("other", &Context::new("user-1"), false), "its neighbour");
    for _ in 0..100 {
        source.fail("lost");
        source.replace(compiled_flags(&serving(FLAG, "v2")));
        assert_eq!(router.predict(&Context::new("user-1"), &[]).unwrap().version(), "v2");
    }
}

/// A source whose thread panics when the test says so.
struct Fragile(mpsc::Receiver<()>);

impl FlagSource for Fragile {
    fn name(&self) -> Cow<'static, str> {
        "fragile".into()
    }
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
        updates.replace(support::flags(&serving(FLAG, "v2")));
        std::thread::spawn(move || {
            let _updates = updates;
            let _ = self.0.recv();
            panic!("the source panicked, as the test asked");
        });
        Ok(Subscription::on_drop(|| panic!("and again when it is stopped")))
    }
}

#[test]
fn a_source_that_panics_on_its_thread_is_stale_and_its_flags_stay() {
    quiet_panics();
    let (panic, panics) = mpsc::channel();
    let router = router(Fragile(panics));
    panic.send(()).unwrap();
    let stale = router.flags().wait_until(PATIENCE, |status| status.sources[0].is_stale());
    assert!(stale, "{:?}", router.status());
    let state = router.status().sources[0].state.clone();
    let reason = "the source panicked".to_owned();
    assert_eq!(state, SourceState::Stale { reason, attempts: 1 });
    assert_eq!(router.predict(&Context::new("user-1"), &[]).unwrap().version(), "v2");
    drop(router);
}

#[test]
fn a_callback_that_panics_nastily_does_not_silence_the_others() {
    quiet_panics();
    let source = test_flags(&serving(FLAG, "v2"));
    let flags = modelgate::Flags::builder().source(source.clone()).build().unwrap();
    let (send, told) = mpsc::channel();
    flags.on_change(|_| panic_nastily());
    flags.on_change(move |snapshot| send.send(snapshot.revision()).unwrap());
    source.replace(compiled_flags(&serving(FLAG, "v1")));
    source.replace(compiled_flags(&serving(FLAG, "v2")));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_source_that_keeps_failing_never_passes_for_one_that_answered() {
    let source = TestFlags::silent();
    let router = router(source.clone());
    source.fail("connection refused");
    let answer = router.predict(&Context::new("user-1"), &[]).unwrap();
    assert_eq!((answer.version().as_str(), answer.reason()), ("v1", Reason::NotReady));
    assert_eq!(answer.fallback(), Some(FallbackCause::NotReady));
}

#[cfg(feature = "file")]
#[test]
fn a_flag_file_half_written_deleted_or_replaced_leaves_the_right_version_answering() {
    use std::fs;

    use support::until;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    fs::write(&path, serving(FLAG, "v2")).unwrap();
    let file = modelgate::source::FileSource::watch(&path).poll_interval(Duration::from_millis(50));
    let router = router(file);
    let version = || {
        let answer = router.predict(&Context::new("user-1"), &[]).unwrap();
        assert!(!answer.fell_back());
        answer.version().to_string()
    };
    let stale = |what: &str| {
        let came = router.flags().wait_until(PATIENCE, |status| status.sources[0].is_stale());
        assert!(came, "{what}: {:?}", router.status());
    };
    assert_eq!(version(), "v2", "ready at once");

    let whole = serving(FLAG, "v1");
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    stale("half-written");
    assert_eq!(version(), "v2");

    fs::write(&path, &whole).unwrap();
    until("the whole file", || version() == "v1");

    fs::remove_file(&path).unwrap();
    stale("deleted");
    assert_eq!(version(), "v1");

    let next = folder.path().join("next.json");
    fs::write(&next, serving(FLAG, "v2")).unwrap();
    fs::rename(&next, &path).unwrap();
    until("the file put in its place", || version() == "v2");
    until("ready again", || router.status().sources[0].is_ready());
}
