//! How much more two threads decide than one.

use std::sync::Arc;

use modelgate_peers::{
    Contender, Task, assert_alike, entries,
    support::{self, Rules},
};

use super::Plan;

const RULES: Rules = Rules::RuleThenSplit;

pub fn print(plan: &Plan) {
    println!("## Decisions a second, 100 flags, {}, context prebuilt\n", RULES.name());
    println!("| dialect | who | one thread | two threads | times |");
    println!("|---|---|---|---|---|");
    for &dialect in &plan.dialects {
        let task = Task::new(dialect, RULES, 100);
        let contenders: Vec<_> =
            entries(dialect).iter().map(|entry| (entry, (entry.build)(&task))).collect();
        assert_alike(RULES, &contenders);
        for (entry, contender) in &contenders {
            let [one, two] = rates(plan, contender);
            println!(
                "| {} | {} | {one:.0} | {two:.0} | {:.2} |",
                dialect.name(),
                entry.title,
                two / one
            );
        }
    }
}

/// Decisions a second of one thread and of two: the medians over rounds, taken in turns.
fn rates(plan: &Plan, contender: &Arc<dyn Contender>) -> [f64; 2] {
    let rate = |threads: usize, count: u64| {
        let time = support::together(threads, count, |count| contender.run(count));
        (threads as u64 * count) as f64 / time.as_secs_f64()
    };
    let (rounds, seconds) = if plan.quick { (3, 0.01) } else { (7, 0.1) };
    rate(1, 10);
    let guess = rate(1, ((rate(1, 10) * seconds / 10.0) as u64).max(1));
    let count = ((guess * seconds) as u64).max(1);
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        rates[0].push(rate(1, count));
        rates[1].push(rate(2, count));
    }
    rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    })
}
