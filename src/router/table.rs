//! Everything one request needs, resolved when a snapshot is published or a version changes.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    clamp::Clamp,
    core::RouterSettings,
    slot::{Handle, Slot},
};
use crate::{
    flag::{Bound, Reason, Request, store},
    prediction_id::PredictionId,
    shadow::{self, Sampler, Trigger},
    value::Value,
    version::Version,
};

/// What a request reads: the flags already looked up, the versions already found.
///
/// One table is loaded a request, so that its version and its shadows can never come from two
/// revisions of the flags or of the models.
#[derive(Debug)]
pub(crate) struct RoutingTable<M> {
    pub(crate) revision: u64,
    pub(crate) ready: bool,
    pub(crate) route: Box<[Option<Bound>]>,
    pub(crate) shadows: Box<[ShadowRoute]>,
    pub(crate) slots: Box<[Slot<M>]>,
    /// The names of their versions, at hand for the scan of each request.
    names: Box<[Box<str>]>,
    /// The fallback versions in the order in which they are asked.
    pub(crate) fallbacks: Box<[usize]>,
    pub(crate) first_fallback: usize,
    /// The last of them, which is asked in any case.
    pub(crate) fallback: usize,
    pub(crate) pin: Option<usize>,
    pub(crate) clamps: Box<[Clamp]>,
}

/// One shadow policy with its flag looked up and its candidates found.
#[derive(Debug)]
pub(crate) struct ShadowRoute {
    /// `None`: the policy has no flag. `Some(None)`: it has one that no source knows.
    flag: Option<Option<Bound>>,
    candidates: Box<[usize]>,
    sampler: Sampler,
    /// The counts of each slot's runs under this policy.
    pub(crate) counts: Box<[Arc<shadow::CandidateCounts>]>,
}

/// The counts of a version's runs under a policy: a table looks them up, so that requests need not.
pub(crate) type CountsLookup =
    Box<dyn Fn(usize, &Version) -> Arc<shadow::CandidateCounts> + Send + Sync>;

/// The candidates of one request: which policy, which slot.
pub(crate) type Candidates = SmallVec<[Candidate; 4]>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) policy: usize,
    pub(crate) slot: usize,
}

impl<M: Handle> RoutingTable<M> {
    pub(crate) fn new(
        settings: &RouterSettings,
        snapshot: &store::Snapshot,
        slots: &[Slot<M>],
        pin: Option<&Version>,
        clamps: &[Clamp],
        counts: &CountsLookup,
    ) -> RoutingTable<M> {
        let RouterSettings { binding, shadows, fallbacks, .. } = settings;
        let place = |version: &Version| slots.iter().position(|slot| slot.version == *version);
        let shadows = shadows
            .iter()
            .enumerate()
            .map(|(policy, shadow)| ShadowRoute {
                flag: match &shadow.trigger {
                    Trigger::Always => None,
                    Trigger::Flag(key) => Some(snapshot.bind(key)),
                },
                candidates: shadow.candidates.iter().filter_map(place).collect(),
                sampler: shadow.sampler(),
                counts: slots.iter().map(|slot| counts(policy, &slot.version)).collect(),
            })
            .collect();
        // The builder and `retire` see to it that the fallback versions are there.
        let fallbacks: Box<[usize]> = fallbacks.iter().filter_map(place).collect();
        RoutingTable {
            revision: snapshot.revision(),
            ready: snapshot.is_ready(),
            route: binding.resolve(snapshot),
            shadows,
            names: slots.iter().map(|slot| slot.version.as_str().into()).collect(),
            slots: slots.into(),
            first_fallback: fallbacks.first().copied().unwrap_or(0),
            fallback: fallbacks.last().copied().unwrap_or(0),
            fallbacks,
            pin: pin.and_then(place),
            clamps: clamps.into(),
        }
    }

    /// The slot of the version of this name. A handful of short names: a scan beats hashing.
    #[inline]
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|own| **own == *name)
    }

    /// The candidates to run beside the version in `chosen`, drawn before any outcome is known.
    #[inline]
    pub(crate) fn candidates(
        &self,
        request: &Request<'_>,
        chosen: usize,
        id: PredictionId,
    ) -> Candidates {
        let mut found = Candidates::new();
        for (policy, route) in self.shadows.iter().enumerate() {
            if !route.sampler.wants(request.targeting_key(), id) {
                continue;
            }
            let mut add = |slot: usize| {
                let runs = slot != chosen
                    && found.iter().all(|known: &Candidate| known.slot != slot)
                    && self.slots.get(slot).is_some_and(Slot::may_run_in_shadow);
                if runs {
                    found.push(Candidate { policy, slot });
                }
            };
            let flag = match &route.flag {
                None => {
                    route.candidates.iter().copied().for_each(&mut add);
                    continue;
                }
                Some(None) => continue,
                Some(Some(flag)) => flag.evaluate(request),
            };
            if flag.reason == Reason::Disabled || flag.on == Some(false) {
                continue;
            }
            match flag.value {
                Some(Value::Text(name)) => self.place(name).into_iter().for_each(&mut add),
                Some(Value::List(names)) => names
                    .iter()
                    .filter_map(Value::as_str)
                    .filter_map(|name| self.place(name))
                    .for_each(&mut add),
                Some(Value::Bool(true)) => route.candidates.iter().copied().for_each(&mut add),
                // A switch without a value of its own.
                None | Some(Value::Null) if flag.on == Some(true) => {
                    route.candidates.iter().copied().for_each(&mut add);
                }
                _ => {}
            }
        }
        found
    }
}

impl<M: Handle> Slot<M> {
    /// A blocked or resting version may still be looked at in shadow, one that is not loaded not.
    fn may_run_in_shadow(&self) -> bool {
        self.model.as_ref().is_ok_and(Handle::can_answer)
    }
}
