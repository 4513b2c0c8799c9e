//! The folders to watch so that no change of one file is missed.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use parking_lot::Mutex;

use super::Signal;

/// Wakes a signal when the file may have changed.
///
/// Folders are watched, not the file: a rename puts another file in its place, and a notice that
/// hangs on the old one would never come again.
pub(super) struct Watch {
    path: PathBuf,
    /// `None` where the platform gives no notices (its limit of watches is reached, say): the
    /// poll still sees every change.
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
    /// Whether it was said that a folder is not watched.
    said: bool,
    names: Arc<Mutex<Names>>,
}

/// Whose notices count.
#[derive(Default)]
struct Names {
    /// The file, and what it is called where the links lead.
    files: Vec<Box<OsStr>>,
    /// The file's folder does not exist: anything that happens above it counts.
    any: bool,
}

impl Watch {
    pub(super) fn start(path: &Path, notices: bool, signal: Arc<Signal>) -> Watch {
        let names = Arc::new(Mutex::new(Names::default()));
        let heard = Arc::clone(&names);
        let notice = move |event: notify::Result<Event>| {
            // An error may stand for lost notices: look.
            if event.map_or(true, |event| heard.lock().concerns(&event)) {
                signal.wake();
            }
        };
        let watcher = notices
            .then(|| notify::recommended_watcher(notice))
            .transpose()
            .inspect_err(|error| {
                let error = error.to_string();
                tracing::warn!(
                    target: "modelgate::source",
                    error,
                    "no notices of file changes: only polling"
                );
            })
            .ok()
            .flatten();
        let mut watch =
            Watch { path: path.to_owned(), watcher, watched: Vec::new(), said: false, names };
        watch.follow();
        watch
    }

    /// Watches what is to be watched now: folders come and go, links lead elsewhere.
    pub(super) fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let target = std::fs::canonicalize(&self.path).ok();
        let parent = self.path.parent().unwrap_or(&self.path);
        let existing = parent.ancestors().find(|folder| folder.is_dir()).unwrap_or(parent);
        {
            let files = [Some(&self.path), target.as_ref()];
            let mut names = self.names.lock();
            names.files = files
                .into_iter()
                .flatten()
                .filter_map(|path| path.file_name())
                .map(Into::into)
                .collect();
            names.any = existing != parent;
        }
        let mut wanted = vec![existing.to_owned()];
        if let Some(folder) = target.as_deref().and_then(Path::parent)
            && std::fs::canonicalize(existing).ok().as_deref() != Some(folder)
        {
            wanted.push(folder.to_owned());
        }
        for gone in self.watched.iter().filter(|folder| !wanted.contains(folder)) {
            let _ = watcher.unwatch(gone);
        }
        // Also those that are watched already: a folder that was deleted and made again has the
        // same path and needs another watch.
        self.watched.clear();
        for folder in wanted {
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => self.watched.push(folder),
                // Gone again, or the platform has no more watches to give.
                Err(error) if !self.said => {
                    self.said = true;
                    let (folder, error) = (folder.display(), error.to_string());
                    tracing::warn!(
                        target: "modelgate::source",
                        %folder, error, "a folder is not watched: changes wait for the next poll"
                    );
                }
                Err(_) => {}
            }
        }
    }
}

impl Names {
    fn concerns(&self, event: &Event) -> bool {
        match event.kind {
            // Our own reading is no news.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => return false,
            _ => {}
        }
        self.any
            || event.need_rescan()
            || event.paths.is_empty()
            || event.paths.iter().filter_map(|path| path.file_name()).any(|name| {
                // Kubernetes swaps a link called `..data`.
                name.as_encoded_bytes().starts_with(b"..")
                    || self.files.iter().any(|file| **file == *name)
            })
            // The folder itself was removed or renamed.
            || matches!(event.kind, EventKind::Remove(_) if event.paths.len() == 1)
    }
}
