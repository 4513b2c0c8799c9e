//! Who is told of live answers.

use std::{sync::Arc, time::Duration};

use super::{
    FallbackCause, ServedAnswer,
    core::{Choice, Core},
    slot::Handle,
    table::RoutingTable,
};
use crate::{Reason, contain::contained, prediction_id::PredictionId, version::Version};

/// Is told of each answer that a router gives, on the path of the request: for counting who was
/// answered by what. It cannot change the answer.
///
/// What it does, the caller waits for: count, and return. A panic of it is contained.
pub trait AnswerObserver: Send + Sync {
    /// A request was answered, or could not be.
    fn answered(&self, answer: &LiveAnswer<'_>);
}

/// One live answer, as an [`AnswerObserver`] is told of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LiveAnswer<'a> {
    /// The answer's id.
    pub prediction_id: PredictionId,
    /// The user's targeting key, if there is one.
    pub targeting_key: Option<&'a str>,
    /// The version that the flags named, or that is pinned.
    pub named: &'a Version,
    /// Whether that version was asked.
    pub asked: bool,
    /// Whether an autopilot kept the user from it.
    pub held_back: bool,
    /// Whether an operator pinned that version: neither the flags nor a share named it.
    pub pinned: bool,
    /// Whether the version that was asked first failed, whoever answered then.
    pub failed: bool,
    /// How long the version that answered, or failed last, took.
    pub service_time: Duration,
}

impl<'a> LiveAnswer<'a> {
    /// An answer by the version that the flags named, in no time: for tests of your own observers.
    pub fn new(named: &'a Version, targeting_key: Option<&'a str>) -> LiveAnswer<'a> {
        LiveAnswer {
            prediction_id: PredictionId::generate(),
            targeting_key,
            named,
            asked: true,
            held_back: false,
            pinned: false,
            failed: false,
            service_time: Duration::ZERO,
        }
    }
}

/// What was chosen for a request that is observed, before anything is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObservedRequest {
    slot: usize,
    asked: bool,
    held_back: bool,
    pinned: bool,
}

impl<M: Handle> Core<M> {
    /// What there will be to tell; `None` where nobody wants to know.
    #[inline]
    pub(crate) fn named(&self, choice: &Choice) -> Option<ObservedRequest> {
        if self.settings.observers.is_empty() {
            return None;
        }
        let slot = choice.named();
        Some(ObservedRequest {
            slot,
            asked: slot == choice.slot,
            held_back: matches!(choice.cause, Some(FallbackCause::HeldBack)),
            pinned: choice.reason == Reason::Pinned,
        })
    }

    /// Tells the observers.
    #[inline]
    pub(crate) fn observe<P>(
        &self,
        table: &RoutingTable<M>,
        named: Option<ObservedRequest>,
        answered: &ServedAnswer<P>,
        (key, id): (Option<&str>, PredictionId),
    ) {
        let Some(named) = named else { return };
        let Some(slot) = table.slots.get(named.slot) else { return };
        let answer = LiveAnswer {
            prediction_id: id,
            targeting_key: key,
            named: &slot.version,
            asked: named.asked,
            held_back: named.held_back,
            pinned: named.pinned,
            failed: answered.first.is_some() || answered.called.outcome.is_err(),
            service_time: answered.called.service_time,
        };
        for observer in &self.settings.observers {
            let _ = contained(|| observer.answered(&answer));
        }
    }
}

/// The observers of a router.
pub(crate) type Observers = Box<[Arc<dyn AnswerObserver>]>;
