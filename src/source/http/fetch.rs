//! One conditional GET.

use std::{io::Read, time::Duration};

use ureq::{
    Agent,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
};

use super::SourceError;

/// What to ask for, and what was answered last.
pub(super) struct Fetch {
    agent: Agent,
    uri: Uri,
    headers: HeaderMap,
    max_bytes: u64,
    etag: Option<String>,
}

/// What the server said.
pub(super) enum Answer {
    /// The tagged document is still the one.
    Unchanged,
    Document {
        text: String,
        etag: Option<String>,
    },
    Failed {
        status: u16,
        retry_after: Option<Duration>,
    },
}

impl Fetch {
    pub(super) fn new(
        url: &str,
        headers: Vec<(String, String)>,
        user_agent: &str,
        timeout: Duration,
        max_bytes: u64,
    ) -> Result<Fetch, SourceError> {
        let uri: Uri =
            url.parse().map_err(|error| SourceError::with_source("URL is malformed", error))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(SourceError::new("URL must start with `http://` or `https://` and a host"));
        }
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            let malformed = format!("header `{name}` is malformed");
            let name = HeaderName::try_from(name)
                .map_err(|error| SourceError::with_source(malformed.clone(), error))?;
            let mut value = HeaderValue::try_from(value)
                .map_err(|error| SourceError::with_source(malformed, error))?;
            value.set_sensitive(true);
            sent.append(name, value);
        }
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(user_agent)
            .build()
            .new_agent();
        Ok(Fetch { agent, uri, headers: sent, max_bytes, etag: None })
    }

    /// The agent, to end a request in flight with.
    pub(super) fn agent(&self) -> Agent {
        self.agent.clone()
    }

    /// The tag of the document that is in force.
    pub(super) fn remember(&mut self, etag: Option<String>) {
        self.etag = etag;
    }

    pub(super) fn get(&self) -> Result<Answer, SourceError> {
        let failed = |error| SourceError::with_source("request failed", error);
        let mut request = self.agent.get(&self.uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(etag) = &self.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let response = request.call().map_err(failed)?;
        let status = response.status().as_u16();
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        match status {
            200 => {}
            304 if self.etag.is_some() => return Ok(Answer::Unchanged),
            _ => {
                // Seconds only: the form with a date needs two clocks that agree.
                let seconds = text(header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
                return Ok(Answer::Failed {
                    status,
                    retry_after: seconds.map(Duration::from_secs),
                });
            }
        }
        let etag = text(header::ETAG).map(str::to_owned);
        let mut bytes = Vec::new();
        response
            .into_body()
            .into_reader()
            // Counts what comes out of the decompression, where a small body can be huge.
            .take(self.max_bytes.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| SourceError::with_source("answer broke off", error))?;
        if bytes.len() as u64 > self.max_bytes {
            return Err(SourceError::new(format!(
                "answer is larger than {} bytes",
                self.max_bytes
            )));
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| SourceError::with_source("answer is not UTF-8", error))?;
        Ok(Answer::Document { text, etag })
    }
}
