//! Saving last good documents beside the network thread: a disk may take its time.

use std::{borrow::Cow, sync::Arc, thread, time::Duration};

use parking_lot::{Condvar, Mutex};

use super::{LastKnownGood, chain};

/// How long the end of a source waits for what is being saved.
const PATIENCE: Duration = Duration::from_secs(2);

/// Saves documents on a thread that lives while there is something to save. Only the newest is
/// saved where several come in the meantime.
pub(super) struct Saver(Arc<SaverState>);

struct SaverState {
    source: Cow<'static, str>,
    file: LastKnownGood,
    state: Mutex<Unsaved>,
    idle: Condvar,
}

#[derive(Default)]
struct Unsaved {
    /// What is not saved yet.
    unsaved: Option<String>,
    /// A thread is saving.
    is_busy: bool,
}

impl Saver {
    pub(super) fn new(source: Cow<'static, str>, file: LastKnownGood) -> Saver {
        let (state, idle) = (Mutex::default(), Condvar::new());
        Saver(Arc::new(SaverState { source, file, state, idle }))
    }

    pub(super) fn file(&self) -> &LastKnownGood {
        &self.0.file
    }

    /// Saves this document, soon.
    pub(super) fn keep(&self, text: String) {
        self.0.state.lock().unsaved = Some(text);
        self.retry();
    }

    /// Tries again what could not be saved.
    pub(super) fn retry(&self) {
        let mut state = self.0.state.lock();
        if state.is_busy || state.unsaved.is_none() {
            return;
        }
        let shared = Arc::clone(&self.0);
        let name = "modelgate-saver".to_owned();
        match thread::Builder::new().name(name).spawn(move || shared.save()) {
            Ok(_) => state.is_busy = true,
            Err(error) => self.0.failed(&error),
        }
    }
}

impl SaverState {
    /// Saves until there is nothing more to save. A service does not suffer from a full disk before
    /// its next start: only logged.
    fn save(&self) {
        loop {
            let mut state = self.state.lock();
            let Some(text) = state.unsaved.take() else { return self.rest(state) };
            drop(state);
            let Err(error) = self.file.save(&text) else { continue };
            self.failed(&error);
            let mut state = self.state.lock();
            // What has come meanwhile is newer.
            state.unsaved.get_or_insert(text);
            return self.rest(state);
        }
    }

    fn rest(&self, mut state: parking_lot::MutexGuard<'_, Unsaved>) {
        state.is_busy = false;
        drop(state);
        self.idle.notify_all();
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(
            target: "modelgate::source",
            source = &*self.source,
            error = chain(error),
            "last good flags not saved"
        );
    }
}

/// What came last is not lost with the store.
impl Drop for Saver {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        self.0.idle.wait_while_for(&mut state, |state| state.is_busy, PATIENCE);
    }
}
