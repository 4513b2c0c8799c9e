//! Polling, and fetching at once when the real-time service reports a change.

use std::{collections::HashSet, time::Duration};

use reqwest::{
    Url,
    header::{HeaderMap, HeaderValue},
};
use tokio::sync::watch;

use super::{
    document::EnvironmentDocument,
    news::{KnownState, Listener, StreamNews},
    pages::{Pages, next_page},
    settings::SourceSettings,
};
use crate::source::{
    self,
    network::{Backoff, Client, Conditions, Failure, Fetched, jittered, url},
};

/// All pages of a document together may take as long as this many requests: while they arrive, the
/// document in force is not marked stale.
const PAGES: u32 = 30;

/// The least pause before a request that the real-time service prompts.
const SOONEST: Duration = Duration::from_millis(250);

/// How often a document is fetched again when it was reported as changed but is still the old one:
/// the cloud's servers do not all learn of a change at once.
const TRIES: u32 = 3;

/// What requests need.
pub(super) struct Connection {
    pub(super) client: Client,
    document: Url,
    headers: Vec<(&'static str, String)>,
    known: Conditions,
    listener: Option<Listener>,
}

impl Connection {
    pub(super) fn new(settings: &SourceSettings) -> Result<Connection, source::Error> {
        let client = Client::new(&settings.http, Some(("x-environment-key", &settings.key)))?;
        let headers = settings.headers();
        for (name, value) in &headers {
            HeaderValue::try_from(*value).map_err(|error| {
                source::Error::with_source(format!("header `{name}` cannot be sent"), error)
            })?;
        }
        Ok(Connection {
            client,
            document: url::join(&settings.url, "/environment-document/")?,
            headers: headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect(),
            known: Conditions::default(),
            listener: Listener::new(settings)?,
        })
    }

    /// Asks once, and returns whether there was anything new.
    async fn poll(
        &mut self,
        environment: &mut EnvironmentDocument,
        conditional: bool,
    ) -> Result<bool, Failure> {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let answer = self.client.get_with(&self.document, &self.known, &headers).await?;
        let Fetched::Document { text, conditions, headers: answered } = answer else {
            environment.confirm();
            return Ok(false);
        };
        let patience = self.client.timeout().saturating_mul(PAGES);
        let pages = tokio::time::timeout(patience, self.pages(text, &answered, &headers));
        let text = pages.await.map_err(|_| {
            let error = format!("pages of the answer took more than {} s", patience.as_secs_f64());
            Failure::from(source::Error::new(error))
        })??;
        let is_new = environment.deliver(text)?;
        // Only now: what was refused must not make the next answer "unchanged".
        self.known = if conditional { conditions } else { Conditions::default() };
        Ok(is_new)
    }

    /// The whole document, of which this is the first page.
    async fn pages(
        &self,
        first: String,
        answered: &HeaderMap,
        headers: &[(&'static str, &str)],
    ) -> Result<String, Failure> {
        let mut pages = Pages::new(first, self.client.max_bytes());
        let mut next = next_page(answered);
        let mut seen = HashSet::new();
        while let Some(id) = next {
            let mut url = self.document.clone();
            url.query_pairs_mut().append_pair("page_id", &id);
            if !seen.insert(id) {
                let error = "answer: found a page that leads back to one before it";
                return Err(source::Error::new(error).into());
            }
            let page = self.client.get_with(&url, &Conditions::default(), headers).await?;
            let Fetched::Document { text, headers: answered, .. } = page else { break };
            pages.add(&text)?;
            next = next_page(&answered);
        }
        Ok(pages.finish()?)
    }

    /// Keeps the store fed for as long as it is polled.
    pub(super) async fn follow(
        mut self,
        environment: EnvironmentDocument,
        settings: SourceSettings,
    ) {
        let (tell, news) = watch::channel(StreamNews::default());
        let (know, known) = watch::channel(KnownState::new(settings.client_key.clone()));
        let listener = self.listener.take();
        let listening = async move {
            match listener {
                Some(listener) => listener.listen(known, &tell).await,
                // Kept alive, so that the receiver does not see a closed channel.
                None => {
                    let _tell = tell;
                    std::future::pending().await
                }
            }
        };
        tokio::join!(listening, self.keep_polling(environment, settings, know, news));
    }

    async fn keep_polling(
        mut self,
        mut environment: EnvironmentDocument,
        settings: SourceSettings,
        know: watch::Sender<KnownState>,
        mut news: watch::Receiver<StreamNews>,
    ) {
        let mut backoff = Backoff::new(settings.server.retry);
        let (mut wanted, mut tries) = (0.0, 0);
        let mut key = self.client.key_changes();
        loop {
            if key.take() {
                // What the old one got may be another environment's.
                self.known = Conditions::default();
                backoff.reset();
            }
            // What is said from here on may have changed after this request was answered.
            let said = news.borrow_and_update().updated_at;
            if said != wanted {
                (wanted, tries) = (said, 0);
            }
            let is_new = match self.poll(&mut environment, settings.conditional).await {
                Ok(is_new) => is_new,
                Err(failure) => {
                    let mut pause = backoff.pause(failure.retry_after);
                    if failure.status.is_some_and(is_permanent) {
                        pause = pause.max(jittered(settings.server.retry.max));
                        environment.updates.reject(failure.error);
                    } else {
                        environment.updates.report(failure.error);
                    }
                    key.pause(pause).await;
                    continue;
                }
            };
            backoff.reset();
            let updated_at = environment.updated_at();
            know.send_modify(|known| known.learn(environment.client_key(), updated_at));
            let mut pause = jittered(settings.interval);
            if !is_new && updated_at.is_none_or(|moment| moment < wanted) && tries < TRIES {
                // After 1, 2 and 4 seconds.
                pause = pause.min(SOONEST.saturating_mul(4 << tries));
                tries += 1;
            }
            tokio::select! {
                () = key.pause(pause) => {}
                () = changed(&mut news) => {}
            }
        }
    }
}

/// Returns when there is news, and the last request is not all too recent.
async fn changed(news: &mut watch::Receiver<StreamNews>) {
    tokio::time::sleep(SOONEST).await;
    if news.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether trying again is unlikely to help: the key is refused, or there is nothing at the URL.
fn is_permanent(status: u16) -> bool {
    matches!(status, 300..=499) && !matches!(status, 408 | 421 | 425 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again_soon() {
        for status in [408, 429, 500, 502, 503, 504, 204] {
            assert!(!is_permanent(status), "{status}");
        }
        for status in [301, 302, 400, 401, 403, 404, 405] {
            assert!(is_permanent(status), "{status}");
        }
    }
}
