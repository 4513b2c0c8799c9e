//! Code of a service around the evaluation of flags.

use std::{error::Error, fmt, sync::Arc};

use super::{detail::Detail, evaluator::Evaluator, trace::Untraced, tree::LaunchDarklyFlag};
use crate::{
    contain::contained,
    context::EvaluationContext,
    flag::{Evaluate, Evaluation, EvaluationTrace, FlagSet, Request},
    value::{Map, Value},
};

/// What a stage of a [`Hook`] may fail with.
pub type HookError = Box<dyn Error + Send + Sync>;

/// Runs before and after the evaluation of a flag, on the thread that asks: for traces, for
/// measurements. Of several hooks the first begins and ends last.
///
/// A stage that fails or panics is logged and changes no answer. Hooks see every answer that somebody
/// goes by, of routers as of [`Flags`](crate::Flags); not what is only
/// [explained](crate::ModelRouter::explain), and not prerequisites. Without hooks, flags are compiled
/// as if there were no such thing.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use modelgate::{
///     Context, Flags,
///     launchdarkly::{Detail, EvaluationSeries, Hook, HookError, LaunchDarkly},
///     value::Map,
/// };
///
/// #[derive(Default)]
/// struct Counting(AtomicU64);
///
/// impl Hook for Counting {
///     fn name(&self) -> &str {
///         "counting"
///     }
///     fn after_evaluation(
///         &self,
///         series: &EvaluationSeries<'_>,
///         data: Map,
///         detail: &Detail<'_>,
///     ) -> Result<Map, HookError> {
///         assert_eq!((series.flag_key, detail.variation_index), ("m", Some(1)));
///         self.0.fetch_add(1, Ordering::Relaxed);
///         Ok(data)
///     }
/// }
///
/// let counting = std::sync::Arc::new(Counting::default());
/// let launchdarkly = LaunchDarkly::new().with_hook(counting.clone());
/// let flags = Flags::from(launchdarkly.compile(
///     r#"{"flags": {"m": {"key": "m", "on": false, "variations": ["v1", "v2"], "offVariation": 1}}}"#,
/// )?);
/// assert_eq!(flags.string("m", &Context::new("user-42"), "v1"), "v2");
/// assert_eq!(counting.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), modelgate::flag::DocumentError>(())
/// ```
pub trait Hook: Send + Sync + 'static {
    /// The hook's name, for the log.
    fn name(&self) -> &str;

    /// Before an evaluation. What it returns is handed to the stage after it.
    ///
    /// # Errors
    /// Whatever went wrong: it is logged, and the data is empty from then on.
    fn before_evaluation(
        &self,
        series: &EvaluationSeries<'_>,
        data: Map,
    ) -> Result<Map, HookError> {
        let _ = series;
        Ok(data)
    }

    /// After it, with what the stage before returned, and what the flag answered.
    ///
    /// # Errors
    /// Whatever went wrong: it is logged.
    fn after_evaluation(
        &self,
        series: &EvaluationSeries<'_>,
        data: Map,
        detail: &Detail<'_>,
    ) -> Result<Map, HookError> {
        let _ = (series, detail);
        Ok(data)
    }

    /// After a [custom event](CustomEvent) was noted.
    ///
    /// # Errors
    /// Whatever went wrong: it is logged.
    fn after_track(&self, series: &TrackSeries<'_>) -> Result<(), HookError> {
        let _ = series;
        Ok(())
    }
}

impl<H: Hook + ?Sized> Hook for Arc<H> {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn before_evaluation(
        &self,
        series: &EvaluationSeries<'_>,
        data: Map,
    ) -> Result<Map, HookError> {
        (**self).before_evaluation(series, data)
    }
    fn after_evaluation(
        &self,
        series: &EvaluationSeries<'_>,
        data: Map,
        detail: &Detail<'_>,
    ) -> Result<Map, HookError> {
        (**self).after_evaluation(series, data, detail)
    }
    fn after_track(&self, series: &TrackSeries<'_>) -> Result<(), HookError> {
        (**self).after_track(series)
    }
}

/// The evaluation that a [`Hook`] runs around.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct EvaluationSeries<'a> {
    /// The flag that was asked for, whether there is one or not.
    pub flag_key: &'a str,
    /// Who asks: the context that the flag is evaluated for.
    pub context: &'a dyn EvaluationContext,
    /// The caller's default, where it is known: a router has none, and [`Flags`](crate::Flags)
    /// come to theirs later.
    pub default: Option<&'a Value>,
    /// What asked: `evaluate`, or the method of a `Client`, `boolean` for instance.
    pub method: &'static str,
}

