//! The router's handle, and what its models take and give.

use std::sync::Arc;

use super::RouterState;

/// What callers hand to a model by reference: `[f32]`, `str`, [`Features`](crate::Features), or any
/// type of yours that can be cloned. Implemented for all that fit.
///
/// A copy is made only for the requests that are shadowed.
pub trait Input: ToOwned<Owned: Send + Sync + 'static> + Send + Sync + 'static {}

impl<F> Input for F where F: ToOwned<Owned: Send + Sync + 'static> + Send + Sync + ?Sized + 'static {}

/// What a model answers: any type that can be cloned and sent. Implemented for all that fit.
///
/// A clone is made only for the requests that are shadowed.
pub trait Output: Clone + Send + Sync + 'static {}

impl<P: Clone + Send + Sync + 'static> Output for P {}

/// Routes each request to the model version that the flags choose, falls back in the same request
/// when that version fails, and runs others in its shadow.
///
/// A clone is another handle on the same router: put one into `axum::extract::State`,
/// `actix_web::web::Data` or a `static`. When the last handle goes, its threads stop and its
/// models are freed, and whoever dropped it does not wait for that: a program that ends should call
/// [`shutdown`](Self::shutdown) first.
///
/// ```
/// use modelgate::{Context, ModelRouter, Rollout, model_fn};
///
/// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
///     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
///     .model("v2", model_fn(|features: &[f32]| Ok(features.iter().product())))
///     .fallback("v1")
///     .source(Rollout::percent("v2", 25.0).or("v1").flag("ml-model-version")?)
///     .build()?;
///
/// let answer = router.predict(&Context::new("user-42"), &[1.0, 2.0, 3.0])?;
/// println!("{} by {}, because {}", answer.output(), answer.version(), answer.reason());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ModelRouter<F: ?Sized, P> {
    pub(super) inner: Arc<RouterState<F, P>>,
}
