//! Each decision as an event on the trace of its request.

use super::{Choice, Core, Handle, RoutingTable};
use crate::flag::Reason;

impl<M: Handle> Core<M> {
    /// One event, by the names of OpenTelemetry's semantic conventions for feature flags
    /// (`feature_flag.evaluation`, <https://opentelemetry.io/docs/specs/semconv/feature-flags/>).
    ///
    /// The user's key, which the conventions have a name for, is not in it: a trace is kept where
    /// others read it.
    #[cold]
    pub(super) fn trace(&self, table: &RoutingTable<M>, choice: &Choice) {
        let answering = table.slots.get(choice.slot).map(|slot| slot.version.as_str());
        tracing::event!(
            name: "feature_flag.evaluation",
            target: "modelgate::evaluation",
            tracing::Level::INFO,
            feature_flag.key = self.settings.binding.flags().next().unwrap_or_default(),
            feature_flag.provider.name = "modelgate",
            feature_flag.result.variant = choice.variant.as_deref(),
            feature_flag.result.value = answering,
            feature_flag.result.reason = convention(choice.reason),
            feature_flag.version = table.revision,
            error.r#type = choice.cause.map(|cause| cause.as_str()),
        );
    }
}

/// The conventions' spelling, and our own where they have none.
fn convention(reason: Reason) -> &'static str {
    match reason {
        Reason::Static => "static",
        Reason::TargetingMatch => "targeting_match",
        Reason::Split => "split",
        Reason::Default => "default",
        Reason::Disabled => "disabled",
        Reason::Error => "error",
        Reason::NotReady => "not_ready",
        Reason::MissingKey => "missing_key",
        Reason::Pinned => "pinned",
    }
}
