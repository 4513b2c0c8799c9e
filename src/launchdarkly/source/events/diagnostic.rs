//! How this client is set up and fares: `diagnostic` events.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use reqwest::Url;
use serde_json::{Value as Json, json};

use super::uuid;
use crate::{
    launchdarkly::{
        source::settings::SourceSettings,
        time::{milliseconds, now},
    },
    source::{chain, network::Client},
};

/// How many openings of the stream are listed between two events.
const MOST_OPENINGS: usize = 1000;

/// What the other tasks of the source say of themselves.
#[derive(Default)]
pub(in crate::launchdarkly::source) struct Vitals {
    dropped: AtomicU64,
    last_batch: AtomicU64,
    openings: Mutex<Vec<Json>>,
}

impl Vitals {
    pub(super) fn dropped(&self, events: u64) {
        self.dropped.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, events: u64) {
        self.last_batch.store(events, Ordering::Relaxed);
    }

    /// The stream was opened, or was to be.
    pub(in crate::launchdarkly::source) fn opened(&self, took: Duration, failed: bool) {
        let took = milliseconds(took);
        let opening = json!({"timestamp": now(), "durationMillis": took, "failed": failed});
        let mut openings = self.openings.lock();
        if openings.len() < MOST_OPENINGS {
            openings.push(opening);
        }
    }
}

/// Describes the client at once, and again at the interval.
pub(in crate::launchdarkly::source) async fn keep_sending(
    client: Client,
    url: Url,
    first: Json,
    vitals: Arc<Vitals>,
    interval: Duration,
) {
    let id = first.get("id").cloned().unwrap_or_default();
    let mut event = first;
    let mut since = now();
    loop {
        // Once: the next one says what there is to say by then.
        let body = serde_json::to_vec(&event).unwrap_or_default();
        if let Err(failure) = client.post(&url, &[], body).await {
            let error = chain(&failure.error);
            tracing::debug!(target: "modelgate::source", error, "diagnostics were not sent");
            if matches!(failure.status, Some(401 | 403)) {
                return;
            }
        }
        tokio::time::sleep(interval).await;
        let time = now();
        event = json!({
            "kind": "diagnostic",
            "id": id,
            "creationDate": time,
            "dataSinceDate": since,
            "droppedEvents": vitals.dropped.swap(0, Ordering::Relaxed),
            "deduplicatedUsers": 0,
            "eventsInLastBatch": vitals.last_batch.load(Ordering::Relaxed),
            "streamInits": std::mem::take(&mut *vitals.openings.lock()),
        });
        since = time;
    }
}

/// What the client says when it begins.
pub(in crate::launchdarkly::source) fn first(settings: &SourceSettings) -> Option<Json> {
    let events = settings.events.as_ref()?;
    let defaults = SourceSettings::new(Box::default());
    // By its end the service knows which of its keys this is.
    let key = settings.key.current();
    let key = key.reveal();
    let suffix = key.get(key.floor_char_boundary(key.len().saturating_sub(6))..);
    Some(json!({
        "kind": "diagnostic-init",
        "creationDate": now(),
        "id": {"diagnosticId": uuid(), "sdkKeySuffix": suffix},
        "configuration": {
            "customBaseURI": settings.poll_url != defaults.poll_url,
            "customStreamURI": settings.stream_url != defaults.stream_url,
            "customEventsURI": settings.events_url() != defaults.events_url(),
            "streamingDisabled": !settings.streams,
            "pollingIntervalMillis": milliseconds(settings.interval),
            "reconnectTimeMillis": milliseconds(settings.server.retry.first),
            "eventsCapacity": events.capacity,
            "eventsFlushIntervalMillis": milliseconds(events.interval),
            "diagnosticRecordingIntervalMillis": events.diagnostics.map(milliseconds),
            "allAttributesPrivate": events.privacy.all,
            "usingRelayDaemon": false,
            "dataStoreType": "memory",
        },
        "sdk": {"name": "modelgate", "version": env!("CARGO_PKG_VERSION")},
        "platform": {
            "name": "rust",
            "osArch": std::env::consts::ARCH,
            "osName": std::env::consts::OS,
        },
    }))
}
