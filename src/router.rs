//! The router: which version answers, what runs beside it, and what happens when one fails.

mod batch;
pub(crate) mod binding;
mod breaker;
pub(crate) mod builder;
mod call;
pub(crate) mod clamp;
mod contained;
mod core;
pub(crate) mod decision;
mod deferred_drop;
pub(crate) mod error;
#[cfg(feature = "async")]
pub(crate) mod future;
#[cfg_attr(
    not(feature = "unleash-dialect"),
    allow(dead_code, unreachable_pub, reason = "only Unleash takes impact metrics")
)]
pub(crate) mod impact;
pub(crate) mod model_router;
mod observer;
mod operate;
pub(crate) mod prediction;
mod publication;
mod registered;
mod shadowing;
mod slot;
pub mod stats;
mod sync;
pub(crate) mod table;

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "async")]
pub use self::future::{Spawned, Spawner};
pub(crate) use self::{
    binding::Binding,
    builder::RouterBuilder,
    decision::{Decision, FallbackCause},
    error::BuildError,
    model_router::ModelRouter,
    prediction::{PredictError, Prediction},
    stats::RouterStats,
};
pub use self::{
    binding::SwitchBinding,
    breaker::BreakerPolicy,
    decision::{ExplainedFlag, Explanation, MissingKey},
    error::OperateError,
    model_router::{Input, Output},
    observer::{AnswerObserver, LiveAnswer},
    prediction::PredictErrorKind,
};
use self::{
    call::{Called, FiniteCheck, measured_call},
    contained::ContainedModel,
    core::{Choice, Core, MissingKeyError},
    deferred_drop::DeferredDrop,
    shadowing::{Asker, ComparedOn, JoinedShadow, Served, Shadowable, Shadowing},
    slot::Handle,
    table::{Candidate, Candidates, RoutingTable},
};
pub use crate::prediction_id::ParsePredictionIdError;
use crate::{
    context::EvaluationContext,
    flag::store::{self, Flags, NotReadyError},
    model::{Acceptance, Model, ModelError},
    prediction_id::PredictionId,
    version::Version,
};

/// A model as the sync router keeps it.
type SharedModel<F, P> = Arc<dyn Model<F, P>>;

impl<F: Input + ?Sized, P: Output> Handle for SharedModel<F, P> {
    fn can_answer(&self) -> bool {
        self.is_loaded()
    }
    fn load(&self) -> Result<(), ModelError> {
        Model::load(&**self)
    }
}

impl<F: Input + ?Sized, P: Output> Shadowable<F, P> for SharedModel<F, P> {
    fn shadow(&self, _limit: Option<Duration>) -> SharedModel<F, P> {
        Arc::clone(self)
    }
}

struct RouterState<F: ?Sized, P> {
    // First: what follows is then not the last to go.
    _deferred_drop: DeferredDrop,
    core: Arc<Core<SharedModel<F, P>>>,
    shadowing: Shadowing<F, P>,
    finite: FiniteCheck<P>,
}

impl<F: ?Sized, P> Clone for ModelRouter<F, P> {
    fn clone(&self) -> ModelRouter<F, P> {
        ModelRouter { inner: Arc::clone(&self.inner) }
    }
}

impl<F: ?Sized + Input, P: Output> fmt::Debug for ModelRouter<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.core.debug("ModelRouter", f)
    }
}

/// An answer on its way to the caller.
struct ServedAnswer<P> {
    choice: Choice,
    called: Called<P>,
    /// What the chosen version said before the fallback was asked.
    first: Option<ModelError>,
}

impl<F: ?Sized + Input, P: Output> ModelRouter<F, P> {
    /// A router bound to a flag by its value (`&str`), or to flags in another way ([`Binding`]).
    pub fn builder(binding: impl Into<Binding>) -> RouterBuilder<F, P> {
        RouterBuilder::new(binding.into())
    }

    /// Answers with the version that the flags choose for this context.
    ///
    /// The model runs on the calling thread. A version that errors, panics or (where the router
    /// [refuses them](RouterBuilder::refuse_non_finite)) answers NaN is replaced by the fallback
    /// version in the same call. Shadows run elsewhere, after the answer is known, and can neither
    /// delay it nor change it (unless the policy is [joined](crate::Shadow::joined)).
    ///
    /// # Errors
    ///
    /// [`PredictError`], when neither the chosen version nor the fallback answered, or when the
    /// context lacks a targeting key and the policy is to [refuse](MissingKey::Refuse).
    pub fn predict(
        &self,
        context: &dyn EvaluationContext,
        features: &F,
    ) -> Result<Prediction<P>, PredictError> {
        let RouterState { core, shadowing, .. } = &*self.inner;
        let table = core.table.load();
        let id = PredictionId::generate();
        let mut choice = core
            .choose(&table, context, true)
            .map_err(|MissingKeyError| PredictError::missing_key())?;
        core.count(&table, &choice);
        let named = core.named(&choice);
        let candidates = core.candidates(&table, context, choice.slot, id);
        if candidates.is_empty() {
            let answered = self.answer(&table, choice, features);
            core.observe(&table, named, &answered, (shadowing::key(context), id));
            return conclude(&table, answered, id);
        }
        choice.is_compared = shadowing.has_room(&candidates);
        let (answered, joined) = shadowing
            .run_joined(&table, &candidates, features, || self.answer(&table, choice, features));
        self.shadow(&table, &candidates, &answered, joined, (context, features, id));
        core.observe(&table, named, &answered, (shadowing::key(context), id));
        conclude(&table, answered, id)
    }

