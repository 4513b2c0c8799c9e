//! Stores, where the replicas of a fleet keep their documents.

mod error;
mod file;
mod memory;
#[cfg(feature = "object-store")]
mod object;
mod probe;

use sha2::{Digest, Sha256};

#[cfg(feature = "object-store")]
pub use self::object::ObjectStore;
pub use self::{error::Error, file::FileStore, memory::MemoryStore, probe::probe};

/// Where the replicas of a fleet keep the document they agree on, and their tallies.
///
/// It holds a handful of small named documents, and must promise one thing: when several replicas
/// replace the same version of a document, at most one succeeds. It may be slow, unreachable or full:
/// the autopilot calls it from a thread of its own and no request waits for it. While it does not
/// answer, the share stops growing, and later falls to nobody.
///
/// Names are made of `a-z`, `0-9`, `-`, `.`, and `/` between folders.
///
/// ```
/// use modelgate::autopilot::store::{Expect, MemoryStore, StateStore};
///
/// let store = MemoryStore::new();
/// let first = store.store("state.json", b"1", Expect::Absent)?;
/// store.store("state.json", b"2", Expect::Tag(first.clone()))?;
/// let late = store.store("state.json", b"3", Expect::Tag(first)).unwrap_err();
/// assert!(late.is_conflict());
/// assert_eq!(store.load("state.json")?.map(|(bytes, _)| bytes), Some(b"2".to_vec()));
/// # Ok::<(), modelgate::autopilot::store::Error>(())
/// ```
pub trait StateStore: Send + Sync + 'static {
    /// A document and its tag; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Error>;

    /// Replaces or creates a document as a whole, provided that it is as `expect` says. A reader sees the
    /// old document or the new one, never a part of either.
    ///
    /// # Errors
    ///
    /// [`Error::is_conflict`] when the document is not as expected: nothing was changed then.
    /// With any other error it may or may not have been.
    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, Error>;

    /// The names of the documents that begin with `prefix`, in any order.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn list(&self, prefix: &str) -> Result<Vec<String>, Error>;

    /// Removes a document, if it is there.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn remove(&self, name: &str) -> Result<(), Error>;

    /// Whether anybody but this process reads what is written: other replicas, or this one after a
    /// restart. Then the hash of a user's key must be the same in all of them, and a router without a
    /// [key hasher](crate::Shadow::key_hasher) of its own is refused. Default: yes.
    fn is_shared(&self) -> bool {
        true
    }
}

impl<S: StateStore + ?Sized> StateStore for std::sync::Arc<S> {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Error> {
        (**self).load(name)
    }
    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, Error> {
        (**self).store(name, bytes, expect)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        (**self).list(prefix)
    }
    fn remove(&self, name: &str) -> Result<(), Error> {
        (**self).remove(name)
    }
    fn is_shared(&self) -> bool {
        (**self).is_shared()
    }
}

/// A version of a document, in the store's own terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(String);

impl Tag {
    /// A tag of the store's own, such as an entity tag or a revision.
    pub fn new(tag: impl Into<String>) -> Tag {
        Tag(tag.into())
    }

    /// The SHA-256 of a document, for stores without versions.
    pub fn of(bytes: &[u8]) -> Tag {
        Tag(super::hex(&Sha256::digest(bytes)))
    }

    /// The tag, as the store gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What must be there for a document to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No document of this name.
    Absent,
    /// This version of it.
    Tag(Tag),
    /// Any version, or no document.
    Any,
}

/// Whether a name is one that every store can take.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)
                })
        })
}
