//! A closure as a model.

use std::fmt;

use super::{Model, ModelError};

/// A closure as a [`Model`]; made by [`model_fn`].
#[derive(Clone, Copy)]
pub struct FnModel<T>(T);

/// Makes a model of a closure.
///
/// ```
/// use modelgate::{Model, model_fn};
///
/// let model = model_fn(|features: &[f32]| Ok(features.iter().sum::<f32>()));
/// assert_eq!(model.predict(&[1.0, 2.0])?, 3.0);
/// # Ok::<(), modelgate::ModelError>(())
/// ```
pub fn model_fn<F: ?Sized, P, T>(function: T) -> FnModel<T>
where
    T: Fn(&F) -> Result<P, ModelError> + Send + Sync,
{
    FnModel(function)
}

impl<F: ?Sized, P, T> Model<F, P> for FnModel<T>
where
    T: Fn(&F) -> Result<P, ModelError> + Send + Sync,
{
    fn predict(&self, features: &F) -> Result<P, ModelError> {
        (self.0)(features)
    }
}

impl<T> fmt::Debug for FnModel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FnModel({})", std::any::type_name::<T>())
    }
}
