//! Requests: conditional GET, POST, and the opening of a stream.

mod setup;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use self::setup::{ClientSetup, certificates};
use super::{Changes, Events, Failure, HttpSettings, Key, Meter};
use crate::source::{Error, more_than_zero};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{
        ACCEPT, ACCEPT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER,
    },
};

/// An HTTP client of one source. A clone shares its connections.
#[derive(Clone)]
pub(crate) struct Client {
    setup: Arc<ClientSetup>,
    /// Sent in this header.
    key: Option<(HeaderName, Key)>,
    meter: Meter,
    timeout: Duration,
    max_bytes: u64,
}

/// What the source has already, so that the server need not send it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// What the server answered to a GET.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// What the source has is what there is.
    Unchanged,
    /// A body, what makes the next request conditional, and all headers.
    Document { text: String, conditions: Conditions, headers: HeaderMap },
}

impl Client {
    /// A client that sends this key as it is in this header, with every request.
    ///
    /// # Errors
    /// A timeout of nothing, or a malformed header, proxy or certificate.
    pub(crate) fn new(settings: &HttpSettings, key: Option<(&str, &Key)>) -> Result<Client, Error> {
        more_than_zero("timeout", settings.timeout)?;
        more_than_zero("connect_timeout", settings.connect_timeout)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            headers.append(header_name(name)?, header_value(name, value)?);
        }
        let key = key.map(|(name, key)| {
            header_value(name, key.current().reveal())?;
            Ok::<_, Error>((header_name(name)?, key.clone()))
        });
        let proxy = settings.proxy.as_ref().map(|proxy| {
            reqwest::Proxy::all(proxy)
                .map_err(|error| Error::with_source("proxy URL is malformed", error.without_url()))
        });
        let setup = ClientSetup {
            headers,
            user_agent: header_value("user-agent", &settings.user_agent)?,
            proxy: proxy.transpose()?,
            certificates: certificates(&settings.certificates)?,
            connect_timeout: settings.connect_timeout,
            idle: 1,
            protocols: &[],
            made: OnceLock::new(),
        };
        let (timeout, max_bytes) = (settings.timeout, settings.max_bytes);
        let (setup, key, meter) = (Arc::new(setup), key.transpose()?, Meter::default());
        Ok(Client { setup, key, meter, timeout, max_bytes })
    }

    /// Says when the key that is sent has become another.
    pub(crate) fn key_changes(&self) -> Changes {
        self.key.as_ref().map_or_else(Changes::none, |(_, key)| key.changes())
    }

    /// What the client counts, for the status of its source.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The same for many requests at a time: it keeps this many idle connections, and one is enough
    /// for all where the server offers HTTP/2.
    #[cfg(feature = "remote")]
    pub(crate) fn concurrent(mut self, idle: usize) -> Client {
        if let Some(setup) = Arc::get_mut(&mut self.setup) {
            setup.idle = idle;
            setup.protocols = &["h2", "http/1.1"];
        }
        self
    }

    /// The client itself, made when it is first asked for; and asked for again where that failed:
    /// the platform's certificates may be there a moment later.
    pub(crate) fn http(&self) -> Result<&reqwest::Client, Error> {
        if let Some(made) = self.setup.made.get() {
            return Ok(made);
        }
        let made = self.setup.make()?;
        Ok(self.setup.made.get_or_init(|| made))
    }

    /// How long one request may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The largest body that is read.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// A GET that asks only for what is new. A redirect, like any other answer that is neither 200
    /// nor 304, is a failure.
    pub(crate) async fn get(&self, url: &Url, known: &Conditions) -> Result<Fetched, Failure> {
        self.get_with(url, known, &[]).await
    }

    pub(crate) async fn get_with(
        &self,
        url: &Url,
        known: &Conditions,
        headers: &[(&'static str, &str)],
    ) -> Result<Fetched, Failure> {
        self.meter.requested();
        let answer = self.ask(url, known, headers).await;
        match &answer {
            Ok(_) => self.meter.succeeded(),
            Err(_) => self.meter.failed(),
        }
        answer
    }

    async fn ask(
        &self,
        url: &Url,
        known: &Conditions,
        headers: &[(&'static str, &str)],
    ) -> Result<Fetched, Failure> {
        let mut request = self.request(Method::GET, url, headers)?.timeout(self.timeout);
        if let Some(etag) = &known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(moment) = &known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, moment);
        }
        let response = request.send().await?;
        self.meter.answered(response.status().as_u16());
        let asked = known.etag.is_some() || known.last_modified.is_some();
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if asked => return Ok(Fetched::Unchanged),
            _ => return Err(refused(&response).at(url)),
        }
        let headers = response.headers().clone();
        let text =
            |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let conditions = Conditions { etag: text(ETAG), last_modified: text(LAST_MODIFIED) };
        let text = self.text(response).await?;
        Ok(Fetched::Document { text, conditions, headers })
    }

    /// A POST of JSON. The answer's headers, when its status is one of success.
    pub(crate) async fn post(
        &self,
        url: &Url,
        headers: &[(&'static str, &str)],
        json: impl Into<bytes::Bytes>,
    ) -> Result<HeaderMap, Failure> {
        let answer = self.tell(url, headers, json.into()).await;
        self.meter.reported(answer.is_ok());
        answer
    }

    async fn tell(
        &self,
        url: &Url,
        headers: &[(&'static str, &str)],
        json: bytes::Bytes,
    ) -> Result<HeaderMap, Failure> {
        let response = self
            .request(Method::POST, url, headers)?
            .timeout(self.timeout)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(json)
            .send()
            .await?;
        if !response.status().is_success() {
            return Err(refused(&response).at(url));
        }
        Ok(response.headers().clone())
    }

    /// Opens a stream of server-sent events that counts as dead once nothing, not even a comment,
    /// has come for `silence`.
    pub(crate) async fn stream(
        &self,
        url: &Url,
        headers: &[(&'static str, &str)],
        silence: Duration,
    ) -> Result<Events, Failure> {
        self.meter.requested();
        let events = self.open(url, headers, silence).await;
        if events.is_err() {
            self.meter.failed();
        }
        events
    }

    async fn open(
        &self,
        url: &Url,
        headers: &[(&'static str, &str)],
        silence: Duration,
    ) -> Result<Events, Failure> {
        // From before the request on: it is of the key that is sent with it.
        let changes = self.key_changes();
        // Compressors on the way tend to hold events back until they have enough of them.
        let request = self
            .request(Method::GET, url, headers)?
            .header(ACCEPT, "text/event-stream")
            .header(ACCEPT_ENCODING, "identity");
        let response = match tokio::time::timeout(self.timeout, request.send()).await {
            Ok(response) => response?,
            Err(_) => return Err(Error::new("request took too long").into()),
        };
        self.meter.answered(response.status().as_u16());
        if response.status() != StatusCode::OK {
            return Err(refused(&response).at(url));
        }
        let kind = response.headers().get(reqwest::header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.trim_start().starts_with("text/event-stream") {
            let found = if kind.is_empty() { "none" } else { kind };
            let error = format!("content type: found `{found}`, expected `text/event-stream`");
            return Err(Error::new(error).into());
        }
        Ok(Events::new(response, silence, self.max_bytes, &self.meter, changes))
    }

    /// A request that carries the key, where there is one.
    pub(crate) fn request(
        &self,
        method: Method,
        url: &Url,
        headers: &[(&'static str, &str)],
    ) -> Result<RequestBuilder, Error> {
        let mut request = self.http()?.request(method, url.clone());
        if let Some((name, key)) = &self.key {
            let value = header_value(name.as_str(), key.current().reveal())?;
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, header_value(name, value)?);
        }
        Ok(request)
    }

    /// The body, which may be no larger than allowed and must be UTF-8.
    async fn text(&self, mut response: Response) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            self.meter.received(chunk.len());
            if (bytes.len() as u64).saturating_add(chunk.len() as u64) > self.max_bytes {
                let error = format!("answer: found more than {} bytes", self.max_bytes);
                return Err(Error::new(error).into());
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes)
            .map_err(|error| Error::with_source("answer is not UTF-8", error).into())
    }
}

fn refused(response: &Response) -> Failure {
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Failure::of_status(response.status().as_u16(), retry_after.and_then(wait))
}

/// `Retry-After` in seconds, or as a date.
pub(crate) fn wait(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    let moment = u64::try_from(moment.timestamp()).ok()?;
    Some(Duration::from_secs(moment).saturating_sub(now))
}

fn header_name(name: &str) -> Result<HeaderName, Error> {
    HeaderName::try_from(name)
        .map_err(|error| Error::with_source(format!("header `{name}` is malformed"), error))
}

pub(super) fn header_value(name: &str, value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(value).map_err(|error| {
        Error::with_source(format!("value of header `{name}` is malformed"), error)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_in_seconds_and_as_a_date() {
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(wait("Wed, 21 Oct 2099 07:28:00 GMT") > Some(Duration::from_secs(1 << 30)));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        let settings = HttpSettings::new();
        let made = |settings: HttpSettings| Client::new(&settings, None).map(|_| ());
        let error = made(settings.clone().header("a b", "c")).unwrap_err();
        assert!(error.to_string().contains("`a b`"), "{error}");
        let error = made(settings.clone().header("a", "b\n")).unwrap_err();
        assert!(error.to_string().contains("`a`"), "{error}");
        let error = made(settings.clone().root_certificates("no PEM")).unwrap_err();
        assert!(error.to_string().contains("root certificates"), "{error}");
        assert!(made(settings.proxy("::")).is_err());
    }
}
