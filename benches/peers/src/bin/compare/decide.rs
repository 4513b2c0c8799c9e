//! One decision after the other.

use modelgate_peers::{Task, Work, assert_alike, entries, support::Rules};

use super::{Plan, readable};

pub fn print(plan: &Plan) {
    println!("## One decision\n");
    println!(
        "| dialect | rules | flags | who | context prebuilt | allocations | times ours \
         | context per call | allocations |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for &dialect in &plan.dialects {
        for rules in Rules::ALL {
            for flags in [1, 100, 5_000] {
                let task = Task::new(dialect, rules, flags);
                let contenders: Vec<_> =
                    entries(dialect).iter().map(|entry| (entry, (entry.build)(&task))).collect();
                assert_alike(rules, &contenders);
                let mut work = Vec::new();
                for (entry, contender) in &contenders {
                    let name = entry.title;
                    work.push(Work { name, run: Box::new(|count| contender.run(count)) });
                    work.push(Work { name, run: Box::new(|count| contender.run_anew(count)) });
                }
                let measured = plan.measure(9, 20, &mut work);
                let ours = measured[0].nanoseconds;
                for pair in measured.chunks(2) {
                    let [made, anew] = pair else { continue };
                    println!(
                        "| {} | {} | {flags} | {} | {} | {:.0} | {:.1} | {} | {:.0} |",
                        dialect.name(),
                        rules.name(),
                        made.name,
                        readable(made.nanoseconds),
                        made.allocations,
                        made.nanoseconds / ours,
                        readable(anew.nanoseconds),
                        anew.allocations,
                    );
                }
            }
        }
    }
}
