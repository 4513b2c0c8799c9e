//! A store in memory.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{Error, Expect, StateStore, Tag};

/// Documents in memory: for one process, and for tests. A clone is the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Documents>>);

#[derive(Debug, Default)]
struct Documents {
    documents: BTreeMap<String, (Vec<u8>, u64)>,
    written: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }
}

impl StateStore for MemoryStore {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Error> {
        let found = self.0.lock().documents.get(name).cloned();
        Ok(found.map(|(bytes, written)| (bytes, Tag::new(written.to_string()))))
    }

    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, Error> {
        let mut documents = self.0.lock();
        let found = documents.documents.get(name).map(|(_, written)| written.to_string());
        let fits = match &expect {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Tag(tag) => found.as_deref() == Some(tag.as_str()),
        };
        if !fits {
            return Err(Error::conflict(name));
        }
        documents.written = documents.written.saturating_add(1);
        let written = documents.written;
        documents.documents.insert(name.to_owned(), (bytes.to_vec(), written));
        Ok(Tag::new(written.to_string()))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let documents = self.0.lock();
        Ok(documents.documents.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.0.lock().documents.remove(name);
        Ok(())
    }

    fn is_shared(&self) -> bool {
        false
    }
}
