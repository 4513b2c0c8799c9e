//! Decides a given number of times, to be counted by callgrind: see `../instructions.sh`.
//!
//! `instructions DIALECT RULES FLAGS [WHO [WHAT]]`, with RULES one of `split`, `rule`, `ten`, and
//! WHAT one of `decide`, `ingest`, `update`, prints a line `WHO WHAT TIMES` for each time it has been
//! through [`counted`].

use std::{
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use modelgate_peers::{
    Contender, Entry, Task, assert_alike, entries,
    support::{Dialect, PERCENT, Rules, USERS},
};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [dialect, rules, flags, rest @ ..] = &*arguments else {
        panic!("expected: instructions DIALECT RULES FLAGS [WHO [WHAT]]")
    };
    let dialect = Dialect::ALL
        .into_iter()
        .find(|known| known.name() == *dialect)
        .unwrap_or_else(|| panic!("there is no dialect `{dialect}`"));
    let rules = match *rules {
        "split" => Rules::Split,
        "rule" => Rules::RuleThenSplit,
        "ten" => Rules::Ten,
        other => panic!("rules `{other}`: expected split, rule or ten"),
    };
    let task = Task::new(dialect, rules, flags.parse().expect("a number of flags"));
    let known: Vec<_> = entries(dialect)
        .iter()
        .filter(|entry| rest.first().is_none_or(|who| [entry.name, "all"].contains(who)))
        .collect();
    assert!(!known.is_empty(), "nobody is called `{}`", rest[0]);
    match rest.get(1).copied().unwrap_or("decide") {
        "decide" => decide(&task, &known),
        "ingest" => ingest(&task, &known),
        "update" => update(&task, &known),
        other => panic!("`{other}`: expected decide, ingest or update"),
    }
}

fn decide(task: &Task, known: &[&'static Entry]) {
    let contenders: Vec<_> = known.iter().map(|entry| (*entry, (entry.build)(task))).collect();
    if task.flags < 5_000 {
        assert_alike(task.rules, &contenders);
    }
    for (entry, contender) in &contenders {
        let count = decisions(&**contender);
        counted(|| contender.run(count));
        println!("{} prebuilt {count}", entry.name);
        counted(|| contender.run_anew(count));
        println!("{} anew {count}", entry.name);
    }
}

fn ingest(task: &Task, known: &[&'static Entry]) {
    for entry in known {
        let Some(ingest) = entry.ingest else { continue };
        ingest(&task.definition);
        counted(|| assert_eq!(ingest(&task.definition), task.flags));
        println!("{} ingest 1", entry.name);
    }
}

fn update(task: &Task, known: &[&'static Entry]) {
    let change = task.dialect.change(task.rules, task.index, PERCENT);
    for entry in known {
        let contender = (entry.build)(task);
        if contender.update(&task.key, &change) {
            counted(|| assert!(contender.update(&task.key, &change)));
            println!("{} update 1", entry.name);
        }
    }
}

/// How many decisions to count: every user in turn where that is not too slow.
fn decisions(contender: &dyn Contender) -> u64 {
    let once = || {
        let started = Instant::now();
        contender.run(1);
        contender.run_anew(1);
        started.elapsed()
    };
    once();
    match once() {
        time if time < Duration::from_micros(500) => 30 * USERS as u64,
        time if time < Duration::from_millis(100) => USERS as u64,
        _ => 4,
    }
}

/// What callgrind counts.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
    // Or the call above would be the last thing done here, and callgrind not see this return.
    black_box(());
}
