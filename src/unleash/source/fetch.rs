//! Polling, and streaming with polling to fall back on.

use std::time::Duration;

use reqwest::{
    Url,
    header::{HeaderMap, HeaderValue},
};
use tokio::time::Instant;

use super::{data::Data, delta::Deltas, settings::SourceSettings};
use crate::source::{
    self, chain,
    network::{Backoff, Changes, Client, Conditions, Failure, Fetched, jittered, url},
};

/// The version of Unleash's client specification whose answers are understood.
pub(super) const SPECIFICATION: &str = "5.2.0";

/// A stream that fails this often within a minute is given up for polling.
const TOO_OFTEN: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// How soon a stream must bring its first event. Keep-alives alone prove nothing: a proxy on the way
/// may be holding the events back.
const FIRST_EVENT: Duration = Duration::from_secs(15);

/// How long until a server that had no stream, or no deltas, is asked again whether it has them.
pub(super) const AGAIN: Duration = Duration::from_secs(600);

/// What requests need.
pub(super) struct Connection {
    pub(super) client: Client,
    features: Url,
    stream: Url,
    changes: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    /// What is in force, while that came as a whole.
    known: Conditions,
    /// Where they are asked for.
    deltas: Option<Deltas>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Polls,
    Streams,
}

/// Why a stream ended.
enum End {
    Failed(Failure),
    /// The server wants to be polled, or might as well.
    Unwanted,
}

impl Connection {
    pub(super) fn new(settings: &SourceSettings) -> Result<Connection, source::Error> {
        let client = Client::new(&settings.http, Some(("authorization", &settings.token)))?;
        let filtered = |path: &str| {
            let mut url = url::join(&settings.url, path)?;
            if !settings.filters.is_empty() {
                url.query_pairs_mut().extend_pairs(&settings.filters);
            }
            Ok::<_, source::Error>(url)
        };
        let headers = vec![
            ("unleash-client-spec", SPECIFICATION.to_owned()),
            ("unleash-appname", settings.app_name().to_owned()),
            ("unleash-instanceid", settings.instance_id.clone()),
            ("unleash-connection-id", settings.connection_id.clone()),
            ("unleash-sdk", concat!("modelgate:", env!("CARGO_PKG_VERSION")).to_owned()),
            ("unleash-interval", settings.interval.as_millis().to_string()),
        ];
        for (name, value) in &headers {
            HeaderValue::try_from(value).map_err(|error| {
                source::Error::with_source(format!("header `{name}` cannot be sent"), error)
            })?;
        }
        Ok(Connection {
            features: filtered("/client/features")?,
            stream: filtered("/client/streaming")?,
            changes: filtered("/client/delta")?,
            client,
            headers,
            known: Conditions::default(),
            deltas: settings.deltas.then(Deltas::default),
        })
    }

