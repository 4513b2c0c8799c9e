//! Candidates that run beside the primary while its caller waits for both.

use std::{borrow::Borrow, time::Duration};

use super::{Served, Shadowable, Shadowing};
use crate::{
    compare::Run,
    contain::contained,
    model::{ErrorKind, ModelError},
    router::{
        Input, Output, ServedAnswer,
        call::{Called, measured_call},
        table::{Candidate, RoutingTable},
    },
    shadow::{DropCause, ShadowScope},
};

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

    /// Why a joined candidate could not be run.
    fn no_room(&self) -> DropCause {
        if self.owner.is_current() { DropCause::QueueFull } else { DropCause::Shutdown }
    }
}
