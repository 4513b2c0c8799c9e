//! How a store begins and ends.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
};

use super::super::{Flags, Snapshot, SnapshotListener};
use crate::{
    flag::FlagSet,
    source::{
        self, FlagSource, FlagUpdates, Subscription,
        testing::{Scripted, flag, scripted},
    },
};

#[test]
fn nothing_arrives_after_the_last_handle_is_dropped() {
    static STOPPED: AtomicBool = AtomicBool::new(false);

    struct Stoppable(mpsc::Sender<FlagUpdates>);
    impl FlagSource for Stoppable {
        fn name(&self) -> Cow<'static, str> {
            "stoppable".into()
        }
        fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
            self.0.send(updates).unwrap();
            Ok(Subscription::on_drop(|| STOPPED.store(true, Ordering::Release)))
        }
    }

    let (send, receive) = mpsc::channel();
    let flags = Flags::builder().source(Stoppable(send)).build().unwrap();
    let updates = receive.recv().unwrap();
    let told = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&told);
    flags.on_change(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let clone = flags.clone();
    drop(flags);
    assert!(!updates.is_closed());
    assert!(updates.replace(FlagSet::new()));
    drop(clone);
    assert!(STOPPED.load(Ordering::Acquire));
    assert!(updates.is_closed());
    assert!(!updates.replace(FlagSet::new()));
    updates.upsert(flag("a", true));
    updates.report(source::Error::new("late"));
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn the_last_handle_may_be_dropped_by_a_callback() {
    let (flags, updates) = scripted();
    let held = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&held);
    flags.on_change(move |_| drop(slot.lock().unwrap().take()));
    *held.lock().unwrap() = Some(flags);
    updates.replace(FlagSet::new());
    assert!(updates.is_closed());
}

#[test]
fn a_router_that_dies_with_its_store_while_it_is_told_stops_nothing() {
    let (flags, updates) = scripted();
    struct Leaving(Mutex<Option<Arc<Leaving>>>, Mutex<Option<Flags>>);
    impl SnapshotListener for Leaving {
        fn published(&self, snapshot: &Arc<Snapshot>) {
            if snapshot.revision() == 1 {
                // The writer's own handle is the last one now.
                self.0.lock().unwrap().take();
            }
        }
    }
    let leaving = Arc::new(Leaving(Mutex::default(), Mutex::default()));
    flags.listen(Arc::downgrade(&leaving) as Weak<dyn SnapshotListener>);
    *leaving.1.lock().unwrap() = Some(flags);
    *leaving.0.lock().unwrap() = Some(Arc::clone(&leaving));
    drop(leaving);
    updates.replace(FlagSet::new());
    assert!(updates.is_closed());
}

#[test]
fn a_source_that_cannot_start_is_named_and_the_others_are_stopped() {
    struct Broken(bool);
    impl FlagSource for Broken {
        fn name(&self) -> Cow<'static, str> {
            "broken".into()
        }
        fn subscribe(self: Box<Self>, _: FlagUpdates) -> Result<Subscription, source::Error> {
            assert!(!self.0, "a source's mistake");
            Err(source::Error::new("URL is malformed"))
        }
    }
    for (panics, cause) in [(false, "URL is malformed"), (true, "the source panicked")] {
        let (send, receive) = mpsc::channel();
        let error = Flags::builder()
            .source(Scripted("good", send))
            .source(Broken(panics))
            .build()
            .unwrap_err();
        assert_eq!(error.to_string(), "flag source `broken` could not start");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), cause);
        assert_eq!(error.source_name(), "broken");
        assert!(receive.recv().unwrap().is_closed());
    }
}
