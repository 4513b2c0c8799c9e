//! The real-time service, which reports that something has changed, but not what.

use std::{convert::Infallible, time::Duration};

use reqwest::Url;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{sync::watch, time::Instant};

use super::{moment::moment, settings::SourceSettings};
use crate::source::{
    self,
    network::{Address, Backoff, Client, Failure, Retry, Secret, url},
};

/// A connection that lasted this long counts as healthy, and the next pause is short again: the service
/// itself closes connections from time to time.
const HEALTHY: Duration = Duration::from_secs(10);

/// When a service that has nothing for this environment is asked again.
const REFUSED: Duration = Duration::from_secs(600);

/// What the listener needs to know of the document.
#[derive(Clone, Debug)]
pub(super) struct KnownState {
    key: Option<Secret>,
    /// The key is given, whatever the document says.
    fixed: bool,
    updated_at: Option<f64>,
}

/// What was said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct StreamNews {
    /// When the environment was changed last; 0 when nobody has said so yet. Seconds since 1970.
    pub(super) updated_at: f64,
}

pub(super) struct Listener {
    client: Client,
    url: Address,
    silence: Duration,
    retry: Retry,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, alias = "last_updated_at")]
    updated_at: &'a RawValue,
}

impl KnownState {
    pub(super) fn new(key: Option<Secret>) -> KnownState {
        KnownState { fixed: key.is_some(), key, updated_at: None }
    }

    fn has(&self, key: &Secret) -> bool {
        self.key.as_ref().is_some_and(|held| held.reveal() == key.reveal())
    }

    pub(super) fn learn(&mut self, key: Option<&Secret>, updated_at: Option<f64>) {
        if !self.fixed {
            self.key = key.cloned();
        }
        self.updated_at = updated_at;
    }
}

impl StreamNews {
    /// Whether this is news to somebody who has a document of this moment.
    fn hear(&mut self, data: &str, held: Option<f64>) -> bool {
        let said = serde_json::from_str::<Event<'_>>(data).ok();
        let Some(updated_at) = said.and_then(|event| moment(event.updated_at.get())) else {
            // It has changed, whenever that was.
            return true;
        };
        let is_newer = updated_at > self.updated_at.max(held.unwrap_or_default());
        if is_newer {
            self.updated_at = updated_at;
        }
        is_newer
    }
}

impl Listener {
    /// `None` when nobody is to be listened to.
    pub(super) fn new(settings: &SourceSettings) -> Result<Option<Listener>, source::Error> {
        let Some(url) = &settings.realtime else { return Ok(None) };
        url::join(url, "/sse/environments/")?;
        Ok(Some(Listener {
            // Without the server-side key: this service must not see it.
            client: Client::new(&settings.http, None)?,
            url: url.clone(),
            silence: settings.silence,
            retry: settings.server.retry,
        }))
    }

    /// Listens for as long as it is polled. What goes wrong here only makes changes come later:
    /// polling shows whether anything is really wrong.
    pub(super) async fn listen(
        self,
        mut known: watch::Receiver<KnownState>,
        tell: &watch::Sender<StreamNews>,
    ) {
        let mut backoff = Backoff::new(self.retry);
        loop {
            let known_key = known.wait_for(|known| known.key.is_some()).await;
            let Ok(Some(key)) = known_key.map(|known| known.key.clone()) else { return };
            let started = Instant::now();
            let mut other = known.clone();
            let failure = tokio::select! {
                heard = self.hear(&key, &known, tell) => match heard {
                    Err(failure) => failure,
                },
                // The server-side key was replaced by that of another environment.
                _ = other.wait_for(|known| !known.has(&key)) => {
                    tell.send_if_modified(|news| {
                        *news = StreamNews::default();
                        false
                    });
                    backoff.reset();
                    continue;
                }
            };
            if started.elapsed() >= HEALTHY {
                backoff.reset();
            }
            let mut pause = backoff.pause(failure.retry_after);
            if failure.status.is_some_and(|status| matches!(status, 300..=499 | 501))
                && !matches!(failure.status, Some(408 | 429))
            {
                pause = pause.max(REFUSED);
            }
            let error = crate::source::chain(&failure.error);
            tracing::debug!(target: "modelgate::source", error, "no news from Flagsmith: polling");
            tokio::time::sleep(pause).await;
        }
    }

    /// Follows one connection until something is wrong.
    async fn hear(
        &self,
        key: &Secret,
        known: &watch::Receiver<KnownState>,
        tell: &watch::Sender<StreamNews>,
    ) -> Result<Infallible, Failure> {
        let url = self.url(key)?;
        let mut events = self.client.stream(&url, &[], self.silence).await?;
        // Changes made while nobody was connected were announced to nobody.
        tell.send_modify(|_| ());
        loop {
            let event = events.next().await?;
            if event.kind != "environment_updated" {
                continue;
            }
            let held = known.borrow().updated_at;
            tell.send_if_modified(|news| news.hear(&event.data, held));
        }
    }

    fn url(&self, key: &Secret) -> Result<Url, source::Error> {
        let mut url = url::join(&self.url, "")?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["sse", "environments", key.reveal(), "stream"]);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_what_is_newer_than_the_document_and_was_not_said_before() {
        let mut news = StreamNews::default();
        assert!(!news.hear(r#"{"updated_at": 100}"#, Some(100.0)));
        assert!(!news.hear(r#"{"updated_at": 99.9}"#, Some(100.0)));
        assert!(news.hear(r#"{"updated_at": 100.5}"#, Some(100.0)));
        assert!(!news.hear(r#"{"updated_at": 100.5}"#, Some(100.0)), "said again");
        assert!(!news.hear(r#"{"updated_at": 100.2}"#, None), "out of order");
        assert!(news.hear(r#"{"last_updated_at": 101, "more": []}"#, Some(100.5)));
        assert_eq!(news, StreamNews { updated_at: 101.0 });
    }

    #[test]
    fn what_cannot_be_read_is_news_and_leaves_what_was_said() {
        let mut news = StreamNews { updated_at: 7.0 };
        for data in ["", "{", "[]", "7", r#"{"updated_at": null}"#, r#"{"updated_at": "soon"}"#] {
            assert!(news.hear(data, Some(9.0)), "{data}");
        }
        assert_eq!(news, StreamNews { updated_at: 7.0 });
    }

    #[test]
    fn a_given_key_counts_before_that_of_the_document() {
        let key = |known: &KnownState| known.key.as_ref().map(|key| key.reveal().to_owned());
        let mut known = KnownState::new(None);
        known.learn(Some(&Secret::new("of the document")), Some(1.0));
        assert_eq!(key(&known).as_deref(), Some("of the document"));
        let mut known = KnownState::new(Some(Secret::new("given")));
        known.learn(Some(&Secret::new("of the document")), Some(1.0));
        assert_eq!(key(&known).as_deref(), Some("given"));
    }
}
