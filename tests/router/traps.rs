//! What goes wrong in the usual hand-written version, one test each.

use crate::support;

use std::{fs, sync::Arc, time::Duration};

use modelgate::testing::TestFlags;
use modelgate::{
    Context, FallbackCause, Features, ModelRouter, Reason, RouterBuilder, Shadow,
    compare::{
        Tolerance,
        sink::{JsonlSink, MemorySink, TracingSink},
    },
    features::Schema,
    flag::store::SourceState,
    model::Acceptance,
    model_fn,
    router::{MissingKey, stats::VersionState},
    shadow::Budget,
};
use support::{Mood, PATIENCE, Puppet, quiet_panics, serving, settled, test_flags};

const FLAG: &str = "ml-model-version";

fn builder(v2: Puppet, version: &str) -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", v2)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, version)))
}

fn shadow() -> Shadow {
    Shadow::always().candidate("v2").budget(Budget::unlimited())
}

#[test]
fn reordered_json_keys_never_change_an_answer() {
    let names: Vec<String> = (0..64).map(|n| format!("pixel_{}_{}", n / 8, n % 8)).collect();
    // Every place weighs differently: a value in the wrong one changes the sum.
    let weighted = model_fn(|row: &[f32]| {
        Ok(row
            .iter()
            .enumerate()
            .map(|(place, value)| (place + 1) as f64 * f64::from(*value))
            .sum())
    });
    let schema = Schema::new(names.iter().map(String::as_str)).unwrap();
    let router = ModelRouter::<Features, f64>::builder(FLAG)
        .model("v1", schema.model(weighted))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .build()
        .unwrap();
    let user = Context::new("user-1");
    let ask = |json: &str| {
        let features: Features = serde_json::from_str(json).unwrap();
        *router.predict(&user, &features).unwrap().output()
    };
    let row: Vec<String> = (0..64).map(|n| (n * 7 % 17).to_string()).collect();
    let expected = ask(&format!("[{}]", row.join(",")));
    let mut places: Vec<usize> = (0..64).collect();
    for turn in 0..143 {
        // A different order each time.
        places.rotate_left(turn % 63 + 1);
        places.swap(turn % 64, (turn * 31 + 5) % 64);
        let members: Vec<String> =
            places.iter().map(|n| format!(r#""{}":{}"#, names[*n], row[*n])).collect();
        assert_eq!(ask(&format!("{{{}}}", members.join(","))), expected);
    }
}

#[test]
fn a_shadow_that_raises_never_gives_the_user_an_error() {
    quiet_panics();
    for policy in [shadow(), shadow().joined()] {
        for mood in [Mood::Errors, Mood::Panics, Mood::RefusesInput, Mood::AnswersNaN] {
            let v2 = Puppet::new(2.0);
            v2.behave(mood);
            let router = builder(v2, "v1").shadow(policy.clone()).build().unwrap();
            for _ in 0..10 {
                let answer = router.predict(&Context::new("user-1"), &[0.5]).unwrap();
                assert_eq!((answer.version().as_str(), *answer.output()), ("v1", 1.5), "{mood:?}");
            }
            assert!(router.flush(PATIENCE));
            assert_eq!(settled(&router.stats(), "v2").wanted(), 10);
        }
    }
}

#[test]
fn a_corrupt_file_of_v2_does_not_stop_the_service_and_a_good_one_is_installed_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v2.model");
    fs::write(&path, "corrupt").unwrap();
    let load = || {
        let text = fs::read_to_string(&path).unwrap();
        text.trim().parse::<f64>().map(Puppet::new)
    };
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .try_model("v2", load())
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .build()
        .unwrap();
    let user = Context::new("user-1");
    let answer = router.predict(&user, &[]).unwrap();
    assert_eq!((answer.version().as_str(), *answer.output()), ("v1", 1.0));
    assert_eq!(answer.fallback(), Some(FallbackCause::Ineligible));
    match &router.stats().versions[1].state {
        VersionState::Ineligible { why } => assert_eq!(why, "invalid float literal"),
        other => panic!("{other:?}"),
    }
    fs::write(&path, "2.0").unwrap();
    router.install("v2", load().unwrap(), &Acceptance::new().probe([])).unwrap();
    let answer = router.predict(&user, &[]).unwrap();
    assert_eq!((answer.version().as_str(), *answer.output()), ("v2", 2.0));
    assert_eq!(router.stats().versions[1].state, VersionState::Eligible);
}

#[test]
fn a_flag_naming_a_version_that_is_not_loaded_is_answered_and_labelled_by_the_same_version() {
    let sink = Arc::new(MemorySink::new(10));
    let router = builder(Puppet::new(2.0), "v3").shadow(shadow()).sink(sink.clone()).build();
    let router = router.unwrap();
    let answer = router.predict(&Context::new("user-1"), &[]).unwrap();
    assert_eq!((answer.version().as_str(), *answer.output()), ("v1", 1.0));
    assert_eq!(answer.fallback(), Some(FallbackCause::UnknownVersion));
    assert!(router.flush(PATIENCE));
    assert_eq!(sink.take()[0].primary.version, "v1", "in the records as well");
    assert_eq!(router.stats().fallbacks.get("unknown_version"), 1);
}

#[test]
fn users_without_an_id_do_not_share_a_bucket() {
    let split = r#"{"flags": {"ml-model-version": {"state": "ENABLED", "defaultVariant": "v1",
        "variants": {"v1": "v1", "v2": "v2"},
        "targeting": {"fractional": [["v2", 25], ["v1", 75]]}}}}"#;
    let router = |policy| {
        ModelRouter::<[f64], f64>::builder(FLAG)
            .model("v1", Puppet::new(1.0))
            .model("v2", Puppet::new(2.0))
            .fallback("v1")
            .source(test_flags(split))
            .missing_key(policy)
            .build()
            .unwrap()
    };
    let nobody = Context::anonymous();
    let fallback = router(MissingKey::Fallback);
    let answer = fallback.predict(&nobody, &[]).unwrap();
    assert_eq!((answer.version().as_str(), answer.reason()), ("v1", Reason::MissingKey));
    assert!(answer.fell_back(), "and says so");
    let refuse = router(MissingKey::Refuse);
    assert!(refuse.predict(&nobody, &[]).unwrap_err().is_missing_key());
    let random = router(MissingKey::Random);
    let share =
        (0..2_000).filter(|_| *random.predict(&nobody, &[]).unwrap().version() == *"v2").count();
    // 500 expected; five standard deviations are 97.
    assert!((403..=597).contains(&share), "{share} of 2,000");
}

