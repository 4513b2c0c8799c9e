//! Streaming and polling.

use std::{sync::Arc, time::Duration};

use reqwest::Url;
use tokio::time::Instant;

use super::{data::Data, events::Vitals, settings::SourceSettings};
use crate::source::{
    self,
    network::{Backoff, Client, Conditions, Failure, Fetched, Meter, no_sooner, url},
};

/// A stream that lasted this long was well: the next pause is a short one again.
const WELL: Duration = Duration::from_secs(60);

/// What requests need.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) vitals: Arc<Vitals>,
    stream: Url,
    poll: Option<Url>,
    known: Conditions,
}

impl Connection {
    pub(super) fn new(settings: &SourceSettings) -> Result<Connection, source::Error> {
        let client = Client::new(&settings.http(), Some(("authorization", &settings.key)))?;
        let filtered = |base: &str, path: &str| {
            let mut url = url::join(base, path)?;
            if let Some(filter) = settings.valid_filter() {
                url.query_pairs_mut().append_pair("filter", filter);
            }
            Ok::<_, source::Error>(url)
        };
        let poll = settings.poll_url.as_ref();
        Ok(Connection {
            stream: filtered(&settings.stream_url, "/all")?,
            poll: poll.map(|base| filtered(base, "/sdk/latest-all")).transpose()?,
            known: Conditions::default(),
            vitals: Arc::default(),
            client,
        })
    }

    /// What it counts, for the status.
    pub(super) fn meter(&self) -> &Meter {
        self.client.meter()
    }

    async fn poll(&mut self, data: &mut Data) -> Result<(), Failure> {
        let Some(url) = &self.poll else { return Ok(()) };
        match self.client.get(url, &self.known).await? {
            Fetched::Unchanged => data.confirm(),
            Fetched::Document { text, conditions, .. } => {
                data.replace(&text)?;
                // Only now: what was refused must not make the next answer "unchanged".
                self.known = Conditions { etag: conditions.etag, last_modified: None };
            }
        }
        Ok(())
    }

    /// Follows one stream until something is wrong.
    async fn stream(&self, data: &mut Data, silence: Duration) -> Failure {
        let started = Instant::now();
        let opened = self.client.stream(&self.stream, &[], silence).await;
        self.vitals.opened(started.elapsed(), opened.is_err());
        let mut events = match opened {
            Ok(events) => events,
            Err(failure) => return failure,
        };
        loop {
            let mut next = std::pin::pin!(events.next());
            let event = loop {
                let due = data.save_due();
                tokio::select! {
                    biased;
                    event = &mut next => break event,
                    () = tokio::time::sleep_until(due.unwrap_or(started)), if due.is_some() => {
                        data.save();
                    }
                }
            };
            let event = match event {
                Ok(event) => event,
                Err(failure) => return failure,
            };
            let done = match &*event.kind {
                "put" => data.put(&event.data),
                "patch" => data.patch(&event.data),
                "delete" => data.delete(&event.data),
                // Of a later version of the protocol.
                _ => Ok(()),
            };
            // What cannot be read may have meant anything: only a whole new `put` is safe.
            if let Err(error) = done {
                return error.into();
            }
        }
    }
}

/// Keeps the store fed for as long as it is polled.
pub(super) async fn follow(mut connection: Connection, mut data: Data, settings: SourceSettings) {
    let mut backoff = Backoff::new(settings.server.retry);
    let mut refusals = Backoff::new(settings.retry_refused);
    let mut polled: Option<Instant> = None;
    let mut key = connection.client.key_changes();
    loop {
        if key.take() {
            // What the old one got may be another environment's.
            connection.known = Conditions::default();
            backoff.reset();
            refusals.reset();
        }
        let started = Instant::now();
        let failure = if settings.streams {
            Some(connection.stream(&mut data, settings.silence).await)
        } else {
            connection.poll(&mut data).await.err()
        };
        data.save();
        let Some(failure) = failure else {
            backoff.reset();
            refusals.reset();
            key.pause(no_sooner(settings.interval)).await;
            continue;
        };
        if failure.is_rekeyed() {
            continue;
        }
        if settings.streams && started.elapsed() >= WELL {
            backoff.reset();
        }
        if failure.status.is_some_and(is_permanent) {
            data.updates.reject(failure.error);
            key.pause(refusals.pause(failure.retry_after)).await;
            continue;
        }
        refusals.reset();
        let retry_after = failure.retry_after;
        data.updates.report(failure.error);
        // While the stream is away, and not more often than LaunchDarkly likes.
        let due = polled.is_none_or(|polled| polled.elapsed() >= settings.interval);
        if settings.streams && backoff.failures() > 0 && due && connection.poll.is_some() {
            polled = Some(Instant::now());
            if let Err(failure) = connection.poll(&mut data).await {
                data.updates.report(failure.error);
            }
        }
        key.pause(backoff.pause(retry_after)).await;
    }
}

/// Trying again soon changes nothing: a key that is refused, a URL that is not there.
fn is_permanent(status: u16) -> bool {
    matches!(status, 401..=499) && !matches!(status, 408 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_tried_again_after_five_minutes_and_at_last_every_hour() {
        let mut refusals = Backoff::new(SourceSettings::new("sdk-key".into()).retry_refused);
        let minutes: Vec<u64> = (0..8).map(|_| refusals.pause(None).as_secs() / 60).collect();
        // Each is cut by up to a half at random.
        for (pause, most) in minutes.iter().zip([5, 10, 20, 40, 60, 60, 60, 60]) {
            assert!((most / 2..=most).contains(pause), "{minutes:?}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [400, 408, 429, 500, 502, 503, 302, 204] {
            assert!(!is_permanent(status), "{status}");
        }
        for status in [401, 403, 404, 405, 418] {
            assert!(is_permanent(status), "{status}");
        }
    }
}