/// Shows neither context nor default: both may be personal.
impl fmt::Debug for EvaluationSeries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationSeries")
            .field("flag_key", &self.flag_key)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// The custom event that a [`Hook`] hears of.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TrackSeries<'a> {
    /// Whose event it is.
    pub context: &'a dyn EvaluationContext,
    /// What happened.
    pub event: &'a CustomEvent,
}

/// Shows the event's key alone.
impl fmt::Debug for TrackSeries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackSeries").field("event", &self.event.key()).finish_non_exhaustive()
    }
}

/// Something that a context did, for the vendor's metrics and experiments.
///
/// ```
/// use modelgate::launchdarkly::CustomEvent;
///
/// let bought = CustomEvent::new("checkout").data("spring-sale").metric(129.90);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct CustomEvent {
    key: Box<str>,
    data: Option<Value>,
    metric: Option<f64>,
}

impl CustomEvent {
    /// The event with this key, as the metric names it.
    pub fn new(key: impl Into<Box<str>>) -> CustomEvent {
        CustomEvent { key: key.into(), data: None, metric: None }
    }

    /// Adds whatever belongs to it. It is sent as it is: private attributes are not looked for.
    pub fn data(mut self, data: impl Into<Value>) -> CustomEvent {
        self.data = Some(data.into());
        self
    }

    /// Adds the number that a numeric metric adds up.
    pub fn metric(mut self, value: f64) -> CustomEvent {
        self.metric = Some(value);
        self
    }

    /// The event's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What belongs to it.
    pub fn data_value(&self) -> Option<&Value> {
        self.data.as_ref()
    }

    /// Its number.
    pub fn metric_value(&self) -> Option<f64> {
        self.metric
    }
}

/// Hooks in their order; none is the common case.
#[derive(Clone, Default)]
pub(super) struct Hooks(Vec<Arc<dyn Hook>>);

impl Hooks {
    pub(super) fn add(&mut self, hook: Arc<dyn Hook>) {
        self.0.push(hook);
    }

    #[cfg(feature = "launchdarkly")]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What each hook's first stage returned.
    pub(super) fn before(&self, series: &EvaluationSeries<'_>) -> Vec<Map> {
        let stage = |hook: &Arc<dyn Hook>| {
            let run = || hook.before_evaluation(series, Map::new());
            run_stage(&**hook, "before_evaluation", run).unwrap_or_default()
        };
        self.0.iter().map(stage).collect()
    }

    pub(super) fn after(&self, series: &EvaluationSeries<'_>, data: Vec<Map>, detail: &Detail<'_>) {
        for (hook, data) in self.0.iter().zip(data).rev() {
            let run = || hook.after_evaluation(series, data, detail);
            let _ = run_stage(&**hook, "after_evaluation", run);
        }
    }

    #[cfg(feature = "launchdarkly")]
    pub(super) fn tracked(&self, series: &TrackSeries<'_>) {
        for hook in self.0.iter().rev() {
            let _ = run_stage(&**hook, "after_track", || hook.after_track(series));
        }
    }
}

/// What a stage returned; `None` if it failed, which the log says.
fn run_stage<T>(
    hook: &dyn Hook,
    stage: &str,
    run: impl FnOnce() -> Result<T, HookError>,
) -> Option<T> {
    let error = match contained(run) {
        Some(Ok(value)) => return Some(value),
        Some(Err(error)) => error.to_string(),
        None => "it panicked".to_owned(),
    };
    let name = contained(|| hook.name().to_owned()).unwrap_or_default();
    tracing::warn!(target: "modelgate::source", hook = name, stage, error, "a hook failed");
    None
}

/// A flag with hooks around it. One without is not wrapped: it pays nothing for them.
pub(super) struct HookedFlag {
    pub(super) flag: LaunchDarklyFlag,
    /// The key that the flag stands under.
    pub(super) key: Arc<str>,
    pub(super) hooks: Arc<Hooks>,
}

impl Evaluate for HookedFlag {
    fn evaluate<'a>(&'a self, request: &Request<'a>, set: &'a FlagSet) -> Evaluation<'a> {
        if !request.counted {
            return self.flag.evaluate(request, set);
        }
        let mut evaluator = Evaluator::new(request.context, request.key_override, set, Untraced);
        let series = EvaluationSeries {
            flag_key: &self.key,
            context: request.context,
            default: None,
            method: "evaluate",
        };
        let data = self.hooks.before(&series);
        let evaluated = evaluator.evaluated(&self.flag);
        self.hooks.after(&series, data, &evaluator.detailed(&self.flag, &evaluated));
        evaluator.neutral(&self.flag, &evaluated)
    }

    fn explain<'a>(
        &'a self,
        request: &Request<'a>,
        set: &'a FlagSet,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        self.flag.explain(request, set)
    }

    fn metadata(&self) -> &Map {
        self.flag.metadata()
    }
}
