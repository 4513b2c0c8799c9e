//! What a feature can answer, in the order in which it is counted.

use super::{
    evaluate::{Decision, VariantChoice},
    tree::FeatureState,
};
use crate::flag::{Outcomes, SwitchedOutcome};

const OFF: u32 = 0;
const ON: u32 = 1;
const CONTROL: u32 = 2;
/// The first of the feature's own variants.
const VARIANTS: usize = 3;

/// Off, on, the control, and the variants of the environment's state.
pub(super) fn outcomes(state: &FeatureState) -> Outcomes {
    let on = |variant: Option<&str>| SwitchedOutcome { on: true, variant: variant.map(Into::into) };
    let off = SwitchedOutcome { on: false, variant: None };
    let variants = state.variants.iter().map(|variant| on(variant.name.as_deref()));
    Outcomes::Switched([off, on(None), on(Some("control"))].into_iter().chain(variants).collect())
}

/// Which of them a decision for this feature is. An override gives the feature's variants other
/// shares, and in another order: they are told by their names. One that only the override has
/// counts as on.
#[inline]
pub(super) fn outcome(feature: &FeatureState, decision: &Decision<'_>) -> u32 {
    if !decision.state.enabled {
        return OFF;
    }
    let variant = match decision.choice {
        VariantChoice::None => return ON,
        VariantChoice::Control => return CONTROL,
        VariantChoice::Variant(variant) => variant,
    };
    let Some(name) = variant.name.as_deref() else { return ON };
    let place = feature.variants.iter().position(|own| own.name.as_deref() == Some(name));
    place.and_then(|place| u32::try_from(place + VARIANTS).ok()).unwrap_or(ON)
}

#[cfg(test)]
mod tests {
    use crate::{
        context::Context,
        flag::{EvaluationCounts, Flag, FlagSet, Request},
        flagsmith::Flagsmith,
    };

    const DOCUMENT: &str = r#"{"api_key": "env", "feature_states": [
        {"feature": {"id": 1, "name": "model"}, "enabled": true, "django_id": 1,
         "feature_state_value": "v1", "multivariate_feature_state_values": [
            {"id": 1, "percentage_allocation": 0.0,
             "multivariate_feature_option": {"key": "a", "value": "v2"}},
            {"id": 2, "percentage_allocation": 0.0,
             "multivariate_feature_option": {"key": "b", "value": "v3"}},
            {"id": 3, "percentage_allocation": 0.0,
             "multivariate_feature_option": {"value": "v4"}}]},
        {"feature": {"id": 2, "name": "off"}, "enabled": false, "feature_state_value": "x"}],
        "project": {"segments": [{"id": 7, "name": "beta",
            "rules": [{"type": "ALL", "rules": [], "conditions": [
                {"operator": "EQUAL", "property_": "region", "value": "eu"}]}],
            "feature_states": [{"feature": {"id": 1, "name": "model"}, "enabled": true,
                "django_id": 2, "feature_segment": {"priority": 0}, "feature_state_value": "v1",
                "multivariate_feature_state_values": [
                    {"id": 5, "percentage_allocation": 100.0,
                     "multivariate_feature_option": {"key": "b", "value": "v3"}}]}]}]},
        "identity_overrides": [{"identifier": "vip", "identity_features": [
            {"feature": {"id": 1, "name": "model"}, "enabled": true,
             "feature_state_value": "pinned"}]}]}"#;

    fn answer(set: &FlagSet, key: &str, context: &Context) {
        let flag: &Flag = set.get(key).unwrap();
        let request =
            Request { context, key_override: None, counted: true, clock: super::super::clock() };
        flag.count(&flag.evaluate(&request, set), &request, set, None);
    }

    fn taken(counts: &EvaluationCounts) -> Vec<(String, bool, Option<String>, u64)> {
        let mut taken: Vec<_> = counts
            .take()
            .into_iter()
            .map(|one| {
                let variant = one.variant.map(|variant| variant.to_string());
                (one.flag.to_string(), one.on.unwrap(), variant, one.count)
            })
            .collect();
        taken.sort();
        taken
    }

    #[test]
    fn answers_are_counted_off_on_and_by_variant_whatever_overrides_them() {
        let counts = EvaluationCounts::new();
        let dialect = Flagsmith::new().with_evaluation_counts(&counts);
        let set = dialect.compile(DOCUMENT).unwrap();
        answer(&set, "off", &Context::new("user-1"));
        answer(&set, "model", &Context::new("user-1"));
        answer(&set, "model", &Context::new("user-1").with("region", "eu"));
        answer(&set, "model", &Context::new("user-2").with("region", "eu"));
        answer(&set, "model", &Context::new("vip"));
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(
            taken(&counts),
            [
                ("model".to_owned(), true, None, 1),
                ("model".to_owned(), true, name("b"), 2),
                ("model".to_owned(), true, name("control"), 1),
                ("off".to_owned(), false, None, 1),
            ]
        );
        assert!(taken(&counts).is_empty());
    }

    #[test]
    fn a_feature_that_is_replaced_counts_on() {
        let counts = EvaluationCounts::new();
        let dialect = Flagsmith::new().with_evaluation_counts(&counts);
        let set = dialect.compile(DOCUMENT).unwrap();
        let changed = r#"{"feature": {"id": 2, "name": "off"}, "enabled": true}"#;
        let set = dialect.with_feature(&set, changed).unwrap();
        answer(&set, "off", &Context::new("user-1"));
        assert_eq!(taken(&counts), [("off".to_owned(), true, None, 1)]);
    }

    #[test]
    fn nothing_is_counted_unless_asked_for() {
        let counts = EvaluationCounts::new();
        let set = Flagsmith::new().compile(DOCUMENT).unwrap();
        answer(&set, "model", &Context::new("user-1"));
        assert!(taken(&counts).is_empty());
    }
}
