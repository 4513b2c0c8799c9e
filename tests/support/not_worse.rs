//! Evidence that lets everything pass, for autopilots whose rollouts are not what is tried.

use modelgate::autopilot::{Findings, Judge, MetricFinding, MetricRole, MetricSum, Share};
use serde_json::Value;

#[derive(Clone)]
pub struct NotWorse;

impl Judge for NotWorse {
    fn config_hash(&self) -> String {
        String::new()
    }
    fn begin(&self, _attempt: u32) {}
    fn enter(&self, _stage: usize, _share: Share) {}
    fn counts(&self) -> Value {
        Value::from(1)
    }
    fn judge(&self, _counts: &[&Value], _attempt: u32, _stage: usize) -> Findings {
        let metric = MetricSum {
            name: "failures".to_owned(),
            role: MetricRole::Guardrail,
            finding: MetricFinding::NotWorse,
            ln_e_worse: 0.0,
            expected_pairs: None,
            sentence: String::new(),
        };
        Findings { pairs: 1_000, metrics: vec![metric], ..Findings::default() }
    }
    fn veto(&self, _attempt: u32) -> Option<String> {
        None
    }
}
