//! What several test files share: flags by hand, models that misbehave on demand.
#![allow(dead_code)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use modelgate::{
    FlagSet, Model, ModelError,
    flag::{Problem, ProblemSeverity},
    flagd::Flagd,
    router::stats::RouterStats,
    shadow,
    testing::TestFlags,
};
use parking_lot::{Condvar, Mutex};

/// The flags of a flagd definition.
pub fn flags(definition: &str) -> FlagSet {
    let set = Flagd::new().compile(definition).unwrap();
    let refused = |problem: &Problem| problem.severity == ProblemSeverity::Rejected;
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

/// A source of the flags of this definition, which the test may change.
pub fn test_flags(definition: &str) -> TestFlags {
    let source = TestFlags::silent();
    source.replace(flags(definition));
    source
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

/// A model that answers with a number of its own and the sum of its features, or misbehaves as it is
/// told. `testing::PuppetModel` does not look at its features: it could not show that each request was
/// answered by its own.
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

/// Keeps the panics that a test provokes out of its output, and leaves its assertions in.
pub fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let text = panic.payload_as_str().unwrap_or_default();
            if ["assertion", "called `", "never came"].iter().any(|of| text.starts_with(of)) {
                loud(panic);
            }
        }));
    });
}

/// Long enough for any machine; nothing waits it out unless the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where models, sinks and sources stand still until the test lets them go on.
#[derive(Clone, Default)]
pub struct Gate(Arc<GateState>);

#[derive(Default)]
struct GateState {
    /// How many have come so far, and whether it is open.
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Stands still until the gate is open.
    pub fn pass(&self) {
        let mut state = self.0.state.lock();
        state.0 += 1;
        self.0.changed.notify_all();
        self.0.changed.wait_while(&mut state, |(_, open)| !*open);
    }

    /// Waits until this many have come to the gate.
    #[track_caller]
    pub fn wait_for(&self, many: usize) {
        let mut state = self.0.state.lock();
        let come =
            self.0.changed.wait_while_for(&mut state, |(arrived, _)| *arrived < many, PATIENCE);
        assert!(!come.timed_out(), "{} came, {many} were expected", state.0);
    }

    pub fn arrived(&self) -> usize {
        self.0.state.lock().0
    }

    pub fn open(&self) {
        self.0.state.lock().1 = true;
        self.0.changed.notify_all();
    }
}

/// Opens a gate when the test ends, however it ends.
pub struct OpensAtTheEnd(pub Gate);

impl Drop for OpensAtTheEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Waits until this holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never came: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Panics with something that panics again when it is dropped.
pub fn panic_nastily() -> ! {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("and again");
        }
    }
    std::panic::panic_any(Nasty)
}

/// The counts of the (only) policy's run of this candidate; they must add up.
#[track_caller]
pub fn settled(stats: &RouterStats, candidate: &str) -> shadow::Counts {
    settled_in(stats, 0, candidate)
}

/// The counts of one policy's runs of this candidate; they must add up.
#[track_caller]
pub fn settled_in(stats: &RouterStats, policy: usize, candidate: &str) -> shadow::Counts {
    let counts = stats.shadows[policy].candidates.iter().find(|c| *c.candidate() == *candidate);
    let counts = counts.unwrap_or_else(|| panic!("no candidate {candidate}: {stats:?}")).clone();
    assert_eq!(counts.wanted(), counts.handed_over() + counts.refused(), "{counts:?}");
    assert_eq!(counts.wanted(), counts.completed() + counts.dropped_in_all(), "{counts:?}");
    assert_eq!(counts.pending(), 0, "{counts:?}");
    counts
}
