//! Between the router and the shadow lines: which run is offered where, with what copied.

use std::{borrow::Borrow, sync::Arc, time::Duration};

use super::{
    BuildError, Input, Output, ServedAnswer,
    call::{Called, FiniteCheck, checked, measured_call},
    core::{Choice, Core},
    deferred_drop::DeferredDrop,
    slot::Handle,
    table::{Candidate, CountsLookup, RoutingTable},
};
use crate::{
    clock::Clock,
    compare::{
        Comparator, Run, Slices,
        sink::{self, ComparisonSink, FanOut},
    },
    contain::contained,
    context::EvaluationContext,
    model::{ErrorKind, Model, ModelError},
    parallel::JoinPool,
    prediction_id::PredictionId,
    process::OwnerProcess,
    shadow::{self, DropCause, Mode, Shadow, ShadowLine, ShadowScope},
    value::Value,
    version::Version,
};

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

/// What was served, for the comparisons.
pub(crate) struct Served<'a, P> {
    id: PredictionId,
    revision: u64,
    asker: Asker<'a>,
    version: &'a Version,
    called: &'a Called<P>,
}

/// Who asked, as far as comparisons want to know.
#[derive(Clone, Copy)]
pub(crate) enum Asker<'a> {
    /// The request's context is still there.
    Here(&'a dyn EvaluationContext),
    /// It is gone: the targeting key and the slices it left.
    #[cfg(feature = "async")]
    Gone(Option<&'a str>, &'a Slices),
}

impl<'a> Asker<'a> {
    fn key(self) -> Option<&'a str> {
        match self {
            Asker::Here(context) => key(context),
            #[cfg(feature = "async")]
            Asker::Gone(key, _) => key,
        }
    }

    fn slices<P: Send + 'static>(self, line: &ShadowLine<P>) -> Slices {
        match self {
            Asker::Here(context) => line.slices(context),
            #[cfg(feature = "async")]
            Asker::Gone(_, slices) => slices.clone(),
        }
    }
}

impl<'a, P> Served<'a, P> {
    pub(crate) fn new<M>(
        table: &'a RoutingTable<M>,
        choice: &Choice,
        called: &'a Called<P>,
        asker: Asker<'a>,
        id: PredictionId,
    ) -> Option<Served<'a, P>> {
        let version = &table.slots.get(choice.slot)?.version;
        Some(Served { id, revision: table.revision, asker, version, called })
    }

    /// Whether the candidate itself answered: as the fallback of a version that failed, say. To
    /// compare it with itself would make it agree just when the other fails.
    fn is_by<M>(&self, table: &RoutingTable<M>, candidate: Candidate) -> bool {
        table.slots.get(candidate.slot).is_some_and(|slot| slot.version == *self.version)
    }

    fn wanted(&self) -> shadow::ShadowRequest {
        shadow::ShadowRequest {
            prediction_id: self.id,
            revision: self.revision,
            targeting_key: self.asker.key().map(Box::from),
            primary: self.version.clone(),
        }
    }
}

/// A candidate that ran beside the primary; `None` when it could not be run.
pub(crate) struct JoinedShadow<P> {
    pub(crate) candidate: Candidate,
    pub(crate) called: Option<Called<P>>,
}

/// Where joined candidates are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ComparedOn {
    Caller,
    #[cfg(feature = "async")]
    ShadowThread,
}

impl<P> JoinedShadow<P> {
    #[cold]
    fn panicked(candidate: Candidate) -> JoinedShadow<P> {
        let error = ModelError::of_kind(
            ErrorKind::Panicked,
            "what goes into the run, or came out of it, panicked",
        );
        let called = Called { outcome: Err(error), service_time: Duration::ZERO, cpu_time: None };
        JoinedShadow { candidate, called: Some(called) }
    }
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
    pub(crate) fn forgive(&self, version: &Version) {
        self.lines.iter().for_each(|line| line.line.forgive(version));
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

    /// Runs `answer`, and the joined candidates beside it.
    pub(crate) fn run_joined<M: Shadowable<F, P>>(
        &self,
        table: &RoutingTable<M>,
        candidates: &[Candidate],
        features: &F,
        answer: impl FnOnce() -> ServedAnswer<P>,
    ) -> (ServedAnswer<P>, Vec<JoinedShadow<P>>) {
        let joined: Vec<Candidate> =
            candidates.iter().copied().filter(|candidate| self.is_joined(candidate)).collect();
        let pool = joined
            .first()
            .and_then(|first| self.lines.get(first.policy))
            .and_then(|line| line.join_pool.as_ref());
        let Some(pool) = pool else { return (answer(), Vec::new()) };
        if !self.owner.is_current() {
            let lost = |candidate| JoinedShadow { candidate, called: None };
            return (answer(), joined.into_iter().map(lost).collect());
        }
        let finite = self.finite;
        let runs: Vec<_> = joined
            .iter()
            .filter_map(|candidate| {
                let model = table.slots.get(candidate.slot)?.model.as_ref().ok()?.shadow(None);
                let (candidate, features) = (*candidate, contained(|| features.to_owned())?);
                Some(move || {
                    let _inside = ShadowScope::enter(None);
                    JoinedShadow {
                        candidate,
                        called: Some(measured_call(&*model, features.borrow(), finite, true)),
                    }
                })
            })
            .collect();
        let (answered, mut results) = pool.run(answer, runs.into_iter());
        // One without a result panicked outside the model: when its features were copied, say.
        for candidate in joined {
            if !results.iter().any(|result: &JoinedShadow<P>| result.candidate == candidate) {
                results.push(JoinedShadow::panicked(candidate));
            }
        }
        (answered, results)
    }

    /// Sees to the comparisons of what ran beside the primary: on this thread, so that a replay is
    /// not faster than its sinks, or on the shadow threads, so that an executor's worker does not
    /// wait for one.
    pub(crate) fn compare_joined<M>(
        &self,
        table: &RoutingTable<M>,
        served: &Served<'_, P>,
        features: &F,
        joined: Vec<JoinedShadow<P>>,
        on: ComparedOn,
    ) {
        for JoinedShadow { candidate, called } in joined {
            if served.is_by(table, candidate) {
                continue;
            }
            let Some((line, counts)) = self.find(table, candidate) else { continue };
            let Some(called) = called else {
                line.refuse(counts, self.no_room(), || served.wanted());
                continue;
            };
            let side = Run::new(counts.version(), called.outcome, called.service_time)
                .with_cpu_time(called.cpu_time);
            // Copies the answer and describes the features, by code of the user's.
            let Some(answered) = contained(|| self.answered(line, served, features)) else {
                line.refuse(counts, DropCause::Panic, || served.wanted());
                continue;
            };
            match on {
                ComparedOn::Caller => {
                    line.record_finished(counts, answered, side);
                }
                #[cfg(feature = "async")]
                ComparedOn::ShadowThread => {
                    // A refusal is counted where it happens.
                    let _ = line.offer_finished(counts, answered, side);
                }
            }
        }
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

    /// Why a joined candidate could not be run.
    fn no_room(&self) -> DropCause {
        if self.owner.is_current() { DropCause::QueueFull } else { DropCause::Shutdown }
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

/// The targeting key, if there is one.
pub(crate) fn key(context: &dyn EvaluationContext) -> Option<&str> {
    context.targeting_key().filter(|key| !key.is_empty())
}
