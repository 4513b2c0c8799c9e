//! The last good flags of a network source, kept in a file.

use std::borrow::Cow;

use super::{Dialect, FlagUpdates, SourceError, chain, compile};
use crate::{
    flag::FlagSet,
    source::{LastKnownGood, digest},
};

/// Starts a source from its file, and keeps the file up to date.
pub(crate) struct LastGood {
    source: Cow<'static, str>,
    file: Option<LastKnownGood>,
    /// A good document that could not be saved yet.
    unsaved: Option<String>,
}

impl LastGood {
    pub(crate) fn new(source: Cow<'static, str>, file: Option<LastKnownGood>) -> LastGood {
        LastGood { source, file, unsaved: None }
    }

    /// Whether there is a file to keep.
    pub(crate) fn is_kept(&self) -> bool {
        self.file.is_some()
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
        sink: &FlagUpdates,
    ) -> Option<(FlagSet, String)> {
        match self.load(dialect) {
            Ok(None) => None,
            Ok(Some((set, age, text))) => {
                let reason = "from the last-known-good file, not confirmed by the server yet";
                sink.replace_stale(set.clone(), Some(age), reason).then_some((set, text))
            }
            Err(error) => {
                sink.report(error);
                None
            }
        }
    }

    fn load(
        &self,
        dialect: &dyn Dialect,
    ) -> Result<Option<(FlagSet, std::time::Duration, String)>, SourceError> {
        let ignored = "last-known-good file ignored";
        let Some(file) = &self.file else { return Ok(None) };
        let loaded = file.load().map_err(|error| SourceError::with_source(ignored, error))?;
        let Some(saved) = loaded else { return Ok(None) };
        let set = compile(dialect, saved.text())
            .map_err(|error| SourceError::with_source(ignored, error))?;
        let set = named(set, None, &digest(saved.text()));
        Ok(Some((set, saved.age(), saved.text().to_owned())))
    }

    /// Keeps this document from now on.
    pub(crate) fn keep(&mut self, text: impl FnOnce() -> String) {
        if self.file.is_some() {
            self.unsaved = Some(text());
        }
        self.save();
    }

    /// Tries again what could not be saved. A service does not suffer from a full disk before its
    /// next start: only logged.
    pub(crate) fn save(&mut self) {
        let (Some(file), Some(text)) = (&self.file, &self.unsaved) else { return };
        match file.save(text) {
            Ok(()) => self.unsaved = None,
            Err(error) => tracing::warn!(
                target: "modelgate::source",
                source = &*self.source,
                error = chain(&error),
                "last good flags not saved"
            ),
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
