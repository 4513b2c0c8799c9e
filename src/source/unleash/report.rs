//! What the server is told: that the application is there, and how often each toggle answered what.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::Url;
use serde::Serialize;

use super::{fetch::Connection, settings::Settings};
use crate::{
    flag::{Exposure, Exposures},
    source::{
        SourceError, chain,
        network::{Backoff, Client, Failure, Stopped, client, jittered},
    },
};

/// Reports that fail are merged into the next for at most this many toggles.
const MOST_TOGGLES: usize = 50_000;

pub(super) struct Report {
    client: Client,
    register: Url,
    metrics: Url,
    headers: Vec<(&'static str, String)>,
    app_name: String,
    instance_id: String,
    connection_id: String,
    exposures: Exposures,
    source: Cow<'static, str>,
    started: Duration,
    /// What was counted since, together with what could not be sent before.
    toggles: BTreeMap<Arc<str>, Usage>,
    retry: (Duration, Duration),
}

/// How often a toggle answered what.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Usage {
    yes: u64,
    no: u64,
    variants: BTreeMap<Arc<str>, u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registration<'r> {
    app_name: &'r str,
    instance_id: &'r str,
    connection_id: &'r str,
    sdk_version: &'static str,
    spec_version: &'static str,
    platform_name: &'static str,
    strategies: &'static [&'static str],
    /// Milliseconds since 1970.
    started: u64,
    /// Milliseconds.
    interval: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics<'r> {
    app_name: &'r str,
    instance_id: &'r str,
    connection_id: &'r str,
    sdk_version: &'static str,
    bucket: Bucket<'r>,
}

#[derive(Serialize)]
struct Bucket<'r> {
    /// Milliseconds since 1970.
    start: u64,
    stop: u64,
    toggles: &'r BTreeMap<Arc<str>, Usage>,
}

const SDK: &str = concat!("modelgate:", env!("CARGO_PKG_VERSION"));

/// The strategies that the dialect itself knows.
const STRATEGIES: &[&str] = &[
    "default",
    "userWithId",
    "flexibleRollout",
    "gradualRolloutUserId",
    "gradualRolloutSessionId",
    "gradualRolloutRandom",
    "remoteAddress",
    "applicationHostname",
];

impl Report {
    pub(super) fn new(
        connection: &Connection,
        settings: &Settings,
        exposures: Exposures,
        source: Cow<'static, str>,
    ) -> Result<Report, SourceError> {
        Ok(Report {
            client: connection.client.clone(),
            register: client::url(&settings.url, "/client/register")?,
            metrics: client::url(&settings.url, "/client/metrics")?,
            headers: connection.headers.clone(),
            app_name: settings.app_name.clone(),
            instance_id: settings.instance_id.clone(),
            connection_id: settings.connection_id.clone(),
            exposures,
            source,
            started: now(),
            toggles: BTreeMap::new(),
            retry: settings.retry,
        })
    }

    /// Registers, and reports at this interval and once more at the end.
    pub(super) async fn keep_sending(mut self, interval: Duration, mut stopped: Stopped) {
        let registered = tokio::select! {
            registered = self.register(interval) => registered,
            () = stopped.wait() => return self.last_words().await,
        };
        if !registered {
            return;
        }
        let (first, max) = self.retry;
        let mut backoff = Backoff::new(first, max);
        let mut pause = jittered(interval);
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopped.wait() => return self.last_words().await,
            }
            let sent = tokio::select! {
                sent = self.send() => sent,
                () = stopped.wait() => return self.last_words().await,
            };
            pause = match sent {
                Ok(()) => {
                    backoff.reset();
                    jittered(interval)
                }
                Err(failure) if is_permanent(failure.status) => return self.give_up(&failure),
                Err(failure) => {
                    self.failed(&failure);
                    backoff.pause(failure.retry_after).max(interval)
                }
            };
        }
    }

    /// Registers, however long it takes. Whether it makes sense to go on.
    async fn register(&self, interval: Duration) -> bool {
        let registration = Registration {
            app_name: &self.app_name,
            instance_id: &self.instance_id,
            connection_id: &self.connection_id,
            sdk_version: SDK,
            spec_version: "5.2.0",
            platform_name: "rust",
            strategies: STRATEGIES,
            started: milliseconds(self.started),
            interval: milliseconds(interval),
        };
        let body = serde_json::to_vec(&registration).unwrap_or_default();
        let (first, max) = self.retry;
        let mut backoff = Backoff::new(first, max);
        loop {
            let failure =
                match self.client.post(&self.register, &self.headers(), body.clone()).await {
                    Ok(_) => return true,
                    Err(failure) => failure,
                };
            if is_permanent(failure.status) {
                self.give_up(&failure);
                return false;
            }
            self.failed(&failure);
            tokio::time::sleep(backoff.pause(failure.retry_after)).await;
        }
    }

    async fn last_words(&mut self) {
        if let Err(failure) = self.send().await {
            self.failed(&failure);
        }
    }

    /// Sends what was counted. What cannot be sent is kept for the next time; whether a report that
    /// took too long has arrived nobody knows, so it is not sent again: better a count too few than
    /// one twice.
    async fn send(&mut self) -> Result<(), Failure> {
        for exposure in self.exposures.take() {
            self.add(exposure);
        }
        if self.toggles.is_empty() {
            self.started = now();
            return Ok(());
        }
        let stop = now();
        let metrics = Metrics {
            app_name: &self.app_name,
            instance_id: &self.instance_id,
            connection_id: &self.connection_id,
            sdk_version: SDK,
            bucket: Bucket {
                start: milliseconds(self.started),
                stop: milliseconds(stop),
                toggles: &self.toggles,
            },
        };
        let body = serde_json::to_vec(&metrics).unwrap_or_default();
        let sent = self.client.post(&self.metrics, &self.headers(), body).await;
        if sent.as_ref().is_ok() || sent.as_ref().is_err_and(|failure| failure.may_have_arrived()) {
            self.toggles.clear();
            self.started = stop;
        }
        sent.map(|_| ())
    }

    fn add(&mut self, exposure: Exposure) {
        if self.toggles.len() >= MOST_TOGGLES && !self.toggles.contains_key(&exposure.flag) {
            return;
        }
        let usage = self.toggles.entry(exposure.flag).or_default();
        match exposure.on {
            Some(true) => usage.yes = usage.yes.saturating_add(exposure.count),
            _ => usage.no = usage.no.saturating_add(exposure.count),
        }
        if let Some(variant) = exposure.variant {
            let count = usage.variants.entry(variant).or_default();
            *count = count.saturating_add(exposure.count);
        }
    }

    fn headers(&self) -> Vec<(&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, &**value)).collect()
    }

    fn failed(&self, failure: &Failure) {
        let (source, error) = (&*self.source, chain(&failure.error));
        tracing::debug!(target: "modelgate::source", source, error, "usage was not reported");
    }

    fn give_up(&self, failure: &Failure) {
        let (source, error) = (&*self.source, chain(&failure.error));
        tracing::warn!(
            target: "modelgate::source",
            source,
            error,
            "the server wants no reports with this token: none are sent"
        );
    }
}

fn is_permanent(status: Option<u16>) -> bool {
    matches!(status, Some(401 | 403))
}

/// Since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
