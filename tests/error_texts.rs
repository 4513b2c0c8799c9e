//! What errors say, and where: causes everywhere, features only where the policy records them.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use modelgate::{
    Context, Features, ModelError, ModelRouter, Rollout, Shadow,
    compare::sink::{JsonlSink, TracingSink},
    features::Schema,
    flag::{DocumentError, DocumentTooLarge},
    flagsmith::Flagsmith,
    launchdarkly::LaunchDarkly,
    model::LazyModel,
    model_fn,
    unleash::Unleash,
};

/// A log that is read back.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Everything that is logged in this process, from all threads.
    fn install() -> Log {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const INCOME: f32 = 123_456.0;

fn applicant() -> Features {
    Features::named([("income", INCOME)])
}

/// Every way in which a version fails here quotes the income.
fn failing(how: &'static str) -> impl modelgate::Model<Features, f32> {
    let schema = Schema::new(["income"]).unwrap().range("income", 0.0..=1e5).unwrap();
    let scored = schema.model(model_fn(|row: &[f32]| Ok(row[0])));
    model_fn(move |features: &Features| match how {
        "refuses" => modelgate::Model::predict(&scored, features),
        "panics" => panic!("no bracket for {INCOME}"),
        "fails" => Err(ModelError::confidential(format!("no bracket for {INCOME}"))),
        "breaks" => Err(ModelError::new("no such table")),
        _ => Ok(1.0),
    })
}

fn router(folder: &tempfile::TempDir, records: bool) -> ModelRouter<Features, f32> {
    let policy = |candidate: &str| {
        let policy =
            Shadow::always().candidate(candidate).budget(modelgate::shadow::Budget::unlimited());
        if records { policy.record_features() } else { policy }
    };
    let mut builder = ModelRouter::<Features, f32>::builder("version")
        .model("works", failing("not"))
        .fallback("works")
        .source(Rollout::everyone("works").flag("version").unwrap())
        .features_as(|features: &Features| format!("{features:?}").into())
        .sink(JsonlSink::create(folder.path().join("comparisons.jsonl")).unwrap())
        .sink(TracingSink::new());
    for how in ["refuses", "panics", "fails", "breaks"] {
        builder = builder.model(how, failing(how)).shadow(policy(how));
    }
    builder.build().unwrap()
}

fn records(folder: &tempfile::TempDir) -> String {
    std::fs::read_to_string(folder.path().join("comparisons.jsonl")).unwrap()
}

/// One test, because a process has one log.
#[test]
fn features_reach_logs_and_files_only_where_the_policy_records_them_and_causes_always_do() {
    let log = Log::install();
    let folder = tempfile::tempdir().unwrap();
    let closed = router(&folder, false);
    closed.predict(&Context::new("user"), &applicant()).unwrap();
    // As the version that answers, each fails and the fallback stands in.
    for how in ["refuses", "panics", "fails", "breaks"] {
        closed.pin(how).unwrap();
        let answer = closed.predict(&Context::new("user"), &applicant()).unwrap();
        assert_eq!(answer.version().as_str(), "works");
        let said = answer.first_error().unwrap().detailed().to_string();
        assert_eq!(said.contains("123456"), how != "breaks", "the caller may know: {said}");
    }
    assert!(closed.flush(Duration::from_secs(10)));
    let kept = records(&folder);
    for (text, place) in [(&kept, "the file"), (&log.text(), "the log")] {
        assert!(text.contains("no such table"), "{place} has no cause: {text}");
        assert!(text.contains("model panicked"), "{place}: {text}");
        assert!(!text.contains("123456"), "{place} quotes a feature: {text}");
        assert!(!text.contains("bracket"), "{place} quotes a panic or a confidential text: {text}");
    }

    let folder = tempfile::tempdir().unwrap();
    let open = router(&folder, true);
    open.predict(&Context::new("user"), &applicant()).unwrap();
    assert!(open.flush(Duration::from_secs(10)));
    let kept = records(&folder);
    assert!(kept.contains("model panicked: no bracket for 123456"), "{kept}");
    assert!(kept.contains("found 123456"), "{kept}");
    assert!(!log.text().contains("123456"), "features are in no log: {}", log.text());
}

#[test]
fn an_answer_keeps_why_its_first_version_failed_and_a_refusal_says_both_causes() {
    let model = |text: &'static str| {
        model_fn(move |_: &[f32]| match text {
            "" => Ok(1.0),
            text => Err(ModelError::new(text)),
        })
    };
    let router = |fallback: &'static str| {
        ModelRouter::<[f32], f32>::builder("version")
            .model("v1", model(fallback))
            .model("v2", model("no such table"))
            .fallback("v1")
            .source(Rollout::everyone("v2").flag("version").unwrap())
            .build()
            .unwrap()
    };
    let context = Context::new("user");
    let good = router("");
    let answer = good.predict(&context, &[1.0]).unwrap();
    assert!(answer.fell_back());
    assert_eq!(answer.first_error().unwrap().detailed().to_string(), "model failed: no such table");
    let rows: [(&dyn modelgate::EvaluationContext, &[f32]); 1] = [(&context, &[1.0])];
    let answers = good.predict_batch(&rows);
    assert!(answers[0].as_ref().unwrap().first_error().is_some());
    good.pin("v1").unwrap();
    assert!(good.predict(&context, &[1.0]).unwrap().first_error().is_none());

    let error = router("out of memory").predict(&context, &[1.0]).unwrap_err();
    let said = "neither the chosen model version nor the fallback `v1` gave an answer: \
                model failed: no such table; model failed: out of memory";
    assert_eq!(error.detailed().to_string(), said);
    assert_eq!(error.redacted().to_string(), said);
}

