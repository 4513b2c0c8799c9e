//! Hooks that report to the harness what they see.

use modelgate::{
    EvaluationContext,
    launchdarkly::{
        Detail, EvaluationSeries, Hook, HookError, LaunchDarkly, TrackSeries, context_to_json,
    },
    value::Map,
};
use serde_json::{Value as Json, json};

use crate::params;

/// One hook of the harness.
struct CallbackHook(params::Hook);

/// The dialect with these hooks around its flags.
pub fn dialect(hooks: Option<params::Hooks>) -> LaunchDarkly {
    let hooks = hooks.map(|hooks| hooks.hooks).unwrap_or_default();
    hooks
        .into_iter()
        .fold(LaunchDarkly::new(), |dialect, hook| dialect.with_hook(CallbackHook(hook)))
}

impl CallbackHook {
    /// Reports a stage, unless it is to fail.
    fn report(&self, stage: &str, mut seen: Json) -> Result<(), HookError> {
        if let Some(Some(error)) = self.0.errors.get(stage) {
            return Err(error.as_str().into());
        }
        seen["stage"] = stage.into();
        let headers = ("content-type", "application/json");
        ureq::post(&self.0.callback_uri).header(headers.0, headers.1).send(seen.to_string())?;
        Ok(())
    }

    /// Reports a stage of an evaluation; returns the data, with what the harness adds to it.
    fn evaluation(
        &self,
        stage: &str,
        series: &EvaluationSeries<'_>,
        data: Map,
        detail: Option<&Detail<'_>>,
    ) -> Result<Map, HookError> {
        let mut seen = json!({
            "evaluationSeriesContext": {
                "flagKey": series.flag_key,
                "context": context(series.context)?,
                "defaultValue": series.default,
                "method": series.method,
            },
            "evaluationSeriesData": data,
        });
        if let Some(detail) = detail {
            seen["evaluationDetail"] = json!({
                "value": detail.value,
                "variationIndex": detail.variation_index,
                "reason": detail.reason,
            });
        }
        self.report(stage, seen)?;
        let mut data = data;
        if let Some(Json::Object(added)) = self.0.data.get(stage) {
            let added: Map = serde_json::from_value(Json::Object(added.clone()))?;
            for (name, value) in added.iter() {
                data.insert(name, value.clone());
            }
        }
        Ok(data)
    }
}

fn context(context: &dyn EvaluationContext) -> Result<Json, HookError> {
    Ok(serde_json::from_str(&context_to_json(context)?)?)
}

impl Hook for CallbackHook {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn before_evaluation(
        &self,
        series: &EvaluationSeries<'_>,
        data: Map,
    ) -> Result<Map, HookError> {
        self.evaluation("beforeEvaluation", series, data, None)
    }

    fn after_evaluation(
        &self,
        series: &EvaluationSeries<'_>,
        data: Map,
        detail: &Detail<'_>,
    ) -> Result<Map, HookError> {
        self.evaluation("afterEvaluation", series, data, Some(detail))
    }

    fn after_track(&self, series: &TrackSeries<'_>) -> Result<(), HookError> {
        let mut track = json!({"key": series.event.key(), "context": context(series.context)?});
        if let Some(data) = series.event.data_value() {
            track["data"] = json!(data);
        }
        if let Some(metric) = series.event.metric_value() {
            track["metricValue"] = json!(metric);
        }
        self.report("afterTrack", json!({"trackSeriesContext": track}))
    }
}
