//! The router: which version answers, what runs beside it, and what happens when one fails.

mod batch;
mod binding;
mod breaker;
mod builder;
mod call;
pub(crate) mod clamp;
mod core;
mod decision;
mod error;
#[cfg(feature = "async")]
mod future;
mod impact;
mod kept;
mod operate;
mod prediction;
mod registered;
mod shadowing;
mod slot;
mod stats;
mod table;

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "async")]
pub use self::future::{AsyncFnModel, AsyncModel, AsyncModelRouter, ModelFuture, async_model_fn};
pub use self::{
    binding::{Binding, Switches},
    breaker::BreakerPolicy,
    builder::RouterBuilder,
    decision::{Decision, ExplainedFlag, Explanation, FallbackCause, MissingKey},
    error::{BuildError, OperateError},
    impact::{ImpactMetric, ImpactMetrics, ImpactValue},
    prediction::{PredictError, Prediction},
    stats::{Counts, RouterStats, VersionState, VersionStats},
};
use self::{
    call::{Called, FiniteCheck, call},
    core::{Choice, Core, KeyRefused},
    kept::Kept,
    shadowing::{ComparedOn, Joined, Served, Shadowable, Shadowing},
    slot::Handle,
    table::{Candidate, Candidates, Table},
};
use crate::{
    context::EvaluationContext,
    model::{Admission, Model, ModelError},
    prediction_id::PredictionId,
    store::{Flags, FlagsStatus, NotReady},
    version::Version,
};

/// What callers hand to a model by reference: `[f32]`, `str`, [`Features`](crate::Features), or any
/// type of yours that can be cloned. Implemented for all that fit.
///
/// A copy is made only for the requests that are shadowed.
pub trait Input: ToOwned<Owned: Send + Sync + 'static> + Send + Sync + 'static {}

impl<F> Input for F where F: ToOwned<Owned: Send + Sync + 'static> + Send + Sync + ?Sized + 'static {}

/// What a model answers: any type that can be cloned and sent. Implemented for all that fit.
///
/// A clone is made only for the requests that are shadowed.
pub trait Output: Clone + Send + Sync + 'static {}

impl<P: Clone + Send + Sync + 'static> Output for P {}

/// A model as the sync router keeps it.
type Shared<F, P> = Arc<dyn Model<F, P>>;

impl<F: Input + ?Sized, P: Output> Handle for Shared<F, P> {
    fn can_answer(&self) -> bool {
        self.is_loaded()
    }
    fn load(&self) -> Result<(), ModelError> {
        Model::load(&**self)
    }
}

impl<F: Input + ?Sized, P: Output> Shadowable<F, P> for Shared<F, P> {
    fn shadow(&self) -> Shared<F, P> {
        Arc::clone(self)
    }
}

/// Routes each request to the model version that the flags choose, falls back in the same request
/// when that version fails, and runs others in its shadow.
///
/// A clone is another handle on the same router: put one into `axum::extract::State`,
/// `actix_web::web::Data` or a `static`. When the last handle goes, its threads stop.
///
/// ```
/// use modelgate::{Context, ModelRouter, Rollout, model_fn};
///
/// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
///     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
///     .model("v2", model_fn(|features: &[f32]| Ok(features.iter().product())))
///     .fallback("v1")
///     .source(Rollout::percent("v2", 25.0).or("v1").flag("ml-model-version")?)
///     .build()?;
///
/// let answer = router.predict(&Context::new("user-42"), &[1.0, 2.0, 3.0])?;
/// println!("{} by {}, because {}", answer.output(), answer.version(), answer.reason());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ModelRouter<F: ?Sized + Input, P: Output> {
    inner: Arc<Inner<F, P>>,
}

struct Inner<F: ?Sized + Input, P: Output> {
    core: Arc<Core<Shared<F, P>>>,
    shadowing: Shadowing<F, P>,
    finite: FiniteCheck<P>,
}

impl<F: ?Sized + Input, P: Output> Clone for ModelRouter<F, P> {
    fn clone(&self) -> ModelRouter<F, P> {
        ModelRouter { inner: Arc::clone(&self.inner) }
    }
}

impl<F: ?Sized + Input, P: Output> fmt::Debug for ModelRouter<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelRouter")
            .field("binding", &self.inner.core.settings.binding)
            .field("versions", &self.versions())
            .field("fallback", &self.inner.core.settings.fallback)
            .finish_non_exhaustive()
    }
}

