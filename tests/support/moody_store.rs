//! A store of a rollout's state that is well, gone, full, slow or broken, as it is told.
#![allow(dead_code)]

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

use modelgate::autopilot::store::{self, Expect, MemoryStore, StateStore, Tag};
use parking_lot::{Condvar, Mutex};

/// How a store is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Mood {
    Well,
    Gone,
    Full,
    /// A second a call.
    Slow,
    Panics,
    Hangs,
}

#[derive(Clone, Default)]
pub struct Moody {
    store: MemoryStore,
    mood: Arc<AtomicU8>,
    /// The threads that have called it.
    pub callers: Arc<Mutex<HashSet<ThreadId>>>,
    over: Arc<(Mutex<bool>, Condvar)>,
}

impl Moody {
    pub fn is(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::Relaxed);
    }

    pub fn answer(&self, writes: bool) -> Result<(), store::Error> {
        self.callers.lock().insert(std::thread::current().id());
        let mood = self.mood.load(Ordering::Relaxed);
        match mood {
            mood if mood == Mood::Gone as u8 => Err(store::Error::new("gone", "no route to it")),
            mood if mood == Mood::Full as u8 && writes => {
                Err(store::Error::new("cannot be written", std::io::Error::other("disk full")))
            }
            mood if mood == Mood::Slow as u8 => {
                let (over, changed) = &*self.over;
                let mut over = over.lock();
                if !*over {
                    changed.wait_for(&mut over, Duration::from_secs(1));
                }
                Ok(())
            }
            mood if mood == Mood::Panics as u8 => panic!("a store that panics"),
            mood if mood == Mood::Hangs as u8 => {
                let (over, changed) = &*self.over;
                let mut over = over.lock();
                while !*over {
                    changed.wait(&mut over);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whoever hangs is let go when this is dropped.
pub struct LetsGo(pub Moody);

impl Drop for LetsGo {
    fn drop(&mut self) {
        *self.0.over.0.lock() = true;
        self.0.over.1.notify_all();
    }
}

impl StateStore for Moody {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, store::Error> {
        self.answer(false)?;
        self.store.load(name)
    }
    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, store::Error> {
        self.answer(true)?;
        self.store.store(name, bytes, expect)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, store::Error> {
        self.answer(false)?;
        self.store.list(prefix)
    }
    fn remove(&self, name: &str) -> Result<(), store::Error> {
        self.answer(true)?;
        self.store.remove(name)
    }
}
