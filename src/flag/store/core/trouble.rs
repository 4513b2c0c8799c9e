//! What sources say beside flags: that they are well, or are not.

use std::sync::Arc;

use super::{Core, Progress};
use crate::{
    flag::store::{listeners::StatusListener, status::Standing},
    source::{self, chain},
};

impl Core {
    pub(crate) fn confirm(&self, source: usize) {
        let writer = self.writer.lock();
        if self.is_closed() {
            return;
        }
        let mut progress = self.progress.lock();
        if progress.snapshot.set(source).is_none() {
            return;
        }
        let before = progress.standing(source);
        progress.tick = progress.tick.wrapping_add(1);
        let now = self.clock.monotonic();
        let recovered = progress.sources.get_mut(source).and_then(|delivery| {
            let failed = delivery.failures() > 0;
            delivery.fresh(now);
            failed.then(|| Arc::clone(&delivery.name))
        });
        self.note(&progress, source, before);
        drop(progress);
        drop(writer);
        self.changed.notify_all();
        if let Some(name) = recovered {
            tracing::info!(target: "modelgate::source", source = &*name, "source is well again");
        }
        self.notify_listeners();
    }

    /// Notes that something failed; `refused` when trying again soon will not mend it.
    pub(crate) fn report(&self, source: usize, error: &source::Error, refused: bool) {
        let error = chain(error);
        let writer = self.writer.lock();
        if self.is_closed() {
            return;
        }
        let mut progress = self.progress.lock();
        let before = progress.standing(source);
        progress.tick = progress.tick.wrapping_add(1);
        let delivered = progress.snapshot.set(source).is_some();
        let noted = progress.sources.get_mut(source).map(|delivery| {
            let notable = delivery.fail(error.clone(), refused);
            (notable, delivery.failures(), Arc::clone(&delivery.name))
        });
        self.note(&progress, source, before);
        drop(progress);
        drop(writer);
        self.changed.notify_all();
        self.notify_listeners();
        let Some((notable, attempts, name)) = noted else { return };
        let name = &*name;
        if refused && notable {
            tracing::error!(
                target: "modelgate::source", source = name, error, attempts,
                "source is refused: it is tried again seldom, if at all"
            );
            return;
        }
        match (notable, delivered) {
            (true, true) => tracing::warn!(
                target: "modelgate::source", source = name, error, attempts,
                "source failed: the last good flags stay in force"
            ),
            (true, false) => tracing::warn!(
                target: "modelgate::source", source = name, error, attempts,
                "source failed: it has delivered nothing yet"
            ),
            (false, _) => tracing::debug!(
                target: "modelgate::source", source = name, error, attempts,
                "source failed again"
            ),
        }
    }

    pub(super) fn refused(&self, source: usize) {
        let mut progress = self.progress.lock();
        if progress.snapshot.set(source).is_none() {
            // Nothing to remove from: no set was refused.
            return;
        }
        progress.tick = progress.tick.wrapping_add(1);
        let name = progress.sources.get_mut(source).map(|delivery| {
            delivery.refuse();
            Arc::clone(&delivery.name)
        });
        drop(progress);
        self.changed.notify_all();
        tracing::debug!(
            target: "modelgate::source",
            source = name.as_deref().unwrap_or_default(),
            "refused a set older than the one in force"
        );
    }

    /// Calls back when the state of a source becomes another.
    pub(in crate::flag::store) fn on_status_change(&self, listener: StatusListener) {
        self.status_listeners.add(listener);
    }

    /// Notes for the status listeners that a source has another state now, in the order in which states
    /// changed.
    pub(super) fn note(&self, progress: &Progress, source: usize, before: Option<Standing>) {
        if progress.standing(source) == before || self.status_listeners.is_empty() {
            return;
        }
        if let Some(status) = progress.status_of(source, self.clock.monotonic()) {
            self.status_listeners.push(status);
        }
    }

    /// Calls the status listeners with what was noted. Holds no lock while they run.
    pub(super) fn notify_listeners(&self) {
        self.status_listeners.notify(|| self.is_closed());
    }
}
