//! Models: the trait, closures, and what a version must prove before it may answer.

mod acceptance;
mod batched;
pub(crate) mod classification;
pub(crate) mod error;
mod finite_output;
pub(crate) mod function;
pub(crate) mod interface;
mod lazy;

#[cfg(feature = "async")]
pub use self::batched::AsyncBatched;
pub use self::{
    acceptance::{Acceptance, AcceptanceError},
    batched::{Batched, BatchedStats},
    classification::Label,
    error::ErrorKind,
    finite_output::FiniteOutput,
    function::FnModel,
    lazy::{LazyLoadError, LazyModel},
};
pub(crate) use self::{classification::Classification, error::ModelError, interface::Model};
#[cfg(feature = "async")]
pub use crate::router::future::model::{AsyncFnModel, PredictFuture, async_model_with};
