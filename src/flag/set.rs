//! An immutable set of flags that shares what an update leaves alone.

use std::{fmt, hash::BuildHasher, sync::Arc};

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{
    ErrorCode, Evaluation, Flag, FlagProblem, Reason, Request, Severity, Trace, TraceStep,
};
use crate::{clock::Clock, context::EvaluationContext, value::Map};

/// Enough shards that one of them is short to copy: 80 pointers with 5,000 flags.
const SHARDS: usize = 64;

type Shard = FxHashMap<Arc<str>, Flag>;

/// The flags of one source at one moment, compiled. Changing one copies pointers only.
///
/// Made by a dialect (see [`dialect`](crate::dialect)) or by collecting [`Flag`]s.
#[derive(Clone)]
pub struct FlagSet {
    shards: Arc<[Arc<Shard>]>,
    metadata: Arc<Map>,
    problems: Arc<[FlagProblem]>,
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
            shards: vec![Arc::default(); SHARDS].into(),
            metadata: Arc::default(),
            problems: Arc::default(),
            revision: None,
            sequence: None,
        }
    }

    /// The flag `key`.
    pub fn get(&self, key: &str) -> Option<&Flag> {
        self.shards.get(shard(key))?.get(key)
    }

    /// Evaluates the flag `key`; a flag that is not there answers [`ErrorCode::FlagNotFound`].
    #[inline]
    pub fn evaluate<'a>(
        &'a self,
        key: &str,
        context: &'a dyn EvaluationContext,
        clock: &'a dyn Clock,
    ) -> Evaluation<'a> {
        match self.get(key) {
            Some(flag) => flag.evaluate(&Request { context, key_override: None, clock }),
            None => self.not_found(),
        }
    }

    /// Evaluates the flag `key` and records how the answer came about. Allocates.
    pub fn explain<'a>(
        &'a self,
        key: &str,
        context: &'a dyn EvaluationContext,
        clock: &'a dyn Clock,
    ) -> (Evaluation<'a>, Trace) {
        match self.get(key) {
            Some(flag) => flag.explain(&Request { context, key_override: None, clock }),
            None => {
                let text = format!("there is no flag `{key}`");
                (self.not_found(), Trace { steps: vec![TraceStep::Note { text }] })
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
            missing_key: false,
        }
    }

    /// The number of flags.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }

    /// Whether there are no flags.
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.is_empty())
    }

    /// The flags, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Flag> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    /// The set's own metadata.
    pub fn metadata(&self) -> &Map {
        &self.metadata
    }

    /// What was wrong with the document this set was made from. A flag that was
    /// [refused](Severity::Rejected) is not in the set; publishing the set keeps its last good
    /// form in force.
    pub fn problems(&self) -> &[FlagProblem] {
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
        self.change(&flag.key.clone(), |shard| {
            shard.insert(Arc::clone(&flag.key), flag);
        });
        self
    }

    /// The same set without the flag `key`.
    #[must_use]
    pub fn without(mut self, key: &str) -> FlagSet {
        if self.get(key).is_some() {
            self.change(key, |shard| {
                shard.remove(key);
            });
        }
        self
    }

    pub(crate) fn with_metadata(mut self, metadata: Map) -> FlagSet {
        self.metadata = Arc::new(metadata);
        self
    }

    pub(crate) fn with_problems(mut self, problems: Vec<FlagProblem>) -> FlagSet {
        self.problems = problems.into();
        self
    }

    /// The same set without what was wrong with the flag `key`: it has been mended or removed.
    pub(crate) fn without_problems_of(mut self, key: &str) -> FlagSet {
        if self.problems.iter().any(|problem| problem.key == key) {
            self.problems =
                self.problems.iter().filter(|problem| problem.key != key).cloned().collect();
        }
        self
    }

    /// This set, with the flags that its document got wrong as they were in `previous`.
    pub(crate) fn keeping_last_good(self, previous: &FlagSet) -> FlagSet {
        let problems = Arc::clone(&self.problems);
        problems
            .iter()
            .filter(|problem| problem.severity == Severity::Rejected)
            .filter_map(|problem| previous.get(&problem.key))
            .fold(self, |set, flag| match set.get(flag.key()) {
                Some(_) => set,
                None => set.with(flag.clone()),
            })
    }

    fn change(&mut self, key: &str, change: impl FnOnce(&mut Shard)) {
        // In place when nobody else holds the set, so that building one stays linear.
        if let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(shard(key)) {
            change(Arc::make_mut(shard));
        }
    }
}

fn shard(key: &str) -> usize {
    // The high bits: the low ones place the key inside the shard's own table.
    (FxBuildHasher.hash_one(key) >> 32) as usize % SHARDS
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
