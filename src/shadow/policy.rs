//! The user's policy: when a candidate runs in the shadow, and what it may cost.

use std::{error::Error as StdError, fmt, io, sync::Arc, time::Duration};

use super::{Budget, Sampler};
use crate::{
    compare::key::{KeyHash, KeyHasher},
    mismatch::Mismatch,
    version::Version,
};

/// When candidates run in the shadow of the version that answers, and what they may cost.
///
/// Shadows run on threads of their own, after the caller has its answer (unless they are
/// [`joined`](Shadow::joined)). Nothing they do can delay, change or fail an answer: what does not
/// fit the limits set here is dropped, and counted by its [`DropCause`](crate::shadow::DropCause).
///
/// ```
/// use std::time::Duration;
/// use modelgate::{Shadow, shadow::Budget};
///
/// let shadow = Shadow::flag("shadow-mode-v2")
///     .candidate("v2")
///     .sample(25.0)
///     .budget(Budget::cpu_percent(10.0))
///     .deadline(Duration::from_millis(500));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Shadow {
    pub(crate) trigger: Trigger,
    pub(crate) candidates: Vec<Version>,
    pub(crate) mode: Mode,
    pub(super) sample: f64,
    pub(super) budget: Budget,
    pub(super) deadline: Option<Duration>,
    pub(super) queue: usize,
    pub(crate) threads: usize,
    pub(super) grace: Duration,
    pub(super) hasher: Option<KeyHasher>,
    pub(super) targeting_key: bool,
    pub(super) features: bool,
    pub(super) filter: Option<Filter>,
}

/// Which users' runs are wanted.
#[derive(Clone)]
pub(super) struct Filter(Arc<dyn Fn(&KeyHash) -> bool + Send + Sync>);

impl Filter {
    pub(super) fn admits(&self, key: &KeyHash) -> bool {
        (self.0)(key)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter(..)")
    }
}

/// What asks for shadows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// A flag: on, or naming candidates.
    Flag(Box<str>),
    /// Every request.
    Always,
}

/// Whether the caller waits for its shadows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Detached,
    Joined,
}

impl Shadow {
    /// Shadows while this flag says so: a boolean flag runs the declared
    /// [`candidate`](Shadow::candidate)s when it is on; a flag that answers with a text, or a list
    /// of texts, runs the versions it names.
    pub fn flag(key: impl Into<Box<str>>) -> Shadow {
        Shadow::on(Trigger::Flag(key.into()))
    }

    /// Shadows every request, without a flag.
    pub fn always() -> Shadow {
        Shadow::on(Trigger::Always)
    }

    fn on(trigger: Trigger) -> Shadow {
        Shadow {
            trigger,
            candidates: Vec::new(),
            mode: Mode::Detached,
            sample: 100.0,
            budget: Budget::default(),
            deadline: Some(Duration::from_secs(10)),
            queue: 256,
            threads: 1,
            grace: Duration::from_secs(1),
            hasher: None,
            targeting_key: false,
            features: false,
            filter: None,
        }
    }

    /// A version to run in the shadow; call it again for another. A version never shadows itself:
    /// a candidate that answers the caller is left out.
    pub fn candidate(mut self, version: impl Into<Version>) -> Shadow {
        self.candidates.push(version.into());
        self
    }

    /// The share of users to shadow, in percent; 100 by default, to a thousandth.
    ///
    /// Drawn by a hash of the targeting key, before the outcome is known: a user's requests are
    /// all shadowed or none, on every machine alike, and raising the share keeps those already
    /// in. The draw is independent of every rollout. Requests without a key are drawn one by one.
    pub fn sample(mut self, percent: f64) -> Shadow {
        self.sample = percent;
        self
    }

    /// How much processor time shadows may take; by default a two-hundredth of what the process may
    /// use, and less where others want the processors ([`Budget::spare_percent`]). That moves no live
    /// latency; comparisons of every request by a model of milliseconds take more, or a
    /// [`sample`](Self::sample).
    pub fn budget(mut self, budget: Budget) -> Shadow {
        self.budget = budget;
        self
    }

    /// How long after the answer a shadow is still of interest; 10 seconds by default. One that
    /// has waited longer is not started, and the outcome of one that ends later is dropped. A
    /// model cannot be interrupted: it keeps its thread until it returns.
    pub fn deadline(mut self, deadline: Duration) -> Shadow {
        self.deadline = Some(deadline);
        self
    }

    /// How many shadows may wait for a thread; 256 by default. Each holds a copy of its features
    /// and of the primary's output.
    pub fn queue(mut self, shadows: usize) -> Shadow {
        self.queue = shadows;
        self
    }

    /// How many threads run shadows; 1 by default.
    pub fn threads(mut self, threads: usize) -> Shadow {
        self.threads = threads;
        self
    }

    /// The caller does not wait: the default.
    pub fn detached(mut self) -> Shadow {
        self.mode = Mode::Detached;
        self
    }

    /// The caller waits for the candidates, which run beside the primary: for replays, tests, and
    /// callers who want every answer. A request then costs as much as the slowest version, and
    /// queue, threads and budget do not apply.
    pub fn joined(mut self) -> Shadow {
        self.mode = Mode::Joined;
        self
    }

    /// How long a router that is dropped or shut down waits for shadows that are running; 1
    /// second by default. Those still waiting for a thread are dropped at once, as
    /// [`Shutdown`](crate::shadow::DropCause::Shutdown).
    pub fn grace(mut self, grace: Duration) -> Shadow {
        self.grace = grace;
        self
    }

