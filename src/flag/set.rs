//! An immutable set of flags that shares what an update leaves alone.

use std::{
    any::Any,
    fmt,
    sync::{Arc, LazyLock},
};

use super::{
    BorrowedDetails, ErrorCode, Evaluation, EvaluationTrace, Flag, Problem, ProblemSeverity,
    Reason, Request, TraceStep, table::ShardedTable,
};
use crate::{
    clock::{Clock, SystemClock},
    context::EvaluationContext,
    value::{Map, Value},
};

/// For whoever evaluates without a clock.
static SYSTEM_CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::new);

/// What the flags of one set have in common and refer to by name, segments for instance: of the
/// dialect's own type.
pub(crate) trait SetData: Any + Send + Sync {
    /// This, with what its document got wrong as it was in `previous`; `None` when nothing was.
    fn keeping_last_good(&self, previous: &dyn Any) -> Option<Arc<dyn SetData>>;

    /// Hears of a request for a flag that no set has.
    fn missed(&self, key: &str, request: &Request<'_>, default: &dyn Fn() -> Value) {
        let _ = (key, request, default);
    }
}

/// The flags of one source at one moment, compiled. Changing one copies pointers only.
///
/// Made by a dialect (see [`dialect`](crate::dialect)) or by collecting [`Flag`]s.
#[derive(Clone)]
pub struct FlagSet {
    flags: ShardedTable<Flag>,
    shared: Option<Arc<dyn SetData>>,
    metadata: Arc<Map>,
    problems: Arc<Vec<Problem>>,
    revision: Option<Arc<str>>,
    sequence: Option<u64>,
}

impl Default for FlagSet {
    fn default() -> FlagSet {
        FlagSet::new()
    }
}

impl FlagSet {
    /// A set without flags.
    pub fn new() -> FlagSet {
        FlagSet {
            flags: ShardedTable::default(),
            shared: None,
            metadata: Arc::default(),
            problems: Arc::default(),
            revision: None,
            sequence: None,
        }
    }

    /// The flag `key`.
    #[inline]
    pub fn get(&self, key: &str) -> Option<&Flag> {
        self.flags.get(key)
    }

