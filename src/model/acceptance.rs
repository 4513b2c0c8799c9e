//! What a version must prove before it may answer.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{Model, ModelError};

/// What a version must prove before it may answer: that it accepts an input of the right shape,
/// that it answers golden rows as expected (alone and as a batch), and some calls to warm up.
///
/// None of these calls is counted anywhere: not in service times, not by a breaker.
///
/// ```
/// use modelgate::{model::Acceptance, model_fn};
///
/// let acceptance = Acceptance::<[f32], f32>::new()
///     .golden([(vec![1.0, 2.0], 3.0)], |expected, found| {
///         if (expected - found).abs() < 1e-6 { Ok(()) }
///         else { Err(format!("found {found}, expected {expected}")) }
///     })
///     .warm_up(10, vec![0.0, 0.0]);
///
/// acceptance.accept(&model_fn(|row: &[f32]| Ok(row.iter().sum())))?;
///
/// let error = acceptance.accept(&model_fn(|row: &[f32]| Ok(row[0]))).unwrap_err();
/// assert_eq!(error.to_string(), "golden row 0: found 1, expected 3");
/// # Ok::<(), modelgate::model::AcceptanceError>(())
/// ```
pub struct Acceptance<F: ?Sized, P> {
    probes: Vec<Probe<F, P>>,
    golden: Vec<Golden<F, P>>,
    warm_up: Vec<(u32, Box<F>)>,
}

type Check<P> = Box<dyn Fn(&P) -> Result<(), String> + Send + Sync>;
type Compare<P> = Box<dyn Fn(&P, &P) -> Result<(), String> + Send + Sync>;

struct Probe<F: ?Sized, P> {
    input: Box<F>,
    check: Option<Check<P>>,
}

struct Golden<F: ?Sized, P> {
    rows: Vec<(Box<F>, P)>,
    compare: Compare<P>,
}

impl<F: ?Sized, P> Acceptance<F, P> {
    /// Nothing to prove.
    pub fn new() -> Acceptance<F, P> {
        Acceptance { probes: Vec::new(), golden: Vec::new(), warm_up: Vec::new() }
    }

    /// The model must answer this input, whatever it answers.
    #[must_use]
    pub fn probe(mut self, input: impl Into<Box<F>>) -> Acceptance<F, P> {
        self.probes.push(Probe { input: input.into(), check: None });
        self
    }

    /// The model must answer this input, and the answer must pass this check: the number of
    /// classes, say. The check's error says what is wrong.
    #[must_use]
    pub fn check(
        mut self,
        input: impl Into<Box<F>>,
        check: impl Fn(&P) -> Result<(), String> + Send + Sync + 'static,
    ) -> Acceptance<F, P> {
        self.probes.push(Probe { input: input.into(), check: Some(Box::new(check)) });
        self
    }

    /// The model must answer each of these inputs as expected. `compare` gets the expected and
    /// the found answer; its error says what differs
    /// ([`Classification::within`](crate::Classification::within) makes one).
    #[must_use]
    pub fn golden<I: Into<Box<F>>>(
        mut self,
        rows: impl IntoIterator<Item = (I, P)>,
        compare: impl Fn(&P, &P) -> Result<(), String> + Send + Sync + 'static,
    ) -> Acceptance<F, P> {
        let rows = rows.into_iter().map(|(input, expected)| (input.into(), expected)).collect();
        self.golden.push(Golden { rows, compare: Box::new(compare) });
        self
    }

    /// The model is called this many times on this input before it counts, so that its first
    /// request meets warm caches and allocations.
    #[must_use]
    pub fn warm_up(mut self, calls: u32, input: impl Into<Box<F>>) -> Acceptance<F, P> {
        self.warm_up.push((calls, input.into()));
        self
    }

    /// Puts a model to the proof. Panics, of the model and of the comparisons, are caught.
    ///
    /// # Errors
    ///
    /// [`AcceptanceError`], which says what the model did not prove.
    pub fn accept(&self, model: &dyn Model<F, P>) -> Result<(), AcceptanceError> {
        for (index, probe) in self.probes.iter().enumerate() {
            let step = Step::Probe(index);
            let answer = guarded(step, || model.predict(&probe.input))?;
            if let Some(check) = &probe.check {
                judged(step, || check(&answer))?;
            }
        }
        let mut index = 0_usize;
        for golden in &self.golden {
            let first = index;
            for (input, expected) in &golden.rows {
                let step = Step::Golden(index);
                let found = guarded(step, || model.predict(input))?;
                judged(step, || (golden.compare)(expected, &found))?;
                index = index.saturating_add(1);
            }
            golden.accept_batch(model, first)?;
        }
        for (calls, input) in &self.warm_up {
            for call in 0..*calls {
                guarded(Step::WarmUp(call), || model.predict(input))?;
            }
        }
        Ok(())
    }
}

