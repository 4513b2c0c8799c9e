//! Taking flags in: a whole definition, and a change of one flag of many.

use std::hint::black_box;

use modelgate_peers::{
    Measured, Task, Work, entries,
    support::{Dialect, PERCENT, Rules, USERS},
};

use super::{Plan, readable};

const FLAGS: usize = 5_000;

pub fn print(plan: &Plan) {
    println!("## Taking in 5,000 flags: parsed, compiled, ready for decisions\n");
    println!("| dialect | rules | who | time | times ours |");
    println!("|---|---|---|---|---|");
    for &dialect in &plan.dialects {
        for rules in Rules::ALL {
            rows(dialect, rules, &whole(plan, &Task::new(dialect, rules, FLAGS)));
        }
    }
    println!("\n## A change of one flag of 5,000: parsed, compiled, published\n");
    println!("| dialect | rules | who | time | times ours |");
    println!("|---|---|---|---|---|");
    for &dialect in &plan.dialects {
        for rules in Rules::ALL {
            rows(dialect, rules, &one(plan, &Task::new(dialect, rules, FLAGS)));
        }
    }
}

fn rows(dialect: Dialect, rules: Rules, measured: &[Measured]) {
    for one in measured {
        println!(
            "| {} | {} | {} | {} | {:.1} |",
            dialect.name(),
            rules.name(),
            one.name,
            readable(one.nanoseconds),
            one.nanoseconds / measured[0].nanoseconds,
        );
    }
}

fn whole(plan: &Plan, task: &Task) -> Vec<Measured> {
    let mut work = Vec::new();
    for entry in entries(task.dialect) {
        let Some(ingest) = entry.ingest else { continue };
        assert_eq!(ingest(&task.definition), FLAGS, "{}", entry.title);
        let run = move |count: u64| {
            for _ in 0..count {
                black_box(ingest(black_box(&task.definition)));
            }
        };
        work.push(Work { name: entry.title, run: Box::new(run) });
    }
    plan.measure(5, 200, &mut work)
}

/// Those who know no change of one flag take in everything again, which the table before shows.
fn one(plan: &Plan, task: &Task) -> Vec<Measured> {
    let changes = [75, PERCENT].map(|percent| task.dialect.change(task.rules, task.index, percent));
    let mut contenders = Vec::new();
    for entry in entries(task.dialect) {
        if ["set", "detail"].contains(&entry.name) {
            continue;
        }
        let contender = (entry.build)(task);
        if contender.update(&task.key, &changes[0]) {
            contenders.push((entry, contender));
        }
    }
    if contenders.is_empty() {
        return Vec::new();
    }
    let [more, fewer] = [0, 1].map(|change: usize| {
        let answers = contenders.iter().map(|(_, contender)| {
            assert!(contender.update(&task.key, &changes[change]));
            (0..USERS).map(|user| contender.decide(user)).collect::<Vec<_>>()
        });
        let answers: Vec<_> = answers.collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "all decide alike");
        answers[0].iter().filter(|second| **second).count()
    });
    assert!(more > fewer || task.rules == Rules::Ten, "{more} of {USERS}, then {fewer}");

    let mut work: Vec<Work<'_>> = Vec::new();
    for (entry, contender) in &contenders {
        let changes = &changes;
        let run = move |count: u64| {
            for turn in 0..count as usize {
                contender.update(black_box(&task.key), &changes[turn % 2]);
            }
        };
        work.push(Work { name: entry.title, run: Box::new(run) });
    }
    plan.measure(5, 50, &mut work)
}
