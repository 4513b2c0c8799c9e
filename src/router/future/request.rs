//! One request of the async router, from the decision to the answer.

use std::{borrow::Borrow, sync::Arc, time::Duration};

use futures::future::{join, join_all};

use super::{
    AsyncRouterState,
    compute::{CallReport, Computed, compute},
    hosted::Hosted,
    lane::LaneError,
    wait::wait,
};
use crate::{
    compare::Slices,
    context::EvaluationContext,
    prediction_id::PredictionId,
    router::{
        Input, Output, PredictError, Prediction, ServedAnswer,
        call::{Called, measured_call},
        conclude,
        core::{Choice, MissingKeyError},
        registered::AnyModel,
        shadowing::{self, Asker, ComparedOn, JoinedShadow, Served},
        table::{Candidate, Candidates, RoutingTable},
    },
    shadow::{Marked, ShadowScope, is_shadow},
};

/// A request that has been decided and is about to run.
pub(super) struct DecidedRequest<F: ?Sized + Input, P: Output> {
    pub(super) table: Arc<RoutingTable<Hosted<F, P>>>,
    pub(super) choice: Choice,
    pub(super) shadows: PendingShadows<F, P>,
    /// What the sinks said of the context, for requests with shadows.
    pub(super) slices: Slices,
}

impl LaneError {
    /// What a caller is told, or the failure that has the next version asked.
    pub(super) fn otherwise<P>(self, is_last: bool) -> Result<Called<P>, PredictError> {
        match (self, is_last) {
            (refused, false) => Ok(Called::failed(refused.into_model_error(), Duration::ZERO)),
            (LaneError::Full | LaneError::Hung, true) => Err(PredictError::overloaded()),
            (LaneError::Stopped, true) => Err(PredictError::stopped()),
        }
    }
}

/// The router that decided a request, and the table by which it did.
type DecidedBy<F, P> = (Arc<AsyncRouterState<F, P>>, Arc<RoutingTable<Hosted<F, P>>>);

/// The shadows of a request that has no answer yet. Dropped before it has one, its runs are counted:
/// also when the caller gives the request up, whether or not it was ever polled.
pub(super) struct PendingShadows<F: ?Sized + Input, P: Output> {
    pub(super) id: PredictionId,
    /// Kept only for requests with shadows, or with an observer.
    pub(super) key: Option<Box<str>>,
    pub(super) candidates: Candidates,
    slot: usize,
    /// Whom to tell; `None` when there is nothing to be told, or no longer.
    of: Option<DecidedBy<F, P>>,
}

impl<F: ?Sized + Input, P: Output> PendingShadows<F, P> {
    /// There is an answer.
    pub(super) fn end(&mut self) {
        self.of = None;
    }

    /// Whose request it is.
    pub(super) fn asker(&self) -> (Option<&str>, PredictionId) {
        (self.key.as_deref(), self.id)
    }
}

impl<F: ?Sized + Input, P: Output> Drop for PendingShadows<F, P> {
    fn drop(&mut self) {
        if let Some((state, table)) = self.of.take() {
            state.shadowing.unanswered(&table, &self.candidates, self.slot, self.asker());
        }
    }
}

impl<F: ?Sized + Input, P: Output> AsyncRouterState<F, P> {
    pub(super) fn start(
        self: &Arc<Self>,
        context: &dyn EvaluationContext,
    ) -> Result<DecidedRequest<F, P>, PredictError> {
        self.start_from(&self.core.table.load().to_arc(), context)
    }

    pub(super) fn start_from(
        self: &Arc<Self>,
        table: &Arc<RoutingTable<Hosted<F, P>>>,
        context: &dyn EvaluationContext,
    ) -> Result<DecidedRequest<F, P>, PredictError> {
        if !self.owner.is_current() {
            return Err(PredictError::stopped());
        }
        let id = PredictionId::generate();
        let mut choice = self
            .core
            .choose(table, context, true)
            .map_err(|MissingKeyError| PredictError::missing_key())?;
        self.core.count(table, &choice);
        let candidates = self.core.candidates(table, context, choice.slot, id);
        choice.is_compared = self.shadowing.has_room(&candidates);
        let key = match candidates.is_empty() && self.core.named(&choice).is_none() {
            true => None,
            false => shadowing::key(context).map(Box::from),
        };
        let slices = self.shadowing.slices(&candidates, context);
        let of = (!candidates.is_empty()).then(|| (Arc::clone(self), Arc::clone(table)));
        let shadows = PendingShadows { id, key, candidates, slot: choice.slot, of };
        Ok(DecidedRequest { table: Arc::clone(table), choice, shadows, slices })
    }

