//! Saving last good documents beside the network thread: a disk may take its time.

use std::{borrow::Cow, sync::Arc, thread, time::Duration};

use parking_lot::{Condvar, Mutex};

use super::{LastKnownGood, chain};
use crate::source::last_known_good::LastKnownGoodError;

/// How long the end of a source waits for what is being saved.
const PATIENCE: Duration = Duration::from_secs(2);

/// Saves documents on a thread that lives while there is something to save. Only the newest is
/// saved where several come in the meantime.
pub(super) struct Saver(Arc<SaverState>);

struct SaverState {
    source: Cow<'static, str>,
    file: LastKnownGood,
    write: Write,
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

/// How a document gets into its file.
type Write = fn(&LastKnownGood, &str) -> Result<(), LastKnownGoodError>;

impl Saver {
    pub(super) fn new(source: Cow<'static, str>, file: LastKnownGood) -> Saver {
        Saver::with(source, file, LastKnownGood::save)
    }

    fn with(source: Cow<'static, str>, file: LastKnownGood, write: Write) -> Saver {
        let (state, idle) = (Mutex::default(), Condvar::new());
        Saver(Arc::new(SaverState { source, file, write, state, idle }))
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
            let Err(error) = (self.write)(&self.file, &text) else { continue };
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Held by the test for as long as the disk is to hang.
    static HANGS: Mutex<()> = Mutex::new(());

    fn saved(file: &LastKnownGood, text: &str) -> bool {
        let until = Instant::now() + Duration::from_secs(120);
        while Instant::now() < until {
            if file.load().unwrap().is_some_and(|saved| saved.text() == text) {
                return true;
            }
            thread::yield_now();
        }
        false
    }

    #[test]
    fn a_disk_that_hangs_holds_up_neither_its_source_nor_another() {
        let folder = tempfile::tempdir().unwrap();
        let [slow, fast] = ["slow", "fast"].map(|name| LastKnownGood::at(folder.path().join(name)));
        let hanging = HANGS.lock();
        let hung = Saver::with("slow".into(), slow.clone(), |file, text| {
            drop(HANGS.lock());
            file.save(text)
        });
        // All of it on this thread, as on the network's: none of it waits.
        hung.keep("first".to_owned());
        hung.keep("second".to_owned());
        hung.keep("third".to_owned());
        hung.retry();
        let other = Saver::new("fast".into(), fast.clone());
        other.keep("other".to_owned());
        assert!(saved(&fast, "other"));
        assert!(slow.load().unwrap().is_none(), "it still hangs");
        drop(hanging);
        assert!(saved(&slow, "third"), "the newest is saved in the end");
    }
}