#[test]
fn a_panic_wrapped_in_another_error_is_redacted_as_well() {
    let load = |fails: bool| match fails {
        true => panic!("no bracket for 123456"),
        false => Ok::<_, std::io::Error>(model_fn(|row: &[f32]| Ok(row[0]))),
    };
    let lazy = LazyModel::new(move || load(true));
    let error = modelgate::Model::<[f32], f32>::load(&lazy).unwrap_err();
    assert!(error.detailed().to_string().contains("123456"));
    assert!(!error.redacted().to_string().contains("123456"), "{}", error.redacted());
}

/// Sixteen characters that come to hundreds of kilobytes: the text does not tell.
const PATTERN: &str = "^\\\\w+@\\\\w+\\\\.\\\\w+$";

/// Holds a dialect to one limit for all that a document comes to: what its text weighs leaves no room
/// for its regular expressions, be it as much as they take.
fn counts_patterns(
    document: impl Fn(&str) -> String,
    compile: impl Fn(&str, u64) -> Result<usize, DocumentTooLarge>,
) {
    // What any document may have would take this test minutes to fill.
    const ROOM: u64 = 60_000;
    for ignored in ["", &"x".repeat(400_000)] {
        let document = document(ignored);
        let weight = compile(&document, 0).unwrap_err().memory;
        let refused = compile(&document, weight + ROOM).unwrap_err();
        assert_eq!((refused.bytes, refused.limit), (document.len() as u64, weight + ROOM));
        assert!(refused.memory > weight + ROOM, "{refused}");
        assert!(refused.to_string().contains("`with_max_memory`"), "{refused}");
        assert_eq!(compile(&document, u64::MAX), Ok(1));
    }
}

#[test]
fn a_document_of_expressions_that_take_too_much_is_refused_and_says_what_allows_it() {
    let sizes = |error: DocumentError| *error.too_large().unwrap();
    let many = |one: &str| [one; 4].join(",");
    let clause = format!(r#"{{"attribute": "a", "op": "matches", "values": ["{PATTERN}"]}}"#);
    counts_patterns(
        |ignored| {
            format!(
                r#"{{"flags": {{"f": {{"key": "f", "version": 1, "on": true, "variations": [true],
                "rules": [{{"variation": 0, "clauses": [{}]}}]}}}}, "segments": {{}}, "x": "{ignored}"}}"#,
                many(&clause)
            )
        },
        |text, limit| {
            let dialect = LaunchDarkly::new().with_max_memory(limit);
            dialect.compile(text).map(|set| set.len()).map_err(sizes)
        },
    );
    let constraint =
        format!(r#"{{"contextName": "a", "operator": "REGEX", "value": "{PATTERN}"}}"#);
    counts_patterns(
        |ignored| {
            format!(
                r#"{{"version": 2, "features": [{{"name": "f", "enabled": true, "strategies":
                [{{"name": "default", "constraints": [{}]}}]}}], "x": "{ignored}"}}"#,
                many(&constraint)
            )
        },
        |text, limit| {
            let dialect = Unleash::new().with_max_memory(limit);
            dialect.compile(text).map(|set| set.len()).map_err(sizes)
        },
    );
    let condition = format!(r#"{{"property": "a", "operator": "REGEX", "value": "{PATTERN}"}}"#);
    counts_patterns(
        |ignored| {
            format!(
                r#"{{"environment": {{"key": "e", "name": "e"}},
                "features": {{"f": {{"key": "1", "name": "f", "enabled": true, "value": null}}}},
                "segments": {{"s": {{"key": "1", "name": "s", "rules":
                [{{"type": "ALL", "conditions": [{}]}}]}}}}, "x": "{ignored}"}}"#,
                many(&condition)
            )
        },
        |text, limit| {
            let dialect = Flagsmith::new().with_max_memory(limit);
            dialect.compile(text).map(|set| set.len()).map_err(sizes)
        },
    );
}
