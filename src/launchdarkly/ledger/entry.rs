//! What the queue between requests and reports holds.

use super::ContextSnapshot;
use crate::{launchdarkly::hook::CustomEvent, value::Value};

/// What a request leaves for the source to report.
pub(crate) enum LedgerEntry {
    /// A context that was not seen for a while.
    Seen {
        time: u64,
        who: ContextSnapshot,
    },
    Answer(Box<SingleAnswer>),
    /// A context that the service reports.
    Identified {
        time: u64,
        who: ContextSnapshot,
    },
    /// Something that a context did.
    Custom {
        time: u64,
        who: ContextSnapshot,
        event: Box<CustomEvent>,
    },
}

/// An answer that is reported by itself.
pub(crate) struct SingleAnswer {
    /// Milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) who: ContextSnapshot,
    pub(crate) flag: Box<str>,
    pub(crate) version: u64,
    pub(crate) variation: Option<usize>,
    pub(crate) value: Value,
    pub(crate) default: Value,
    pub(crate) reason: Option<serde_json::Value>,
    pub(crate) prerequisite_of: Option<Box<str>>,
    pub(crate) sampling_ratio: u64,
    pub(crate) in_summaries: bool,
    pub(crate) as_debug: bool,
    pub(crate) as_feature: bool,
}
