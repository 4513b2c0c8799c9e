//! The last good flags of a network source, kept in a file.

use std::borrow::Cow;

use super::{Dialect, Error, FlagUpdates, compile, saver::Saver};
use crate::{
    flag::FlagSet,
    source::{LastKnownGood, digest},
};

/// Starts a source from its file, and keeps the file up to date.
pub(crate) struct LastGood {
    source: Cow<'static, str>,
    saver: Option<Saver>,
}

impl LastGood {
    pub(crate) fn new(source: Cow<'static, str>, file: Option<LastKnownGood>) -> LastGood {
        let saver = file.map(|file| Saver::new(source.clone(), file));
        LastGood { source, saver }
    }

    /// Whether there is a file to keep.
    pub(crate) fn is_kept(&self) -> bool {
        self.saver.is_some()
    }

    /// The source's name.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Delivers what the file has, as stale; the delivered set and its document.
    ///
    /// A file that cannot be used is reported, and that is all.
    pub(crate) fn start(
        &self,
        dialect: &dyn Dialect,
        updates: &FlagUpdates,
    ) -> Option<(FlagSet, String)> {
        match self.load(dialect) {
            Ok(None) => None,
            Ok(Some((set, age, text))) => {
                let reason = "from the last-known-good file, not confirmed by the server yet";
                updates.replace_stale(set.clone(), Some(age), reason).then_some((set, text))
            }
            Err(error) => {
                updates.report(error);
                None
            }
        }
    }

    fn load(
        &self,
        dialect: &dyn Dialect,
    ) -> Result<Option<(FlagSet, std::time::Duration, String)>, Error> {
        let ignored = "last-known-good file ignored";
        let Some(saver) = &self.saver else { return Ok(None) };
        let loaded = saver.file().load().map_err(|error| Error::with_source(ignored, error))?;
        let Some(saved) = loaded else { return Ok(None) };
        let set =
            compile(dialect, saved.text()).map_err(|error| Error::with_source(ignored, error))?;
        let set = named(set, None, &digest(saved.text()));
        Ok(Some((set, saved.age(), saved.text().to_owned())))
    }

    /// Keeps this document from now on.
    pub(crate) fn keep(&self, text: impl FnOnce() -> String) {
        if let Some(saver) = &self.saver {
            saver.keep(text());
        }
    }

    /// Tries again what could not be saved.
    pub(crate) fn save(&self) {
        if let Some(saver) = &self.saver {
            saver.retry();
        }
    }
}

/// The set with a revision: its own, else the server's tag, else the digest.
pub(crate) fn named(set: FlagSet, tag: Option<&str>, digest: &str) -> FlagSet {
    match (set.revision(), tag) {
        (Some(_), _) => set,
        (None, Some(tag)) => set.with_revision(tag),
        (None, None) => {
            let short = digest.get(..12).unwrap_or(digest);
            set.with_revision(format!("sha256:{short}"))
        }
    }
}
