//! Requests of writers, one at a time, on the thread that writes.

use parking_lot::Mutex;
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::Value;

use super::WriteError;
use crate::source::{
    SourceError,
    network::{Client, HttpSettings, Secret},
};

/// An HTTP client with a small runtime of its own: writers run where there is none.
pub(super) struct Http {
    client: Client,
    authorization: Option<Secret>,
    runtime: Mutex<tokio::runtime::Runtime>,
}

impl Http {
    /// A client that sends this as `authorization`.
    pub(super) fn new(authorization: Option<String>) -> Result<Http, SourceError> {
        let authorization = authorization.map(Secret::new);
        let client = Client::new(&HttpSettings::new(), None)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|error| SourceError::with_source("a runtime could not be started", error))?;
        Ok(Http { client, authorization, runtime: Mutex::new(runtime) })
    }

    /// What the server answered: its status, and its body if that is JSON.
    pub(super) fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(u16, Value), WriteError> {
        let failed = |error: reqwest::Error| {
            WriteError::new("the server could not be asked", error.without_url())
        };
        self.runtime.lock().block_on(async {
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
            let response = request.send().await.map_err(failed)?;
            let status = response.status().as_u16();
            let text = response.text().await.map_err(failed)?;
            Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
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
