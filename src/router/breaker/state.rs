//! The state of a breaker, in one word.
//!
//! # Protocol
//!
//! A breaker is *closed* (calls pass, failures in a row are counted), *resting* until a moment, or
//! *probing*: one call is on its way and decides, and should it not come back, another may go at a
//! moment of its own. State, count or moment, and an epoch stand in one word that only changes by
//! compare-exchange, so no call ever sees half of a change. The epoch grows with every change from
//! one state to another.
//!
//! A call that is let through takes the word along, as its [`Ticket`]. What it reports counts only
//! while the breaker is in the epoch in which the call was let through: a call from before the
//! breaker opened can neither end the rest nor speak for the probe.
//!
//! `tests/loom` checks this over every interleaving of small programs.

use super::super::sync::{AtomicU64, Ordering};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct BreakerState(AtomicU64);

/// What a call that was let through must show when it reports how it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// Milliseconds of a clock that never goes back. Forty bits of them are 34 years.
pub(crate) type Milliseconds = u64;

const PHASE_BITS: u32 = 2;
const VALUE_BITS: u32 = 40;
const EPOCH_SHIFT: u32 = PHASE_BITS + VALUE_BITS;
const MOST: u64 = (1 << VALUE_BITS) - 1;
/// Phase and value: zero when closed and without a failure.
const TROUBLE: u64 = (1 << EPOCH_SHIFT) - 1;

/// What the value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Failures in a row.
    Closed = 0,
    /// The moment at which a probe may go.
    Resting = 1,
    /// The moment at which another probe may go, if this one has not come back.
    Probing = 2,
}

/// The word taken apart.
#[derive(Clone, Copy)]
struct PackedState(u64);

impl PackedState {
    fn phase(self) -> Phase {
        match self.0 & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Closed,
            1 => Phase::Resting,
            _ => Phase::Probing,
        }
    }

    fn value(self) -> u64 {
        (self.0 >> PHASE_BITS) & MOST
    }

    fn epoch(self) -> u64 {
        self.0 >> EPOCH_SHIFT
    }

    fn is_of(self, ticket: Ticket) -> bool {
        self.epoch() == PackedState(ticket.0).epoch()
    }

    /// The same state with another value.
    fn with(self, value: u64) -> u64 {
        (self.0 & !(MOST << PHASE_BITS)) | (value.min(MOST) << PHASE_BITS)
    }

    /// Another state. The epoch wraps after four million changes: no call is as old as that.
    fn next(self, phase: Phase, value: u64) -> u64 {
        let epoch = self.epoch().wrapping_add(1);
        (epoch << EPOCH_SHIFT) | (value.min(MOST) << PHASE_BITS) | phase as u64
    }
}

impl BreakerState {
    pub(crate) fn closed() -> BreakerState {
        BreakerState(AtomicU64::new(0))
    }

    /// Lets a call through, if the breaker is closed. Relaxed, here and everywhere: the word orders
    /// nothing but itself.
    #[inline]
    pub(crate) fn pass(&self) -> Option<Ticket> {
        let word = self.0.load(Ordering::Relaxed);
        (word & ((1 << PHASE_BITS) - 1) == 0).then_some(Ticket(word))
    }

    /// Lets one call through as the probe, once the rest is over.
    pub(crate) fn probe(&self, now: Milliseconds, rest: Milliseconds) -> Option<Ticket> {
        let word = self.0.load(Ordering::Relaxed);
        match PackedState(word).phase() {
            // It closed just now.
            Phase::Closed => return Some(Ticket(word)),
            Phase::Resting | Phase::Probing if now < PackedState(word).value() => return None,
            Phase::Resting | Phase::Probing => {}
        }
        let probing = PackedState(word).next(Phase::Probing, now.saturating_add(rest));
        // Who loses this race has seen another take the probe.
        self.0
            .compare_exchange(word, probing, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
            .then_some(Ticket(probing))
    }

    /// Whether a call would be let through now.
    pub(crate) fn would_pass(&self, now: impl FnOnce() -> Milliseconds) -> bool {
        let word = PackedState(self.0.load(Ordering::Relaxed));
        word.phase() == Phase::Closed || now() >= word.value()
    }

    pub(crate) fn is_closed(&self) -> bool {
        PackedState(self.0.load(Ordering::Relaxed)).phase() == Phase::Closed
    }

    #[inline]
    pub(crate) fn succeeded(&self, ticket: Ticket) {
        if self.0.load(Ordering::Relaxed) & TROUBLE != 0 {
            self.recovered(ticket);
        }
    }

    #[cold]
    fn recovered(&self, ticket: Ticket) {
        self.change(ticket, |word| match word.phase() {
            Phase::Closed => Some(word.with(0)),
            Phase::Probing => Some(word.next(Phase::Closed, 0)),
            Phase::Resting => None,
        });
    }

    /// Counts a failure; `true` when this one opened a closed breaker.
    pub(crate) fn failed(
        &self,
        ticket: Ticket,
        limit: u32,
        now: Milliseconds,
        rest: Milliseconds,
    ) -> bool {
        let until = now.saturating_add(rest);
        let before = self.change(ticket, |word| match word.phase() {
            Phase::Closed => Some(match word.value().saturating_add(1) {
                failures if failures < u64::from(limit) => word.with(failures),
                _ => word.next(Phase::Resting, until),
            }),
            Phase::Probing => Some(word.next(Phase::Resting, until)),
            Phase::Resting => None,
        });
        before.is_some_and(|word| {
            word.phase() == Phase::Closed && word.value().saturating_add(1) >= u64::from(limit)
        })
    }

    /// The call said nothing about the version. If it was the probe, the next call is one.
    pub(crate) fn learned_nothing(&self, ticket: Ticket, now: Milliseconds) {
        self.change(ticket, |word| {
            (word.phase() == Phase::Probing).then(|| word.next(Phase::Resting, now))
        });
    }

    /// Changes the word, if the ticket is of its epoch; returns what it was before.
    fn change(
        &self,
        ticket: Ticket,
        change: impl Fn(PackedState) -> Option<u64>,
    ) -> Option<PackedState> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                PackedState(word).is_of(ticket).then(|| change(PackedState(word))).flatten()
            })
            .ok()
            .map(PackedState)
    }
}