#[test]
fn shadow_records_do_not_vanish() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let router = builder(Puppet::new(1.0), "v1")
        .compare(Tolerance::absolute(0.1))
        .shadow(shadow())
        .sink(JsonlSink::create(&path).unwrap())
        .build()
        .unwrap();
    let ids: Vec<String> = (0..50)
        .map(|_| router.predict(&Context::new("user-1"), &[]).unwrap().id().to_string())
        .collect();
    assert!(router.flush(PATIENCE));
    let text = fs::read_to_string(&path).unwrap();
    let written: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<&str> =
        written.iter().map(|record| record["prediction_id"].as_str().unwrap()).collect();
    assert_eq!(found, ids);
    assert!(written.iter().all(|record| record["agrees"] == true));
    assert_eq!(router.stats().shadows[0].sinks.recorded, 50);
}

#[test]
fn a_log_that_nobody_listens_to_is_counted() {
    let router = builder(Puppet::new(2.0), "v1")
        .compare(Tolerance::absolute(0.1))
        .shadow(shadow())
        .sink(TracingSink::new())
        .build()
        .unwrap();
    for _ in 0..10 {
        router.predict(&Context::new("user-1"), &[]).unwrap();
    }
    assert!(router.flush(PATIENCE));
    let sinks = router.stats().shadows[0].sinks;
    assert_eq!((sinks.recorded, sinks.dropped), (0, 10), "no subscriber is installed here");
}

