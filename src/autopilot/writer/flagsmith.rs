//! A writer of Flagsmith's multivariate flags.

use std::borrow::Cow;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Intent, ShareWriter, WriteError, Written, http::WriterClient, unchanged};
use crate::source;

/// Writes the share into one option of a multivariate flag, by Flagsmith's admin API: the option that is
/// the candidate. The flag's own value is the champion, and has what the options leave.
///
/// The rest of the flag's state in the environment stays as it is, and so do the values of segments and
/// identities. Where the environment requires change requests or keeps versions of its features,
/// Flagsmith refuses the write: it is tried again, and the rollout goes on without it. Tested against a
/// stand-in for Flagsmith only.
pub struct Flagsmith {
    states: String,
    feature: u64,
    option: u64,
    http: WriterClient,
}

impl std::fmt::Debug for Flagsmith {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the address, which contains the environment's key.
        f.debug_struct("Flagsmith")
            .field("feature", &self.feature)
            .field("option", &self.option)
            .finish_non_exhaustive()
    }
}

impl Flagsmith {
    /// A feature in an environment, and the option of it that is the candidate, by their numbers. `url` is
    /// the API's, `https://api.flagsmith.com` for most; `api_key` one of the organisation, and
    /// `environment` the environment's client-side key.
    ///
    /// # Errors
    ///
    /// When the key cannot be sent.
    pub fn new(
        url: &str,
        api_key: &str,
        environment: &str,
        feature: u64,
        option: u64,
    ) -> Result<Flagsmith, source::Error> {
        let url = url.trim_end_matches('/');
        Ok(Flagsmith {
            states: format!("{url}/api/v1/environments/{environment}/featurestates/"),
            feature,
            option,
            http: WriterClient::new(Some(format!("Api-Key {api_key}")))?,
        })
    }

    /// The flag's state in the environment, for everybody without a value of their own.
    fn read(&self) -> Result<Value, WriteError> {
        let url = format!("{}?feature={}", self.states, self.feature);
        let answer = self.http.ask("flagsmith", Method::GET, &url, None)?;
        let states = answer.get("results").and_then(Value::as_array);
        let own = |state: &&Value| {
            let belongs = |field| state.get(field).is_some_and(|it| !it.is_null());
            !belongs("feature_segment") && !belongs("identity")
        };
        let state = states.and_then(|states| states.iter().find(own)).cloned();
        state.ok_or_else(|| {
            WriteError::plain(format!("flagsmith: the environment has no feature {}", self.feature))
        })
    }
}

/// What a person can change, without the server's own times and ids.
fn shown(state: &Value) -> Value {
    let options = state.get("multivariate_feature_state_values").and_then(Value::as_array);
    let mut options: Vec<(u64, f64)> = options
        .into_iter()
        .flatten()
        .map(|one| {
            let number = |field| one.get(field).and_then(Value::as_f64).unwrap_or(f64::NAN);
            let option = one.get("multivariate_feature_option").and_then(Value::as_u64);
            (option.unwrap_or(u64::MAX), number("percentage_allocation"))
        })
        .collect();
    options.sort_by_key(|(option, _)| *option);
    json!({
        "enabled": state.get("enabled"),
        "value": state.get("feature_state_value"),
        "options": options,
    })
}

impl ShareWriter for Flagsmith {
    fn name(&self) -> Cow<'static, str> {
        "flagsmith".into()
    }

    fn write(&self, intent: &Intent, last: Option<&Written>) -> Result<Written, WriteError> {
        let found = self.read()?;
        let mut wanted = found.clone();
        let options = wanted.get_mut("multivariate_feature_state_values");
        let option = options.and_then(Value::as_array_mut).and_then(|options| {
            let is_it = |one: &&mut Value| one["multivariate_feature_option"] == json!(self.option);
            options.iter_mut().find(is_it)?.get_mut("percentage_allocation")
        });
        let allocation = option.ok_or_else(|| {
            WriteError::conflict(format!("the flag at Flagsmith has no option {}", self.option))
        })?;
        *allocation = json!(intent.share.percent());
        unchanged("the flag at Flagsmith", &shown(&found), &shown(&wanted), last)?;
        if shown(&found) == shown(&wanted) {
            return Ok(Written(shown(&wanted)));
        }
        let id = found.get("id").and_then(Value::as_u64).ok_or_else(|| {
            WriteError::plain("flagsmith: the state of the feature has no number")
        })?;
        let url = format!("{}{id}/", self.states);
        self.http.ask("flagsmith", Method::PUT, &url, Some(("application/json", &wanted)))?;
        // As the server shows it, which is what it is compared with the next time.
        Ok(Written(shown(&self.read()?)))
    }
}
