//! A model in a router's keeping.

use crate::{
    contain::contained,
    model::{Acceptance, Model, ModelError},
};

/// A model whose panics outside of a call end here: in its `Drop`, and when it is asked whether it is
/// loaded.
///
/// The last to let go of a retired model is often a request that looks up the next table, or a
/// thread at its end, where a panic would abort the process. And requests ask each version that
/// they may reach, candidates of shadows among them, whether it is loaded, before any is called.
pub(crate) struct ContainedModel<M>(Option<M>);

impl<M> ContainedModel<M> {
    pub(crate) fn new(model: M) -> ContainedModel<M> {
        ContainedModel(Some(model))
    }
}

impl<M> Drop for ContainedModel<M> {
    fn drop(&mut self) {
        let model = self.0.take();
        if contained(|| drop(model)).is_none() {
            tracing::warn!(target: "modelgate::model", "a model panicked when it was dropped");
        }
    }
}

impl<F: ?Sized, P, M: Model<F, P>> Model<F, P> for ContainedModel<M> {
    #[inline]
    fn predict(&self, features: &F) -> Result<P, ModelError> {
        match &self.0 {
            Some(model) => model.predict(features),
            None => Err(ModelError::not_loaded()),
        }
    }

    fn predict_batch(&self, rows: &[&F]) -> Vec<Result<P, ModelError>> {
        match &self.0 {
            Some(model) => model.predict_batch(rows),
            None => rows.iter().map(|_| Err(ModelError::not_loaded())).collect(),
        }
    }

    fn is_loaded(&self) -> bool {
        // One that cannot say so is not.
        self.0.as_ref().is_some_and(|model| contained(|| model.is_loaded()).unwrap_or(false))
    }

    fn load(&self) -> Result<(), ModelError> {
        self.0.as_ref().map_or_else(|| Err(ModelError::not_loaded()), Model::load)
    }
}

#[cfg(feature = "async")]
impl<F: ?Sized, P, M: crate::AsyncModel<F, P>> crate::AsyncModel<F, P> for ContainedModel<M> {
    fn predict<'a>(&'a self, features: &'a F) -> crate::model::PredictFuture<'a, P> {
        match &self.0 {
            Some(model) => model.predict(features),
            None => Box::pin(async { Err(ModelError::not_loaded()) }),
        }
    }

    fn is_loaded(&self) -> bool {
        self.0.as_ref().is_some_and(|model| contained(|| model.is_loaded()).unwrap_or(false))
    }

    fn load(&self) -> crate::model::PredictFuture<'_, ()> {
        match &self.0 {
            Some(model) => model.load(),
            None => Box::pin(async { Err(ModelError::not_loaded()) }),
        }
    }
}

/// A model that is loaded later, and proves itself then: until it has, it counts as not loaded.
pub(crate) struct CheckedWhenLoaded<F: ?Sized, P, M> {
    model: M,
    checks: Vec<Acceptance<F, P>>,
    proved: once_cell::sync::OnceCell<()>,
}

impl<F: ?Sized, P, M> CheckedWhenLoaded<F, P, M> {
    pub(crate) fn new(model: M, checks: Vec<Acceptance<F, P>>) -> CheckedWhenLoaded<F, P, M> {
        CheckedWhenLoaded { model, checks, proved: once_cell::sync::OnceCell::new() }
    }
}

impl<F, P, M> Model<F, P> for CheckedWhenLoaded<F, P, M>
where
    F: ?Sized + Send + Sync,
    P: Send + Sync,
    M: Model<F, P>,
{
    #[inline]
    fn predict(&self, features: &F) -> Result<P, ModelError> {
        self.model.predict(features)
    }

    fn predict_batch(&self, rows: &[&F]) -> Vec<Result<P, ModelError>> {
        self.model.predict_batch(rows)
    }

    fn is_loaded(&self) -> bool {
        self.proved.get().is_some() && self.model.is_loaded()
    }

    fn load(&self) -> Result<(), ModelError> {
        self.proved.get_or_try_init(|| {
            self.model.load()?;
            self.checks
                .iter()
                .try_for_each(|acceptance| acceptance.accept(&self.model))
                .map_err(ModelError::new)
        })?;
        Ok(())
    }
}
