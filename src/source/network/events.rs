//! A stream of server-sent events.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sse_stream::SseByteStream;

use super::{Changes, Failure, Meter, Streaming};
use crate::source::Error;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, StreamError>> + Send>>;

/// An open stream.
pub(crate) struct Events {
    stream: SseByteStream<Chunks>,
    /// Bytes since the last event.
    pending: Arc<AtomicU64>,
    meter: Meter,
    /// Of the key that the stream was opened with.
    changes: Changes,
    #[expect(dead_code, reason = "held to say that the stream is open")]
    open: Streaming,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type; `message` where the server names none.
    pub(crate) kind: String,
    pub(crate) data: String,
    pub(crate) id: Option<String>,
}

impl Events {
    pub(super) fn new(
        response: reqwest::Response,
        silence: Duration,
        max_bytes: u64,
        meter: &Meter,
        changes: Changes,
    ) -> Events {
        let mut events = Events::of(response.bytes_stream(), silence, max_bytes, meter);
        events.changes = changes;
        events
    }

    fn of<E>(
        chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
        silence: Duration,
        max_bytes: u64,
        meter: &Meter,
    ) -> Events
    where
        Failure: From<E>,
        E: 'static,
    {
        let pending = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&pending);
        let received = meter.clone();
        // Watched here, below the events: a comment is a sign of life as well.
        let watched =
            futures_util::stream::unfold(Box::pin(chunks), move |mut chunks| async move {
                match tokio::time::timeout(silence, chunks.next()).await {
                    Ok(Some(chunk)) => {
                        Some((chunk.map_err(|error| StreamError(error.into())), chunks))
                    }
                    Ok(None) => None,
                    Err(_) => {
                        let error = format!("nothing came for {}", seconds(silence));
                        Some((Err(StreamError(Error::new(error).into())), chunks))
                    }
                }
            });
        let limited = watched.map(move |chunk| {
            let chunk = chunk?;
            // Relaxed: one task reads and writes it.
            let length = chunk.len() as u64;
            // A comment is a sign of life, and what changed before it has come.
            received.received(chunk.len());
            received.succeeded();
            let pending = counted.fetch_add(length, Ordering::Relaxed).saturating_add(length);
            if pending > max_bytes {
                let error = format!("event: found more than {max_bytes} bytes");
                return Err(StreamError(Error::new(error).into()));
            }
            Ok(chunk)
        });
        let chunks: Chunks = Box::pin(limited);
        let (meter, open) = (meter.clone(), meter.streaming());
        Events {
            stream: SseByteStream::new(chunks),
            pending,
            meter,
            changes: Changes::none(),
            open,
        }
    }

    /// The next event. A stream that ends is a failure like any other: it is to be opened again.
    pub(crate) async fn next(&mut self) -> Result<Event, Failure> {
        let event = self.read().await;
        if event.as_ref().is_err_and(|failure| !failure.is_rekeyed()) {
            self.meter.failed();
        }
        event
    }

    async fn read(&mut self) -> Result<Event, Failure> {
        loop {
            let next = tokio::select! {
                // What has come is read first.
                biased;
                next = self.stream.next() => next,
                () = self.changes.wait() => return Err(Failure::rekeyed()),
            };
            let event = match next {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Err(cause(error)),
                None => return Err(Error::new("server ended the stream").into()),
            };
            self.pending.store(0, Ordering::Relaxed);
            if let Some(data) = event.data {
                let kind = event.event.filter(|kind| !kind.is_empty());
                let kind = kind.unwrap_or_else(|| "message".to_owned());
                return Ok(Event { kind, data, id: event.id });
            }
        }
    }
}

/// As text: seconds, with their parts where there are any.
fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// What cut a stream off, on its way through the parser.
#[derive(Debug)]
struct StreamError(Failure);

impl std::fmt::Display for StreamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.error.fmt(f)
    }
}

impl std::error::Error for StreamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0.error)
    }
}

fn cause(error: sse_stream::Error) -> Failure {
    match error {
        sse_stream::Error::Body(body) => match body.downcast::<StreamError>() {
            Ok(cut) => cut.0,
            Err(body) => Error::with_source("stream broke off", body).into(),
        },
        error => Error::with_source("stream is damaged", error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: Vec<&'static str>, max_bytes: u64) -> Events {
        let chunks = chunks.into_iter().map(|chunk| Ok::<_, Error>(Bytes::from(chunk)));
        let chunks = futures_util::stream::iter(chunks.collect::<Vec<_>>());
        Events::of(chunks, Duration::from_secs(60), max_bytes, &Meter::default())
    }

    fn run<T>(task: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let mut runtime = runtime;
        runtime.enable_time().start_paused(true).build().unwrap().block_on(task)
    }

    #[test]
    fn events_are_put_together_from_any_chunks() {
        let mut events = events(
            vec![": hello\n\nevent: p", "ut\ndata: {\ndata", ": }\n\n", "data: x\nid: 7\n\n"],
            99,
        );
        run(async {
            let first = events.next().await.unwrap();
            assert_eq!((&*first.kind, &*first.data, first.id), ("put", "{\n}", None));
            let second = events.next().await.unwrap();
            assert_eq!((&*second.kind, &*second.data), ("message", "x"));
            assert_eq!(second.id.as_deref(), Some("7"));
            assert_eq!(
                events.next().await.unwrap_err().error.to_string(),
                "server ended the stream"
            );
        });
    }

    #[test]
    fn an_event_that_never_ends_is_cut_off() {
        let mut events = events(vec!["data: xxxxxxxxxx"; 20], 100);
        let error = run(events.next()).unwrap_err();
        assert_eq!(error.error.to_string(), "event: found more than 100 bytes");
    }

    #[test]
    fn silence_is_noticed() {
        let chunks = futures_util::stream::pending::<Result<Bytes, Error>>();
        let silence = Duration::from_secs(300);
        let error = run(async { Events::of(chunks, silence, 100, &Meter::default()).next().await });
        assert_eq!(error.unwrap_err().error.to_string(), "nothing came for 300 s");
    }

    #[test]
    fn a_silence_under_a_second_is_said_as_it_is() {
        let chunks = futures_util::stream::pending::<Result<Bytes, Error>>();
        let silence = Duration::from_millis(250);
        let error = run(async { Events::of(chunks, silence, 100, &Meter::default()).next().await });
        assert_eq!(error.unwrap_err().error.to_string(), "nothing came for 0.25 s");
    }
}
