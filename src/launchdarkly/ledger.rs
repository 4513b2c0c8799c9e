//! What is reported of answers besides their number: who was answered, of what kinds, by which
//! default, and single answers of the flags that ask for it.
//!
//! Noting is on the way of every counted answer. It takes no lock. It allocates for the first answer
//! to a context in a while, for the first default of a flag, and for an answer that is reported by
//! itself; each is an owned copy that is offered to a queue, and dropped and counted when the queue
//! is full.

mod context_snapshot;
mod entry;
mod flag_observer;
mod kinds;
mod recent;
mod unknown_flags;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crossbeam_channel::{Receiver, Sender};

pub(super) use self::flag_observer::FlagObserver;
pub(crate) use self::{
    context_snapshot::{ContextSnapshot, SingleContext},
    entry::{LedgerEntry, SingleAnswer},
};
use self::{kinds::KindNames, recent::Recent, unknown_flags::UnknownFlags};
use super::{
    detail::Detail,
    hook::CustomEvent,
    time::milliseconds,
    tree::{LaunchDarklyFlag, Tracking},
};
use crate::{
    flag::{AnswerObserver, Request},
    value::Value,
};

/// What the flags of one source note, and the source reports.
pub(crate) struct Ledger {
    /// Whether anything may be noted that has a context in it.
    contexts: bool,
    queue: Sender<LedgerEntry>,
    noted: Receiver<LedgerEntry>,
    recent: Recent,
    kinds: KindNames,
    unknown_flags: UnknownFlags,
    dropped: AtomicU64,
    closed: AtomicBool,
    /// The server's clock, in milliseconds since 1970, when it last said.
    server_time: AtomicU64,
    /// How often it was drawn whether an answer is sampled.
    draws: AtomicU64,
}

/// What a summary says of a flag beside its counts.
pub(crate) struct SummaryEntry<'a> {
    pub(crate) default: Value,
    pub(crate) kinds: Vec<&'a str>,
}

impl Ledger {
    /// Notes contexts or none, and holds at most so many entries that have one.
    pub(crate) fn new(contexts: bool, capacity: usize) -> Arc<Ledger> {
        let (queue, noted) = crossbeam_channel::bounded(capacity.max(1));
        Arc::new(Ledger {
            contexts,
            queue,
            noted,
            recent: Recent::new(),
            kinds: KindNames::new(),
            unknown_flags: UnknownFlags::new(),
            dropped: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            server_time: AtomicU64::new(0),
            draws: AtomicU64::new(0),
        })
    }

    pub(super) fn observer(self: &Arc<Ledger>, flag: &LaunchDarklyFlag) -> Box<dyn AnswerObserver> {
        Box::new(FlagObserver::new(Arc::clone(self), flag))
    }

    /// Somebody asked for a flag that is not there.
    pub(super) fn missed(&self, key: &str, request: &Request<'_>, default: &dyn Fn() -> Value) {
        if self.closed.load(Ordering::Relaxed) || !context_snapshot::has_context(request) {
            return;
        }
        self.unknown_flags.count(key, self.kinds.of(request), default);
        self.seen(request);
    }

    /// The service reports a context; whether that is noted.
    pub(super) fn identify(&self, request: &Request<'_>) -> bool {
        if !self.takes_contexts() || !context_snapshot::has_context(request) {
            return false;
        }
        let make = |time| LedgerEntry::Identified { time, who: ContextSnapshot::of(request) };
        let is_noted = self.offer(make, request);
        if is_noted {
            // What this event says of the context needs no `index` event.
            self.recent.is_new(self.recent.identity(request));
        }
        is_noted
    }

    /// The context did something; whether that is noted.
    pub(super) fn track(&self, event: CustomEvent, request: &Request<'_>) -> bool {
        if !self.takes_contexts() || !context_snapshot::has_context(request) {
            return false;
        }
        self.seen(request);
        let event = Box::new(event);
        self.offer(
            |time| LedgerEntry::Custom { time, who: ContextSnapshot::of(request), event },
            request,
        )
    }

    /// Takes what was noted since the last time.
    pub(crate) fn take(&self) -> impl Iterator<Item = LedgerEntry> {
        // No more than there is now: requests go on noting.
        self.noted.try_iter().take(self.noted.len())
    }

    /// Takes how often flags were asked for that are not there.
    pub(crate) fn take_missed(&self, mut each: impl FnMut(&str, u64, SummaryEntry<'_>)) {
        self.unknown_flags.take(|key, count, default, kinds| {
            each(
                key,
                count,
                SummaryEntry { default: default.clone(), kinds: self.kinds.names(kinds) },
            );
        });
    }

    /// What a summary says of a flag beside its counts; `None` where the flag is left out of summaries.
    pub(crate) fn summary_entry(
        &self,
        observer: Option<&dyn AnswerObserver>,
    ) -> Option<SummaryEntry<'_>> {
        let (default, kinds) = observer.and_then(FlagObserver::of)?.take_summary()?;
        Some(SummaryEntry { default, kinds: self.kinds.names(kinds) })
    }

    /// How much was dropped since the last time.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Takes every context for a new one from now on.
    pub(crate) fn forget_contexts(&self) {
        self.recent.clear();
    }

