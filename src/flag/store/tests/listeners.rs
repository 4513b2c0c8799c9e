//! Who is called when flags change, and in which order.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use super::super::{Flags, Snapshot, SnapshotListener};
use crate::{
    context::Context,
    flag::FlagSet,
    source::{
        self,
        testing::{flag, scripted},
    },
};

#[test]
fn a_callback_that_panics_stops_neither_the_others_nor_the_source() {
    let (flags, updates) = scripted();
    let (send, told) = mpsc::channel();
    flags.on_change(|_| panic!("a user's mistake"));
    flags.on_change(move |snapshot| send.send(snapshot.revision()).unwrap());
    updates.replace(FlagSet::new());
    updates.replace(FlagSet::new());
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [1, 2]);
    assert!(flags.status().sources[0].is_ready());
}

#[test]
fn a_callback_may_use_the_store_and_its_sources() {
    let (flags, updates) = scripted();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (inner, inner_updates) = (Arc::clone(&seen), updates.clone());
    flags.on_change(move |snapshot| {
        inner.lock().unwrap().push(snapshot.revision());
        if snapshot.revision() == 1 {
            inner_updates.upsert(flag("again", true));
            inner_updates.report(source::Error::new("noted"));
        }
    });
    updates.replace(FlagSet::new());
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
    assert!(flags.boolean("again", &Context::new("user"), false));
}

struct Listening {
    seen: Mutex<Vec<u64>>,
    /// A router holds its store.
    flags: Mutex<Option<Flags>>,
}

impl SnapshotListener for Listening {
    fn published(&self, snapshot: &Arc<Snapshot>) {
        self.seen.lock().unwrap().push(snapshot.revision());
    }
}

#[test]
fn a_listener_hears_of_the_present_and_of_every_later_snapshot_before_anybody_else() {
    let (flags, updates) = scripted();
    updates.replace(FlagSet::new());
    let listener =
        Arc::new(Listening { seen: Mutex::default(), flags: Mutex::new(Some(flags.clone())) });
    flags.listen(Arc::downgrade(&listener) as Weak<dyn SnapshotListener>);
    let announced = Arc::clone(&listener);
    flags.on_change(move |snapshot| {
        assert_eq!(announced.seen.lock().unwrap().last(), Some(&snapshot.revision()));
    });
    updates.replace(FlagSet::new());
    updates.upsert(flag("a", true));
    assert_eq!(*listener.seen.lock().unwrap(), [1, 2, 3]);
    *listener.flags.lock().unwrap() = None;
}

#[test]
fn several_writers_are_heard_in_order_and_readers_never_go_back() {
    let (flags, updates) = scripted();
    let listener = Arc::new(Listening { seen: Mutex::default(), flags: Mutex::default() });
    flags.listen(Arc::downgrade(&listener) as Weak<dyn SnapshotListener>);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let revision = flags.load().revision();
                    assert!(revision >= last);
                    last = revision;
                }
                assert_eq!(flags.load().revision(), 400);
            });
        }
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let updates = updates.clone();
                scope.spawn(move || {
                    for n in 0..200 {
                        updates.upsert(flag(&format!("{writer}-{n}"), n));
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(*listener.seen.lock().unwrap(), (0..=400).collect::<Vec<_>>());
    assert_eq!(flags.status().sources[0].flags, 400);
}
