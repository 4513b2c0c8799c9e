//! Sending events, payload by payload.

use std::{borrow::Cow, sync::Arc, time::Duration};

use reqwest::{
    Url,
    header::{DATE, HeaderMap},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    DualReads, Events, Vitals, outbox,
    payload::{Payload, Writer},
    summary::Summary,
};
use crate::{
    flag::EvaluationCounts,
    launchdarkly::{Ledger, source::sdk::Flush, time::now},
    source::{
        self, chain,
        network::{Changes, Client, Failure, StopSignal, url},
    },
};

/// The longest pause between two collections: until then, the counts of flags that were replaced take
/// memory.
const COLLECT: Duration = Duration::from_secs(5);

/// How long a context that was reported is not reported again.
const KNOWN: Duration = Duration::from_secs(300);

/// How long a payload that is on its way when the store goes may still take.
const PARTING: Duration = Duration::from_secs(1);

/// How long the service is trusted to know a payload by its id: one that may have arrived is not
/// sent again later.
const REMEMBERED: Duration = Duration::from_secs(300);

/// The longest `Retry-After` that is kept to.
const MOST_REST: Duration = Duration::from_secs(600);

/// Other tasks of the thread have their turn after so many events.
const TURN: usize = 200;

/// The version of the events' form.
const SCHEMA: &str = "4";

pub(in crate::launchdarkly::source) struct EventReport {
    client: Client,
    bulk: Url,
    settings: Events,
    counts: EvaluationCounts,
    ledger: Arc<Ledger>,
    dual_reads: Vec<DualReads>,
    vitals: Arc<Vitals>,
    source: Cow<'static, str>,
    summary: Summary,
    /// What was sent and not confirmed.
    pending: Option<Payload>,
    rest_until: Option<Instant>,
    /// The service takes no events with this key.
    refused: bool,
    /// A new key may be accepted.
    key: Changes,
    flushes: mpsc::Receiver<Flush>,
    /// Those who wait for the next round.
    waiting: Vec<Flush>,
}

impl EventReport {
    pub(in crate::launchdarkly::source) fn new(
        client: Client,
        url: &str,
        settings: Events,
        dual_reads: Vec<DualReads>,
        vitals: Arc<Vitals>,
        source: Cow<'static, str>,
        flushes: mpsc::Receiver<Flush>,
    ) -> Result<EventReport, source::Error> {
        Ok(EventReport {
            key: client.key_changes(),
            client,
            bulk: url::join(url, "/bulk")?,
            counts: EvaluationCounts::new(),
            ledger: Ledger::new(settings.contexts, settings.capacity),
            settings,
            dual_reads,
            vitals,
            source,
            summary: Summary::from(now()),
            pending: None,
            rest_until: None,
            refused: false,
            flushes,
            waiting: Vec::new(),
        })
    }

    /// Where the flags' answers are counted and noted.
    pub(in crate::launchdarkly::source) fn noting(&self) -> (EvaluationCounts, Arc<Ledger>) {
        (self.counts.clone(), Arc::clone(&self.ledger))
    }

    /// Sends what there is at the interval, and once more at the end.
    pub(in crate::launchdarkly::source) async fn keep_sending(mut self, mut stopped: StopSignal) {
        let mut forgotten = Instant::now();
        let mut all_sent = true;
        while !self.collect_for(self.settings.interval, &mut stopped).await {
            if forgotten.elapsed() >= KNOWN {
                forgotten = Instant::now();
                self.ledger.forget_contexts();
            }
            let is_over;
            (all_sent, is_over) = {
                let mut round = Box::pin(self.round());
                tokio::select! {
                    all_sent = &mut round => (all_sent, false),
                    () = stopped.wait() => {
                        // What of it has arrived need not be sent once more.
                        let parting = tokio::time::timeout(PARTING, round).await;
                        (parting.unwrap_or(true), true)
                    }
                }
            };
            if is_over {
                break;
            }
            self.answer_flushes(std::mem::replace(&mut all_sent, true));
        }
        self.rest_until = None;
        while let Ok(flush) = self.flushes.try_recv() {
            self.waiting.push(flush);
        }
        all_sent &= self.round().await;
        self.answer_flushes(all_sent);
    }

    /// Says to whoever waited for the round how it went.
    fn answer_flushes(&mut self, all_sent: bool) {
        for flush in self.waiting.drain(..) {
            flush.done(all_sent);
        }
    }

    /// Collects for as long as the pause lasts, or until a flush cuts it short; whether the source ends.
    async fn collect_for(&mut self, pause: Duration, stopped: &mut StopSignal) -> bool {
        // A pause past the end of time is a very long one.
        let end = Instant::now().checked_add(pause);
        loop {
            let left = end.map_or(COLLECT, |end| end.saturating_duration_since(Instant::now()));
            tokio::select! {
                () = tokio::time::sleep(left.min(COLLECT)) => {}
                () = stopped.wait() => return true,
                Some(flush) = self.flushes.recv() => {
                    self.waiting.push(flush);
                    while let Ok(flush) = self.flushes.try_recv() {
                        self.waiting.push(flush);
                    }
                    return false;
                }
            }
            self.collect();
            if left <= COLLECT {
                return false;
            }
        }
    }

