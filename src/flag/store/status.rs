//! What a store says about itself and its sources.

use std::{sync::Arc, time::Duration};

use serde::{Serialize, Serializer};

use super::Snapshot;
use crate::{flag::Problem, source::Staleness};

/// How a store and its sources are.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The revision in force; see [`Snapshot::revision`].
    pub revision: u64,
    /// Whether every required source has delivered.
    pub ready: bool,
    /// The age of the least fresh required source's data; `None` while one of them has none, or
    /// its age is not known.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Option<Duration>,
    /// The sources, in the order they were declared.
    pub sources: Vec<SourceStatus>,
}

/// How one source is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SourceStatus {
    /// The source's name.
    pub name: String,
    /// Whether the store is not ready before this source has delivered.
    pub required: bool,
    /// Its state.
    #[serde(flatten)]
    pub state: SourceState,
    /// The time since the source last delivered or confirmed its flags, or how old it said they
    /// were; a sign of life of an open stream confirms them as well. `None` when nothing was
    /// delivered or the age is not known.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Option<Duration>,
    /// What the source calls the flags in force: an ETag, a version, a digest.
    pub revision: Option<String>,
    /// How many flags of this source are in force.
    pub flags: usize,
    /// How many sets were refused because they were older than the one in force.
    pub refused: u64,
    /// What is wrong with the source's document, flag by flag.
    pub problems: Vec<Problem>,
    /// How its connection is; `None` for a source that has none.
    pub connection: Option<ConnectionStatus>,
    /// Whether it has delivered, be it a set without flags.
    #[serde(skip)]
    pub(super) has_delivered: bool,
}

/// How a source's connection to its server is, in figures since the source was started.
///
/// Whether the flags are fresh is said by the source's [state](SourceStatus::state); these are the
/// figures that tell a server that is away from one that refuses, and a stream that holds from one
/// that keeps breaking.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConnectionStatus {
    /// Whether a stream is open. Otherwise flags are polled, or cannot be had just now.
    pub streaming: bool,
    /// Requests for flags, the opening of streams among them.
    pub requests: u64,
    /// How many of them failed, and how many open streams did: no answer, an answer of failure, or
    /// one that broke off. A document that is refused once it is there is not among them.
    pub failures: u64,
    /// How often a stream was opened after the first.
    pub reconnects: u64,
    /// Bytes of answers and streams, after decompression.
    pub bytes_received: u64,
    /// The HTTP status of the last answer. Of a flagd server the gRPC code, 0 to 16, with which the
    /// last stream began or failed.
    pub last_status: Option<u16>,
    /// The time since the last request for flags.
    #[serde(rename = "last_request_seconds", serialize_with = "seconds")]
    pub last_request: Option<Duration>,
    /// The time since the server last brought flags, word that nothing has changed, or anything at
    /// all by an open stream.
    #[serde(rename = "last_success_seconds", serialize_with = "seconds")]
    pub last_success: Option<Duration>,
    /// What was sent to the server besides: usage, registrations.
    pub reports: u64,
    /// How much of that was not taken.
    pub report_failures: u64,
}

/// The state of a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceState {
    /// Nothing has been delivered yet.
    Starting {
        /// How many attempts have failed.
        attempts: u64,
        /// Why the last one failed.
        last_error: Option<String>,
    },
    /// What is in force is what the source has.
    Ready,
    /// What is in force is good, but may be out of date.
    Stale {
        /// Why.
        reason: String,
        /// How many attempts have failed since it was fresh.
        attempts: u64,
    },
    /// The origin refuses the source: its key, its URL, its request. What was delivered before, if
    /// anything, stays in force. It is tried again seldom, and by some sources not at all; somebody
    /// has to look.
    Rejected {
        /// Why.
        reason: String,
        /// How many attempts have failed since it was fresh.
        attempts: u64,
    },
}

impl SourceStatus {
    /// Whether the source has delivered and nothing has gone wrong since.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, SourceState::Ready)
    }

    /// Whether the source's flags may be out of date.
    pub fn is_stale(&self) -> bool {
        match self.state {
            SourceState::Stale { .. } => true,
            SourceState::Rejected { .. } => self.has_delivered,
            _ => false,
        }
    }

    /// Whether the origin refuses the source.
    pub fn is_rejected(&self) -> bool {
        matches!(self.state, SourceState::Rejected { .. })
    }
}

impl Status {
    /// Whether a required source that has delivered nothing is refused by its origin.
    pub(super) fn has_rejected(&self) -> bool {
        let stuck = |it: &SourceStatus| it.required && it.is_rejected() && !it.has_delivered;
        self.sources.iter().any(stuck)
    }

    /// The source of this name.
    pub fn source(&self, name: &str) -> Option<&SourceStatus> {
        self.sources.iter().find(|source| source.name == name)
    }
}

/// What a store remembers of its sources; changed under one lock together with the snapshot, so
/// that a status never mixes two moments.
pub(super) struct Progress {
    /// Grows with every change, for those who wait for one.
    pub(super) tick: u64,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) sources: Vec<Delivery>,
}

pub(super) struct Delivery {
    pub(super) name: Arc<str>,
    /// Failed attempts since the source was last fresh.
    failures: u64,
    trouble: Option<String>,
    rejected: bool,
    freshness: Option<Freshness>,
    refused: u64,
    #[cfg(feature = "http")]
    meter: Option<crate::source::Meter>,
}