    fn headers(&self) -> Vec<(&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, &**value)).collect()
    }

    /// Asks once; the answer's headers, when it brought something new.
    async fn poll(&mut self, data: &mut Data) -> Result<Option<HeaderMap>, Failure> {
        let Some(deltas) = self.deltas.as_ref().filter(|deltas| deltas.is_supported()) else {
            return self.poll_features(data).await;
        };
        let asked = self.client.get_with(&self.changes, &deltas.known, &self.headers()).await;
        let Some(deltas) = &mut self.deltas else { return Ok(None) };
        let answer = asked.and_then(|answer| match answer {
            Fetched::Unchanged => {
                deltas.succeeded();
                data.confirm();
                Ok(None)
            }
            Fetched::Document { text, conditions, headers } => {
                deltas.apply(data, &text, conditions.etag)?;
                Ok(Some(headers))
            }
        });
        if data.save_in().is_some_and(|pause| pause.is_zero()) {
            data.save();
        }
        let failure = match answer {
            Ok(headers) => return Ok(headers),
            Err(failure) if !deltas.fail(&failure) => return Err(failure),
            Err(failure) => failure,
        };
        // The request for everything will show whether something is really wrong.
        if !data.is_whole() {
            self.known = Conditions::default();
        }
        let headers = self.poll_features(data).await?;
        let (source, error) = (data.source(), chain(&failure.error));
        tracing::debug!(target: "modelgate::source", source, error, "no deltas to be had");
        if let Some(deltas) = &mut self.deltas {
            deltas.give_up();
        }
        Ok(headers)
    }

    async fn poll_features(&mut self, data: &mut Data) -> Result<Option<HeaderMap>, Failure> {
        match self.client.get_with(&self.features, &self.known, &self.headers()).await? {
            Fetched::Unchanged => {
                data.confirm();
                Ok(None)
            }
            Fetched::Document { text, conditions, headers } => {
                data.replace(text, conditions.etag.as_deref())?;
                // Only now: the tag of what was refused must not make the next answer "unchanged".
                self.known = Conditions { etag: conditions.etag, last_modified: None };
                Ok(Some(headers))
            }
        }
    }

    /// Follows one stream until something is wrong.
    async fn stream(&mut self, data: &mut Data, silence: Duration) -> End {
        let opened = self.client.stream(&self.stream, &self.headers(), silence).await;
        let mut events = match opened {
            Ok(events) => events,
            Err(failure) => return End::Failed(failure),
        };
        self.deltas.iter_mut().for_each(Deltas::forget);
        data.begin_events();
        let mut pause = Some(silence.min(FIRST_EVENT));
        loop {
            let next = match pause {
                None => Ok(events.next().await),
                Some(pause) => tokio::time::timeout(pause, events.next()).await,
            };
            let event = match next {
                Ok(Ok(event)) => event,
                Ok(Err(failure)) => return End::Failed(failure),
                Err(_) if !data.is_streamed() => return End::Unwanted,
                Err(_) => {
                    data.save();
                    pause = data.save_in();
                    continue;
                }
            };
            let done = match &*event.kind {
                "unleash-connected" | "unleash-updated" => data.apply(&event.data).map(|_| ()),
                "fetch-mode" if event.data.trim() == "polling" => return End::Unwanted,
                _ => Ok(()),
            };
            if data.is_streamed() {
                pause = data.save_in();
            }
            // What cannot be read may have meant anything: a new stream begins with everything.
            if let Err(error) = done {
                return End::Failed(error.into());
            }
        }
    }

    /// Adds the usual cause where there is nothing at the URL.
    fn explained(&self, mut failure: Failure) -> Failure {
        let base = self.features.path().strip_suffix("/client/features").unwrap_or_default();
        if failure.status == Some(404) && !base.ends_with("/api") {
            let text =
                format!("{}: expected the URL of an API, which ends in `/api`", failure.error);
            failure.error = source::Error::new(text);
        }
        failure
    }

    /// Keeps the store fed for as long as it is polled.
    pub(super) async fn follow(mut self, mut data: Data, settings: SourceSettings) {
        let mut backoff = Backoff::new(settings.server.retry);
        let mut mode = if settings.streams { Mode::Streams } else { Mode::Polls };
        // After a stream was given up, when the next may be tried.
        let mut again: Option<Instant> = None;
        let mut broken: Vec<Instant> = Vec::new();
        let mut key = self.client.key_changes();
        loop {
            if key.take() {
                // What the old one got may be another environment's.
                self.known = Conditions::default();
                self.deltas.iter_mut().for_each(Deltas::forget);
                backoff.reset();
            }
            match mode {
                Mode::Streams => {
                    let end = self.stream(&mut data, settings.silence).await;
                    data.save();
                    broken.retain(|moment| moment.elapsed() < MINUTE);
                    if broken.is_empty() {
                        backoff.reset();
                    }
                    broken.push(Instant::now());
                    let pause = match end {
                        End::Failed(failure) if failure.is_rekeyed() => continue,
                        End::Unwanted => AGAIN,
                        End::Failed(failure) if has_no_stream(failure.status) => AGAIN,
                        End::Failed(_) if broken.len() >= TOO_OFTEN => MINUTE,
                        End::Failed(failure) => {
                            recover(&mut data, &mut backoff, &mut key, failure).await;
                            continue;
                        }
                    };
                    // Polling will show whether something is really wrong.
                    tracing::debug!(target: "modelgate::source", "no stream to be had: polling");
                    mode = Mode::Polls;
                    again = Instant::now().checked_add(pause);
                    if !data.is_whole() {
                        self.known = Conditions::default();
                    }
                }
                Mode::Polls => match self.poll(&mut data).await {
                    Ok(headers) => {
                        backoff.reset();
                        let asked = headers.as_ref().and_then(|headers| headers.get("fetch-mode"));
                        let asked = asked.is_some_and(|mode| mode == "streaming");
                        // Also of a server that asks for it: it may not have it all the same.
                        let may = again.is_none_or(|moment| moment <= Instant::now());
                        if may && (asked || again.is_some()) {
                            mode = Mode::Streams;
                            broken.clear();
                            continue;
                        }
                        rest(&mut data, &mut key, jittered(settings.interval)).await;
                    }
                    Err(failure) => {
                        let failure = self.explained(failure);
                        recover(&mut data, &mut backoff, &mut key, failure).await;
                    }
                },
            }
        }
    }
}

/// Says what went wrong, and waits before it is tried again.
async fn recover(data: &mut Data, backoff: &mut Backoff, key: &mut Changes, failure: Failure) {
    match failure.is_refusal() {
        true => data.updates.reject(failure.error),
        false => data.updates.report(failure.error),
    }
    rest(data, key, backoff.pause(failure.retry_after)).await;
}

/// Waits this long, or until the key changes. What the file does not have yet is written on the way, as
/// soon as it may be: the next poll may be long after.
async fn rest(data: &mut Data, key: &mut Changes, pause: Duration) {
    let save = async {
        if let Some(pause) = data.save_in() {
            tokio::time::sleep(pause).await;
            data.save();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = key.pause(pause) => {}
        () = save => {}
    }
}

/// Whether this answer means that there is no stream for us, which is what most servers say.
fn has_no_stream(status: Option<u16>) -> bool {
    matches!(status, Some(401 | 403 | 404 | 429 | 501))
}
