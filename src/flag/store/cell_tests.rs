use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::cell::{FEW, SnapshotCell};

#[test]
fn a_read_after_a_publish_sees_it() {
    let cell = SnapshotCell::new(1);
    assert_eq!(*cell.load(), 1);
    for value in 2..100 {
        cell.publish(Arc::new(value));
        assert_eq!(*cell.load(), value);
        assert_eq!(*cell.load_full(), value);
    }
}

#[test]
fn a_guard_keeps_the_value_it_was_made_with() {
    let cell = SnapshotCell::new(String::from("old"));
    let guard = cell.load();
    cell.publish(Arc::new(String::from("new")));
    assert_eq!(*guard, "old");
    assert_eq!(*cell.load(), "new");
}

#[test]
fn several_cells_of_different_types_share_a_thread() {
    let numbers: Vec<_> = (0..10).map(SnapshotCell::new).collect();
    let text = SnapshotCell::new("text");
    for _ in 0..2 {
        for (number, cell) in numbers.iter().enumerate() {
            assert_eq!(*cell.load(), number);
        }
        assert_eq!(*text.load(), "text");
    }
}

#[test]
fn a_reader_that_meets_the_writer_serves_what_it_has_and_does_not_wait() {
    let cell = SnapshotCell::new(1);
    assert_eq!(*cell.load(), 1);
    cell.epoch.fetch_add(1, Ordering::Release);
    // A write lock held here would deadlock a reader that waits for it.
    let writing = cell.current.write().unwrap();
    assert_eq!(*cell.load(), 1);
    drop(writing);
    assert_eq!(*cell.load(), 1);
}

#[test]
fn the_old_value_is_freed_by_publish_when_nobody_reads_it() {
    let value = Arc::new(1);
    let weak = Arc::downgrade(&value);
    let cell = SnapshotCell::new(0);
    cell.publish(value);
    assert_eq!(*cell.load(), 1);
    cell.publish(Arc::new(2));
    assert!(weak.upgrade().is_none());
}

/// Runs `then` while a thread that has read the cell goes on, and reads no more.
fn beside_an_idle_reader(cell: &SnapshotCell<u32>, then: impl FnOnce()) {
    let (end, ended) = mpsc::channel::<()>();
    let (read, has_read) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            // The guard is gone before the other thread hears of it: a reader who holds one may
            // keep its value.
            let value = *cell.load();
            read.send(value).unwrap();
            ended.recv_timeout(Duration::from_secs(30)).unwrap();
        });
        has_read.recv().unwrap();
        then();
        end.send(()).unwrap();
    });
}

#[test]
fn an_idle_thread_keeps_no_replaced_value() {
    let value = Arc::new(1);
    let weak = Arc::downgrade(&value);
    let cell = SnapshotCell::new(0);
    cell.publish(value);
    beside_an_idle_reader(&cell, || {
        cell.publish(Arc::new(2));
        assert!(weak.upgrade().is_none());
    });
}

#[test]
fn an_idle_thread_keeps_nothing_of_a_cell_that_is_gone() {
    let value = Arc::new(1);
    let weak = Arc::downgrade(&value);
    let cell = Arc::new(SnapshotCell::new(0));
    cell.publish(value);
    let (end, ended) = mpsc::channel::<()>();
    let theirs = Arc::clone(&cell);
    let (read, has_read) = mpsc::channel();
    let idle = thread::spawn(move || {
        assert_eq!(*theirs.load(), 1);
        drop(theirs);
        read.send(()).unwrap();
        ended.recv_timeout(Duration::from_secs(30)).unwrap();
    });
    has_read.recv().unwrap();
    drop(cell);
    assert!(weak.upgrade().is_none());
    end.send(()).unwrap();
    idle.join().unwrap();
}

#[test]
fn handles_of_threads_that_have_ended_are_not_kept() {
    let cell = SnapshotCell::new(1);
    for _ in 0..FEW * 8 {
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(*cell.load(), 1));
        });
    }
    let lent = cell.lent.lock().unwrap();
    assert!(lent.handles.len() <= FEW * 2, "{}", lent.handles.len());
}

struct ReadsOnDrop(Arc<SnapshotCell<u32>>, Arc<AtomicU64>);

impl Drop for ReadsOnDrop {
    fn drop(&mut self) {
        self.1.fetch_add(u64::from(*self.0.load()), Ordering::Relaxed);
    }
}

#[test]
fn a_value_may_read_cells_while_it_is_dropped() {
    let inner = Arc::new(SnapshotCell::new(7));
    let sum = Arc::new(AtomicU64::new(0));
    let cell = SnapshotCell::new(ReadsOnDrop(Arc::clone(&inner), Arc::clone(&sum)));
    let _ = cell.load();
    inner.publish(Arc::new(8));
    cell.publish(Arc::new(ReadsOnDrop(Arc::clone(&inner), Arc::clone(&sum))));
    let _ = cell.load();
    assert_eq!(sum.load(Ordering::Relaxed), 8);
}

thread_local! {
    static LATE: std::cell::RefCell<Option<ReadsOnDrop>> = const { std::cell::RefCell::new(None) };
}

#[test]
fn a_cell_can_be_read_while_its_thread_ends() {
    let cell = Arc::new(SnapshotCell::new(5));
    let sum = Arc::new(AtomicU64::new(0));
    let late = ReadsOnDrop(Arc::clone(&cell), Arc::clone(&sum));
    thread::spawn(move || {
        // Both orders of destruction are met: one of the two is older than the cache.
        LATE.with(|slot| *slot.borrow_mut() = Some(late));
    })
    .join()
    .unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 5);
    let late = ReadsOnDrop(Arc::clone(&cell), Arc::clone(&sum));
    thread::spawn(move || {
        let _ = late.0.load();
        LATE.with(|slot| *slot.borrow_mut() = Some(late));
    })
    .join()
    .unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 10);
}

#[test]
fn readers_never_go_back_and_all_see_the_last_value() {
    const LAST: u64 = 20_000;
    let cell = SnapshotCell::new(0);
    let start = Barrier::new(4);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                start.wait();
                let mut seen = 0;
                while !done.load(Ordering::Acquire) {
                    let value = *cell.load();
                    assert!(value >= seen, "{value} after {seen}");
                    seen = value;
                }
                assert_eq!(*cell.load(), LAST);
            });
        }
        start.wait();
        for value in 1..=LAST {
            cell.publish(Arc::new(value));
        }
        done.store(true, Ordering::Release);
    });
}
