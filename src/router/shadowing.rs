//! Between the router and the shadow lines: which run is offered where, with what copied.

mod joined;
mod served;

use std::{borrow::Borrow, sync::Arc, time::Duration};

pub(crate) use joined::{ComparedOn, JoinedShadow};
pub(crate) use served::{Asker, Served, key};

use super::{
    BuildError, Input, Output,
    call::{FiniteCheck, checked},
    core::Core,
    deferred_drop::DeferredDrop,
    slot::Handle,
    table::{Candidate, CountsLookup, RoutingTable},
};
use crate::{
    clock::Clock,
    compare::{
        Comparator, Run,
        sink::{self, ComparisonSink, FanOut},
    },
    model::Model,
    parallel::JoinPool,
    process::OwnerProcess,
    shadow::{self, DropCause, Mode, Shadow, ShadowLine},
    value::Value,
    version::Version,
};
#[cfg(feature = "async")]
use crate::{compare::Slices, context::EvaluationContext, prediction_id::PredictionId};

/// How features are shown in comparisons, where they are asked for.
pub(crate) type FeatureRecorder<F> = Option<fn(&F) -> Value>;

/// A handle that can give a model to run in shadow.
pub(crate) trait Shadowable<F: ?Sized, P>: Handle {
    /// `limit` is for models that can be given up.
    fn shadow(&self, limit: Option<Duration>) -> Arc<dyn Model<F, P>>;
}

/// One line a policy.
pub(crate) struct Shadowing<F: ?Sized, P> {
    lines: Arc<[PolicyLine<P>]>,
    describe: FeatureRecorder<F>,
    finite: FiniteCheck<P>,
    owner: OwnerProcess,
}

pub(crate) struct PolicyLine<P> {
    line: ShadowLine<P>,
    /// Where a joined policy's candidates run beside the primary.
    join_pool: Option<JoinPool>,
}

impl<F: ?Sized + Input, P: Output> Shadowing<F, P> {
    pub(crate) fn start(
        policies: &[Shadow],
        comparator: Option<Arc<dyn Comparator<P>>>,
        sinks: &[Arc<dyn ComparisonSink<P>>],
        describe: FeatureRecorder<F>,
        finite: FiniteCheck<P>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Shadowing<F, P>, BuildError> {
        let line = |policy: &Shadow| {
            let comparator = comparator.clone().map(|c| Box::new(c) as Box<dyn Comparator<P>>);
            let sinks = sinks.iter().cloned().fold(FanOut::new(), FanOut::and);
            let line = ShadowLine::start(policy, comparator, sinks, Arc::clone(clock))
                .map_err(BuildError::Shadow)?;
            let join_pool = match policy.mode {
                Mode::Detached => None,
                Mode::Joined => Some(JoinPool::start(policy.threads).map_err(BuildError::Thread)?),
            };
            Ok(PolicyLine { line, join_pool })
        };
        let lines = policies.iter().map(line).collect::<Result<_, BuildError>>()?;
        Ok(Shadowing { lines, describe, finite, owner: OwnerProcess::current() })
    }

    /// Sees to the end of these lines and of the core they belong to.
    pub(crate) fn deferred_drop<M: Handle>(&self, core: &Arc<Core<M>>) -> DeferredDrop {
        DeferredDrop::of(core, &self.lines)
    }

    /// What the table asks for the counts of a candidate.
    pub(crate) fn counts(&self) -> CountsLookup {
        let lines = Arc::clone(&self.lines);
        Box::new(move |policy, version| match lines.get(policy) {
            Some(line) => line.line.candidate(version),
            None => Arc::new(shadow::CandidateCounts::new(version.clone())),
        })
    }

    /// There is another model under this version's name.
    pub(crate) fn end_pause(&self, version: &Version) {
        self.lines.iter().for_each(|line| line.line.end_pause(version));
    }

    pub(crate) fn is_joined(&self, candidate: &Candidate) -> bool {
        self.lines.get(candidate.policy).is_some_and(|line| line.join_pool.is_some())
    }

    /// Whether one of these will probably be compared: a look at a few numbers, which may be stale.
    #[inline]
    pub(crate) fn has_room(&self, candidates: &[Candidate]) -> bool {
        candidates.iter().any(|candidate| {
            let line = self.lines.get(candidate.policy);
            line.is_some_and(|line| line.join_pool.is_some() || line.line.has_room())
        })
    }

    /// What the sinks of these candidates say of a request whose context will be gone.
    #[cfg(feature = "async")]
    pub(crate) fn slices(
        &self,
        candidates: &[Candidate],
        context: &dyn EvaluationContext,
    ) -> Slices {
        // The sinks are the router's, the same for each policy.
        let line = candidates.first().and_then(|first| self.lines.get(first.policy));
        line.map(|line| line.line.slices(context)).unwrap_or_default()
    }

    /// Counts the runs of a request that got no answer: there is nothing to compare them with.
    #[cfg(feature = "async")]
    pub(crate) fn unanswered<M>(
        &self,
        table: &RoutingTable<M>,
        candidates: &[Candidate],
        slot: usize,
        (key, id): (Option<&str>, PredictionId),
    ) {
        let Some(slot) = table.slots.get(slot) else { return };
        for candidate in candidates {
            let Some((line, counts)) = self.find(table, *candidate) else { continue };
            line.refuse(counts, DropCause::Unanswered, || shadow::ShadowRequest {
                prediction_id: id,
                revision: table.revision,
                targeting_key: key.map(Box::from),
                primary: slot.version.clone(),
            });
        }
    }

    /// Hands the detached candidates over. Copies features and output only where there is room.
    pub(crate) fn offer<M: Shadowable<F, P>>(
        &self,
        table: &RoutingTable<M>,
        candidates: &[Candidate],
        served: &Served<'_, P>,
        features: &F,
    ) {
        for candidate in candidates {
            if served.is_by(table, *candidate) {
                continue;
            }
            let Some((line, counts)) = self.find(table, *candidate) else { continue };
            if !self.owner.is_current() {
                line.refuse(counts, DropCause::Shutdown, || served.wanted());
                continue;
            }
            let Some(Ok(model)) = table.slots.get(candidate.slot).map(|slot| &slot.model) else {
                continue;
            };
            // A refusal is counted where it happens; there is nobody to tell.
            let _ = line.offer(
                counts,
                || served.wanted(),
                || {
                    let owned = features.to_owned();
                    let (model, finite) = (model.shadow(line.deadline()), self.finite);
                    let run = move || {
                        let features: &F = owned.borrow();
                        model.predict(features).and_then(|output| checked(output, finite))
                    };
                    (self.answered(line, served, features), run)
                },
            );
        }
    }

    fn find<'a, M>(
        &'a self,
        table: &'a RoutingTable<M>,
        candidate: Candidate,
    ) -> Option<(&'a ShadowLine<P>, &'a Arc<shadow::CandidateCounts>)> {
        let line = self.lines.get(candidate.policy)?;
        let counts = table.shadows.get(candidate.policy)?.counts.get(candidate.slot)?;
        Some((&line.line, counts))
    }