#[test]
fn defaults_are_not_served_in_silence_while_the_first_sync_keeps_failing() {
    let source = TestFlags::silent();
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .fallback("v1")
        .source(source.clone())
        .build()
        .unwrap();
    for _ in 0..3 {
        source.fail("connection refused");
    }
    let status = router.status();
    assert!(!status.ready);
    assert_eq!(
        status.sources[0].state,
        SourceState::Starting { attempts: 3, last_error: Some("connection refused".into()) }
    );
    let answer = router.predict(&Context::new("user-1"), &[]).unwrap();
    assert_eq!(answer.reason(), Reason::NotReady);
    assert_eq!(answer.fallback(), Some(FallbackCause::NotReady));
    assert_eq!(router.stats().fallbacks.get("not_ready"), 1);
    let error = router.wait_ready(Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("`test`"), "{error}");
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[cfg(feature = "async")]
#[test]
fn a_slow_model_does_not_stand_on_the_event_loop() {
    use modelgate::ModelError;
    use support::{Gate, OpensAtTheEnd};

    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let slow = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok::<_, ModelError>(1.0)
    });
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", slow)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .compute_threads(2)
        .build_async()
        .unwrap();
    // One thread for everything: were a model on it, nothing else could happen.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clients: Vec<_> =
            (0..8).map(|_| tokio::spawn(router.predict(&Context::new("user-1"), vec![]))).collect();
        let health = tokio::spawn(async move {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            // Only now may the models go on.
            gate.open();
        });
        health.await.unwrap();
        for client in clients {
            assert_eq!(*client.await.unwrap().unwrap().output(), 1.0);
        }
    });
}

#[cfg(feature = "onnx")]
mod onnx {
    use std::{cell::RefCell, error::Error, process::Command, thread};

    use modelgate::{Model, onnx};

    thread_local! {
        static KEPT: RefCell<Option<onnx::Classifier>> = const { RefCell::new(None) };
    }

    fn digits() -> onnx::Classifier {
        onnx::Classifier::load(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/examples/models/digits_v2.onnx"
        ))
        .unwrap()
    }

    #[test]
    fn a_thread_that_keeps_a_model_for_itself_ends_as_any_other() {
        // The engine's own state, kept like this, ends the process when the thread ends.
        let threads: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(|| {
                    KEPT.with_borrow_mut(|kept| {
                        let model = kept.get_or_insert_with(digits);
                        model.predict_batch(&[&[1.0; 64][..]; 3]).len()
                    })
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), 3);
        }
    }

    /// The engine's errors take a trace of the stack where the environment asks for one.
    const CHILD: &str = "MODELGATE_TEST_BAD_ROWS";

    #[test]
    fn a_bad_row_costs_no_trace_of_the_stack_whatever_the_environment_asks_for() {
        if std::env::var_os(CHILD).is_some() {
            let model = digits();
            let (short, nan) = ([0.0; 63], [f32::NAN; 64]);
            for row in [&short[..], &nan[..]] {
                let alone = model.predict(row).unwrap_err();
                let among = model.predict_batch(&[row, &[0.0; 64], row]).remove(2).unwrap_err();
                for error in [alone, among] {
                    // Found before the engine is asked: what it says would be the source.
                    assert!(error.is_invalid_input() && error.source().is_none(), "{error}");
                    assert!(!format!("{error:?}").contains("backtrace"), "{error:?}");
                }
            }
            return;
        }
        let name =
            "traps::onnx::a_bad_row_costs_no_trace_of_the_stack_whatever_the_environment_asks_for";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("RUST_BACKTRACE", "1")
            .env(CHILD, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && told.contains("1 passed"), "{told}");
    }
}
