//! Big segments: lists of members too long for the flag data, kept in a store of the caller's.

#[cfg(feature = "launchdarkly")]
mod cache;

use std::fmt;

#[cfg(feature = "launchdarkly")]
pub use self::cache::{Cache, CacheBuilder, Prepare, Store};

/// The store of big segments' members, as far as an evaluation asks it.
///
/// It is asked in the middle of a request: answer from memory, at once. A store that has to go
/// elsewhere keeps what it fetched before, refreshes it beside the requests, and says
/// [`Stale`](Status::Stale) when that has become old.
///
/// ```
/// use std::collections::HashSet;
/// use modelgate::launchdarkly::big_segments::{Membership, BigSegments};
///
/// /// Members by segment and key, kept up to date by somebody else.
/// struct Members(HashSet<(String, String)>);
///
/// impl BigSegments for Members {
///     fn membership(&self, segment: &str, key: &str) -> Membership {
///         let member = self.0.contains(&(segment.to_owned(), key.to_owned()));
///         Membership::healthy(member.then_some(true))
///     }
/// }
/// ```
pub trait BigSegments: Send + Sync + 'static {
    /// Whether the context with this key is in the segment.
    ///
    /// `segment` is the name under which the vendor's stores know the list, the segment's key with
    /// its generation: `beta-users.g2`. `key` is the context's own; the vendor's stores hold the
    /// base64 of its SHA-256.
    fn membership(&self, segment: &str, key: &str) -> Membership;
}

/// What a store knows of one context in one big segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Membership {
    /// Listed as a member or as excluded; `None`: not listed, the segment's rules decide.
    pub member: Option<bool>,
    /// How far the store can be trusted just now.
    pub status: Status,
}

impl Membership {
    /// An answer with this status.
    pub fn new(member: Option<bool>, status: Status) -> Membership {
        Membership { member, status }
    }

    /// The answer of a store that works and is up to date.
    pub fn healthy(member: Option<bool>) -> Membership {
        Membership::new(member, Status::Healthy)
    }
}

/// How the store of big segments was when a flag asked it; from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Status {
    /// It works and is up to date.
    Healthy,
    /// It works with old data.
    Stale,
    /// It failed.
    StoreError,
    /// There is none, or the segment does not say which generation of its list counts.
    NotConfigured,
}

impl Status {
    /// The vendor's spelling: `HEALTHY`, `NOT_CONFIGURED`, and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Healthy => "HEALTHY",
            Status::Stale => "STALE",
            Status::StoreError => "STORE_ERROR",
            Status::NotConfigured => "NOT_CONFIGURED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
