//! The key of a source, which may become another while the source runs.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Secret, client::header_value};
use crate::source::Error;

/// The key that a source sends with its requests. A clone is the same key.
#[derive(Clone, Debug)]
pub(crate) struct Key(Arc<watch::Sender<Secret>>);

impl Key {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Key {
        Key(Arc::new(watch::Sender::new(Secret::new(text))))
    }

    /// The key to send now.
    pub(crate) fn current(&self) -> Secret {
        self.0.borrow().clone()
    }

    /// Says when the key has become another from now on.
    pub(crate) fn changes(&self) -> Changes {
        Changes(Some(self.0.subscribe()))
    }
}

/// Changes a source's key while the source runs, for keys that are replaced from time to time. What
/// is in force stays; streams are opened and polls are made anew with the new key, at once, also
/// where the old one had been [rejected](crate::flag::store::SourceState::Rejected).
///
/// The handle is taken from the source before the source is given away, and may be kept anywhere.
#[derive(Clone)]
pub struct KeyHandle {
    key: Key,
    check: fn(&str) -> Result<(), Error>,
}

impl KeyHandle {
    pub(crate) fn new(key: &Key, check: fn(&str) -> Result<(), Error>) -> KeyHandle {
        KeyHandle { key: key.clone(), check }
    }

    /// Sends this key from now on. The same key again changes nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be a key of this source; the old one stays.
    pub fn set(&self, key: impl Into<Box<str>>) -> Result<(), Error> {
        let key = key.into();
        (self.check)(&key)?;
        header_value("key", &key)?;
        self.key.0.send_if_modified(|current| {
            let is_new = *current.reveal() != *key;
            if is_new {
                *current = Secret::new(key);
            }
            is_new
        });
        Ok(())
    }
}

/// Shows no key.
impl fmt::Debug for KeyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHandle").finish_non_exhaustive()
    }
}

/// Changes of a key that its user has not seen yet.
pub(crate) struct Changes(Option<watch::Receiver<Secret>>);

impl Changes {
    /// Of a source that has no key.
    pub(crate) fn none() -> Changes {
        Changes(None)
    }

    /// Whether it has changed since this was last asked.
    pub(crate) fn take(&mut self) -> bool {
        let Some(changes) = &mut self.0 else { return false };
        let has_changed = changes.has_changed().unwrap_or(false);
        // Not otherwise: a change between the two lines would be seen by nobody.
        if has_changed {
            changes.mark_unchanged();
        }
        has_changed
    }

    /// Returns when it changes, or has changed since it was last asked.
    pub(crate) async fn wait(&mut self) {
        if let Some(changes) = &mut self.0
            && changes.changed().await.is_ok()
        {
            return;
        }
        // Nobody is left who could change it.
        self.0 = None;
        std::future::pending().await
    }

    /// Waits this long, or until the key changes: what failed with the old one may be well with
    /// the new.
    pub(crate) async fn pause(&mut self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.wait() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_sent_leaves_the_old_one_and_none_is_shown() {
        let key = Key::new("old");
        let handle = KeyHandle::new(&key, |_| Ok(()));
        let mut changes = key.changes();
        assert!(handle.set("new\n").is_err());
        handle.set("old").unwrap();
        assert!(!changes.take());
        handle.set("new").unwrap();
        assert!(changes.take() && !changes.take());
        assert_eq!(key.current().reveal(), "new");
        assert!(!format!("{handle:?} {key:?}").contains("new"));
    }
}
