//! A version as it was handed to the builder.

use std::sync::Arc;

use super::{Input, Output};
use crate::{
    model::{Admission, Model},
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
    /// Why the model may not answer, if it may not.
    pub(crate) fn check(&self, admission: &Admission<F, P>) -> Result<(), String> {
        let checked = match self {
            // Checking would load it: it is checked when it is.
            AnyModel::Compute(model) if !model.is_loaded() => return Ok(()),
            AnyModel::Compute(model) => admission.admit(&**model),
            #[cfg(feature = "async")]
            AnyModel::Waiting(model) => {
                admission.admit(&super::future::Blocking(Arc::clone(model)))
            }
        };
        checked.map_err(|error| crate::error_chain(&error))
    }
}