    /// What turns targeting keys into the hashes that comparisons carry; one with a random secret
    /// by default, so that hashes cannot be joined across restarts.
    pub fn key_hasher(mut self, hasher: KeyHasher) -> Shadow {
        self.hasher = Some(hasher);
        self
    }

    pub(crate) fn has_key_hasher(&self) -> bool {
        self.hasher.is_some()
    }

    /// Puts the targeting key itself into comparisons. Off by default: it identifies a person.
    pub fn record_targeting_key(mut self) -> Shadow {
        self.targeting_key = true;
        self
    }

    /// Puts the features into comparisons. Off by default: they may be personal.
    pub fn record_features(mut self) -> Shadow {
        self.features = true;
        self
    }

    /// Asks this function, before a candidate runs, whether a run for this user is wanted; one that
    /// is not is passed over, and counts as [such](crate::shadow::Counts::passed_over), neither
    /// as wanted nor as dropped. For work that would be wasted: a user who has been scored already.
    ///
    /// It is asked on the shadow side, and for requests with a targeting key only. Candidates that
    /// run [joined](Shadow::joined) have run by then: passing over spares the comparison. The hashes
    /// are those of the policy's [`key_hasher`](Shadow::key_hasher).
    ///
    /// ```
    /// use std::{collections::HashSet, sync::Mutex};
    /// use modelgate::Shadow;
    ///
    /// // Each user once.
    /// let seen = Mutex::new(HashSet::new());
    /// let shadow = Shadow::always()
    ///     .candidate("v2")
    ///     .admit(move |key| seen.lock().is_ok_and(|mut seen| seen.insert(*key)));
    /// ```
    pub fn admit(mut self, filter: impl Fn(&KeyHash) -> bool + Send + Sync + 'static) -> Shadow {
        self.filter = Some(Filter(Arc::new(filter)));
        self
    }

    /// What draws the requests.
    pub(crate) fn sampler(&self) -> Sampler {
        Sampler::percent(self.sample)
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let wrong = |field, found: String, expected: &str| {
            Err(Error { mismatch: Mismatch::new(field, found, expected), source: None })
        };
        if let Trigger::Flag(key) = &self.trigger
            && key.is_empty()
        {
            return wrong("flag", "an empty key".into(), "a flag key");
        }
        if self.trigger == Trigger::Always && self.candidates.is_empty() {
            return wrong("candidate", "none".into(), "at least one, as no flag names any");
        }
        for (place, candidate) in self.candidates.iter().enumerate() {
            if candidate.is_empty() {
                return wrong("candidate", "an empty name".into(), "a version");
            }
            if self.candidates.iter().take(place).any(|earlier| earlier == candidate) {
                return wrong("candidate", format!("`{candidate}` twice"), "each version once");
            }
        }
        if !(0.0..=100.0).contains(&self.sample) {
            return wrong("sample", self.sample.to_string(), "0 to 100 percent");
        }
        let percent = self.budget.percent();
        if percent.is_nan() || percent <= 0.0 {
            return wrong("budget", format!("{percent} percent"), "more than 0 percent");
        }
        if self.deadline == Some(Duration::ZERO) {
            return wrong("deadline", "0 s".into(), "more than 0 s");
        }
        if self.queue == 0 {
            return wrong("queue", "0".into(), "at least 1");
        }
        if !(1..=MOST_THREADS).contains(&self.threads) {
            return wrong("threads", self.threads.to_string(), "1 to 1024");
        }
        Ok(())
    }
}

/// More is a mistake, and asking the system for a billion threads takes it down.
const MOST_THREADS: usize = 1024;

/// A [`Shadow`] policy cannot be put to work.
#[derive(Debug)]
pub struct Error {
    mismatch: Mismatch,
    source: Option<io::Error>,
}

impl Error {
    pub(super) fn no_thread(source: io::Error) -> Error {
        Error {
            mismatch: Mismatch::new(
                "threads",
                "a system that starts no more",
                "as many as asked for",
            ),
            source: Some(source),
        }
    }

    /// The setting that is wrong.
    pub fn field(&self) -> &'static str {
        self.mismatch.field
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shadow {}", self.mismatch)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_is_named() {
        let good = || Shadow::flag("shadow").candidate("v2");
        good().validate().unwrap();
        for (field, policy) in [
            ("flag", Shadow::flag("").candidate("v2")),
            ("candidate", Shadow::always()),
            ("candidate", good().candidate("v2")),
            ("candidate", good().candidate("")),
            ("sample", good().sample(100.1)),
            ("sample", good().sample(f64::NAN)),
            ("budget", good().budget(Budget::cpu_percent(0.0))),
            ("budget", good().budget(Budget::cpu_percent(f64::NAN))),
            ("budget", good().budget(Budget::spare_percent(-1.0))),
            ("deadline", good().deadline(Duration::ZERO)),
            ("queue", good().queue(0)),
            ("threads", good().threads(0)),
            ("threads", good().threads(usize::MAX)),
        ] {
            assert_eq!(policy.validate().unwrap_err().field(), field);
        }
        assert_eq!(
            good().sample(-1.0).validate().unwrap_err().to_string(),
            "shadow sample: found -1, expected 0 to 100 percent"
        );
    }

    #[test]
    fn redaction_is_on_unless_asked_otherwise() {
        let policy = Shadow::always();
        assert!(!policy.targeting_key && !policy.features);
    }
}
