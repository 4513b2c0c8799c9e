//! Choosing a version for a context.

use smol_str::SmolStr;

use super::{Choice, Core, MissingKeyError};
use crate::{
    context::EvaluationContext,
    flag::{EvaluationTrace, Reason, Request},
    prediction_id::PredictionId,
    router::{
        Decision, ExplainedFlag, Explanation, FallbackCause, MissingKey, PredictError,
        binding::{BindingAnswer, clamp_key},
        breaker::Ticket,
        clamp::{self, ExplainedClamp},
        slot::Handle,
        table::{Candidates, RoutingTable},
    },
    version::Version,
};

/// A [`Choice`] that still borrows: copying one copies pointers.
#[derive(Clone, Copy)]
struct BorrowedChoice<'t> {
    slot: usize,
    reason: Reason,
    cause: Option<FallbackCause>,
    variant: Option<&'t str>,
    ticket: Ticket,
    wanted: Option<usize>,
}

impl BorrowedChoice<'_> {
    #[inline]
    fn own<M: Handle>(self, table: &RoutingTable<M>) -> Choice {
        let BorrowedChoice { slot, reason, cause, variant, ticket, wanted } = self;
        let variant = table.text(slot, variant);
        Choice { slot, reason, cause, variant, ticket, is_compared: false, wanted }
    }
}

// Inlined by force where every decision passes: left to itself the compiler keeps these functions
// apart and copies what they return from one to the next, a tenth of a decision's instructions
// (`benches/instructions.sh`).
impl<M: Handle> Core<M> {
    /// Chooses the version for this context. `probe` says that it will really be asked.
    #[inline(always)]
    pub(crate) fn choose(
        &self,
        table: &RoutingTable<M>,
        context: &dyn EvaluationContext,
        probe: bool,
    ) -> Result<Choice, MissingKeyError> {
        self.choose_by(table, &self.request(context), probe)
    }

    #[inline(always)]
    fn choose_by(
        &self,
        table: &RoutingTable<M>,
        request: &Request<'_>,
        probe: bool,
    ) -> Result<Choice, MissingKeyError> {
        match self.pick(table, request, probe) {
            Some(picked) => Ok(picked.own(table)),
            None => self.without_key(table, request, probe),
        }
    }

    #[inline(always)]
    fn request<'a>(&'a self, context: &'a dyn EvaluationContext) -> Request<'a> {
        Request { context, key_override: None, counted: true, clock: &*self.settings.clock }
    }