    /// Evaluates the flag `key`; a flag that is not there answers [`ErrorCode::FlagNotFound`].
    /// Rules about the time go by the machine's clock.
    #[inline]
    pub fn evaluate<'a>(
        &'a self,
        key: &str,
        context: &'a dyn EvaluationContext,
    ) -> BorrowedDetails<'a> {
        self.evaluate_at(key, context, &*SYSTEM_CLOCK)
    }

    /// As [`evaluate`](FlagSet::evaluate), by another clock.
    #[inline]
    pub fn evaluate_at<'a>(
        &'a self,
        key: &str,
        context: &'a dyn EvaluationContext,
        clock: &'a dyn Clock,
    ) -> BorrowedDetails<'a> {
        match self.get(key) {
            Some(flag) => {
                flag.evaluate(&Request { context, key_override: None, counted: true, clock }, self)
            }
            None => self.not_found(),
        }
    }

    /// Evaluates the flag `key` and records how the answer came about. Allocates.
    pub fn explain<'a>(
        &'a self,
        key: &str,
        context: &'a dyn EvaluationContext,
    ) -> (BorrowedDetails<'a>, EvaluationTrace) {
        self.explain_at(key, context, &*SYSTEM_CLOCK)
    }

    /// As [`explain`](FlagSet::explain), by another clock.
    pub fn explain_at<'a>(
        &'a self,
        key: &str,
        context: &'a dyn EvaluationContext,
        clock: &'a dyn Clock,
    ) -> (BorrowedDetails<'a>, EvaluationTrace) {
        match self.get(key) {
            Some(flag) => {
                flag.explain(&Request { context, key_override: None, counted: true, clock }, self)
            }
            None => {
                let text = format!("there is no flag `{key}`");
                (self.not_found(), EvaluationTrace { steps: vec![TraceStep::Note { text }] })
            }
        }
    }

    #[cold]
    fn not_found(&self) -> Evaluation<'_> {
        Evaluation {
            value: None,
            variant: None,
            reason: Reason::Error,
            error: Some(ErrorCode::FlagNotFound),
            metadata: &self.metadata,
            on: None,
            missing_key: false,
            outcome: 0,
            truncates: false,
        }
    }

    /// To be called for a flag that was asked for and that no set of the snapshot has.
    #[cold]
    pub(crate) fn missed(&self, key: &str, request: &Request<'_>, default: &dyn Fn() -> Value) {
        if let Some(shared) = &self.shared {
            shared.missed(key, request, default);
        }
    }

    /// The number of flags.
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    /// Whether there are no flags.
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// The flags, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Flag> {
        self.flags.values()
    }

    /// The set's own metadata.
    pub fn metadata(&self) -> &Map {
        &self.metadata
    }

    /// What was wrong with the document this set was made from. A flag that was
    /// [refused](ProblemSeverity::Rejected) is not in the set; publishing the set keeps its last good
    /// form in force.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What the source calls this state of the flags: an ETag, a version, a digest.
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// Names this state of the flags.
    #[must_use]
    pub fn with_revision(mut self, revision: impl Into<Arc<str>>) -> FlagSet {
        self.revision = Some(revision.into());
        self
    }

    /// The set's place in its source's order, where the source numbers its states.
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// Gives the set its place in its source's order: a store refuses a set whose number is lower
    /// than that of the set in force.
    #[must_use]
    pub fn with_sequence(mut self, sequence: u64) -> FlagSet {
        self.sequence = Some(sequence);
        self
    }

    /// The same set with this flag added or replaced. Copies one shard's pointers.
    #[must_use]
    pub fn with(mut self, flag: Flag) -> FlagSet {
        self.insert(flag);
        self
    }

    /// Adds or replaces this flag.
    pub(crate) fn insert(&mut self, flag: Flag) {
        self.flags.insert(Arc::clone(&flag.key), flag);
    }

    /// The same set without the flag `key`.
    #[must_use]
    pub fn without(mut self, key: &str) -> FlagSet {
        self.flags.remove(key);
        self
    }

    /// What the flags of this set refer to, if it is of this type.
    #[inline]
    pub(crate) fn shared<T: SetData>(&self) -> Option<&T> {
        let shared: &dyn Any = &**self.shared.as_ref()?;
        shared.downcast_ref()
    }

    pub(crate) fn with_shared(mut self, shared: impl SetData) -> FlagSet {
        self.shared = Some(Arc::new(shared));
        self
    }

    pub(crate) fn with_metadata(mut self, metadata: Map) -> FlagSet {
        self.metadata = Arc::new(metadata);
        self
    }

    /// The same set with one more thing that is wrong with a flag. If the flag was
    /// [refused](ProblemSeverity::Rejected) and is not in the set, its last good form stays in
    /// force when the set is published; its neighbours are not touched.
    #[must_use]
    pub fn with_problem(mut self, problem: Problem) -> FlagSet {
        Arc::make_mut(&mut self.problems).push(problem);
        self
    }

    pub(crate) fn with_problems(mut self, problems: Vec<Problem>) -> FlagSet {
        self.problems = Arc::new(problems);
        self
    }

    /// The same set without what was wrong with the flag `key`: it has been mended or removed.
    pub(crate) fn without_problems_of(mut self, key: &str) -> FlagSet {
        if self.problems.iter().any(|problem| problem.key == key) {
            let others = self.problems.iter().filter(|problem| problem.key != key).cloned();
            self.problems = Arc::new(others.collect());
        }
        self
    }

    /// This set, with the flags that its document got wrong as they were in `previous`.
    pub(crate) fn keeping_last_good(mut self, previous: &FlagSet) -> FlagSet {
        if let (Some(own), Some(theirs)) = (&self.shared, &previous.shared)
            && let Some(kept) = own.keeping_last_good(&**theirs)
        {
            self.shared = Some(kept);
        }
        let problems = Arc::clone(&self.problems);
        problems
            .iter()
            .filter(|problem| problem.severity == ProblemSeverity::Rejected)
            .filter_map(|problem| previous.get(&problem.key))
            .fold(self, |set, flag| match set.get(flag.key()) {
                Some(_) => set,
                None => set.with(flag.clone()),
            })
    }
}

impl FromIterator<Flag> for FlagSet {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> FlagSet {
        flags.into_iter().fold(FlagSet::new(), FlagSet::with)
    }
}

impl fmt::Debug for FlagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagSet")
            .field("flags", &self.len())
            .field("revision", &self.revision)
            .field("problems", &self.problems.len())
            .finish_non_exhaustive()
    }
}