    /// Hands the answer to the shadow side, with what the candidates need.
    fn shadow(
        &self,
        table: &RoutingTable<SharedModel<F, P>>,
        candidates: &[Candidate],
        answered: &ServedAnswer<P>,
        joined: Vec<JoinedShadow<P>>,
        (context, features, id): (&dyn EvaluationContext, &F, PredictionId),
    ) {
        let shadowing = &self.inner.shadowing;
        let served =
            Served::new(table, &answered.choice, &answered.called, Asker::Here(context), id);
        let Some(served) = served else { return };
        shadowing.compare_joined(table, &served, features, joined, ComparedOn::Caller);
        let detached: Candidates =
            candidates.iter().copied().filter(|one| !shadowing.is_joined(one)).collect();
        shadowing.offer(table, &detached, &served, features);
    }

    /// Asks the chosen version, and the fallback if that one does not answer.
    #[inline]
    fn answer(
        &self,
        table: &RoutingTable<SharedModel<F, P>>,
        choice: Choice,
        features: &F,
    ) -> ServedAnswer<P> {
        let called = self.ask(table, &choice, features);
        match &called.outcome {
            Err(_) if choice.slot != table.fallback => {
                self.answer_by_fallback(table, choice, called, features)
            }
            _ => ServedAnswer { choice, called, first: None },
        }
    }

    #[cold]
    fn answer_by_fallback(
        &self,
        table: &RoutingTable<SharedModel<F, P>>,
        choice: Choice,
        failed: Called<P>,
        features: &F,
    ) -> ServedAnswer<P> {
        let first = failed.outcome.err();
        let mut choice = self.inner.core.fall_back(table, choice, first.as_ref());
        loop {
            let called = self.ask(table, &choice, features);
            match &called.outcome {
                Err(error) if choice.slot != table.fallback => {
                    choice = self.inner.core.fall_back(table, choice, Some(error));
                }
                _ => return ServedAnswer { choice, called, first },
            }
        }
    }

    #[inline]
    fn ask(
        &self,
        table: &RoutingTable<SharedModel<F, P>>,
        choice: &Choice,
        features: &F,
    ) -> Called<P> {
        let slot = table.slots.get(choice.slot);
        let Some((slot, Ok(model))) = slot.map(|slot| (slot, &slot.model)) else {
            return Called::not_loaded();
        };
        let called = measured_call(&**model, features, self.inner.finite, choice.is_compared);
        let clock = &*self.inner.core.settings.clock;
        slot.finished(&called.outcome, called.service_time, choice.ticket, clock);
        called
    }

    /// Puts a version in, or replaces it, while requests go on. The model is checked first; then
    /// one atomic swap makes it current, and the old one is freed after its last user.
    ///
    /// It is freed on a thread of our own, within a tenth of a second of its last user's end: never by
    /// a request, and whatever threads are idle.
    ///
    /// # Errors
    ///
    /// [`OperateError::Ineligible`] when the model fails its checks; what was installed before
    /// stays.
    pub fn install(
        &self,
        version: impl Into<Version>,
        model: impl Model<F, P> + 'static,
        acceptance: &Acceptance<F, P>,
    ) -> Result<(), OperateError> {
        let checked = acceptance.accept(&model).map_err(|error| crate::error_chain(&error));
        let version = version.into();
        self.inner.core.install_checked(
            version.clone(),
            checked,
            Arc::new(ContainedModel::new(model)),
        )?;
        self.inner.shadowing.end_pause(&version);
        Ok(())
    }
}

operate::operations!(ModelRouter);

impl<F: ?Sized + Input, P: Output> ModelRouter<F, P> {
    /// Ends what runs beside the answers: waits until every shadow accepted so far has been
    /// recorded, stops the shadows' threads, and has the sinks write everything out. `false` when
    /// `timeout` passes first; what has not run by then is counted as dropped. Requests are
    /// answered as before, without shadows.
    ///
    /// For the end of a program: the last handle that is dropped leaves this to a thread that
    /// nobody waits for.
    pub fn shutdown(&self, timeout: Duration) -> bool {
        self.inner.shadowing.shutdown(timeout)
    }
}

/// Makes the caller's answer of what the models said.
#[inline]
fn conclude<M: Handle, P>(
    table: &RoutingTable<M>,
    answered: ServedAnswer<P>,
    id: PredictionId,
) -> Result<Prediction<P>, PredictError> {
    let ServedAnswer { choice, called, first } = answered;
    match called.outcome {
        Ok(output) => {
            if let Some(slot) = table.slots.get(choice.slot) {
                slot.counters.answered(choice.reason);
            }
            let decision = table.decision(choice);
            let service_time = called.service_time;
            Ok(Prediction { output, decision, service_time, id, first_error: first })
        }
        Err(error) => {
            let version = table.decision(choice).version;
            Err(match first {
                Some(first) => PredictError::both(first, version, error),
                None => PredictError::model(version, error),
            })
        }
    }
}