/// An answer on its way to the caller.
struct Answered<P> {
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
        let Inner { core, shadowing, .. } = &*self.inner;
        let table = core.table.load();
        let id = PredictionId::generate();
        let choice =
            core.choose(&table, context, true).map_err(|KeyRefused| PredictError::missing_key())?;
        core.count(&table, &choice);
        let candidates = core.candidates(&table, context, choice.slot, id);
        if candidates.is_empty() {
            return conclude(&table, self.answer(&table, choice, features), id);
        }
        let (answered, joined) = shadowing
            .beside(&table, &candidates, features, || self.answer(&table, choice, features));
        self.shadow(
            &table,
            &candidates,
            &answered,
            joined,
            (shadowing::key(context), features, id),
        );
        conclude(&table, answered, id)
    }

    /// Hands the answer to the shadow side, with what the candidates need.
    fn shadow(
        &self,
        table: &Table<Shared<F, P>>,
        candidates: &[Candidate],
        answered: &Answered<P>,
        joined: Vec<Joined<P>>,
        (key, features, id): (Option<&str>, &F, PredictionId),
    ) {
        let shadowing = &self.inner.shadowing;
        let served = Served::new(table, &answered.choice, &answered.called, key, id);
        let Some(served) = served else { return };
        shadowing.compare_joined(table, &served, features, joined, ComparedOn::Caller);
        let detached: Candidates =
            candidates.iter().copied().filter(|one| !shadowing.is_joined(one)).collect();
        shadowing.offer(table, &detached, &served, features);
    }

    /// Asks the chosen version, and the fallback if that one does not answer.
    #[inline]
    fn answer(&self, table: &Table<Shared<F, P>>, choice: Choice, features: &F) -> Answered<P> {
        let called = self.ask(table, choice.slot, features);
        match &called.outcome {
            Err(_) if choice.slot != table.fallback => {
                self.answer_by_fallback(table, choice, called, features)
            }
            _ => Answered { choice, called, first: None },
        }
    }

    #[cold]
    fn answer_by_fallback(
        &self,
        table: &Table<Shared<F, P>>,
        choice: Choice,
        failed: Called<P>,
        features: &F,
    ) -> Answered<P> {
        let choice = self.inner.core.fall_back(table, choice, failed.outcome.as_ref().err());
        let called = self.ask(table, choice.slot, features);
        Answered { choice, called, first: failed.outcome.err() }
    }

    #[inline]
    fn ask(&self, table: &Table<Shared<F, P>>, place: usize, features: &F) -> Called<P> {
        let Some((slot, Ok(model))) = table.slots.get(place).map(|slot| (slot, &slot.model)) else {
            return Called::not_loaded();
        };
        let called = call(&**model, features, self.inner.finite);
        slot.finished(&called.outcome, called.service_time, &*self.inner.core.settings.clock);
        called
    }

    /// Puts a version in, or replaces it, while requests go on. The model is checked first; then
    /// one atomic swap makes it current, and the old one is freed after its last user.
    ///
    /// A thread that has stopped making requests counts as a user until it makes another or ends.
    ///
    /// # Errors
    ///
    /// [`OperateError::Ineligible`] when the model fails its checks; what was installed before
    /// stays.
    pub fn install(
        &self,
        version: impl Into<Version>,
        model: impl Model<F, P> + 'static,
        admission: &Admission<F, P>,
    ) -> Result<(), OperateError> {
        let checked = admission.admit(&model).map_err(|error| crate::error_chain(&error));
        self.inner.core.install_checked(version.into(), checked, Arc::new(Kept::new(model)))
    }
}

operate::operations!(ModelRouter);

/// Makes the caller's answer of what the models said.
#[inline]
fn conclude<M: Handle, P>(
    table: &Table<M>,
    answered: Answered<P>,
    id: PredictionId,
) -> Result<Prediction<P>, PredictError> {
    let Answered { choice, called, first } = answered;
    match called.outcome {
        Ok(output) => {
            if let Some(slot) = table.slots.get(choice.slot) {
                slot.counters.answered(choice.reason);
            }
            let decision = table.decision(choice);
            Ok(Prediction { output, decision, service_time: called.service_time, id })
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
