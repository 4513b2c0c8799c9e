//! Reports to the server: the application's registration, and how often each toggle gave which answer.

mod payload;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::Url;

use self::payload::{Bucket, Metrics, Registration, ReportPart, Reporting, Usage};
use super::{
    fetch::{Connection, SPECIFICATION},
    impact::Impact,
    settings::SourceSettings,
};
use crate::{
    flag::{EvaluationCount, EvaluationCounts},
    source::{
        self, chain,
        network::{Backoff, Changes, Client, Failure, StopSignal, jittered, url},
        reporting::{Reporter, keep_reporting, may_have_arrived},
    },
    unleash::ImpactMetrics,
};

/// Reports that fail are merged into the next for at most this many toggles.
const MOST_TOGGLES: usize = 50_000;

pub(super) struct UsageReport {
    client: Client,
    register: Url,
    metrics: Url,
    headers: Vec<(&'static str, String)>,
    settings: SourceSettings,
    counted: PendingCounts,
    started: Duration,
    /// What was counted since, together with what could not be sent before.
    toggles: BTreeMap<Arc<str>, Usage>,
    /// Likewise, of the routers.
    impact: Impact,
    /// Whether the server knows the application, or does not want to.
    registered: bool,
    /// The server takes no counts with this token.
    refused: bool,
    /// Of the token: a new one may be taken.
    token: Changes,
}

/// A report that is refused is split to find what it is refused for, with at most this many
/// requests; what is then left of it is dropped.
const MOST_REQUESTS: usize = 32;

/// What there is to tell the server.
pub(super) struct PendingCounts {
    pub(super) evaluations: EvaluationCounts,
    pub(super) impact: ImpactMetrics,
    /// The names of custom strategies.
    pub(super) strategies: Vec<String>,
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

impl UsageReport {
    pub(super) fn new(
        connection: &Connection,
        settings: &SourceSettings,
        counted: PendingCounts,
    ) -> Result<UsageReport, source::Error> {
        Ok(UsageReport {
            token: connection.client.key_changes(),
            client: connection.client.clone(),
            register: url::join(&settings.url, "/client/register")?,
            metrics: url::join(&settings.url, "/client/metrics")?,
            headers: connection.headers.clone(),
            settings: settings.clone(),
            counted,
            started: now(),
            toggles: BTreeMap::new(),
            impact: Impact::new(settings.app_name(), settings.environment().as_deref()),
            registered: false,
            refused: false,
        })
    }

    /// Registers, and reports at this interval and once more at the end.
    pub(super) async fn keep_sending(self, interval: Duration, stopped: StopSignal) {
        let retry = self.settings.server.retry;
        keep_reporting(self, interval, retry, stopped).await;
    }

    fn collect(&mut self) {
        if self.token.take() {
            (self.refused, self.registered) = (false, false);
            self.impact.set_environment(self.settings.environment());
        }
        for count in self.counted.evaluations.take() {
            self.add(count);
        }
    }

    /// Registers if that is still to be done, and sends what was counted; the pause until the next
    /// round.
    async fn round(&mut self, interval: Duration, backoff: &mut Backoff) -> Duration {
        let mut pause = jittered(interval);
        if !self.registered {
            match self.register(interval).await {
                Ok(()) => self.registered = true,
                Err(failure) if is_permanent(failure.status) => {
                    self.registered = true;
                    self.give_up(&failure, "the server does not register this application");
                }
                Err(failure) => {
                    self.failed(&failure);
                    pause = backoff.pause(failure.retry_after);
                }
            }
        }
        match self.send().await {
            Ok(()) if self.registered => backoff.reset(),
            Ok(()) => {}
            Err(failure) if is_permanent(failure.status) => {
                self.refused = true;
                self.toggles.clear();
                self.impact.clear();
                self.give_up(&failure, "the server takes no usage with this token: none is sent");
            }
            Err(failure) => {
                self.failed(&failure);
                pause = backoff.pause(failure.retry_after).max(interval);
            }
        }
        pause
    }

    async fn register(&self, interval: Duration) -> Result<(), Failure> {
        let registration = Registration {
            who: self.who(),
            spec_version: SPECIFICATION,
            platform_name: "rust",
            strategies: self.strategies(),
            started: milliseconds(self.started),
            interval: milliseconds(interval),
        };
        let body = serde_json::to_vec(&registration).unwrap_or_default();
        self.client.post(&self.register, &self.headers(), body).await.map(|_| ())
    }

    fn who(&self) -> Reporting<'_> {
        Reporting {
            app_name: self.settings.app_name(),
            instance_id: &self.settings.instance_id,
            connection_id: &self.settings.connection_id,
            sdk_version: SDK,
        }
    }

