//! One registered version: its model, whether it may answer, its breaker, its counters.

use std::sync::Arc;

use super::{
    FallbackCause,
    breaker::{Breaker, BreakerPolicy, Ticket},
    stats::{VersionCounters, VersionState, VersionStats},
};
use crate::{clock::Clock, model::ModelError, version::Version};

/// What a router keeps for a version: the sync router a model, the async one either kind.
pub(crate) trait Handle: Clone + Send + Sync + 'static {
    /// Whether it can answer without loading first.
    fn can_answer(&self) -> bool;

    fn load(&self) -> Result<(), ModelError>;

    /// The version was blocked, or is no longer.
    fn blocked(&self, _blocked: bool) {}

    /// The version is asked no more, but by requests that are under way.
    fn retired(&self) {}
}

/// A version in a routing table. A clone copies pointers.
#[derive(Clone, Debug)]
pub(crate) struct Slot<M> {
    pub(crate) version: Version,
    pub(crate) model: Result<M, Arc<str>>,
    pub(crate) blocked: bool,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) counters: Arc<VersionCounters>,
}

impl<M> Slot<M> {
    /// What is counted for the version, without the model: to be kept for as long as a call takes.
    #[cfg(feature = "async")]
    pub(crate) fn without_model(&self) -> Slot<()> {
        Slot {
            version: self.version.clone(),
            model: Ok(()),
            blocked: self.blocked,
            breaker: Arc::clone(&self.breaker),
            counters: Arc::clone(&self.counters),
        }
    }
}

impl<M: Handle> Slot<M> {
    /// A version whose model has passed its checks, or the reason why it has not.
    pub(crate) fn new(
        version: Version,
        model: Result<M, Arc<str>>,
        policy: BreakerPolicy,
    ) -> Slot<M> {
        Slot {
            version,
            model,
            blocked: false,
            breaker: Arc::new(Breaker::new(policy)),
            counters: Arc::new(VersionCounters::new()),
        }
    }

    /// Whether the model may be asked, with what its breaker wants to see afterwards. `probe` takes
    /// the one call that a breaker lets through after a rest.
    #[inline]
    pub(crate) fn admits(&self, clock: &dyn Clock, probe: bool) -> Result<Ticket, FallbackCause> {
        match &self.model {
            Err(_) => Err(FallbackCause::Ineligible),
            Ok(model) if !model.can_answer() => Err(FallbackCause::Ineligible),
            Ok(_) if self.blocked => Err(FallbackCause::Blocked),
            Ok(_) if probe => self.breaker.admits(clock).ok_or(FallbackCause::BreakerOpen),
            Ok(_) if self.breaker.would_admit(clock) => Ok(Ticket::default()),
            Ok(_) => Err(FallbackCause::BreakerOpen),
        }
    }

    pub(crate) fn state(&self) -> VersionState {
        match &self.model {
            Err(why) => VersionState::Ineligible { why: why.to_string() },
            Ok(model) if !model.can_answer() => VersionState::NotLoaded,
            Ok(_) if self.blocked => VersionState::Blocked,
            Ok(_) if self.breaker.is_open() => VersionState::BreakerOpen,
            Ok(_) => VersionState::Eligible,
        }
    }

    pub(crate) fn stats(&self) -> VersionStats {
        self.counters.read(&self.version, self.state())
    }
}
