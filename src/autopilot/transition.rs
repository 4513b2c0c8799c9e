//! The history of a rollout, which can be verified.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{phase::Phase, stage::Share, sums::Findings};

/// The member that holds the digest in place of sums that were dropped.
const DROPPED: &str = "sha256";

/// Why a transition happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The candidate can answer on most replicas.
    Started,
    /// Every gate was passed.
    Advanced,
    /// The guard's time is over.
    Released,
    /// Somebody aborted it.
    Aborted,
    /// Somebody paused it.
    PausedByOperator,
    /// Somebody resumed it.
    Resumed,
    /// Somebody approved the next stage.
    Approved,
    /// Somebody began another attempt.
    Retried,
    /// A replica's own evidence shows the candidate to be worse.
    Veto,
    /// The fleet's evidence shows a guardrail to be worse.
    Worse,
    /// The guard after 100 % raised its alarm.
    Alarm,
    /// The candidate's breaker opened too often.
    BreakerOpened,
    /// Users do not arrive in the arms by the share, or arrive in both.
    SampleRatio,
    /// Most replicas follow another plan.
    Configuration,
    /// Processes keep restarting while the candidate answers.
    Restarts,
    /// No data arrived.
    NoData,
    /// It was held for too long.
    HeldTooLong,
    /// It was paused for too long.
    PausedTooLong,
    /// The candidate or the plan was replaced.
    NewPlan,
    /// Somebody else changed what a writer writes.
    Conflict,
}

impl Cause {
    /// The cause's stable name, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Started => "started",
            Cause::Advanced => "advanced",
            Cause::Released => "released",
            Cause::Aborted => "aborted",
            Cause::PausedByOperator => "paused_by_operator",
            Cause::Resumed => "resumed",
            Cause::Approved => "approved",
            Cause::Retried => "retried",
            Cause::Veto => "veto",
            Cause::Worse => "worse",
            Cause::Alarm => "alarm",
            Cause::BreakerOpened => "breaker_opened",
            Cause::SampleRatio => "sample_ratio",
            Cause::Configuration => "configuration",
            Cause::Restarts => "restarts",
            Cause::NoData => "no_data",
            Cause::HeldTooLong => "held_too_long",
            Cause::PausedTooLong => "paused_too_long",
            Cause::NewPlan => "new_plan",
            Cause::Conflict => "conflict",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change of a rollout's phase, or a command that changed none, with the evidence that it was decided
/// by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Transition {
    /// The revision of the state after it.
    pub rev: u64,
    /// The attempt, from 0.
    pub attempt: u32,
    /// When, in milliseconds since 1970, by the clock of the replica that committed it.
    pub at: u64,
    /// The phase before.
    pub from: Phase,
    /// The phase after.
    pub to: Phase,
    /// The share after.
    pub share: Share,
    /// Why.
    pub cause: Cause,
    /// Why, in words.
    pub sentence: String,
    /// Which replica committed it.
    pub by: String,
    /// The evidence that it was decided by.
    pub evidence: Findings,
    /// The digest of the transition before; empty for the first.
    pub previous: String,
    /// Hexadecimal SHA-256 of all of the above.
    pub digest: String,
}

impl Transition {
    /// The transition with its digest.
    pub(super) fn sealed(mut self) -> Transition {
        self.digest = self.recompute();
        self
    }

    /// Drops the sums, which may be long, and keeps their digest: the transition's own remains valid.
    pub(super) fn drop_sums(&mut self) {
        self.evidence.judgement = digest_of(&self.evidence.judgement);
    }

    fn recompute(&self) -> String {
        let mut unsealed = Transition { digest: String::new(), ..self.clone() };
        unsealed.evidence.judgement = digest_of(&self.evidence.judgement);
        let bytes = serde_json::to_vec(&unsealed).unwrap_or_default();
        super::hex(&Sha256::digest(bytes))
    }
}

/// The digest that stands for the sums, whether they were dropped or not.
fn digest_of(judgement: &Value) -> Value {
    match judgement.get(DROPPED) {
        Some(_) => judgement.clone(),
        None => {
            let bytes = serde_json::to_vec(judgement).unwrap_or_default();
            json!({ DROPPED: super::hex(&Sha256::digest(bytes)) })
        }
    }
}

/// `2026-11-28T18:24:24Z Ramping (stage 1) -> RolledBack, 0 %: failures is worse …`
impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = i64::try_from(self.at).ok().and_then(chrono::DateTime::from_timestamp_millis);
        match at {
            Some(at) => write!(f, "{}", at.format("%Y-%m-%dT%H:%M:%SZ"))?,
            None => write!(f, "{} ms", self.at)?,
        }
        match self.from == self.to {
            true => write!(f, " {}, {}: {}", self.to, self.share, self.sentence),
            false => write!(f, " {} -> {}, {}: {}", self.from, self.to, self.share, self.sentence),
        }
    }
}

/// Recomputes a transition's digest and, from the sums in its evidence, the findings.
///
/// # Errors
///
/// [`Mismatch`], naming the transition, when it is not what was committed.
pub fn verify(transition: &Transition) -> Result<(), Mismatch> {
    match transition.recompute() == transition.digest {
        true => super::judge::verify(&transition.evidence)
            .map_err(|what| Mismatch { rev: transition.rev, what }),
        false => Err(Mismatch {
            rev: transition.rev,
            what: "its digest is not that of its content".to_owned(),
        }),
    }
}

/// [`verify`] for a history, oldest first: each transition must be valid, and follow the one before.
///
/// # Errors
///
/// [`Mismatch`], naming the first transition that does not.
pub fn verify_history<'a>(
    history: impl IntoIterator<Item = &'a Transition>,
) -> Result<(), Mismatch> {
    let mut previous: Option<&Transition> = None;
    for transition in history {
        verify(transition)?;
        if previous.is_some_and(|previous| previous.digest != transition.previous) {
            return Err(Mismatch {
                rev: transition.rev,
                what: "it does not follow the transition before it".to_owned(),
            });
        }
        previous = Some(transition);
    }
    Ok(())
}

/// A transition that is not what was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    rev: u64,
    what: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the transition of revision {} is not valid: {}", self.rev, self.what)
    }
}

impl std::error::Error for Mismatch {}
