//! Putting a router together.

mod assemble;
mod validate;

use std::{error::Error, fmt, sync::Arc};

pub(super) use assemble::Parts;

use super::{
    BuildError, Input, ModelRouter, Output,
    binding::Binding,
    breaker::BreakerPolicy,
    call::FiniteCheck,
    decision::MissingKey,
    impact::ImpactFeed,
    observer::AnswerObserver,
    registered::{AnyModel, Registered},
    shadowing::FeatureRecorder,
};
use crate::{
    autopilot::Autopilot,
    clock::Clock,
    compare::{Comparator, sink::ComparisonSink},
    flag::store::{self, Flags},
    model::{Acceptance, FiniteOutput, Model},
    shadow::Shadow,
    source::FlagSource,
    value::Value,
    version::Version,
};

/// Settings of a router under construction; made by [`ModelRouter::builder`].
///
/// [`build`](Self::build) checks everything that can be checked before the first request.
#[must_use = "a builder does nothing until it is built"]
pub struct RouterBuilder<F: ?Sized, P> {
    binding: Binding,
    versions: Vec<Registered<F, P>>,
    checks: Vec<(Version, Acceptance<F, P>)>,
    pub(super) fallbacks: Vec<Version>,
    flags: Option<Flags>,
    sources: store::Builder,
    own_sources: bool,
    shadows: Vec<Shadow>,
    comparator: Option<Arc<dyn Comparator<P>>>,
    sinks: Vec<Arc<dyn ComparisonSink<P>>>,
    record_features: FeatureRecorder<F>,
    missing_key: MissingKey,
    breaker: BreakerPolicy,
    trace_evaluations: bool,
    finite: FiniteCheck<P>,
    clock: Option<Arc<dyn Clock>>,
    observers: Vec<Arc<dyn AnswerObserver>>,
    feeds: Vec<Arc<ImpactFeed>>,
    autopilots: Vec<Autopilot>,
    #[cfg(feature = "async")]
    pub(super) compute: super::future::ComputeSettings,
}

impl<F: ?Sized, P> fmt::Debug for RouterBuilder<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterBuilder")
            .field("binding", &self.binding)
            .field("versions", &self.versions.iter().map(|v| &v.version).collect::<Vec<_>>())
            .field("fallbacks", &self.fallbacks)
            .field("shadows", &self.shadows)
            .finish_non_exhaustive()
    }
}

impl<F: ?Sized + Input, P: Output> RouterBuilder<F, P> {
    pub(super) fn new(binding: Binding) -> RouterBuilder<F, P> {
        RouterBuilder {
            binding,
            versions: Vec::new(),
            checks: Vec::new(),
            fallbacks: Vec::new(),
            flags: None,
            sources: Flags::builder(),
            own_sources: false,
            shadows: Vec::new(),
            comparator: None,
            sinks: Vec::new(),
            record_features: None,
            missing_key: MissingKey::default(),
            breaker: BreakerPolicy::default(),
            trace_evaluations: false,
            finite: None,
            clock: None,
            observers: Vec::new(),
            feeds: Vec::new(),
            autopilots: Vec::new(),
            #[cfg(feature = "async")]
            compute: super::future::ComputeSettings::default(),
        }
    }

    /// Registers a version.
    pub fn model(
        mut self,
        version: impl Into<Version>,
        model: impl Model<F, P> + 'static,
    ) -> RouterBuilder<F, P> {
        let model = Ok(AnyModel::compute(model));
        self.versions.push(Registered { version: version.into(), model });
        self
    }

    /// Registers a version whose loading may have failed. If it has, the service starts all the
    /// same: the version is ineligible and says why, flags that name it are answered by the
    /// fallback, and [`ModelRouter::install`] puts a good one in later.
    ///
    /// The fallback version itself must have loaded.
    pub fn try_model<M, E>(
        mut self,
        version: impl Into<Version>,
        model: Result<M, E>,
    ) -> RouterBuilder<F, P>
    where
        M: Model<F, P> + 'static,
        E: Error + 'static,
    {
        let model =
            model.map(|model| AnyModel::compute(model)).map_err(|error| crate::error_chain(&error));
        self.versions.push(Registered { version: version.into(), model });
        self
    }