    /// What the operator or the flags name; `None` where a split wants a targeting key.
    #[inline(always)]
    fn pick<'t>(
        &'t self,
        table: &'t RoutingTable<M>,
        request: &Request<'t>,
        probe: bool,
    ) -> Option<BorrowedChoice<'t>> {
        if let Some(pinned) = table.pin {
            return Some(self.settle_on(table, pinned, Reason::Pinned, None, None, probe));
        }
        let answer = self.settings.binding.choose(&table.route, &table.clamps, request);
        (!answer.missing_key).then(|| self.settle(table, answer, probe))
    }

    /// What the flags named, or the fallback version and why.
    #[inline(always)]
    fn settle<'t>(
        &self,
        table: &RoutingTable<M>,
        answer: BindingAnswer<'t>,
        probe: bool,
    ) -> BorrowedChoice<'t> {
        let (place, cause) = match (answer.version, answer.cause) {
            (Some(name), cause) => match table.place(name) {
                Some(place) => (place, cause),
                None => (table.first_fallback, cause.or(Some(FallbackCause::UnknownVersion))),
            },
            (None, cause) => (table.first_fallback, cause),
        };
        let (reason, cause) = match cause {
            Some(FallbackCause::FlagNotFound) if !table.ready => {
                (Reason::NotReady, Some(FallbackCause::NotReady))
            }
            cause => (answer.reason, cause),
        };
        if answer.held_back && place != table.fallback {
            return self.hold_back(table, place, answer, probe);
        }
        self.settle_on(table, place, reason, cause, answer.variant, probe)
    }

    #[inline(always)]
    fn settle_on<'t>(
        &self,
        table: &RoutingTable<M>,
        place: usize,
        reason: Reason,
        cause: Option<FallbackCause>,
        variant: Option<&'t str>,
        probe: bool,
    ) -> BorrowedChoice<'t> {
        // The last fallback version is asked in any case: there is nobody behind it.
        if place == table.fallback {
            let ticket = Ticket::default();
            return BorrowedChoice { slot: place, reason, cause, variant, ticket, wanted: None };
        }
        let admitted = match table.slots.get(place) {
            Some(slot) => slot.admits(&*self.settings.clock, probe),
            None => Err(FallbackCause::UnknownVersion),
        };
        match admitted {
            Ok(ticket) => {
                BorrowedChoice { slot: place, reason, cause, variant, ticket, wanted: None }
            }
            Err(cause) => {
                let (slot, ticket) = self.fallback_for(table, Some(place), probe);
                let cause = Some(cause);
                BorrowedChoice { slot, reason, cause, variant, ticket, wanted: Some(place) }
            }
        }
    }

    /// The fallback answers a user whom an autopilot keeps from the version the flags name. What
    /// would have kept everybody from it is the better reason; a breaker's one probe is not spent.
    fn hold_back<'t>(
        &self,
        table: &RoutingTable<M>,
        place: usize,
        answer: BindingAnswer<'t>,
        probe: bool,
    ) -> BorrowedChoice<'t> {
        let admitted = match table.slots.get(place) {
            Some(slot) => slot.admits(&*self.settings.clock, false),
            None => Err(FallbackCause::UnknownVersion),
        };
        let (slot, ticket) = self.fallback_for(table, Some(place), probe);
        BorrowedChoice {
            slot,
            reason: answer.reason,
            cause: Some(admitted.err().unwrap_or(FallbackCause::HeldBack)),
            variant: answer.variant,
            ticket,
            wanted: Some(place),
        }
    }

    #[cold]
    fn without_key(
        &self,
        table: &RoutingTable<M>,
        request: &Request<'_>,
        probe: bool,
    ) -> Result<Choice, MissingKeyError> {
        let (slot, ticket) = self.fallback_for(table, None, probe);
        let fallback = Choice {
            slot,
            reason: Reason::MissingKey,
            cause: Some(FallbackCause::MissingKey),
            variant: None,
            ticket,
            is_compared: false,
            wanted: None,
        };
        match self.settings.missing_key {
            MissingKey::Refuse => Err(MissingKeyError),
            MissingKey::Fallback => Ok(fallback),
            MissingKey::Random => {
                let drawn = PredictionId::generate().to_string();
                let request = Request { key_override: Some(&drawn), ..*request };
                let answer = self.settings.binding.choose(&table.route, &table.clamps, &request);
                // A dialect that cannot take the drawn key must not answer for everybody alike.
                if answer.missing_key {
                    return Ok(fallback);
                }
                let picked = self.settle(table, answer, probe);
                Ok(BorrowedChoice { reason: Reason::MissingKey, ..picked }.own(table))
            }
        }
    }

    /// The candidates to run beside `chosen`.
    #[inline]
    pub(crate) fn candidates(
        &self,
        table: &RoutingTable<M>,
        context: &dyn EvaluationContext,
        chosen: usize,
        id: PredictionId,
    ) -> Candidates {
        if table.shadows.is_empty() {
            return Candidates::new();
        }
        let request = self.request(context);
        table.candidates(&request, chosen, id)
    }

    #[inline]
    pub(crate) fn decide(&self, context: &dyn EvaluationContext) -> Result<Decision, PredictError> {
        let table = self.table.load();
        let request = self.request(context);
        // Not by way of `choose`, and with the caller's own error: what is in between is copied once
        // more.
        let Some(picked) = self.pick(&table, &request, false) else {
            let choice = self.without_key(&table, &request, false);
            let choice = choice.map_err(|MissingKeyError| PredictError::missing_key())?;
            return Ok(table.decision(choice));
        };
        Ok(Decision {
            version: table.version(picked.slot),
            reason: picked.reason,
            fallback: picked.cause,
            variant: table.text(picked.slot, picked.variant),
            revision: table.revision,
        })
    }

    pub(crate) fn explain(
        &self,
        context: &dyn EvaluationContext,
    ) -> Result<Explanation, MissingKeyError> {
        let table = self.table.load();
        let request = Request { counted: false, ..self.request(context) };
        let choice = self.choose_by(&table, &request, false)?;
        let candidates = table.candidates(&request, choice.slot, PredictionId::generate());
        let shadows = candidates
            .iter()
            .filter_map(|candidate| table.slots.get(candidate.slot))
            .map(|slot| slot.version.clone())
            .collect();
        let snapshot = self.flags.snapshot();
        let flags = self
            .settings
            .binding
            .flags()
            .zip(&table.route)
            .map(|(key, flag)| ExplainedFlag {
                key: key.to_owned(),
                found: flag.is_some(),
                source: snapshot.source_of(key).map(str::to_owned),
                trace: flag
                    .as_ref()
                    .map_or_else(EvaluationTrace::default, |flag| flag.explain(&request).1),
            })
            .collect();
        let autopilot = match table.pin {
            Some(_) => None,
            None => table.slots.get(choice.wanted.unwrap_or(choice.slot)).and_then(|slot| {
                let clamp = clamp::of(&table.clamps, slot.version.as_str())?;
                Some(ExplainedClamp::new(clamp, clamp_key(&request)))
            }),
        };
        Ok(Explanation { decision: table.decision(choice), flags, autopilot, shadows })
    }
}

impl<M: Handle> RoutingTable<M> {
    #[inline]
    fn version(&self, slot: usize) -> Version {
        self.slots.get(slot).map_or_else(|| Version::new(""), |slot| slot.version.clone())
    }

    /// The variant's name; most often that of the version in `slot`.
    #[inline]
    fn text(&self, slot: usize, variant: Option<&str>) -> Option<SmolStr> {
        let variant = variant?;
        Some(match self.slots.get(slot) {
            Some(slot) => slot.version.text(variant),
            None => SmolStr::new(variant),
        })
    }

    /// The decision that a choice comes to.
    #[inline]
    pub(crate) fn decision(&self, choice: Choice) -> Decision {
        Decision {
            version: self.version(choice.slot),
            reason: choice.reason,
            fallback: choice.cause,
            variant: choice.variant,
            revision: self.revision,
        }
    }
}
