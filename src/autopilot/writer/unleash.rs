//! A writer of Unleash's gradual rollouts.

use std::borrow::Cow;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Intent, ShareWriter, WriteError, Written, http::WriterClient, unchanged};
use crate::source::{self, network::public_part};

/// Writes the share into the `rollout` parameter of one strategy, by Unleash's admin API.
///
/// Unleash knows whole percents only: a share is rounded down. Unleash draws users by a hash of its own,
/// independent of the autopilot's, so the two shares would multiply: leave the strategy that the service
/// evaluates at 100 %, and write one that only people look at. An Unleash with change requests refuses
/// the write, which is then tried again.
pub struct Unleash {
    url: String,
    http: WriterClient,
}

/// A URL may hold a user and a password.
impl std::fmt::Debug for Unleash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = public_part(&self.url);
        f.debug_struct("Unleash").field("url", &url).finish_non_exhaustive()
    }
}

impl Unleash {
    /// The strategy of this id, of a feature in a project and an environment. `url` is the server's,
    /// and the token an admin token.
    ///
    /// # Errors
    ///
    /// When the token cannot be sent.
    pub fn new(
        url: &str,
        token: &str,
        (project, feature): (&str, &str),
        (environment, strategy): (&str, &str),
    ) -> Result<Unleash, source::Error> {
        let url = format!(
            "{}/api/admin/projects/{project}/features/{feature}/environments/{environment}/strategies/{strategy}",
            url.trim_end_matches('/')
        );
        Ok(Unleash { url, http: WriterClient::new(Some(token.to_owned()))? })
    }
}

impl ShareWriter for Unleash {
    fn name(&self) -> Cow<'static, str> {
        "unleash".into()
    }

    fn write(&self, intent: &Intent, last: Option<&Written>) -> Result<Written, WriteError> {
        let found = self.http.ask("unleash", Method::GET, &self.url, None)?;
        let mut wanted = found.clone();
        let rollout = wanted.pointer_mut("/parameters/rollout").ok_or_else(|| {
            WriteError::conflict("the strategy at Unleash is no gradual rollout any more")
        })?;
        *rollout = json!(intent.share.percent().floor().to_string());
        unchanged("the strategy at Unleash", &found, &wanted, last)?;
        if found != wanted {
            // The server accepts no id in the body.
            let mut sent = wanted;
            if let Value::Object(sent) = &mut sent {
                sent.shift_remove("id");
            }
            self.http.ask("unleash", Method::PUT, &self.url, Some(("application/json", &sent)))?;
        }
        // As the server shows it, which is what it is compared with the next time.
        Ok(Written(self.http.ask("unleash", Method::GET, &self.url, None)?))
    }
}