    /// Registers a model that waits: for an inference server, for a feature store. Only an
    /// [`AsyncModelRouter`](crate::AsyncModelRouter) can ask one.
    #[cfg(feature = "async")]
    pub fn async_model(
        mut self,
        version: impl Into<Version>,
        model: impl crate::AsyncModel<F, P> + 'static,
    ) -> RouterBuilder<F, P> {
        let model = Ok(AnyModel::waiting(model));
        self.versions.push(Registered { version: version.into(), model });
        self
    }

    /// Registers a model that waits and whose making may have failed; as
    /// [`try_model`](RouterBuilder::try_model).
    #[cfg(feature = "async")]
    pub fn try_async_model<M, E>(
        mut self,
        version: impl Into<Version>,
        model: Result<M, E>,
    ) -> RouterBuilder<F, P>
    where
        M: crate::AsyncModel<F, P> + 'static,
        E: Error + 'static,
    {
        let model =
            model.map(|model| AnyModel::waiting(model)).map_err(|error| crate::error_chain(&error));
        self.versions.push(Registered { version: version.into(), model });
        self
    }

    /// What a version must prove when the router is built: golden rows, warm-up. A version that
    /// fails is ineligible and says why. One that is registered [unloaded](crate::model::LazyModel)
    /// proves it when [`ModelRouter::load`] loads it, and may not answer before.
    pub fn check(
        mut self,
        version: impl Into<Version>,
        acceptance: Acceptance<F, P>,
    ) -> RouterBuilder<F, P> {
        self.checks.push((version.into(), acceptance));
        self
    }

