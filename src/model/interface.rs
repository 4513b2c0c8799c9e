//! The trait of models.

use super::ModelError;

/// A model version: a function from features to a prediction, callable from any thread at once.
///
/// `F` is what callers pass by reference (`[f32]`, [`Features`](crate::Features), `str`, a type of
/// yours), `P` is what comes back. The trait is object-safe, so that an ONNX graph, a heuristic and
/// a remote call sit side by side behind one router.
///
/// ```
/// use modelgate::{Model, ModelError};
///
/// struct Threshold(f32);
///
/// impl Model<[f32], bool> for Threshold {
///     fn predict(&self, features: &[f32]) -> Result<bool, ModelError> {
///         let amount = features.first().ok_or_else(|| ModelError::invalid_input(
///             "features", "0 values", "at least 1 value"))?;
///         Ok(*amount > self.0)
///     }
/// }
/// ```
pub trait Model<F: ?Sized, P>: Send + Sync {
    /// Scores one set of features.
    ///
    /// # Errors
    ///
    /// [`ModelError::invalid_input`] when the caller sent something this model cannot read, an error
    /// of the kind [`Overloaded`](crate::model::ErrorKind::Overloaded) when it has no room for the
    /// call (the model is not to blame for either: no breaker counts it); any other [`ModelError`]
    /// when the model failed. Then the router answers with the fallback version.
    fn predict(&self, features: &F) -> Result<P, ModelError>;

    /// Scores many at once: one result a row, in order. Override it where the engine is faster on
    /// a batch than in a loop; a row must come out as it would alone, and fail alone.
    fn predict_batch(&self, rows: &[&F]) -> Vec<Result<P, ModelError>> {
        rows.iter().map(|row| self.predict(row)).collect()
    }

    /// Whether the model can answer without loading first. Routers do not send requests to one
    /// that cannot.
    ///
    /// Asked on the path of every request that may reach the model, in the shadow of another as
    /// well: answer from what is at hand, without a lock that [`predict`](Self::predict) holds. A
    /// panic counts as `false`.
    fn is_loaded(&self) -> bool {
        true
    }

    /// Loads the model if it is not loaded.
    ///
    /// # Errors
    ///
    /// When loading fails; a later call tries again.
    fn load(&self) -> Result<(), ModelError> {
        Ok(())
    }
}

macro_rules! model_through {
    ($($pointer:ty),*) => {
        $(impl<F: ?Sized, P, M: Model<F, P> + ?Sized> Model<F, P> for $pointer {
            fn predict(&self, features: &F) -> Result<P, ModelError> {
                (**self).predict(features)
            }
            fn predict_batch(&self, rows: &[&F]) -> Vec<Result<P, ModelError>> {
                (**self).predict_batch(rows)
            }
            fn is_loaded(&self) -> bool {
                (**self).is_loaded()
            }
            fn load(&self) -> Result<(), ModelError> {
                (**self).load()
            }
        })*
    };
}
model_through!(Box<M>, std::sync::Arc<M>);
