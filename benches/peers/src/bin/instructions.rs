//! Decides a given number of times, to be counted by callgrind: see `../instructions.sh`.
//!
//! `instructions WHO RULES FLAGS COUNT`, with WHO one of `set` (a flag of a set), `flags` (through
//! the store), `router` (`ModelRouter::decide`), `engine` (the official evaluator's rule alone) and
//! `provider` (the official provider), and RULES one of `split`, `rule`, `ten`.

use std::{env, hint::black_box};

use modelgate::{Clock, Flags, SystemClock, dialect::flagd::Flagd};
use modelgate_peers::{
    peer_context, router,
    support::{self, Rules},
};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [who, rules, flags, count] = &*arguments else {
        panic!("expected: instructions WHO RULES FLAGS COUNT")
    };
    let rules = match &**rules {
        "split" => Rules::Split,
        "rule" => Rules::RuleThenSplit,
        "ten" => Rules::Ten,
        other => panic!("rules `{other}`: expected split, rule or ten"),
    };
    let flags: usize = flags.parse().expect("a number of flags");
    let count: usize = count.parse().expect("a number of decisions");
    let definition = support::definition(rules, flags);
    let key = support::key(flags / 2);
    let users = support::users();
    let contexts: Vec<_> = users.iter().map(support::User::context).collect();
    let set = Flagd::new().compile(&definition).unwrap();
    let clock = SystemClock::new();
    let mut second = 0_usize;
    match &**who {
        "set" => {
            let clock: &dyn Clock = &clock;
            for turn in 0..count {
                let context = &contexts[turn % contexts.len()];
                let answer = set.evaluate(black_box(&key), black_box(context), clock);
                second += usize::from(black_box(answer).variant == Some("v2"));
            }
        }
        "flags" => {
            let store = Flags::from(set);
            for turn in 0..count {
                let context = &contexts[turn % contexts.len()];
                // The type does not fit, on purpose: text would be copied to be handed out.
                let answer = store.detail(black_box(&key), black_box(context), false);
                second += usize::from(black_box(answer).value);
            }
        }
        "router" => {
            let router = router(&set, &key);
            for turn in 0..count {
                let context = &contexts[turn % contexts.len()];
                let decision = black_box(&router).decide(black_box(context)).unwrap();
                second += usize::from(black_box(decision).version().as_str() == "fraud-v2");
            }
        }
        "engine" => {
            let engine = flagd_evaluation_engine::Operator::new();
            let rule = support::flag(rules, "v1")["targeting"].to_string();
            let contexts: Vec<_> = users.iter().map(peer_context).collect();
            for turn in 0..count {
                let context = &contexts[turn % contexts.len()];
                let answer = engine.apply(black_box(&key), &rule, black_box(context)).unwrap();
                second += usize::from(black_box(answer).as_deref() == Some("v2"));
            }
        }
        #[cfg(feature = "provider")]
        "provider" => {
            let provider = modelgate_peers::Provider::new(&definition);
            let contexts: Vec<_> = users.iter().map(peer_context).collect();
            provider.ask(black_box(&key), &contexts, count as u64, |_, answer| {
                second += usize::from(black_box(answer).variant.as_deref() == Some("v2"));
            });
        }
        other => panic!("`{other}`: expected set, flags, router, engine or provider"),
    }
    println!("{second} of {count}");
}