    /// Adds up what was counted.
    fn collect(&mut self) {
        let time = now();
        if self.key.take() && std::mem::take(&mut self.refused) {
            self.ledger.open();
        }
        if self.refused {
            // Flags that were replaced are let go of.
            self.counts.take_each(|_, _| {});
            return;
        }
        let was_empty = self.summary.is_empty();
        let (ledger, summary) = (&self.ledger, &mut self.summary);
        self.counts.take_each(|counted, observer| {
            if let Some(entry) = ledger.summary_entry(observer) {
                summary.add(counted, entry);
            }
        });
        ledger.take_missed(|key, count, entry| summary.add_missed(key, count, entry));
        if was_empty && summary.is_empty() {
            summary.start_at(time);
        }
        summary.end_at(time);
    }

    /// Sends what could not be sent before, and then what there is now; whether all of it was taken.
    async fn round(&mut self) -> bool {
        if self.refused || self.rest_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        let is_sent = self.deliver().await;
        if self.pending.is_some() || self.refused {
            return false;
        }
        self.pending = self.pack().await;
        self.deliver().await && is_sent
    }

    /// What there is to send.
    async fn pack(&mut self) -> Option<Payload> {
        self.collect();
        let mut writer = Writer::new(self.settings.gzip);
        let mut turn = 0;
        let entries: Vec<_> = self.ledger.take().collect();
        for entry in entries {
            for event in outbox::events(entry, &self.settings.privacy, self.settings.omit_anonymous)
            {
                writer.add(&event);
            }
            turn += 1;
            if turn % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        for dual_reads in &self.dual_reads {
            dual_reads.take(&self.settings.privacy, |event| writer.add(&event));
        }
        let mut uncounted = 0;
        if !self.summary.is_empty() {
            let summary = std::mem::replace(&mut self.summary, Summary::from(now()));
            writer.add(&summary);
            uncounted = summary.dropped();
        }
        self.report_drops(self.ledger.take_dropped(), uncounted);
        writer.finish()
    }

    fn report_drops(&self, dropped: u64, uncounted: u64) {
        let source = &*self.source;
        if dropped > 0 {
            self.vitals.dropped(dropped);
            tracing::warn!(
                target: "modelgate::source",
                source,
                dropped,
                "events were dropped: more came than the queue holds"
            );
        }
        if uncounted > 0 {
            tracing::warn!(
                target: "modelgate::source",
                source,
                uncounted,
                "answers were not counted: they were of more flags, versions and variations than a summary holds"
            );
        }
    }

    /// Sends the pending payload, twice if need be; whether it was taken, or there was none.
    async fn deliver(&mut self) -> bool {
        for is_last in [false, true] {
            let Err(failure) = self.post().await else { return true };
            match failure.status {
                Some(400) if !is_last => {}
                Some(400 | 413) => {
                    self.give_up(&failure, "events were not taken and are dropped");
                    return false;
                }
                Some(408 | 429) => {}
                Some(401..=499) => {
                    self.refused = true;
                    self.ledger.close();
                    let message = "the server takes no events with this key: none is sent";
                    self.give_up(&failure, message);
                    return false;
                }
                _ => {}
            }
            let (source, error) = (&*self.source, chain(&failure.error));
            tracing::debug!(target: "modelgate::source", source, error, "events were not sent");
            if let Some(rest) = failure.retry_after.filter(|rest| *rest > self.settings.retry) {
                self.rest_until = Instant::now().checked_add(rest.min(MOST_REST));
                break;
            }
            if !is_last {
                tokio::time::sleep(self.settings.retry).await;
            }
        }
        self.give_up_unconfirmed();
        false
    }

    /// Sends the pending payload once.
    async fn post(&mut self) -> Result<(), Failure> {
        let Some(payload) = &mut self.pending else { return Ok(()) };
        let before = payload.uncertain;
        // From here on, should the request be cancelled.
        payload.uncertain = before.or(Some(Instant::now()));
        let mut headers = vec![
            ("x-launchdarkly-event-schema", SCHEMA),
            ("x-launchdarkly-payload-id", &*payload.id),
        ];
        if payload.is_compressed {
            headers.push(("content-encoding", "gzip"));
        }
        match self.client.post(&self.bulk, &headers, payload.body.clone()).await {
            Ok(answer) => {
                self.vitals.sent(payload.events);
                self.pending = None;
                if let Some(time) = date(&answer) {
                    self.ledger.set_server_time(time);
                }
                Ok(())
            }
            Err(failure) => {
                if !may_have_arrived(&failure) {
                    payload.uncertain = before;
                }
                Err(failure)
            }
        }
    }

    /// Drops the pending payload if the service may have had it for longer than it knows its id.
    fn give_up_unconfirmed(&mut self) {
        let too_long = |since: Instant| since.elapsed() >= REMEMBERED;
        if let Some(payload) = &self.pending
            && payload.uncertain.is_some_and(too_long)
        {
            let (source, events) = (&*self.source, payload.events);
            tracing::warn!(
                target: "modelgate::source",
                source,
                events,
                "events were not confirmed and are given up"
            );
            self.pending = None;
        }
    }

    fn give_up(&mut self, failure: &Failure, message: &'static str) {
        let events = self.pending.take().map_or(0, |payload| payload.events);
        let (source, error) = (&*self.source, chain(&failure.error));
        tracing::warn!(target: "modelgate::source", source, error, events, message);
    }
}

/// Whether the server may have the payload all the same. A gateway that timed out does not know either.
fn may_have_arrived(failure: &Failure) -> bool {
    failure.may_have_arrived() || failure.status == Some(504)
}

/// The server's clock, in milliseconds since 1970.
fn date(headers: &HeaderMap) -> Option<u64> {
    let date = chrono::DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
    u64::try_from(date.timestamp_millis()).ok()
}
