//! A version as it was handed to the builder.

use std::sync::Arc;

use super::{
    Input, Output,
    contained::{CheckedWhenLoaded, ContainedModel},
};
use crate::{
    model::{Acceptance, Model},
    version::Version,
};

pub(crate) struct Registered<F: ?Sized, P> {
    pub(crate) version: Version,
    /// The model, or why there is none.
    pub(crate) model: Result<AnyModel<F, P>, String>,
}

/// A model that computes, or one that waits.
pub(crate) enum AnyModel<F: ?Sized, P> {
    Compute(Arc<dyn Model<F, P>>),
    #[cfg(feature = "async")]
    Waiting(Arc<dyn crate::AsyncModel<F, P>>),
}

impl<F: ?Sized, P> Clone for AnyModel<F, P> {
    fn clone(&self) -> AnyModel<F, P> {
        match self {
            AnyModel::Compute(model) => AnyModel::Compute(Arc::clone(model)),
            #[cfg(feature = "async")]
            AnyModel::Waiting(model) => AnyModel::Waiting(Arc::clone(model)),
        }
    }
}

impl<F: ?Sized + Input, P: Output> AnyModel<F, P> {
    pub(crate) fn compute(model: impl Model<F, P> + 'static) -> AnyModel<F, P> {
        AnyModel::Compute(Arc::new(ContainedModel::new(model)))
    }

    #[cfg(feature = "async")]
    pub(crate) fn waiting(model: impl crate::AsyncModel<F, P> + 'static) -> AnyModel<F, P> {
        AnyModel::Waiting(Arc::new(ContainedModel::new(model)))
    }

    /// The model, when it has passed its checks. Checking one that is not loaded would load it: it
    /// is checked when it is.
    pub(crate) fn proved(self, checks: Vec<Acceptance<F, P>>) -> Result<AnyModel<F, P>, String> {
        match self {
            AnyModel::Compute(model) if !checks.is_empty() && !model.is_loaded() => {
                Ok(AnyModel::Compute(Arc::new(CheckedWhenLoaded::new(model, checks))))
            }
            model => checks.iter().try_for_each(|check| model.check(check)).map(|()| model),
        }
    }

    /// Why the model may not answer, if it may not.
    pub(crate) fn check(&self, acceptance: &Acceptance<F, P>) -> Result<(), String> {
        let checked = match self {
            AnyModel::Compute(model) => acceptance.accept(&**model),
            #[cfg(feature = "async")]
            AnyModel::Waiting(model) => {
                acceptance.accept(&super::future::Blocking(Arc::clone(model)))
            }
        };
        checked.map_err(|error| crate::error_chain(&error))
    }
}
