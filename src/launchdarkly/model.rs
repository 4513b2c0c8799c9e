//! The vendor's data as it comes. Absent and null members stand for their defaults, as in the model
//! of the vendor's own server.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Visitor};

use crate::value::Value;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct FlagData {
    pub(super) key: Option<Box<str>>,
    pub(super) deleted: Option<bool>,
    pub(super) on: Option<bool>,
    pub(super) prerequisites: Option<Vec<PrerequisiteData>>,
    pub(super) targets: Option<Vec<TargetData>>,
    pub(super) context_targets: Option<Vec<TargetData>>,
    pub(super) rules: Option<Vec<RuleData>>,
    pub(super) fallthrough: Option<ServeData>,
    pub(super) off_variation: Option<LenientInteger>,
    pub(super) variations: Option<Vec<Value>>,
    pub(super) salt: Option<Box<str>>,
    pub(super) version: Option<LenientInteger>,
    pub(super) track_events: Option<bool>,
    pub(super) track_events_fallthrough: Option<bool>,
    pub(super) debug_events_until_date: Option<LenientInteger>,
    pub(super) sampling_ratio: Option<LenientInteger>,
    pub(super) exclude_from_summaries: Option<bool>,
    pub(super) client_side_availability: Option<AvailabilityData>,
    /// The same in data from before there was the above.
    pub(super) client_side: Option<bool>,
}

/// To which SDKs beside those of servers a flag is available.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AvailabilityData {
    pub(super) using_environment_id: Option<bool>,
}

impl FlagData {
    /// A flag that gives everybody this value.
    pub(super) fn of_value(value: Value) -> FlagData {
        let everybody = ServeData { variation: Some(LenientInteger(0)), rollout: None };
        FlagData {
            on: Some(true),
            variations: Some(vec![value]),
            fallthrough: Some(everybody),
            ..FlagData::default()
        }
    }
}

#[derive(Deserialize)]
pub(super) struct PrerequisiteData {
    pub(super) key: Option<Box<str>>,
    pub(super) variation: Option<LenientInteger>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetData {
    pub(super) context_kind: Option<Box<str>>,
    pub(super) values: Option<Vec<Box<str>>>,
    pub(super) variation: Option<LenientInteger>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleData {
    pub(super) id: Option<Box<str>>,
    pub(super) track_events: Option<bool>,
    pub(super) clauses: Option<Vec<ClauseData>>,
    pub(super) variation: Option<LenientInteger>,
    pub(super) rollout: Option<RolloutData>,
}

#[derive(Deserialize, Default)]
pub(super) struct ServeData {
    pub(super) variation: Option<LenientInteger>,
    pub(super) rollout: Option<RolloutData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RolloutData {
    pub(super) kind: Option<Box<str>>,
    pub(super) context_kind: Option<Box<str>>,
    pub(super) bucket_by: Option<Box<str>>,
    pub(super) seed: Option<LenientInteger>,
    pub(super) variations: Option<Vec<ShareData>>,
}

#[derive(Deserialize)]
pub(super) struct ShareData {
    pub(super) variation: Option<LenientInteger>,
    pub(super) weight: Option<f32>,
    pub(super) untracked: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClauseData {
    pub(super) context_kind: Option<Box<str>>,
    pub(super) attribute: Option<Box<str>>,
    pub(super) op: Option<Box<str>>,
    pub(super) values: Option<Vec<Value>>,
    pub(super) negate: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SegmentData {
    pub(super) key: Option<Box<str>>,
    pub(super) deleted: Option<bool>,
    pub(super) included: Option<Vec<Box<str>>>,
    pub(super) excluded: Option<Vec<Box<str>>>,
    pub(super) included_contexts: Option<Vec<TargetData>>,
    pub(super) excluded_contexts: Option<Vec<TargetData>>,
    pub(super) rules: Option<Vec<SegmentRuleData>>,
    pub(super) salt: Option<Box<str>>,
    pub(super) unbounded: Option<bool>,
    pub(super) unbounded_context_kind: Option<Box<str>>,
    pub(super) generation: Option<LenientInteger>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SegmentRuleData {
    pub(super) clauses: Option<Vec<ClauseData>>,
    pub(super) weight: Option<f32>,
    pub(super) bucket_by: Option<Box<str>>,
    pub(super) rollout_context_kind: Option<Box<str>>,
}

/// A whole number, however it is written: `1.0` is one as well, and a fraction loses its fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LenientInteger(pub(super) i64);

impl<'de> Deserialize<'de> for LenientInteger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LenientInteger, D::Error> {
        struct LenientIntegerVisitor;
        impl Visitor<'_> for LenientIntegerVisitor {
            type Value = LenientInteger;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }
            fn visit_i64<E>(self, value: i64) -> Result<LenientInteger, E> {
                Ok(LenientInteger(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<LenientInteger, E> {
                Ok(LenientInteger(i64::try_from(value).unwrap_or(i64::MAX)))
            }
            fn visit_f64<E>(self, value: f64) -> Result<LenientInteger, E> {
                Ok(LenientInteger(value as i64))
            }
        }
        deserializer.deserialize_i64(LenientIntegerVisitor)
    }
}