impl<F: ?Sized, P> Golden<F, P> {
    /// The same rows at once: a batch must come out as its rows do.
    fn accept_batch(&self, model: &dyn Model<F, P>, first: usize) -> Result<(), AcceptanceError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let inputs: Vec<&F> = self.rows.iter().map(|(input, _)| &**input).collect();
        let step = Step::Batch(first);
        let answers = guarded(step, || Ok(model.predict_batch(&inputs)))?;
        if answers.len() != inputs.len() {
            let difference = format!("found {} answers, expected {}", answers.len(), inputs.len());
            return Err(AcceptanceError::new(step, Cause::Differs(difference.into())));
        }
        for (place, ((_, expected), found)) in self.rows.iter().zip(answers).enumerate() {
            let step = Step::Batch(first.saturating_add(place));
            let found = found.map_err(|error| AcceptanceError::new(step, Cause::Failed(error)))?;
            judged(step, || (self.compare)(expected, &found))?;
        }
        Ok(())
    }
}

fn guarded<T>(
    step: Step,
    call: impl FnOnce() -> Result<T, ModelError>,
) -> Result<T, AcceptanceError> {
    let failed = |error| AcceptanceError::new(step, Cause::Failed(error));
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(failed),
        Err(payload) => Err(failed(ModelError::panicked(payload))),
    }
}

fn judged(step: Step, judge: impl FnOnce() -> Result<(), String>) -> Result<(), AcceptanceError> {
    match catch_unwind(AssertUnwindSafe(judge)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(difference)) => Err(AcceptanceError::new(step, Cause::Differs(difference.into()))),
        Err(payload) => {
            Err(AcceptanceError::new(step, Cause::Failed(ModelError::panicked(payload))))
        }
    }
}

impl<F: ?Sized, P> Default for Acceptance<F, P> {
    fn default() -> Acceptance<F, P> {
        Acceptance::new()
    }
}

impl<F: ?Sized, P> fmt::Debug for Acceptance<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptance")
            .field("probes", &self.probes.len())
            .field("golden", &self.golden.iter().map(|golden| golden.rows.len()).sum::<usize>())
            .field("warm_up", &self.warm_up.iter().map(|(calls, _)| calls).collect::<Vec<_>>())
            .finish()
    }
}

/// What a model did not prove, so that it may not answer.
#[derive(Clone, Debug)]
pub struct AcceptanceError {
    step: Step,
    cause: Cause,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Probe(usize),
    Golden(usize),
    Batch(usize),
    WarmUp(u32),
}

#[derive(Clone, Debug)]
enum Cause {
    /// The model answered, and not as it should.
    Differs(Box<str>),
    /// The model did not answer, or something panicked.
    Failed(ModelError),
}

impl AcceptanceError {
    #[cold]
    fn new(step: Step, cause: Cause) -> AcceptanceError {
        AcceptanceError { step, cause }
    }

    /// The golden row, counted from 0 over all of them, if it was one that failed.
    pub fn golden_row(&self) -> Option<usize> {
        match self.step {
            Step::Golden(row) | Step::Batch(row) => Some(row),
            _ => None,
        }
    }

    /// What the comparison or check said, if the model answered.
    pub fn difference(&self) -> Option<&str> {
        match &self.cause {
            Cause::Differs(difference) => Some(difference),
            Cause::Failed(_) => None,
        }
    }

    /// The model's own error, if it did not answer.
    pub fn model_error(&self) -> Option<&ModelError> {
        match &self.cause {
            Cause::Differs(_) => None,
            Cause::Failed(error) => Some(error),
        }
    }
}

impl fmt::Display for AcceptanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Step::Probe(index) => write!(f, "probe {index}: ")?,
            Step::Golden(row) => write!(f, "golden row {row}: ")?,
            Step::Batch(row) => write!(f, "golden row {row} in a batch: ")?,
            Step::WarmUp(call) => write!(f, "warm-up call {call}: ")?,
        }
        match &self.cause {
            Cause::Differs(difference) => f.write_str(difference),
            Cause::Failed(_) => f.write_str("the model did not answer"),
        }
    }
}

impl Error for AcceptanceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.model_error().map(|error| error as &(dyn Error + 'static))
    }
}