    /// The version that answers whenever the flags name none that can. Required.
    ///
    /// Named again, it adds another behind it, for a baseline that may itself be broken: they are
    /// asked in this order, and one that cannot answer is passed over, as any other version is. The
    /// last is asked in any case; it must be able to answer when the router is built, has no
    /// [breaker](Self::breaker), and cannot be blocked.
    ///
    /// ```
    /// use modelgate::{Context, ModelError, ModelRouter, Rollout, model_fn};
    ///
    /// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
    ///     .model("v2", model_fn(|_: &[f32]| Err(ModelError::new("out of memory"))))
    ///     .model("v1", model_fn(|_: &[f32]| Err(ModelError::new("no feature store"))))
    ///     .model("prior", model_fn(|_: &[f32]| Ok(0.02)))
    ///     .fallback("v1")
    ///     .fallback("prior")
    ///     .source(Rollout::everyone("v2").flag("ml-model-version")?)
    ///     .build()?;
    /// assert_eq!(router.predict(&Context::new("user-42"), &[0.0])?.version(), "prior");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fallback(mut self, version: impl Into<Version>) -> RouterBuilder<F, P> {
        self.fallbacks.push(version.into());
        self
    }

    /// Adds a flag source. Later sources override earlier ones, flag by flag. The router is not
    /// [ready](ModelRouter::wait_ready) before it has delivered.
    pub fn source(mut self, source: impl FlagSource) -> RouterBuilder<F, P> {
        self.sources = self.sources.source(source);
        self.own_sources = true;
        self
    }

    /// Adds a source that readiness does not wait for: overrides that may not be there.
    pub fn optional_source(mut self, source: impl FlagSource) -> RouterBuilder<F, P> {
        self.sources = self.sources.optional_source(source);
        self.own_sources = true;
        self
    }

    /// Uses flags that other routers use too, instead of sources of its own.
    pub fn flags(mut self, flags: Flags) -> RouterBuilder<F, P> {
        self.flags = Some(flags);
        self
    }

    /// Adds a shadow policy.
    pub fn shadow(mut self, shadow: Shadow) -> RouterBuilder<F, P> {
        self.shadows.push(shadow);
        self
    }

    /// How a candidate's answer is compared with the one that was served.
    pub fn compare(mut self, comparator: impl Comparator<P> + 'static) -> RouterBuilder<F, P> {
        self.comparator = Some(Arc::new(comparator));
        self
    }

    /// Adds a sink for comparisons.
    pub fn sink(mut self, sink: impl ComparisonSink<P> + 'static) -> RouterBuilder<F, P> {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Lets comparisons carry the features, for the shadow policies that
    /// [ask for them](Shadow::record_features).
    pub fn features_as(mut self, describe: fn(&F) -> Value) -> RouterBuilder<F, P> {
        self.record_features = Some(describe);
        self
    }

    /// What a split does for a context without a targeting key. Default:
    /// [`MissingKey::Fallback`].
    pub fn missing_key(mut self, policy: MissingKey) -> RouterBuilder<F, P> {
        self.missing_key = policy;
        self
    }

    /// When a version that keeps failing is left alone. Default: after five failures in a row, for
    /// thirty seconds.
    pub fn breaker(mut self, policy: BreakerPolicy) -> RouterBuilder<F, P> {
        self.breaker = policy;
        self
    }

    /// Makes each prediction's decision a `tracing` event (`feature_flag.evaluation`, level info,
    /// target `modelgate::evaluation`) in the span of its request, with the names that
    /// OpenTelemetry has for feature flags: `feature_flag.key`, `feature_flag.result.variant`,
    /// `feature_flag.result.value` (the version), `feature_flag.result.reason`,
    /// `feature_flag.version` (the revision) and, where the fallback stands in, `error.type`.
    ///
    /// Off unless asked for: the subscriber is somebody else's code, and it runs on the thread of the
    /// request, before the model. The example `opentelemetry` sends these events by OTLP.
    pub fn trace_evaluations(mut self) -> RouterBuilder<F, P> {
        self.trace_evaluations = true;
        self
    }

    /// Treats an answer that holds NaN or an infinity as a failure of the version.
    pub fn refuse_non_finite(mut self) -> RouterBuilder<F, P>
    where
        P: FiniteOutput,
    {
        self.finite = Some(P::is_finite);
        self
    }

    /// Tells this observer of each live answer: a [`Verdict`](crate::verdict::Verdict) with live
    /// metrics is one.
    pub fn observer(mut self, observer: impl AnswerObserver + 'static) -> RouterBuilder<F, P> {
        self.observers.push(Arc::new(observer));
        self
    }

    /// The clock of schedules, breakers and budgets. Default: the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> RouterBuilder<F, P> {
        self.clock = Some(clock);
        self
    }

    /// Reports what the router counts, under this name, to where its flags come from.
    #[cfg(feature = "unleash-dialect")]
    pub fn impact_metrics(
        mut self,
        name: impl Into<String>,
        metrics: &crate::unleash::ImpactMetrics,
    ) -> RouterBuilder<F, P> {
        self.feeds.push(metrics.open(name.into()));
        self
    }

    /// Lets an autopilot limit how many of the users whom the flags send to its candidate reach it.
    ///
    /// It can only lower their number. Several autopilots, each with a candidate of its own, may run side by
    /// side.
    pub fn autopilot(mut self, autopilot: &Autopilot) -> RouterBuilder<F, P> {
        self.autopilots.push(autopilot.clone());
        self
    }

    /// Builds the router: checks the versions, starts the sources.
    ///
    /// # Errors
    ///
    /// [`BuildError`], naming the setting.
    pub fn build(self) -> Result<ModelRouter<F, P>, BuildError> {
        let parts = self.assemble(|_version, model| match model {
            AnyModel::Compute(model) => Ok(model),
            #[cfg(feature = "async")]
            AnyModel::Waiting(_) => Err(BuildError::Setting {
                field: "async_model",
                found: format!("version `{_version}`"),
                expected: "a router made by build_async",
            }),
        })?;
        let Parts { core, shadowing, finite, .. } = parts;
        let _deferred_drop = shadowing.deferred_drop(&core);
        let state = super::RouterState { _deferred_drop, core, shadowing, finite };
        Ok(ModelRouter { inner: Arc::new(state) })
    }
}