    pub(crate) fn set_server_time(&self, milliseconds: u64) {
        self.server_time.fetch_max(milliseconds, Ordering::Relaxed);
    }

    /// Nothing will be reported any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// It will be, after all.
    pub(crate) fn open(&self) {
        self.closed.store(false, Ordering::Relaxed);
    }

    fn takes_contexts(&self) -> bool {
        self.contexts && !self.closed.load(Ordering::Relaxed)
    }

    /// Notes a context unless it was seen not long ago. One that a key was drawn for is nobody.
    #[inline]
    fn seen(&self, request: &Request<'_>) {
        if self.takes_contexts() && request.key_override.is_none() {
            let identity = self.recent.identity(request);
            if self.recent.is_new(identity) {
                self.is_new(identity, request);
            }
        }
    }

    #[cold]
    fn is_new(&self, identity: u64, request: &Request<'_>) {
        if !self
            .offer(|time| LedgerEntry::Seen { time, who: ContextSnapshot::of(request) }, request)
        {
            self.recent.forget(identity);
        }
    }

    /// Puts a copy into the queue, unless that is full.
    fn offer(&self, make: impl FnOnce(u64) -> LedgerEntry, request: &Request<'_>) -> bool {
        let offered = !self.queue.is_full()
            && self.queue.try_send(make(milliseconds(request.clock.unix()))).is_ok();
        if !offered {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        offered
    }

    /// One in so many.
    fn is_sampled(&self, ratio: u64) -> bool {
        match ratio {
            0 => false,
            1 => true,
            ratio => mixed(self.draws.fetch_add(1, Ordering::Relaxed)).is_multiple_of(ratio),
        }
    }

    /// Whether an answer of the flag may be one that is reported by itself.
    #[inline]
    fn may_report(&self, tracking: &Tracking, request: &Request<'_>) -> bool {
        let tracks = tracking.all || tracking.fallthrough || tracking.some;
        (tracks || self.debugs(tracking, request)) && self.takes_contexts()
    }

    #[inline]
    fn debugs(&self, tracking: &Tracking, request: &Request<'_>) -> bool {
        let until = tracking.debug_until;
        until > 0
            && until > self.server_time.load(Ordering::Relaxed)
            && until > milliseconds(request.clock.unix())
    }

    /// Notes an answer that is reported by itself, if this one is.
    #[expect(clippy::too_many_arguments, reason = "all of one answer, once")]
    fn single(
        &self,
        flag: &LaunchDarklyFlag,
        key: &str,
        detail: &Detail<'_>,
        request: &Request<'_>,
        default: impl FnOnce() -> Value,
        prerequisite_of: Option<&str>,
        with_reason: bool,
    ) {
        let tracking = &flag.tracking;
        if !self.may_report(tracking, request) {
            return;
        }
        let explained = flag.is_explained(&detail.reason);
        let as_feature = (tracking.all || explained) && self.is_sampled(tracking.sampling_ratio);
        let as_debug = self.debugs(tracking, request) && self.is_sampled(tracking.sampling_ratio);
        if !as_feature && !as_debug {
            return;
        }
        let make = |time| {
            let default = default();
            LedgerEntry::Answer(Box::new(SingleAnswer {
                time,
                who: ContextSnapshot::of(request),
                flag: key.into(),
                version: flag.version,
                variation: detail.variation_index,
                value: detail.value.unwrap_or(&default).clone(),
                default,
                reason: (explained || with_reason)
                    .then(|| serde_json::to_value(detail.reason).ok())
                    .flatten(),
                prerequisite_of: prerequisite_of.map(Into::into),
                sampling_ratio: tracking.sampling_ratio,
                in_summaries: tracking.in_summaries,
                as_debug,
                as_feature,
            }))
        };
        self.offer(make, request);
    }
}

/// A number that looks drawn at random, from one that is counted: SplitMix64's output function (Steele,
/// Lea and Flood, 2014).
fn mixed(counted: u64) -> u64 {
    let mut mixed = counted.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::SystemClock, context::Context};

    /// What is noted of a request: the entry's kind, one for each.
    fn noted(ledger: &Ledger) -> Vec<&'static str> {
        let kind = |entry| match entry {
            LedgerEntry::Seen { .. } => "seen",
            LedgerEntry::Identified { .. } => "identified",
            LedgerEntry::Custom { .. } => "custom",
            LedgerEntry::Answer(_) => "answer",
        };
        ledger.take().map(kind).collect()
    }

    #[test]
    fn a_context_whose_identification_was_dropped_is_seen_when_it_comes_next() {
        let (ledger, clock) = (Ledger::new(true, 1), SystemClock::new());
        let contexts = ["ada", "bob"].map(Context::new);
        let [ada, bob] = contexts.each_ref().map(|context| Request {
            context,
            key_override: None,
            counted: true,
            clock: &clock,
        });
        assert!(ledger.identify(&ada));
        assert!(!ledger.identify(&bob), "there is room for one");
        assert_eq!(noted(&ledger), ["identified"]);
        ledger.seen(&ada);
        assert!(noted(&ledger).is_empty());
        ledger.seen(&bob);
        assert_eq!(noted(&ledger), ["seen"]);
    }
}