/// A state without its details: what counts as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Starting,
    Ready,
    Stale,
    Rejected,
}

/// The data was `age` old at the moment `at`.
#[derive(Clone, Copy)]
struct Freshness {
    at: Duration,
    age: Duration,
}

impl Delivery {
    pub(super) fn new(name: Arc<str>) -> Delivery {
        Delivery {
            name,
            failures: 0,
            trouble: None,
            rejected: false,
            freshness: None,
            refused: 0,
            #[cfg(feature = "http")]
            meter: None,
        }
    }

    #[cfg(feature = "http")]
    pub(super) fn watch(&mut self, meter: crate::source::Meter) {
        self.meter = Some(meter);
    }

    #[cfg(feature = "http")]
    fn connection(&self, now: Duration) -> Option<ConnectionStatus> {
        self.meter.as_ref().map(|meter| meter.status(now))
    }

    #[cfg(not(feature = "http"))]
    fn connection(&self, _: Duration) -> Option<ConnectionStatus> {
        None
    }

    pub(super) fn fresh(&mut self, now: Duration) {
        self.failures = 0;
        self.trouble = None;
        self.rejected = false;
        self.freshness = Some(Freshness { at: now, age: Duration::ZERO });
    }

    pub(super) fn stale(&mut self, now: Duration, staleness: Staleness) {
        self.trouble = Some(staleness.reason);
        self.rejected = false;
        self.freshness = staleness.age.map(|age| Freshness { at: now, age });
    }

    pub(super) fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// Notes a failed attempt, and says whether it is worth an operator's attention: a new kind
    /// of trouble is, the same again only at the second, fourth, eighth time.
    pub(super) fn fail(&mut self, text: String, rejected: bool) -> bool {
        self.failures = self.failures.saturating_add(1);
        let new = self.trouble.as_deref() != Some(&*text) || self.rejected != rejected;
        self.rejected = rejected;
        self.trouble = Some(text);
        new || self.failures.is_power_of_two()
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    fn age(&self, now: Duration) -> Option<Duration> {
        let Freshness { at, age } = self.freshness?;
        let age = now.saturating_sub(at).saturating_add(age);
        match self.alive(now) {
            Some(alive) if self.trouble.is_none() => Some(age.min(alive)),
            _ => Some(age),
        }
    }

    #[cfg(feature = "http")]
    fn alive(&self, now: Duration) -> Option<Duration> {
        self.meter.as_ref()?.alive(now)
    }

    #[cfg(not(feature = "http"))]
    fn alive(&self, _: Duration) -> Option<Duration> {
        None
    }
}

impl Progress {
    pub(super) fn status(&self, now: Duration) -> Status {
        let sources: Vec<SourceStatus> = self
            .sources
            .iter()
            .enumerate()
            .map(|(position, delivery)| self.source(position, delivery, now))
            .collect();
        Status {
            revision: self.snapshot.revision(),
            ready: self.snapshot.is_ready(),
            age: self.age(now),
            sources,
        }
    }

    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        self.sources
            .iter()
            .enumerate()
            .filter(|(position, _)| self.snapshot.is_required(*position))
            .map(|(_, delivery)| delivery.age(now))
            .try_fold(Duration::ZERO, |oldest, age| Some(oldest.max(age?)))
    }

    pub(super) fn status_of(&self, position: usize, now: Duration) -> Option<SourceStatus> {
        Some(self.source(position, self.sources.get(position)?, now))
    }

    /// What the state is, without its details.
    pub(super) fn standing(&self, position: usize) -> Option<Standing> {
        let delivery = self.sources.get(position)?;
        Some(match (self.snapshot.set(position), &delivery.trouble) {
            (_, Some(_)) if delivery.rejected => Standing::Rejected,
            (None, _) => Standing::Starting,
            (Some(_), None) => Standing::Ready,
            (Some(_), Some(_)) => Standing::Stale,
        })
    }

    fn source(&self, position: usize, delivery: &Delivery, now: Duration) -> SourceStatus {
        let set = self.snapshot.set(position);
        let state = match (set, &delivery.trouble) {
            (_, Some(reason)) if delivery.rejected => {
                SourceState::Rejected { reason: reason.clone(), attempts: delivery.failures }
            }
            (None, trouble) => {
                SourceState::Starting { attempts: delivery.failures, last_error: trouble.clone() }
            }
            (Some(_), None) => SourceState::Ready,
            (Some(_), Some(reason)) => {
                SourceState::Stale { reason: reason.clone(), attempts: delivery.failures }
            }
        };
        SourceStatus {
            name: delivery.name.to_string(),
            required: self.snapshot.is_required(position),
            state,
            age: delivery.age(now),
            revision: set.and_then(|set| set.revision()).map(str::to_owned),
            flags: set.map_or(0, |set| set.len()),
            refused: delivery.refused,
            problems: set.map_or_else(Vec::new, |set| set.problems().to_vec()),
            connection: delivery.connection(now),
            has_delivered: set.is_some(),
        }
    }
}

fn seconds<S: Serializer>(age: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    age.map(|age| age.as_secs_f64()).serialize(serializer)
}
