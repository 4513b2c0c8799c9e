//! The rollout of v2 by itself, in stages of seconds, and what a person can tell it.

use std::{error::Error, time::Duration};

use modelgate::{
    Classification, Features, Model, ModelError,
    autopilot::{Autopilot, CommandError, Stage, store::FileStore},
    model::Label,
    verdict::{Metric, Verdict},
};
use serde_json::json;

use super::{Config, Reply, Service};

/// Who decides, who acts on it, and the word that commands want.
#[derive(Clone)]
pub struct Rollout {
    pub(super) verdict: Verdict<Classification, Label>,
    pub(super) autopilot: Autopilot,
    token: Option<String>,
}

/// The token stays hidden.
impl std::fmt::Debug for Rollout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rollout").field("autopilot", &self.autopilot).finish_non_exhaustive()
    }
}

impl Rollout {
    /// Judged by who fails, in shadow and live, and by who is wrong where the truth comes: 2 points more often is not
    /// acceptable. How far the two agree is shown.
    pub(super) fn start(config: &Config) -> Result<Rollout, Box<dyn Error>> {
        let verdict = Verdict::builder("v2")
            .against("v1")
            .metric(Metric::failures().margin(0.02))
            .metric(Metric::live_failures())
            .metric(Metric::disagreement())
            .classes()
            .score(0.0..=1.0, |answer: &Classification| {
                answer.probabilities.iter().copied().reduce(f32::max).map(f64::from)
            })
            .show_disagreements(|answer| answer.label.to_string());
        let verdict = match config.traffic {
            // Nobody else of this example knows the truth.
            Some(_) => verdict.metric(Metric::accuracy().margin(0.02)),
            None => verdict,
        };
        let verdict = verdict.build()?;
        let seconds = Duration::from_secs;
        let folder = config.comparisons.with_file_name("rollout");
        let stages =
            [5.0, 25.0, 50.0].map(|percent| Stage::percent(percent).for_at_least(config.stage));
        let autopilot = Autopilot::builder("ml-model-version", "v2")
            .stages(stages)
            .shadow_for(config.stage)
            .guard_for(seconds(30))
            .cool_down(seconds(5))
            .every(config.stage / 10)
            .require(&verdict)
            .store(FileStore::open(folder)?)
            .build()?;
        Ok(Rollout { verdict, autopilot, token: config.rollout_token.clone() })
    }

    /// Whether this is `Bearer` and the token. Every byte is looked at, however early they differ.
    fn may_command(&self, authorization: Option<&[u8]>) -> bool {
        let Some(token) = &self.token else { return false };
        let wanted = format!("Bearer {token}");
        let given = authorization.unwrap_or_default();
        let differ =
            wanted.bytes().zip(given).fold(0, |differ, (one, other)| differ | (one ^ other));
        wanted.len() == given.len() && differ == 0
    }
}

/// A model that fails on one row of so many.
#[derive(Debug)]
pub struct Failing<M> {
    pub model: M,
    pub one_of: u64,
}

impl<M: Model<Features, Classification>> Model<Features, Classification> for Failing<M> {
    fn predict(&self, features: &Features) -> Result<Classification, ModelError> {
        let answer = self.model.predict(features)?;
        // By the answer's own digits, so that a row fails always or never.
        let digits: u64 = answer.probabilities.iter().map(|p| u64::from(p.to_bits())).sum();
        match digits % self.one_of {
            0 => Err(ModelError::new("this version was shipped to fail on some rows")),
            _ => Ok(answer),
        }
    }
}

impl Service {
    /// Where the rollout stands.
    pub fn rollout(&self) -> Reply {
        match &self.rollout {
            Some(rollout) => Reply::json(200, &rollout.autopilot.status()),
            None => Reply::error(404, "nothing rolls out by itself here: set MODELGATE_ROLLOUT"),
        }
    }

    /// Carries a command out. It may wait for the store: not for an executor's thread.
    pub fn command(&self, command: &str, authorization: Option<&[u8]>, reason: &[u8]) -> Reply {
        let Some(rollout) = &self.rollout else { return self.rollout() };
        if !rollout.may_command(authorization) {
            return Reply::error(401, "a command wants `Authorization: Bearer` and the token");
        }
        let Ok(reason) = std::str::from_utf8(reason) else {
            return Reply::error(400, "the body is the reason, as text");
        };
        let autopilot = &rollout.autopilot;
        let done = match command {
            "approve" => autopilot.approve(reason),
            "pause" => autopilot.pause(reason),
            "resume" => autopilot.resume(reason),
            "abort" => autopilot.abort(reason),
            "retry" => autopilot.retry(reason),
            other => return Reply::not_found(&format!("/rollout/{other}")),
        };
        match done {
            Ok(()) => {
                Reply::json(200, &json!({ "done": command, "now": autopilot.status().headline }))
            }
            Err(error @ CommandError::NoReason) => Reply::error(400, &error.to_string()),
            Err(error @ CommandError::StoreUnavailable { .. }) => {
                Reply::error(503, &error.to_string())
            }
            Err(error) => Reply::error(409, &error.to_string()),
        }
    }
}
