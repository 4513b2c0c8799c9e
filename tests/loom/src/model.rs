//! The programs. Values carry a loom atomic written and read relaxed: a reader that was not
//! ordered after its writer would be shown zero.

use std::sync::{Arc, atomic::AtomicU64 as Count};

use loom::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::store::cell::SnapshotCell;

struct Value {
    number: AtomicU64,
    /// Not loom's: what is left in caches is freed after the model has run.
    freed: Arc<Count>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::Relaxed);
    }
}

fn value(number: u64, freed: &Arc<Count>) -> Value {
    let value = Value { number: AtomicU64::new(0), freed: Arc::clone(freed) };
    value.number.store(number, Ordering::Relaxed);
    value
}

fn read(cell: &SnapshotCell<Value>) -> u64 {
    cell.load().number.load(Ordering::Relaxed)
}

#[test]
fn readers_see_whole_values_and_never_go_back() {
    loom::model(|| {
        let freed = Arc::new(Count::new(0));
        let cell = Arc::new(SnapshotCell::new(value(1, &freed)));
        let writer = {
            let (cell, freed) = (Arc::clone(&cell), Arc::clone(&freed));
            thread::spawn(move || {
                cell.publish(Arc::new(value(2, &freed)));
                cell.publish(Arc::new(value(3, &freed)));
            })
        };
        let seen = [read(&cell), read(&cell), read(&cell)];
        assert!(seen.iter().all(|number| (1..=3).contains(number)), "{seen:?}");
        assert!(seen.is_sorted(), "{seen:?}");
        writer.join().unwrap();
        assert_eq!(read(&cell), 3, "a read after a finished publish sees it");
    });
}

#[test]
fn two_readers_of_one_publish() {
    loom::model(|| {
        let freed = Arc::new(Count::new(0));
        let cell = Arc::new(SnapshotCell::new(value(1, &freed)));
        let reader = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                let seen = [read(&cell), read(&cell)];
                assert!(seen.is_sorted(), "{seen:?}");
            })
        };
        cell.publish(Arc::new(value(2, &freed)));
        assert_eq!(read(&cell), 2);
        reader.join().unwrap();
    });
}

#[test]
fn two_writers_leave_the_value_and_the_epoch_of_one_of_them() {
    loom::model(|| {
        let freed = Arc::new(Count::new(0));
        let cell = Arc::new(SnapshotCell::new(value(1, &freed)));
        let before = read(&cell);
        let writer = {
            let (cell, freed) = (Arc::clone(&cell), Arc::clone(&freed));
            thread::spawn(move || cell.publish(Arc::new(value(2, &freed))))
        };
        cell.publish(Arc::new(value(3, &freed)));
        let between = read(&cell);
        writer.join().unwrap();
        let last = read(&cell);
        assert_eq!(before, 1);
        assert!(between == 2 || between == 3);
        assert_eq!(last, cell.load_full().number.load(Ordering::Relaxed));
        assert!(between == 3 || last == 2 || last == 3);
    });
}

#[test]
fn a_reader_that_reads_no_more_keeps_nothing() {
    loom::model(|| {
        let freed = Arc::new(Count::new(0));
        let cell = Arc::new(SnapshotCell::new(value(1, &freed)));
        let end = loom::sync::Arc::new(loom::sync::Notify::new());
        let reader = {
            let (cell, end) = (Arc::clone(&cell), loom::sync::Arc::clone(&end));
            thread::spawn(move || {
                let _ = read(&cell);
                drop(cell);
                // Idle from here on.
                end.wait();
            })
        };
        cell.publish(Arc::new(value(2, &freed)));
        end.notify();
        reader.join().unwrap();
        assert_eq!(freed.load(Ordering::Relaxed), 1, "the old one, and not the new one");
        drop(cell);
        assert_eq!(freed.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn every_value_is_freed_once_its_last_user_is_gone() {
    loom::model(|| {
        let freed = Arc::new(Count::new(0));
        let cell = Arc::new(SnapshotCell::new(value(1, &freed)));
        let reader = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                let guard = cell.load();
                drop(cell);
                let number = guard.number.load(Ordering::Relaxed);
                assert!(number == 1 || number == 2);
            })
        };
        let writer = {
            let freed = Arc::clone(&freed);
            thread::spawn(move || {
                let _ = read(&cell);
                cell.publish(Arc::new(value(2, &freed)));
                let _ = read(&cell);
            })
        };
        reader.join().unwrap();
        writer.join().unwrap();
        assert_eq!(freed.load(Ordering::Relaxed), 2);
    });
}
