//! The share of an autopilot on its way to the requests, while flags are published as well: whatever
//! meets whatever, nobody is let through once it is over, and nothing that was taken away comes back.

use std::sync::Arc;

use loom::{
    model::Builder,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{router::publication, store::cell::SnapshotCell};

/// What a routing table is made of, as far as this goes.
#[derive(Clone, Copy)]
struct Control {
    below: u64,
    flags: u64,
}

/// Loom's atomics, read relaxed: a request that was not ordered after the publication would be
/// shown zero of the one and something of the other.
struct Table {
    below: AtomicU64,
    flags: AtomicU64,
}

struct Router {
    control: Mutex<Control>,
    table: SnapshotCell<Table>,
}

fn table(control: &Control) -> Table {
    let table = Table { below: AtomicU64::new(0), flags: AtomicU64::new(0) };
    table.below.store(control.below, Ordering::Relaxed);
    table.flags.store(control.flags, Ordering::Relaxed);
    table
}

impl Router {
    fn new() -> Arc<Router> {
        let control = Control { below: 25, flags: 1 };
        let table = SnapshotCell::new(table(&control));
        Arc::new(Router { control: Mutex::new(control), table })
    }

    fn clamp(&self, below: u64) {
        let change = |control: &mut Control| control.below = below;
        drop(publication::change(&self.control, &self.table, change, table));
    }

    fn publish_flags(&self, flags: u64) {
        let change = |control: &mut Control| control.flags = flags;
        drop(publication::change(&self.control, &self.table, change, table));
    }

    /// What one request goes by: the share and the flags of one table.
    fn request(&self) -> (u64, u64) {
        let table = self.table.load();
        (table.below.load(Ordering::Relaxed), table.flags.load(Ordering::Relaxed))
    }
}

/// Bounded, or the schedules are too many: two preemptions find what there is to find here.
fn model(program: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(program);
}

#[test]
fn an_abort_and_new_flags_lose_neither_and_no_request_after_the_abort_is_let_through() {
    model(|| {
        let router = Router::new();
        // This thread has a table in its cache.
        assert_eq!(router.request(), (25, 1));
        let vendor = {
            let router = Arc::clone(&router);
            thread::spawn(move || router.publish_flags(2))
        };
        router.clamp(0);
        let (below, flags) = router.request();
        assert_eq!(below, 0, "with flags {flags}: it has returned");
        vendor.join().unwrap();
        assert_eq!(router.request(), (0, 2), "the flags are another's, and bring nothing back");
    });
}

#[test]
fn a_request_elsewhere_sees_shares_in_the_order_in_which_they_were_given() {
    model(|| {
        let router = Router::new();
        let requests = {
            let router = Arc::clone(&router);
            thread::spawn(move || [router.request(), router.request(), router.request()])
        };
        router.clamp(50);
        router.publish_flags(2);
        router.clamp(0);
        let seen = requests.join().unwrap();
        let order = |(below, flags): &(u64, u64)| match (below, flags) {
            (25, 1) => 0,
            (50, 1) => 1,
            (50, 2) => 2,
            (0, 2) => 3,
            other => panic!("no table was ever so: {other:?}"),
        };
        assert!(seen.iter().map(order).is_sorted(), "{seen:?}");
        assert_eq!(router.request(), (0, 2));
    });
}

#[test]
fn a_rollback_and_a_raise_that_meet_leave_one_of_them_and_a_whole_table() {
    model(|| {
        let router = Router::new();
        let raise = {
            let router = Arc::clone(&router);
            thread::spawn(move || router.clamp(50))
        };
        router.publish_flags(2);
        let (below, flags) = router.request();
        assert!(flags == 2 && (below == 25 || below == 50));
        raise.join().unwrap();
        assert_eq!(router.request(), (50, 2));
    });
}
