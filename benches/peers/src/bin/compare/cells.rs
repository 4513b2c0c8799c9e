//! The same flag read through our store and through two usual cells.

use std::{
    hint::black_box,
    sync::{Arc, RwLock},
};

use arc_swap::ArcSwap;
use modelgate::{Context, FlagSet, clock::SystemClock};
use modelgate_peers::{
    Work,
    support::{self, Fed, Rules, USERS, Updating, User},
    users,
};

use super::Plan;

/// How many reads are one piece of work: starting threads must not be what is measured.
const READS: u64 = 20_000;

pub fn print(plan: &Plan) {
    println!("## One flag of 100 (one rule, then split) by how its set is shared\n");
    println!("| threads | updates a second | cell | ns a read and thread |");
    println!("|---|---|---|---|");
    let rules = Rules::RuleThenSplit;
    let fed = Fed::new(support::switches(rules, 100));
    let key = support::key(50);
    let contexts: Vec<Context<'_>> = users().iter().map(User::context).collect();
    let clock = SystemClock::new();
    let sets: [Arc<FlagSet>; 2] = [(); 2].map(|()| Arc::new(support::switches(rules, 100)));
    let swapped = Arc::new(ArcSwap::new(Arc::clone(&sets[0])));
    let locked = Arc::new(RwLock::new(Arc::clone(&sets[0])));
    let by_store = |user: usize| fed.flags.boolean(&key, &contexts[user], false);
    let by_swap = |user: usize| {
        swapped.load().evaluate_at(&key, &contexts[user], &clock).boolean(false).value
    };
    let by_lock = |user: usize| {
        let set = Arc::clone(&locked.read().unwrap());
        set.evaluate_at(&key, &contexts[user], &clock).boolean(false).value
    };
    for user in 0..USERS {
        assert_eq!(by_store(user), by_swap(user));
        assert_eq!(by_store(user), by_lock(user));
    }
    for (threads, updated) in [(1, false), (2, false), (2, true)] {
        let updating = updated.then(|| {
            let (swap, lock, sets) = (Arc::clone(&swapped), Arc::clone(&locked), sets.clone());
            let others = Updating::start(move |turn| {
                swap.store(Arc::clone(&sets[turn % 2]));
                *lock.write().unwrap() = Arc::clone(&sets[turn % 2]);
            });
            (fed.updating(support::switching(rules)), others)
        });
        let mut work = [
            reading("modelgate `Flags`", threads, &by_store),
            reading("arc-swap", threads, &by_swap),
            reading("`RwLock<Arc<_>>`", threads, &by_lock),
        ];
        let measured = plan.measure(15, 40, &mut work);
        drop(updating);
        for one in measured {
            let updates = if updated { "1,000" } else { "none" };
            let each = one.nanoseconds / READS as f64;
            println!("| {threads} | {updates} | {} | {each:.1} |", one.name);
        }
    }
}

/// Reads done by this many threads at once.
fn reading<'a>(
    name: &'static str,
    threads: usize,
    read: &'a (dyn Fn(usize) -> bool + Sync),
) -> Work<'a> {
    let all = move |count: u64| {
        for turn in 0..count as usize {
            black_box(read(turn % USERS));
        }
    };
    let run = move |count| {
        support::together(threads, count * READS, all);
    };
    Work { name, run: Box::new(run) }
}
