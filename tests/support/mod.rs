//! What several test files share: flags by hand, models that misbehave on demand.
#![allow(dead_code)]

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use modelgate::{
    FlagProblem, FlagSet, FlagSink, FlagSource, Model, ModelError, Severity, SourceError,
    Subscription, dialect::flagd::Flagd,
};
use parking_lot::Mutex;

/// The flags of a flagd definition.
pub fn flags(definition: &str) -> FlagSet {
    let set = Flagd::new().compile(definition).unwrap();
    let refused = |problem: &FlagProblem| problem.severity == Severity::Rejected;
    assert!(!set.problems().iter().any(refused), "{:?}", set.problems());
    set
}

/// A definition of one string flag that serves `version` to everybody.
pub fn serving(flag: &str, version: &str) -> String {
    format!(
        r#"{{"flags": {{"{flag}": {{"state": "ENABLED", "defaultVariant": "it",
            "variants": {{"it": "{version}"}}}}}}}}"#
    )
}

/// A source whose test holds the other end.
#[derive(Clone, Default)]
pub struct ByHand {
    sink: Arc<Mutex<Option<FlagSink>>>,
    first: Option<FlagSet>,
}

impl ByHand {
    /// One that has delivered nothing yet.
    pub fn silent() -> ByHand {
        ByHand::default()
    }

    /// One that delivers these flags at once.
    pub fn with(definition: &str) -> ByHand {
        ByHand { first: Some(flags(definition)), ..ByHand::default() }
    }

    pub fn publish(&self, definition: &str) {
        self.sink().replace(flags(definition));
    }

    pub fn sink(&self) -> FlagSink {
        self.sink.lock().clone().expect("the router is built before the test publishes")
    }
}

impl FlagSource for ByHand {
    fn name(&self) -> Cow<'static, str> {
        "by-hand".into()
    }
    fn subscribe(self: Box<Self>, sink: FlagSink) -> Result<Subscription, SourceError> {
        if let Some(first) = self.first.clone() {
            sink.replace(first);
        }
        *self.sink.lock() = Some(sink);
        Ok(Subscription::none())
    }
}

/// How a [`Puppet`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Answers,
    Errors,
    Panics,
    AnswersNaN,
    RefusesInput,
}

/// A model that answers with a number of its own, or misbehaves as it is told.
#[derive(Clone, Debug)]
pub struct Puppet {
    pub answer: f64,
    mood: Arc<AtomicUsize>,
    calls: Arc<AtomicU64>,
}

const MOODS: [Mood; 5] =
    [Mood::Answers, Mood::Errors, Mood::Panics, Mood::AnswersNaN, Mood::RefusesInput];

impl Puppet {
    pub fn new(answer: f64) -> Puppet {
        Puppet { answer, mood: Arc::default(), calls: Arc::default() }
    }

    pub fn behave(&self, mood: Mood) {
        let place = MOODS.iter().position(|known| *known == mood).unwrap();
        self.mood.store(place, Ordering::SeqCst);
    }

    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Model<[f64], f64> for Puppet {
    fn predict(&self, features: &[f64]) -> Result<f64, ModelError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match MOODS[self.mood.load(Ordering::SeqCst)] {
            Mood::Answers => Ok(self.answer + features.iter().sum::<f64>()),
            Mood::Errors => Err(ModelError::new("out of order")),
            Mood::Panics => panic!("the model panicked, as the test asked"),
            Mood::AnswersNaN => Ok(f64::NAN),
            Mood::RefusesInput => Err(ModelError::invalid_input("features", "these", "others")),
        }
    }
}

/// Keeps the panics that a test provokes out of its output.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}
