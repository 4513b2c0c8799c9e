//! What was served to whom, as far as comparisons want to know.

use crate::{
    compare::Slices,
    context::EvaluationContext,
    prediction_id::PredictionId,
    router::{
        call::Called,
        core::Choice,
        table::{Candidate, RoutingTable},
    },
    shadow::{self, ShadowLine},
    version::Version,
};

/// What was served, for the comparisons.
pub(crate) struct Served<'a, P> {
    pub(super) id: PredictionId,
    pub(super) revision: u64,
    pub(super) asker: Asker<'a>,
    pub(super) version: &'a Version,
    pub(super) called: &'a Called<P>,
}

/// Who asked, as far as comparisons want to know.
#[derive(Clone, Copy)]
pub(crate) enum Asker<'a> {
    /// The request's context is still there.
    Here(&'a dyn EvaluationContext),
    /// It is gone: the targeting key and the slices it left.
    #[cfg(feature = "async")]
    Gone(Option<&'a str>, &'a Slices),
}

impl<'a> Asker<'a> {
    pub(super) fn key(self) -> Option<&'a str> {
        match self {
            Asker::Here(context) => key(context),
            #[cfg(feature = "async")]
            Asker::Gone(key, _) => key,
        }
    }

    pub(super) fn slices<P: Send + 'static>(self, line: &ShadowLine<P>) -> Slices {
        match self {
            Asker::Here(context) => line.slices(context),
            #[cfg(feature = "async")]
            Asker::Gone(_, slices) => slices.clone(),
        }
    }
}

impl<'a, P> Served<'a, P> {
    pub(crate) fn new<M>(
        table: &'a RoutingTable<M>,
        choice: &Choice,
        called: &'a Called<P>,
        asker: Asker<'a>,
        id: PredictionId,
    ) -> Option<Served<'a, P>> {
        let version = &table.slots.get(choice.slot)?.version;
        Some(Served { id, revision: table.revision, asker, version, called })
    }

    /// Whether the candidate itself answered: as the fallback of a version that failed, say. To
    /// compare it with itself would make it agree just when the other fails.
    pub(super) fn is_by<M>(&self, table: &RoutingTable<M>, candidate: Candidate) -> bool {
        table.slots.get(candidate.slot).is_some_and(|slot| slot.version == *self.version)
    }

    pub(super) fn wanted(&self) -> shadow::ShadowRequest {
        shadow::ShadowRequest {
            prediction_id: self.id,
            revision: self.revision,
            targeting_key: self.asker.key().map(Box::from),
            primary: self.version.clone(),
        }
    }
}

/// The targeting key, if there is one.
pub(crate) fn key(context: &dyn EvaluationContext) -> Option<&str> {
    context.targeting_key().filter(|key| !key.is_empty())
}