    pub(super) async fn run(
        &self,
        started: DecidedRequest<F, P>,
        features: Arc<F::Owned>,
    ) -> Result<Prediction<P>, PredictError> {
        let DecidedRequest { table, choice, mut shadows, slices } = started;
        let named = self.core.named(&choice);
        let (join_pool, detached): (Candidates, Candidates) =
            shadows.candidates.iter().copied().partition(|one| self.shadowing.is_joined(one));
        let (answered, joined) = join(
            self.answer(&table, choice, &features),
            join_all(join_pool.iter().map(|candidate| self.join(&table, *candidate, &features))),
        )
        .await;
        let answered = answered?;
        shadows.end();
        let (choice, called, (key, id)) = (&answered.choice, &answered.called, shadows.asker());
        if !shadows.candidates.is_empty()
            && let Some(served) = Served::new(&table, choice, called, Asker::Gone(key, &slices), id)
        {
            let features: &F = (*features).borrow();
            let on = ComparedOn::ShadowThread;
            self.shadowing.compare_joined(&table, &served, features, joined, on);
            self.shadowing.offer(&table, &detached, &served, features);
        }
        self.core.observe(&table, named, &answered, (key, id));
        conclude(&table, answered, id)
    }

    async fn answer(
        &self,
        table: &RoutingTable<Hosted<F, P>>,
        choice: Choice,
        features: &Arc<F::Owned>,
    ) -> Result<ServedAnswer<P>, PredictError> {
        let (mut choice, mut first) = (choice, None);
        loop {
            let called = self.ask(table, &choice, features).await?;
            match called.outcome {
                Err(error) if choice.slot != table.fallback => {
                    choice = self.core.fall_back(table, choice, Some(&error));
                    first = first.or(Some(error));
                }
                _ => return Ok(ServedAnswer { choice, called, first }),
            }
        }
    }

    /// A joined candidate: asked beside the primary, with the same deadline.
    async fn join(
        &self,
        table: &RoutingTable<Hosted<F, P>>,
        candidate: Candidate,
        features: &Arc<F::Owned>,
    ) -> JoinedShadow<P> {
        let hosted = table.slots.get(candidate.slot).and_then(|slot| slot.model.as_ref().ok());
        let called = match hosted {
            Some(hosted) => {
                let report =
                    CallReport::new::<()>(None, [], &self.core.settings.clock).measured(true);
                Marked::new(self.call(hosted, report, features), None).await
            }
            None => Ok(Called::not_loaded()),
        };
        // A lane without room is the candidate's loss, never the caller's.
        JoinedShadow { candidate, called: called.ok() }
    }

    async fn ask(
        &self,
        table: &RoutingTable<Hosted<F, P>>,
        choice: &Choice,
        features: &Arc<F::Owned>,
    ) -> Result<Called<P>, PredictError> {
        let slot = table.slots.get(choice.slot);
        let Some((slot, Ok(hosted))) = slot.map(|slot| (slot, &slot.model)) else {
            return Ok(Called::not_loaded());
        };
        let report = CallReport::new(Some(slot), [choice.ticket], &self.core.settings.clock)
            .measured(choice.is_compared);
        let called = self.call(hosted, report, features).await;
        called.or_else(|refused| refused.otherwise(choice.slot == table.fallback))
    }

    /// One call within the deadline, counted however it ends.
    pub(super) async fn call(
        &self,
        hosted: &Hosted<F, P>,
        report: CallReport,
        features: &Arc<F::Owned>,
    ) -> Result<Called<P>, LaneError> {
        let deadline = self.deadline.as_ref();
        match (&hosted.model, &hosted.lane) {
            (AnyModel::Compute(model), Some(lane)) => {
                let (model, features, finite) =
                    (Arc::clone(model), Arc::clone(features), self.finite);
                let for_shadow = is_shadow();
                let measured = report.is_measured;
                let work = move || {
                    let _inside = for_shadow.then(|| ShadowScope::enter(None));
                    measured_call(&*model, (*features).borrow(), finite, measured)
                };
                match compute(lane, deadline, report, std::slice::from_ref, work).await {
                    Computed::Done(called) => Ok(called),
                    Computed::Late(error, waited) => Ok(Called::failed(error, waited)),
                    Computed::Refused(refused) => Err(refused),
                }
            }
            (AnyModel::Waiting(model), _) => {
                let features: &F = (**features).borrow();
                Ok(wait(&**model, features, self.finite, deadline, report).await)
            }
            // Every model that computes has a lane.
            (AnyModel::Compute(_), None) => Ok(Called::not_loaded()),
        }
    }
}
