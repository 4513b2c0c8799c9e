//! The tracing sink speaks at the level of who must act, and says nothing of the user.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use modelgate::{
    ModelError,
    compare::{
        Agreement, Comparison, Run,
        sink::{ComparisonSink, TracingSink},
    },
    value::Value,
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Page {
    type Writer = Page;
    fn make_writer(&'a self) -> Page {
        self.clone()
    }
}

fn logged(comparison: &Comparison<f64>) -> String {
    let page = Page::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(page.clone())
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, || TracingSink::new().record(comparison));
    String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
}

fn comparison(candidate: Result<f64, ModelError>) -> Comparison<f64> {
    let mut comparison = Comparison::new(
        Run::new("v1", Ok(0.123456), Duration::from_micros(80)),
        Run::new("v2", candidate, Duration::from_micros(90)),
    );
    comparison.targeting_key = Some("user-42".into());
    comparison.features = Some(Value::from("confidential"));
    comparison
}

#[test]
fn the_level_says_who_must_act() {
    let mut pair = comparison(Ok(0.5));
    for (agreement, level) in [
        (Agreement::of("score", true).with_distance(0.0), "DEBUG"),
        (Agreement::of("score", false).with_distance(0.375), "INFO"),
        (Agreement::not_compared(), "DEBUG"),
    ] {
        pair.agreement = agreement;
        let line = logged(&pair);
        assert!(line.trim_start().starts_with(level), "{line}");
        assert!(line.contains("modelgate::compare"), "{line}");
    }
    let line = logged(&comparison(Err(ModelError::new("no such table"))));
    assert!(line.trim_start().starts_with("WARN"), "{line}");
    assert!(line.contains("error=model failed"), "{line}");
}

#[test]
fn an_event_names_versions_and_distance_and_nothing_of_the_user() {
    let mut pair = comparison(Ok(0.5));
    pair.agreement = Agreement::of("score", false).with_distance(0.375);
    let line = logged(&pair);
    for part in ["version=v1", "candidate=v2", "agrees=false", "distance=0.375", "candidate_us=90"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    for secret in ["user-42", "confidential", "0.123456"] {
        assert!(!line.contains(secret), "{line}");
    }
}
