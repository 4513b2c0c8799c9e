//! What the server is told: how often each feature was on and off. Nothing of who asked.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use reqwest::Url;
use serde::Serialize;

use super::settings::SourceSettings;
use crate::{
    flag::{EvaluationCount, EvaluationCounts},
    source::{
        self, chain,
        network::{Backoff, Changes, Client, Failure, Retry, StopSignal, jittered, url},
        reporting::{Reporter, keep_reporting, may_have_arrived},
    },
};

/// Reports that fail are merged into the next for at most this many features.
const MOST_FEATURES: usize = 50_000;

/// The server keeps a count in 32 bits with a sign; what is above comes with the next report.
const MOST: u64 = i32::MAX as u64;

pub(super) struct UsageReport {
    client: Client,
    /// Where on and off are told apart; `None` where the API is not at a `/v1` that a `/v2` may
    /// stand beside.
    second: Option<Url>,
    /// Whether the second has refused counts with this key.
    second_refused: bool,
    /// Where they are not.
    first: Url,
    headers: Vec<(&'static str, String)>,
    evaluations: EvaluationCounts,
    source: Cow<'static, str>,
    /// What was counted since, together with what could not be sent before.
    counts: Counts,
    /// The server takes no counts.
    refused: bool,
    /// Of the key: a new one may be taken.
    key: Changes,
}

/// How often each feature was off, and on.
type Counts = BTreeMap<Arc<str>, [u64; 2]>;

#[derive(Serialize)]
struct Evaluations<'r> {
    evaluations: Vec<Evaluation<'r>>,
}

#[derive(Serialize)]
struct Evaluation<'r> {
    feature_name: &'r str,
    enabled_when_evaluated: bool,
    count: u64,
}

impl UsageReport {
    pub(super) fn new(
        client: &Client,
        settings: &SourceSettings,
        evaluations: EvaluationCounts,
    ) -> Result<UsageReport, source::Error> {
        let base = settings.url.trim_end_matches('/');
        let second = base.strip_suffix("/v1");
        let second = second.map(|base| url::join(base, "/v2/analytics/flags/")).transpose()?;
        let headers = settings.headers().into_iter();
        Ok(UsageReport {
            key: client.key_changes(),
            client: client.clone(),
            second,
            second_refused: false,
            first: url::join(base, "/analytics/flags/")?,
            headers: headers.map(|(name, value)| (name, value.to_owned())).collect(),
            evaluations,
            source: settings.server.name.clone(),
            counts: Counts::new(),
            refused: false,
        })
    }

    /// Reports at this interval and once more at the end.
    pub(super) async fn keep_sending(self, interval: Duration, retry: Retry, stopped: StopSignal) {
        keep_reporting(self, interval, retry, stopped).await;
    }

    fn add(&mut self, counted: EvaluationCount) {
        if self.refused {
            return;
        }
        if self.counts.len() >= MOST_FEATURES && !self.counts.contains_key(&counted.flag) {
            return;
        }
        let on = usize::from(counted.on == Some(true));
        let counts = self.counts.entry(counted.flag).or_default();
        if let Some(count) = counts.get_mut(on) {
            *count = count.saturating_add(counted.count);
        }
    }

    /// Sends what was collected. What cannot be sent is kept for the next time; whether a report
    /// that nobody answered has arrived nobody knows, so it is not sent again.
    async fn send(&mut self) -> Result<(), Failure> {
        if self.counts.is_empty() {
            return Ok(());
        }
        if let (false, Some(url)) = (self.second_refused, self.second.clone()) {
            match self.post(&url, second).await {
                Err(failure) if is_refusal(failure.status) => {
                    let status = failure.status;
                    tracing::debug!(
                        target: "modelgate::source",
                        source = &*self.source,
                        status,
                        "the server does not tell on from off: counts are sent without it"
                    );
                    self.second_refused = true;
                }
                sent => return sent,
            }
        }
        let url = self.first.clone();
        self.post(&url, first).await
    }

    async fn post(
        &mut self,
        url: &Url,
        written: fn(&Counts) -> (Vec<u8>, Counts),
    ) -> Result<(), Failure> {
        // Taken out first: a report that is cut off is not sent again either.
        let counts = std::mem::take(&mut self.counts);
        let (body, left) = written(&counts);
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, &**value)).collect();
        match self.client.post(url, &headers, body).await {
            Ok(_) => {
                self.counts = left;
                Ok(())
            }
            Err(failure) => {
                if !may_have_arrived(&failure) && !is_malformed(failure.status) {
                    self.counts = counts;
                }
                Err(failure)
            }
        }
    }

    fn failed(&self, failure: &Failure) {
        let (source, error) = (&*self.source, chain(&failure.error));
        tracing::debug!(target: "modelgate::source", source, error, "usage was not reported");
    }
}

