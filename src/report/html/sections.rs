//! The sections of the page, in their order.

mod agreement;
mod decision;
mod latency;
mod metrics;
mod operation;
mod rollout;

use super::{
    super::content::Content,
    markup::{Page, put},
};

/// One section: its anchor, its heading, and its text with and without data.
pub(super) struct Section {
    id: &'static str,
    heading: &'static str,
    /// What to do to have data here.
    missing: &'static str,
    present: fn(&Content) -> bool,
    body: fn(&mut Page, &Content),
}

impl Section {
    pub(super) fn write(&self, page: &mut Page, content: &Content) {
        put!(page; "<section aria-labelledby=\"" {self.id} "\"><h2 id=\"" {self.id} "\">"
            {self.heading} "</h2>");
        match (self.present)(content) {
            true => (self.body)(page, content),
            false => put!(page; "<p class=\"missing\">" {self.missing} "</p>"),
        }
        put!(page; "</section>");
    }
}

/// All of them, top to bottom.
pub(super) const ALL: [Section; 12] = [
    Section {
        id: "stages",
        heading: "Stages",
        missing: "No autopilot: the shares are the flag's alone.",
        present: |content| content.rollout.is_some(),
        body: rollout::stages,
    },
    Section {
        id: "gates",
        heading: "Gates",
        missing: "No autopilot, so nothing waits at a gate.",
        present: |content| !content.gates.is_empty(),
        body: rollout::gates,
    },
    Section {
        id: "metrics",
        heading: "Guardrails and signals",
        missing: "No verdict: no metric was asked for, or nothing has been compared yet.",
        present: |content| !content.metrics.is_empty(),
        body: metrics::forest,
    },
    Section {
        id: "time",
        heading: "Over time",
        missing: "No look at the evidence has been kept yet.",
        present: |content| content.series.iter().any(|series| !series.points.is_empty()),
        body: metrics::over_time,
    },
    Section {
        id: "agreement",
        heading: "Agreement",
        missing: "No pair of answers has been compared yet. A shadow with a comparator brings them.",
        present: |content| content.agreement.as_ref().is_some_and(|found| found.pairs > 0),
        body: agreement::agreement,
    },
    Section {
        id: "disagreements",
        heading: "Disagreements",
        missing: "No disagreement has been kept.",
        present: |content| {
            content.disagreements.as_ref().is_some_and(|found| !found.worst.is_empty())
        },
        body: agreement::disagreements,
    },
    Section {
        id: "latency",
        heading: "Latency",
        missing: "No call has been timed yet.",
        present: |content| content.latency.iter().any(|latency| latency.count > 0),
        body: latency::latency,
    },
    Section {
        id: "health",
        heading: "Health",
        missing: "Nothing was checked: neither a router nor a verdict is part of this report.",
        present: |content| {
            !content.health.is_empty()
                || !content.versions.is_empty()
                || !content.sources.is_empty()
        },
        body: operation::health,
    },
    Section {
        id: "users",
        heading: "Users",
        missing: "No users were counted.",
        present: |content| !content.users.is_empty(),
        body: operation::users,
    },
    Section {
        id: "history",
        heading: "History",
        missing: "Nothing has changed yet, or no autopilot keeps a history.",
        present: |content| !content.history.is_empty(),
        body: rollout::history,
    },
    Section {
        id: "acting",
        heading: "Acting on it",
        missing: "Without an autopilot the switch is the flag, and at once and for this process \
                  alone router.block(version) or router.pin(version).",
        present: |content| content.rollout.is_some(),
        body: rollout::acting,
    },
    Section {
        id: "decision",
        heading: "How this was decided",
        missing: "No verdict is part of this report, so there is nothing to recompute.",
        present: |content| content.decision.is_some(),
        body: decision::decision,
    },
];
