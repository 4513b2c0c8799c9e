//! Callbacks for when the state of a source becomes another.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use super::SourceStatus;
use crate::contain::contained;

pub(super) type StatusListener = Arc<dyn Fn(&SourceStatus) + Send + Sync>;

/// How many changes may wait for a slow listener; beyond that the oldest are dropped.
const MOST_PENDING: usize = 1024;

#[derive(Default)]
pub(super) struct StatusListeners(Mutex<ListenersState>);

#[derive(Default)]
struct ListenersState {
    list: Vec<StatusListener>,
    pending: VecDeque<SourceStatus>,
    /// One thread notifies at a time, so that changes arrive in order.
    notifying: bool,
}

impl StatusListeners {
    pub(super) fn add(&self, listener: StatusListener) {
        self.0.lock().list.push(listener);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().list.is_empty()
    }

    pub(super) fn clear(&self) {
        let list = std::mem::take(&mut self.0.lock().list);
        drop(list);
    }

    pub(super) fn push(&self, status: SourceStatus) {
        let mut inner = self.0.lock();
        if inner.pending.len() >= MOST_PENDING {
            inner.pending.pop_front();
        }
        inner.pending.push_back(status);
    }

    /// Calls the listeners with what is pending, until there is nothing more or the store is closed.
    pub(super) fn notify(&self, is_closed: impl Fn() -> bool) {
        loop {
            let (status, list) = {
                let mut inner = self.0.lock();
                if inner.notifying {
                    // Whoever is at it finds the rest.
                    return;
                }
                let Some(status) = inner.pending.pop_front() else { return };
                inner.notifying = true;
                (status, inner.list.clone())
            };
            for listener in list {
                if is_closed() {
                    break;
                }
                if contained(|| listener(&status)).is_none() {
                    tracing::error!(
                        target: "modelgate::source",
                        source = &*status.name,
                        "a callback for a changed status panicked"
                    );
                }
            }
            self.0.lock().notifying = false;
        }
    }
}