impl Reporter for UsageReport {
    fn collect(&mut self) {
        if self.key.take() {
            (self.refused, self.second_refused) = (false, false);
        }
        for counted in self.evaluations.take() {
            self.add(counted);
        }
    }

    async fn round(&mut self, interval: Duration, backoff: &mut Backoff) -> Duration {
        match self.send().await {
            Ok(()) => {
                backoff.reset();
                jittered(interval)
            }
            Err(failure) if is_refusal(failure.status) => {
                self.refused = true;
                self.counts.clear();
                let (source, error) = (&*self.source, chain(&failure.error));
                let message = "the server takes no usage with this key: none is sent";
                tracing::warn!(target: "modelgate::source", source, error, message);
                jittered(interval)
            }
            Err(failure) => {
                self.failed(&failure);
                backoff.pause(failure.retry_after).max(interval)
            }
        }
    }

    async fn last_words(&mut self) {
        if let Err(failure) = self.send().await {
            self.failed(&failure);
        }
    }
}

/// The report by feature and by whether it was on, and what did not fit.
fn second(counts: &Counts) -> (Vec<u8>, Counts) {
    let mut left = Counts::new();
    let mut evaluations = Vec::with_capacity(counts.len());
    for (name, counts) in counts {
        for (enabled, count) in [false, true].into_iter().zip(counts) {
            if *count > 0 {
                evaluations.push(Evaluation {
                    feature_name: name,
                    enabled_when_evaluated: enabled,
                    count: (*count).min(MOST),
                });
            }
        }
        keep(&mut left, name, counts.map(|count| count.saturating_sub(MOST)));
    }
    (serde_json::to_vec(&Evaluations { evaluations }).unwrap_or_default(), left)
}

/// The report by feature alone, and what did not fit.
fn first(counts: &Counts) -> (Vec<u8>, Counts) {
    let mut left = Counts::new();
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, [off, on]) in counts {
        let sum = off.saturating_add(*on);
        sums.insert(name, sum.min(MOST));
        keep(&mut left, name, [0, sum.saturating_sub(MOST)]);
    }
    (serde_json::to_vec(&sums).unwrap_or_default(), left)
}

fn keep(left: &mut Counts, name: &Arc<str>, counts: [u64; 2]) {
    if counts != [0, 0] {
        left.insert(Arc::clone(name), counts);
    }
}

/// The server has no such place, or nothing for this key. Gateways say so in several ways.
fn is_refusal(status: Option<u16>) -> bool {
    matches!(status, Some(401 | 403 | 404 | 405 | 410 | 501))
}

/// The server will never take this very report.
fn is_malformed(status: Option<u16>) -> bool {
    matches!(status, Some(400 | 413 | 415 | 422))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text((body, _): (Vec<u8>, Counts)) -> String {
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn the_second_version_tells_on_from_off_and_the_first_does_not() {
        let counts = Counts::from([("a".into(), [2, 3]), ("b".into(), [0, 1])]);
        assert_eq!(
            text(second(&counts)),
            r#"{"evaluations":[{"feature_name":"a","enabled_when_evaluated":false,"count":2},"#
                .to_owned()
                + r#"{"feature_name":"a","enabled_when_evaluated":true,"count":3},"#
                + r#"{"feature_name":"b","enabled_when_evaluated":true,"count":1}]}"#
        );
        assert_eq!(text(first(&counts)), r#"{"a":5,"b":1}"#);
    }

    #[test]
    fn what_the_server_has_no_room_for_comes_with_the_next_report() {
        let counts = Counts::from([("a".into(), [MOST + 7, u64::MAX]), ("b".into(), [1, 1])]);
        let (_, left) = second(&counts);
        assert_eq!(left, Counts::from([("a".into(), [7, u64::MAX - MOST])]));
        let (body, left) = first(&counts);
        assert_eq!(left, Counts::from([("a".into(), [0, u64::MAX - MOST])]));
        assert_eq!(text((body, left)), format!(r#"{{"a":{MOST},"b":2}}"#));
    }
}
