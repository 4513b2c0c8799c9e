//! What is sent of usage, and how a report is split.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::unleash::source::impact::{Impact, Reported};

/// How often a toggle answered what.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Usage {
    pub(super) yes: u64,
    pub(super) no: u64,
    pub(super) variants: BTreeMap<Arc<str>, u64>,
}

/// Who reports: in every body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reporting<'r> {
    pub(super) app_name: &'r str,
    pub(super) instance_id: &'r str,
    pub(super) connection_id: &'r str,
    pub(super) sdk_version: &'static str,
}

/// The body of `POST /client/register`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration<'r> {
    #[serde(flatten)]
    pub(super) who: Reporting<'r>,
    pub(super) spec_version: &'static str,
    pub(super) platform_name: &'static str,
    pub(super) strategies: Vec<&'r str>,
    /// Milliseconds since 1970.
    pub(super) started: u64,
    /// Of the reports, in milliseconds.
    pub(super) interval: u64,
}

/// The body of `POST /client/metrics`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metrics<'r> {
    #[serde(flatten)]
    pub(super) who: Reporting<'r>,
    pub(super) bucket: Bucket<'r>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) impact_metrics: Vec<Reported<'r>>,
}

/// The counts of one span of time.
#[derive(Serialize)]
pub(super) struct Bucket<'r> {
    /// Milliseconds since 1970, as `stop`.
    pub(super) start: u64,
    pub(super) stop: u64,
    pub(super) toggles: &'r BTreeMap<Arc<str>, Usage>,
}

/// A part of what was counted.
pub(super) struct ReportPart {
    pub(super) toggles: BTreeMap<Arc<str>, Usage>,
    pub(super) impact: Impact,
}

impl ReportPart {
    /// Two parts, unless it is one toggle or one metric: usage and impact metrics, else halves.
    pub(super) fn split(mut self) -> Result<[ReportPart; 2], ReportPart> {
        let (toggles, metrics) = (self.toggles.len(), self.impact.len());
        let other = if toggles > 0 && metrics > 0 {
            ReportPart { toggles: BTreeMap::new(), impact: self.impact.take() }
        } else if toggles > 1 {
            let middle = self.toggles.keys().nth(toggles / 2).map(Arc::clone);
            let toggles = middle.map(|middle| self.toggles.split_off(&middle)).unwrap_or_default();
            ReportPart { toggles, impact: self.impact.take() }
        } else if metrics > 1 {
            ReportPart { toggles: BTreeMap::new(), impact: self.impact.split_off(metrics / 2) }
        } else {
            return Err(self);
        };
        Ok([other, self])
    }

    /// The names of its toggles and impact metrics.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.toggles.keys().map(|name| &**name).chain(self.impact.names())
    }
}
