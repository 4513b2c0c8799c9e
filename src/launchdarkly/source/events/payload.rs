//! Events on their way.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use tokio::time::Instant;

use super::uuid;

/// Events that are sent together, and again under the same id until they have arrived.
pub(super) struct Payload {
    pub(super) id: String,
    pub(super) body: Bytes,
    pub(super) is_compressed: bool,
    pub(super) events: u64,
    /// Since when it may have arrived.
    pub(super) uncertain: Option<Instant>,
}

/// A payload in the making: a list of events, compressed as they come.
pub(super) struct Writer {
    bytes: Encoding,
    events: u64,
}

enum Encoding {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Writer {
    pub(super) fn new(gzip: bool) -> Writer {
        let bytes = match gzip {
            true => Encoding::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            false => Encoding::Plain(Vec::new()),
        };
        Writer { bytes, events: 0 }
    }

    pub(super) fn add(&mut self, event: &impl Serialize) {
        // Into memory, of what was made to be written: neither fails.
        let Ok(text) = serde_json::to_vec(event) else { return };
        self.write(if self.events == 0 { b"[" } else { b"," });
        self.write(&text);
        self.events += 1;
    }

    fn write(&mut self, bytes: &[u8]) {
        let _ = match &mut self.bytes {
            Encoding::Plain(plain) => plain.write_all(bytes),
            Encoding::Gzip(gzip) => gzip.write_all(bytes),
        };
    }

    /// The payload, unless there is nothing in it.
    pub(super) fn finish(mut self) -> Option<Payload> {
        if self.events == 0 {
            return None;
        }
        self.write(b"]");
        let (body, is_compressed) = match self.bytes {
            Encoding::Plain(plain) => (plain, false),
            Encoding::Gzip(gzip) => (gzip.finish().ok()?, true),
        };
        Some(Payload {
            id: uuid(),
            body: body.into(),
            is_compressed,
            events: self.events,
            uncertain: None,
        })
    }
}