    fn answered(
        &self,
        line: &ShadowLine<P>,
        served: &Served<'_, P>,
        features: &F,
    ) -> shadow::PrimaryAnswer<P> {
        shadow::PrimaryAnswer {
            prediction_id: served.id,
            revision: served.revision,
            targeting_key: served.asker.key().map(Box::from),
            features: self
                .describe
                .filter(|_| line.records_features())
                .map(|describe| describe(features)),
            slices: served.asker.slices(line),
            primary: Run::new(
                served.version,
                served.called.outcome.clone(),
                served.called.service_time,
            )
            .with_cpu_time(served.called.cpu_time),
        }
    }

    pub(crate) fn stats(&self) -> Vec<shadow::Stats> {
        self.lines.iter().map(|line| line.line.stats()).collect()
    }

    /// Waits until everything handed over so far has been recorded.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        self.within(timeout, ShadowLine::flush)
    }

    /// The same, and then stops the threads.
    pub(crate) fn shutdown(&self, timeout: Duration) -> bool {
        self.within(timeout, ShadowLine::shutdown)
    }

    /// On a thread of its own: a sink that takes longer must not hold the caller beyond `timeout`.
    fn within(&self, timeout: Duration, what: Waits<P>) -> bool {
        if !self.owner.is_current() {
            return false;
        }
        let lines = Arc::clone(&self.lines);
        let (done, ended) = crossbeam_channel::bounded(1);
        let wait = move || {
            let all = for_all(&lines, timeout, what);
            drop(lines);
            // The caller may have given up.
            let _ = done.send(all);
        };
        match std::thread::Builder::new().name("modelgate-flush".into()).spawn(wait) {
            Ok(_) => ended.recv_timeout(timeout).unwrap_or(false),
            Err(_) => for_all(&self.lines, timeout, what),
        }
    }
}

/// Something to be waited for at each line.
type Waits<P> = fn(&ShadowLine<P>, Duration) -> Result<bool, sink::Error>;

fn for_all<P>(lines: &[PolicyLine<P>], timeout: Duration, what: Waits<P>) -> bool {
    let started = std::time::Instant::now();
    // Each gets its turn, whatever came of the one before.
    lines.iter().fold(true, |all, line| {
        let left = timeout.saturating_sub(started.elapsed());
        let in_time = what(&line.line, left).unwrap_or_else(|error| {
            tracing::warn!(
                target: "modelgate::compare",
                error = %crate::error_chain(&error),
                "a comparison sink could not be flushed"
            );
            false
        });
        all && in_time
    })
}
