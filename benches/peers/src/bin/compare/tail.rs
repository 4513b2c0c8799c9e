//! The slowest decisions, while flags change and while they do not.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use modelgate_peers::{
    Contender, Task, assert_alike, entries,
    support::{self, PERCENT, Rules, USERS, Updating},
};

use super::{Plan, readable};

const RULES: Rules = Rules::RuleThenSplit;

pub fn print(plan: &Plan) {
    println!(
        "## Decisions under updates, 100 flags, {}, context prebuilt, one thread deciding\n",
        RULES.name()
    );
    println!("One flag of the others is updated a thousand times a second, as far as that works:");
    println!("its text parsed, compiled, published. Each decision is timed, clock included.\n");
    println!(
        "| dialect | who | median, idle | p99.9, idle | median, updated | p99.9, updated \
         | times idle | updates a second |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for &dialect in &plan.dialects {
        let task = Task::new(dialect, RULES, 100);
        // `set` holds flags that nobody can change.
        let contenders: Vec<_> = entries(dialect)
            .iter()
            .filter(|entry| !["set", "detail"].contains(&entry.name))
            .map(|entry| (entry, (entry.build)(&task)))
            .collect();
        assert_alike(RULES, &contenders);
        // Another flag than the one asked for, so that answers stay what they are.
        let change = dialect.change(RULES, 0, PERCENT);
        let key = support::key(0);
        for (entry, contender) in &contenders {
            print!("| {} | {} ", dialect.name(), entry.title);
            if !contender.update(&key, &change) {
                let idle = median(plan, || tail(plan, &**contender));
                println!("| {} | {} | | | | none |", readable(idle[0]), readable(idle[1]));
                continue;
            }
            let updates = Arc::new(AtomicU64::new(0));
            let (mut idles, mut updateds, mut updating) = (Vec::new(), Vec::new(), Duration::ZERO);
            for _ in 0..rounds(plan) {
                idles.push(tail(plan, &**contender));
                let started = Instant::now();
                let thread = {
                    let (updates, contender) = (Arc::clone(&updates), Arc::clone(contender));
                    let (key, change) = (key.clone(), change.clone());
                    Updating::start(move |_| {
                        contender.update(&key, &change);
                        updates.fetch_add(1, Ordering::Relaxed);
                    })
                };
                updateds.push(tail(plan, &**contender));
                drop(thread);
                updating += started.elapsed();
            }
            let (idle, updated) = (middle(idles), middle(updateds));
            println!(
                "| {} | {} | {} | {} | {:.2} | {:.0} |",
                readable(idle[0]),
                readable(idle[1]),
                readable(updated[0]),
                readable(updated[1]),
                updated[1] / idle[1],
                updates.load(Ordering::Relaxed) as f64 / updating.as_secs_f64(),
            );
        }
    }
}

fn rounds(plan: &Plan) -> usize {
    if plan.quick { 1 } else { 5 }
}

fn median(plan: &Plan, tail: impl Fn() -> [f64; 2]) -> [f64; 2] {
    middle((0..rounds(plan)).map(|_| tail()).collect())
}

/// The median of each figure.
fn middle(figures: Vec<[f64; 2]>) -> [f64; 2] {
    [0, 1].map(|place| {
        let mut column: Vec<f64> = figures.iter().map(|figure| figure[place]).collect();
        column.sort_by(f64::total_cmp);
        column[column.len() / 2]
    })
}

/// The median and the 99.9th percentile of single decisions, in nanoseconds.
fn tail(plan: &Plan, contender: &dyn Contender) -> [f64; 2] {
    let time = Duration::from_millis(if plan.quick { 50 } else { 500 });
    let mut times = Vec::with_capacity(4_000_000);
    let started = Instant::now();
    let mut before = started;
    for turn in 0..times.capacity() {
        black_box(contender.decide(black_box(turn % USERS)));
        let now = Instant::now();
        times.push((now - before).as_nanos() as u64);
        if now - started > time {
            break;
        }
        before = Instant::now();
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] as f64;
    [at(0.5), at(0.999)]
}
