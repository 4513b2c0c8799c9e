//! modelgate beside the official Rust evaluator of flagd, measured in one run and in turns.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml` prints Markdown tables; figures
//! are medians. `-- --quick` makes shorter turns of it.

use std::{
    env,
    hint::black_box,
    sync::{Arc, RwLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use flagd_evaluation_engine::{FlagParser, Operator};
use modelgate::{Clock, FlagSet, SystemClock, dialect::flagd::Flagd};
use modelgate_peers::{
    Contender, Counting, Measured, measure, peer_context, router,
    support::{self, Fed, Rules, USERS, Updating, User},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

fn main() {
    let quick = env::args().any(|argument| argument == "--quick");
    let (rounds, turn) = if quick { (3, 2) } else { (15, 40) };
    let run = |contenders: &mut [Contender<'_>]| {
        measure(contenders, rounds, Duration::from_millis(turn), || ALLOCATOR.calls())
    };
    decide(&run);
    ingest(&run);
    read(&run);
}

type Run<'r> = &'r dyn Fn(&mut [Contender<'_>]) -> Vec<Measured>;

fn decide(run: Run<'_>) {
    println!("## One decision, context prebuilt\n");
    println!("| rules | flags | who | ns | fastest | allocations | times ours |");
    println!("|---|---|---|---|---|---|---|");
    let users = support::users();
    let ours: Vec<_> = users.iter().map(User::context).collect();
    let theirs: Vec<_> = users.iter().map(peer_context).collect();
    let clock = SystemClock::new();
    let clock: &dyn Clock = &clock;
    for rules in Rules::ALL {
        for flags in [1, 100, 5_000] {
            let definition = support::definition(rules, flags);
            let key = support::key(flags / 2);
            let set = Flagd::new().compile(&definition).unwrap();
            let router = router(&set, &key);
            let engine = Operator::new();
            let rule = rules.targeting().to_string();
            #[cfg(feature = "provider")]
            let provider = modelgate_peers::Provider::new(&definition);

            for (mine, their) in ours.iter().zip(&theirs) {
                let answer = set.evaluate(&key, mine, clock);
                assert_eq!(engine.apply(&key, &rule, their).unwrap().as_deref(), answer.variant);
                let version = answer.string("none").value;
                assert_eq!(router.decide(mine).unwrap().version().as_str(), version);
            }
            #[cfg(feature = "provider")]
            provider.ask(&key, &theirs, USERS as u64, |user, details| {
                let answer = set.evaluate(&key, &ours[user], clock).string("none");
                assert_eq!(details.variant.as_deref(), answer.variant);
                assert_eq!(details.value, answer.value);
            });

            let mut contenders = vec![
                contender("modelgate, flag of a set", |user| {
                    black_box(set.evaluate(black_box(&key), &ours[user], clock));
                }),
                contender("modelgate, `ModelRouter::decide`", |user| {
                    black_box(router.decide(black_box(&ours[user])).unwrap());
                }),
                contender("flagd-evaluation-engine, rule alone", |user| {
                    black_box(engine.apply(black_box(&key), &rule, &theirs[user]).unwrap());
                }),
            ];
            #[cfg(feature = "provider")]
            contenders.push(Contender {
                name: "open-feature-flagd provider",
                run: Box::new(|count| {
                    provider.ask(black_box(&key), &theirs, count, |_, details| {
                        black_box(details);
                    });
                }),
            });
            let measured = run(&mut contenders);
            for one in &measured {
                println!(
                    "| {} | {flags} | {} | {:.0} | {:.0} | {:.1} | {:.1} |",
                    rules.name(),
                    one.name,
                    one.nanoseconds,
                    one.fastest,
                    one.allocations,
                    one.nanoseconds / measured[0].nanoseconds,
                );
            }
        }
    }
    println!();
}

/// Something done for one user after the other.
fn contender<'a>(name: &'static str, work: impl Fn(usize) + 'a) -> Contender<'a> {
    let run = move |count| (0..count as usize).for_each(|turn| work(turn % USERS));
    Contender { name, run: Box::new(run) }
}

fn ingest(run: Run<'_>) {
    println!("## Taking in 5,000 flags, and an update of one of them\n");
    println!("| rules | what | modelgate, ms | official parser, ms | times ours |");
    println!("|---|---|---|---|---|");
    let flagd = Flagd::new();
    for rules in Rules::ALL {
        let definition = support::definition(rules, 5_000);
        let set = flagd.compile(&definition).unwrap();
        assert_eq!(set.len(), FlagParser::parse_string(&definition).unwrap().flags.len());
        let parse = |count: u64| {
            for _ in 0..count {
                black_box(FlagParser::parse_string(black_box(&definition)).unwrap());
            }
        };
        let measured = run(&mut [
            Contender {
                name: "modelgate",
                run: Box::new(|count| {
                    for _ in 0..count {
                        black_box(flagd.compile(black_box(&definition)).unwrap());
                    }
                }),
            },
            Contender { name: "official parser", run: Box::new(parse) },
        ]);
        row(rules, "5,000 flags", &measured);

        let key = support::key(2_500);
        let update = support::flag(rules, "v2").to_string();
        let measured = run(&mut [
            Contender {
                name: "modelgate",
                run: Box::new(|count| {
                    for _ in 0..count {
                        let flag = flagd.compile_flag(black_box(&key), &update).unwrap();
                        black_box(set.clone().with(flag));
                    }
                }),
            },
            // It knows no update of one flag: the whole definition comes again.
            Contender { name: "official parser", run: Box::new(parse) },
        ]);
        row(rules, "one of 5,000", &measured);
    }
    println!();
}

fn row(rules: Rules, what: &str, measured: &[Measured]) {
    let [ours, theirs] = measured else { return };
    println!(
        "| {} | {what} | {:.4} | {:.1} | {:.1} |",
        rules.name(),
        ours.nanoseconds / 1e6,
        theirs.nanoseconds / 1e6,
        theirs.nanoseconds / ours.nanoseconds,
    );
}

/// The same flag read through our store and through two usual cells.
fn read(run: Run<'_>) {
    println!("## One flag of 100 (one rule, then split) by how its set is shared\n");
    println!("| threads | updates a second | cell | ns a read and thread |");
    println!("|---|---|---|---|");
    let rules = Rules::RuleThenSplit;
    let fed = Fed::new(rules, 100);
    let key = support::key(50);
    let users = support::users();
    let contexts: Vec<_> = users.iter().map(User::context).collect();
    let clock = SystemClock::new();
    let sets: [Arc<FlagSet>; 2] = [(); 2].map(|()| Arc::new(support::switches(rules, 100)));
    let swapped = Arc::new(ArcSwap::new(Arc::clone(&sets[0])));
    let locked = Arc::new(RwLock::new(Arc::clone(&sets[0])));
    let by_store = |user: usize| fed.flags.boolean(&key, &contexts[user], false);
    let by_swap =
        |user: usize| swapped.load().evaluate(&key, &contexts[user], &clock).boolean(false).value;
    let by_lock = |user: usize| {
        let set = Arc::clone(&locked.read().unwrap());
        set.evaluate(&key, &contexts[user], &clock).boolean(false).value
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
            (fed.updating(), others)
        });
        let mut contenders = [
            reader("modelgate `Flags`", threads, &by_store),
            reader("arc-swap", threads, &by_swap),
            reader("`RwLock<Arc<_>>`", threads, &by_lock),
        ];
        let measured = run(&mut contenders);
        drop(updating);
        for one in measured {
            let updates = if updated { "1,000" } else { "none" };
            println!(
                "| {threads} | {updates} | {} | {:.1} |",
                one.name,
                one.nanoseconds / READS as f64
            );
        }
    }
    println!();
}

/// How many reads are one piece of work: starting threads must not be what is measured.
const READS: u64 = 20_000;

/// Reads done by this many threads at once.
fn reader<'a>(
    name: &'static str,
    threads: usize,
    read: &'a (dyn Fn(usize) -> bool + Sync),
) -> Contender<'a> {
    let all = move |count: u64| {
        for turn in 0..count as usize {
            black_box(read(turn % USERS));
        }
    };
    Contender {
        name,
        run: Box::new(move |count| {
            support::together(threads, count * READS, all);
        }),
    }
}
