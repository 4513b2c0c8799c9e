//! A writer that posts to a webhook.

use std::borrow::Cow;

use reqwest::Method;
use serde_json::json;

use super::{Intent, ShareWriter, WriteError, Written, http::WriterClient};
use crate::source;

/// Posts transitions as JSON: the intent, with a `text` that Slack and similar services show.
pub struct Webhook {
    url: String,
    http: WriterClient,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL of a webhook is its secret.
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

impl Webhook {
    /// Posts to this URL.
    ///
    /// # Errors
    ///
    /// When no client can be made.
    pub fn new(url: impl Into<String>) -> Result<Webhook, source::Error> {
        Ok(Webhook { url: url.into(), http: WriterClient::new(None)? })
    }
}

impl ShareWriter for Webhook {
    fn name(&self) -> Cow<'static, str> {
        "webhook".into()
    }

    fn write(&self, intent: &Intent, _last: Option<&Written>) -> Result<Written, WriteError> {
        let Intent { autopilot, candidate, from, to, share, sentence, .. } = intent;
        let text = format!("{autopilot}: {candidate} {from} -> {to}, {share}: {sentence}");
        let body = json!({ "text": text, "rollout": intent });
        self.http.ask("webhook", Method::POST, &self.url, Some(("application/json", &body)))?;
        Ok(Written(json!(intent.rev)))
    }
}
