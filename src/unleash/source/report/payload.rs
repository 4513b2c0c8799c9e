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

/// The body of `POST /client/register`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration<'r> {
    pub(super) app_name: &'r str,
    pub(super) instance_id: &'r str,
    pub(super) connection_id: &'r str,
    pub(super) sdk_version: &'static str,
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
    pub(super) app_name: &'r str,
    pub(super) instance_id: &'r str,
    pub(super) connection_id: &'r str,
    pub(super) sdk_version: &'static str,
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
    /// Two halves, unless it cannot be split.
    pub(super) fn split(mut self) -> Result<[ReportPart; 2], ReportPart> {
        if !self.impact.is_empty() && !self.toggles.is_empty() {
            let impact = self.impact.take();
            return Ok([ReportPart { toggles: BTreeMap::new(), impact }, self]);
        }
        let middle = self.toggles.keys().nth(self.toggles.len() / 2).map(Arc::clone);
        match middle {
            Some(middle) if self.toggles.len() > 1 => {
                let toggles = self.toggles.split_off(&middle);
                let impact = self.impact.take();
                Ok([ReportPart { toggles, impact }, self])
            }
            _ => Err(self),
        }
    }
}
