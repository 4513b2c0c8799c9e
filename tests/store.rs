//! The store and its sources through the public interface, with flags in the flagd format.

use std::time::Duration;

use modelgate::{
    Context, FlagSet, Flags, Reason, clock::ManualClock, flagd::Flagd, source::EnvironmentSource,
};

fn rollout(v2: u32) -> String {
    let v1 = 100 - v2;
    format!(
        r#"{{"flags": {{
            "ml-model-version": {{
                "state": "ENABLED",
                "variants": {{"v1": "v1", "v2": "v2"}},
                "defaultVariant": "v1",
                "targeting": {{"fractional": [["v2", {v2}], ["v1", {v1}]]}}
            }},
            "shadow-mode-v2": {{
                "state": "ENABLED",
                "variants": {{"on": true, "off": false}},
                "defaultVariant": "on"
            }}
        }}}}"#
    )
}

fn compiled(text: &str) -> FlagSet {
    Flagd::new().compile(text).unwrap()
}

fn on_v2(flags: &Flags) -> Vec<usize> {
    (0..200)
        .filter(|user| {
            let key = format!("user-{user}");
            flags.string("ml-model-version", &Context::new(&key), "none") == "v2"
        })
        .collect()
}

#[test]
fn typed_reads_answer_with_variant_and_reason() {
    let flags = Flags::from(compiled(&rollout(100)));
    let user = Context::new("user-1");
    let details = flags.details("ml-model-version", &user, String::from("none"));
    assert_eq!((&*details.value, details.variant.as_deref()), ("v2", Some("v2")));
    assert_eq!((details.reason, details.error), (Reason::TargetingMatch, None));
    let shown = serde_json::to_value(&details).unwrap();
    assert_eq!((&shown["value"], &shown["reason"]), (&"v2".into(), &"TARGETING_MATCH".into()));

    // Several flags of one revision.
    let snapshot = flags.snapshot();
    assert_eq!(snapshot.revision(), 1);
    let version = snapshot.evaluate("ml-model-version", &user).unwrap().string("none");
    assert_eq!((version.value, version.variant), ("v2", Some("v2")));
    assert!(snapshot.evaluate("absent", &user).is_none());
    assert!(flags.boolean("shadow-mode-v2", &user, false));
}

#[test]
fn the_time_of_schedules_comes_from_the_store_s_clock() {
    let text = r#"{"flags": {"open": {
        "state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
        "targeting": {"if": [{">=": [{"var": "$flagd.timestamp"}, 1700000060]}, "on", "off"]}
    }}}"#;
    let clock = std::sync::Arc::new(ManualClock::at_unix(Duration::from_secs(1_700_000_000)));
    let flags = Flags::builder().clock(clock.clone()).source(compiled(text)).build().unwrap();
    assert!(!flags.boolean("open", &Context::new("u"), true));
    clock.advance(Duration::from_secs(60));
    assert!(flags.boolean("open", &Context::new("u"), false));
}

#[test]
fn an_operator_overrides_the_flags_by_an_environment_variable() {
    let overrides =
        EnvironmentSource::new().with_variables([("MODELGATE_FLAG_ML_MODEL_VERSION", "v1")]);
    let flags = Flags::builder().source(compiled(&rollout(100))).source(overrides).build().unwrap();
    assert!(on_v2(&flags).is_empty());
    assert!(flags.boolean("shadow-mode-v2", &Context::new("u"), false), "the rest is untouched");
    assert_eq!(flags.snapshot().source_of("ml-model-version"), Some("environment"));
}

#[cfg(feature = "file")]
mod file {
    use std::{fs, path::Path, sync::mpsc};

    use modelgate::source::FileSource;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn watched(path: &Path) -> Flags {
        Flags::builder().source(FileSource::watch(path)).build().unwrap()
    }

    #[test]
    fn an_edited_file_acts_on_every_thread_and_moves_nobody_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags.json");
        fs::write(&path, rollout(0)).unwrap();
        let flags = watched(&path);
        let mut before = on_v2(&flags);
        assert!(before.is_empty());
        for share in [5, 25, 50, 100] {
            let revision = flags.status().revision;
            fs::write(&path, rollout(share)).unwrap();
            assert!(flags.wait_until(PATIENCE, |status| status.revision > revision));
            let now = on_v2(&flags);
            assert!(before.iter().all(|user| now.contains(user)), "{share} %");
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| assert_eq!(on_v2(&flags), now));
                }
            });
            before = now;
        }
        assert_eq!(before.len(), 200);
    }

    #[test]
    fn a_flag_that_does_not_compile_is_named_and_keeps_its_last_good_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags.json");
        fs::write(&path, rollout(100)).unwrap();
        let flags = watched(&path);
        let (send, told) = mpsc::channel();
        flags.on_change(move |snapshot| send.send(snapshot.revision()).unwrap());
        let broken = rollout(0)
            .replacen(r#""state": "ENABLED""#, r#""state": "PERHAPS""#, 1)
            .replace(r#""defaultVariant": "on""#, r#""defaultVariant": "off""#);
        fs::write(&path, broken).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(2));
        assert_eq!(on_v2(&flags).len(), 200);
        assert!(!flags.boolean("shadow-mode-v2", &Context::new("u"), true), "its neighbour moved");
        let problems = flags.status().sources[0].problems.clone();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, "ml-model-version");
    }
}

/// A source whose task runs on the runtime that is around when it is made.
#[cfg(feature = "tokio")]
struct TaskSource(tokio::runtime::Handle);

#[cfg(feature = "tokio")]
impl modelgate::FlagSource for TaskSource {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "task".into()
    }

    fn subscribe(
        self: Box<Self>,
        updates: modelgate::source::FlagUpdates,
    ) -> Result<modelgate::source::Subscription, modelgate::source::Error> {
        let task = self.0.spawn(async move { updates.replace(FlagSet::new()) });
        Ok(modelgate::source::Subscription::on_drop(move || task.abort()))
    }
}

#[cfg(feature = "tokio")]
#[test]
fn on_one_thread_a_blocking_wait_says_what_it_held_up_and_an_awaited_one_works() {
    use tokio::runtime::{Builder, Handle};

    const PATIENCE: Duration = Duration::from_secs(30);
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let source = TaskSource(Handle::current());
        let flags = Flags::builder().source(source).build().unwrap();
        // The only thread waits, so that the task cannot run, however long the wait is.
        let error = flags.wait_ready(Duration::from_millis(1)).unwrap_err();
        assert!(error.held_up_runtime() && !error.is_rejected(), "{error:?}");
        assert!(error.to_string().contains("await `Flags::ready` instead"), "{error}");
        flags.ready(PATIENCE).await.unwrap();
        flags.wait_ready(Duration::ZERO).unwrap();

        let source = TaskSource(Handle::current());
        let flags = Flags::builder().source(source).build().unwrap();
        assert!(!flags.wait_ready(Duration::ZERO).unwrap_err().held_up_runtime());
        let waiting = tokio::task::spawn_blocking(move || flags.wait_ready(PATIENCE));
        waiting.await.unwrap().unwrap();
    });
    let many = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    many.block_on(async {
        let source = TaskSource(Handle::current());
        let flags = Flags::builder().source(source).build().unwrap();
        flags.wait_ready(PATIENCE).unwrap();
    });
}
