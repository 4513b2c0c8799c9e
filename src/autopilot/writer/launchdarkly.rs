//! A writer of LaunchDarkly's percentage rollouts.

use std::borrow::Cow;

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Intent, ShareWriter, WriteError, Written, http::WriterClient, unchanged};
use crate::{
    autopilot::Share,
    source::{self, network::public_part},
};

const SEMANTIC_PATCH: &str = "application/json; domain-model=launchdarkly.semanticpatch";

/// Writes the share into the fallthrough of a flag, by a semantic patch.
///
/// Where the environment requires approvals, LaunchDarkly refuses the patch, and the writer sends an
/// approval request with the same instructions: once for each intent and process. The rollout itself
/// does not wait for it; for that, let the stage [need an approval](crate::autopilot::Stage::approval).
/// Tested against a stand-in for LaunchDarkly only.
pub struct LaunchDarkly {
    url: String,
    environment: String,
    candidate: String,
    champion: String,
    http: WriterClient,
    /// The revision for which an approval was requested last.
    requested: Mutex<Option<u64>>,
}

/// A URL may hold a user and a password.
impl std::fmt::Debug for LaunchDarkly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = public_part(&self.url);
        f.debug_struct("LaunchDarkly").field("url", &url).finish_non_exhaustive()
    }
}

impl LaunchDarkly {
    /// A flag of a project in an environment, and the ids of the variations that are the candidate and
    /// the champion. `url` is the API's, `https://app.launchdarkly.com` for most.
    ///
    /// # Errors
    ///
    /// When the token cannot be sent.
    pub fn new(
        url: &str,
        token: &str,
        (project, environment, flag): (&str, &str, &str),
        (candidate, champion): (&str, &str),
    ) -> Result<LaunchDarkly, source::Error> {
        Ok(LaunchDarkly {
            url: format!("{}/api/v2/flags/{project}/{flag}", url.trim_end_matches('/')),
            environment: environment.to_owned(),
            candidate: candidate.to_owned(),
            champion: champion.to_owned(),
            http: WriterClient::new(Some(token.to_owned()))?,
            requested: Mutex::new(None),
        })
    }

    /// The index of a variation in the flag's list, by which its fallthrough names it.
    fn place(&self, flag: &Value, id: &str) -> Result<u64, WriteError> {
        let variations = flag.get("variations").and_then(Value::as_array);
        let place = variations
            .and_then(|all| all.iter().position(|one| one.get("_id").is_some_and(|it| it == id)));
        let place = place.and_then(|place| u64::try_from(place).ok());
        place.ok_or_else(|| WriteError::conflict(format!("the flag has no variation {id}")))
    }

    fn fallthrough<'a>(&self, flag: &'a Value) -> Result<&'a Value, WriteError> {
        let environment = flag.get("environments").and_then(|all| all.get(&self.environment));
        environment.and_then(|it| it.get("fallthrough")).ok_or_else(|| {
            WriteError::plain(format!("the flag has no environment {}", self.environment))
        })
    }

    /// Which share a fallthrough gives each variation, whatever else it says.
    fn weights(fallthrough: &Value) -> Value {
        if let Some(variation) = fallthrough.get("variation") {
            return json!([[variation, 100_000]]);
        }
        let rollout = fallthrough.pointer("/rollout/variations").and_then(Value::as_array);
        let weights =
            rollout.into_iter().flatten().filter(|one| one.get("weight") != Some(&json!(0)));
        let mut weights: Vec<(u64, u64)> = weights
            .map(|one| {
                let number = |field| one.get(field).and_then(Value::as_u64).unwrap_or(u64::MAX);
                (number("variation"), number("weight"))
            })
            .collect();
        weights.sort_unstable();
        json!(weights)
    }

    /// Requests an approval, unless this process has requested it already.
    fn request_approval(&self, intent: &Intent, instructions: &Value) -> Result<(), WriteError> {
        let mut requested = self.requested.lock();
        if *requested == Some(intent.rev) {
            return Ok(());
        }
        let url = format!("{}/environments/{}/approval-requests", self.url, self.environment);
        let request = json!({ "description": intent.sentence, "instructions": instructions });
        let body = Some(("application/json", &request));
        self.http.ask("launchdarkly's approvals", Method::POST, &url, body)?;
        *requested = Some(intent.rev);
        Ok(())
    }

    fn instruction(&self, share: Share) -> Value {
        let kind = "updateFallthroughVariationOrRollout";
        let whole = Share::EVERYBODY.thousandths();
        match share {
            Share::NOBODY => json!({ "kind": kind, "variationId": self.champion }),
            Share::EVERYBODY => json!({ "kind": kind, "variationId": self.candidate }),
            share => {
                let share = share.thousandths();
                let rest = whole.saturating_sub(share);
                json!({ "kind": kind, "rolloutWeights": { &self.candidate: share, &self.champion: rest } })
            }
        }
    }
}

impl ShareWriter for LaunchDarkly {
    fn name(&self) -> Cow<'static, str> {
        "launchdarkly".into()
    }

    fn write(&self, intent: &Intent, last: Option<&Written>) -> Result<Written, WriteError> {
        let flag = self.http.ask("launchdarkly", Method::GET, &self.url, None)?;
        let found = LaunchDarkly::weights(self.fallthrough(&flag)?);
        let share = u64::from(intent.share.thousandths());
        let rest = u64::from(Share::EVERYBODY.thousandths()).saturating_sub(share);
        let mut wanted = vec![
            (self.place(&flag, &self.candidate)?, share),
            (self.place(&flag, &self.champion)?, rest),
        ];
        wanted.retain(|(_, weight)| *weight > 0);
        wanted.sort_unstable();
        let wanted = json!(wanted);
        unchanged("the flag at LaunchDarkly", &found, &wanted, last)?;
        if found == wanted {
            return Ok(Written(wanted));
        }
        let instructions = json!([self.instruction(intent.share)]);
        let patch = json!({
            "environmentKey": self.environment,
            "comment": intent.sentence,
            "instructions": instructions,
        });
        match self.http.send(Method::PATCH, &self.url, Some((SEMANTIC_PATCH, &patch)))? {
            (200..300, _) => Ok(Written(wanted)),
            // How a patch is refused where approvals are required. A request is no write: until it is
            // approved, the intent is tried again.
            (status @ (403 | 405), _) => {
                self.request_approval(intent, &instructions)?;
                Err(WriteError::plain(format!(
                    "launchdarkly answered {status}: an approval was asked for"
                )))
            }
            (status, _) => {
                Err(WriteError::plain(format!("launchdarkly: the server answered {status}")))
            }
        }
    }
}
