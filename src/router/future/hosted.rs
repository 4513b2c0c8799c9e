//! A version as the async router keeps it: its model, and the threads that it may hold.

use std::{io, sync::Arc, time::Duration};

use super::{
    lane::Lane,
    runtime::{DetachedModel, Runtime},
};
use crate::{
    model::{Model, ModelError},
    router::{Input, Output, registered::AnyModel, shadowing::Shadowable, slot::Handle},
};

/// How large the lane of each version is, and what is around those that have none.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    pub(super) threads: usize,
    pub(super) queue: usize,
    pub(super) runtime: Runtime,
}

pub(crate) struct Hosted<F: ?Sized, P> {
    pub(super) model: AnyModel<F, P>,
    /// Of a model that computes.
    pub(super) lane: Option<Arc<Lane>>,
    /// Of a model that waits.
    runtime: Runtime,
}

impl<F: ?Sized, P> Hosted<F, P> {
    pub(super) fn new(model: AnyModel<F, P>, lanes: &Lanes) -> Hosted<F, P> {
        let lane = match model {
            AnyModel::Compute(_) => Some(Arc::new(Lane::new(lanes.threads, lanes.queue))),
            AnyModel::Waiting(_) => None,
        };
        Hosted { model, lane, runtime: lanes.runtime.clone() }
    }

    /// Starts all threads, which otherwise come with the requests.
    pub(super) fn filled(self) -> io::Result<Hosted<F, P>> {
        self.lane.as_ref().map_or(Ok(()), |lane| lane.fill())?;
        Ok(self)
    }
}

impl<F: ?Sized, P> Clone for Hosted<F, P> {
    fn clone(&self) -> Hosted<F, P> {
        Hosted { model: self.model.clone(), lane: self.lane.clone(), runtime: self.runtime.clone() }
    }
}

impl<F: Input + ?Sized, P: Output> Handle for Hosted<F, P> {
    fn can_answer(&self) -> bool {
        match &self.model {
            AnyModel::Compute(model) => model.is_loaded(),
            AnyModel::Waiting(model) => model.is_loaded(),
        }
    }

    fn load(&self) -> Result<(), ModelError> {
        match &self.model {
            AnyModel::Compute(model) => Model::load(&**model),
            AnyModel::Waiting(model) => self.runtime.wait_for(model.load())?,
        }
    }

    fn blocked(&self, blocked: bool) {
        if let Some(lane) = &self.lane {
            lane.release(blocked);
        }
    }

    fn retired(&self) {
        if let Some(lane) = &self.lane {
            lane.retire();
        }
    }
}

impl<F: Input + ?Sized, P: Output> Shadowable<F, P> for Hosted<F, P> {
    fn shadow(&self, limit: Option<Duration>) -> Arc<dyn Model<F, P>> {
        match &self.model {
            AnyModel::Compute(model) => Arc::clone(model),
            AnyModel::Waiting(model) => {
                let (model, runtime) = (Arc::clone(model), self.runtime.clone());
                Arc::new(DetachedModel { model, runtime, limit })
            }
        }
    }
}