    /// Sends what was collected. What cannot be sent is kept for the next time; whether a report
    /// that nobody answered has arrived nobody knows, so it is not sent again: better a count too
    /// few than one twice.
    async fn send(&mut self) -> Result<(), Failure> {
        let stop = now();
        // Also when nothing is sent: what is not taken stays where it was counted.
        let news = self.counted.impact.take();
        if !self.refused {
            self.impact.add(news);
        }
        if self.toggles.is_empty() && self.impact.is_empty() {
            self.started = stop;
            return Ok(());
        }
        // Taken out first: a report that is cut off is not sent again either.
        let all =
            ReportPart { toggles: std::mem::take(&mut self.toggles), impact: self.impact.take() };
        let start = std::mem::replace(&mut self.started, stop);
        let (mut parts, mut requests, mut lost) = (vec![all], 0, Vec::new());
        while let Some(part) = parts.pop() {
            if requests == MOST_REQUESTS {
                lost.extend(part.names().map(str::to_owned));
                continue;
            }
            requests += 1;
            let Err(failure) = self.post(&part, start, stop).await else { continue };
            if is_malformed(failure.status) {
                // Something in it is not taken; the rest is not to suffer for that.
                match part.split() {
                    Ok(halves) => parts.extend(halves),
                    Err(part) => lost.extend(part.names().map(str::to_owned)),
                }
                continue;
            }
            if !may_have_arrived(&failure) {
                parts.push(part);
                self.started = start;
            }
            for part in parts {
                self.give_back(part);
            }
            self.report_lost(&lost);
            return Err(failure);
        }
        self.report_lost(&lost);
        Ok(())
    }

    async fn post(
        &self,
        part: &ReportPart,
        start: Duration,
        stop: Duration,
    ) -> Result<(), Failure> {
        let metrics = Metrics {
            who: self.who(),
            bucket: Bucket {
                start: milliseconds(start),
                stop: milliseconds(stop),
                toggles: &part.toggles,
            },
            impact_metrics: part.impact.reported(),
        };
        let body = serde_json::to_vec(&metrics).unwrap_or_default();
        self.client.post(&self.metrics, &self.headers(), body).await.map(|_| ())
    }

    fn give_back(&mut self, mut part: ReportPart) {
        self.toggles.append(&mut part.toggles);
        self.impact.append(part.impact);
    }

    fn report_lost(&self, lost: &[String]) {
        let Some(first) = lost.first() else { return };
        let (source, dropped) = (&*self.settings.server.name, lost.len());
        tracing::warn!(
            target: "modelgate::source",
            source,
            dropped,
            first,
            "the server does not take some toggles' usage or some impact metrics: they are dropped"
        );
    }

    fn add(&mut self, counted: EvaluationCount) {
        if self.refused {
            return;
        }
        if self.toggles.len() >= MOST_TOGGLES && !self.toggles.contains_key(&counted.flag) {
            return;
        }
        let usage = self.toggles.entry(counted.flag).or_default();
        match counted.on {
            Some(true) => usage.yes = usage.yes.saturating_add(counted.count),
            _ => usage.no = usage.no.saturating_add(counted.count),
        }
        if let Some(variant) = counted.variant {
            let count = usage.variants.entry(variant).or_default();
            *count = count.saturating_add(counted.count);
        }
    }

    /// Those of Unleash's own, and those of this service.
    fn strategies(&self) -> Vec<&str> {
        let mut names = STRATEGIES.to_vec();
        for name in self.counted.strategies.iter().map(|name| &**name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn headers(&self) -> Vec<(&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, &**value)).collect()
    }

    fn failed(&self, failure: &Failure) {
        let (source, error) = (&*self.settings.server.name, chain(&failure.error));
        tracing::debug!(target: "modelgate::source", source, error, "usage was not reported");
    }

    fn give_up(&self, failure: &Failure, message: &'static str) {
        let (source, error) = (&*self.settings.server.name, chain(&failure.error));
        tracing::warn!(target: "modelgate::source", source, error, message);
    }
}

impl Reporter for UsageReport {
    fn collect(&mut self) {
        UsageReport::collect(self);
    }

    async fn round(&mut self, interval: Duration, backoff: &mut Backoff) -> Duration {
        UsageReport::round(self, interval, backoff).await
    }

    async fn last_words(&mut self) {
        if let Err(failure) = self.send().await {
            self.failed(&failure);
        }
    }
}

/// Whether the server takes no offence at us, but at what is in the report.
fn is_malformed(status: Option<u16>) -> bool {
    matches!(status, Some(400 | 413 | 422))
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
