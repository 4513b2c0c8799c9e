//! The HTTP requests of writers, each waited for on the writer's thread.

use std::time::Duration;

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::Value;

use super::WriteError;
use crate::autopilot::background::{BackgroundRuntime, RequestError};
use crate::source::{
    self,
    network::{Client, HttpSettings, Secret},
};

/// What is waited beyond the request's own timeout, before the request is cancelled.
const SPARE: Duration = Duration::from_secs(5);

/// An HTTP client with a runtime of its own, as writers run on plain threads.
pub(super) struct WriterClient {
    client: Client,
    authorization: Option<Secret>,
    background: BackgroundRuntime,
}

impl WriterClient {
    /// A client that sends this as `authorization`.
    pub(super) fn new(authorization: Option<String>) -> Result<WriterClient, source::Error> {
        let authorization = authorization.map(Secret::new);
        let client = Client::new(&HttpSettings::new(), None)?;
        let background = BackgroundRuntime::start("modelgate-autopilot-http")
            .map_err(|error| source::Error::with_source("a thread could not be started", error))?;
        Ok(WriterClient { client, authorization, background })
    }

    /// What the server answered: its status, and its body if that is JSON.
    pub(super) fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(u16, Value), WriteError> {
        fn failed(error: reqwest::Error) -> WriteError {
            WriteError::new("the server could not be asked", error.without_url())
        }
        let client = self
            .client
            .http()
            .map_err(|error| WriteError::new("the client could not be made", error))?;
        let mut request = client.request(method, url).timeout(self.client.timeout());
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.reveal());
        }
        if let Some((content_type, body)) = body {
            request = request.header(CONTENT_TYPE, content_type).body(body.to_string());
        }
        let patience = self.client.timeout().saturating_add(SPARE);
        let answered = self.background.wait(patience, async move {
            let response = request.send().await.map_err(failed)?;
            let status = response.status().as_u16();
            let text = response.text().await.map_err(failed)?;
            Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
        });
        answered.unwrap_or_else(|unanswered| {
            Err(WriteError::plain(match unanswered {
                RequestError::Late => "the server has not answered in time",
                RequestError::Gone => "the client panicked",
            }))
        })
    }

    /// The same, where only 2xx will do.
    pub(super) fn ask(
        &self,
        what: &str,
        method: Method,
        url: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value, WriteError> {
        match self.send(method, url, body)? {
            (200..300, answer) => Ok(answer),
            (status, _) => Err(WriteError::plain(format!("{what}: the server answered {status}"))),
        }
    }
}
