//! A verdict as the evidence of an autopilot.

use serde_json::Value;

use super::{Findings, Judge, sums};
use crate::{
    autopilot::Share,
    verdict::{Tally, Unit, Verdict},
};

/// The `α` of the guard: over the fleet, a false alarm comes after a million pairs on average, or later.
const GUARD: f64 = 1e-6;

impl<P, L> Judge for Verdict<P, L>
where
    P: Send + Sync + 'static,
    L: Send + Sync + 'static,
{
    fn config_hash(&self) -> String {
        self.config().hash()
    }

    fn begin(&self, attempt: u32) {
        self.begin_attempt(attempt);
    }

    fn enter(&self, stage: usize, share: Share) {
        let between = share > Share::NOBODY && share < Share::EVERYBODY;
        let entered = between
            && u32::try_from(stage).is_ok_and(|stage| self.enter_stage(stage, share.thousandths()));
        if !entered {
            self.leave_stage();
        }
    }

    fn counts(&self) -> Value {
        // Numbers and text: this cannot fail.
        serde_json::to_value(self.tally()).unwrap_or_default()
    }

    fn judge(&self, counts: &[&Value], attempt: u32, stage: usize) -> Findings {
        sums::judge(self.config(), counts, attempt, stage)
    }

    fn veto(&self, attempt: u32) -> Option<String> {
        let own: Tally = self.tally();
        (own.attempt == attempt).then(|| sums::veto(self.config(), &own)).flatten()
    }

    fn alarm(&self, replicas: usize) -> Option<String> {
        let alarms = self.guard(GUARD / replicas.max(1) as f64);
        let alarm = alarms.into_iter().find(|guard| guard.alarm)?;
        Some(format!(
            "{} has become worse since everybody reaches {}: evidence e^{:.1}, and e^{:.1} is enough",
            alarm.name,
            self.config().candidate,
            alarm.ln_m.unwrap_or_default(),
            alarm.threshold
        ))
    }

    fn knows_users(&self) -> bool {
        let config = self.config();
        config.unit != Unit::Request && config.metrics.iter().any(|metric| metric.kind.is_paired())
    }

    fn seen(&self) -> Option<Vec<u8>> {
        // The users scored in shadow, with their length before them, then those seen live.
        let (scored, live) = (Verdict::seen(self), self.seen_live());
        let mut bytes = (scored.len() as u64).to_le_bytes().to_vec();
        bytes.extend(scored);
        bytes.extend(live);
        Some(bytes)
    }

    fn merge_seen(&self, other: &[u8]) {
        let parts = other.split_first_chunk().and_then(|(length, rest)| {
            rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
        });
        let Some((scored, live)) = parts else { return };
        let merged = Verdict::merge_seen(self, scored).and_then(|()| self.merge_seen_live(live));
        if let Err(error) = merged {
            tracing::debug!(target: "modelgate::autopilot", error = %error, "whom another process counted was left out");
        }
    }
}
