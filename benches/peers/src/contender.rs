//! What is measured: somebody who decides on flags.

use std::{hint::black_box, sync::Arc};

use crate::support::{Dialect, Rules, USERS, User, key};

/// The flags to decide on, and the one that is asked for.
pub struct Task {
    pub dialect: Dialect,
    pub rules: Rules,
    pub flags: usize,
    /// The place of the flag that is asked for.
    pub index: usize,
    pub key: String,
    pub definition: String,
}

impl Task {
    pub fn new(dialect: Dialect, rules: Rules, flags: usize) -> Task {
        let (index, definition) = (flags / 2, dialect.definition(rules, flags));
        Task { dialect, rules, flags, index, key: key(index), definition }
    }
}

/// One way to decide on a task's flag: ours, or a vendor's own.
pub trait Contender: Send + Sync {
    /// Whether this user gets v2, by a context made beforehand.
    fn decide(&self, user: usize) -> bool;

    /// The same, with the context made for this one decision.
    fn decide_anew(&self, user: &User) -> bool;

    /// Takes in a change of one flag, while others may be deciding. `false`: this cannot be done
    /// short of taking in everything again.
    fn update(&self, key: &str, change: &str) -> bool {
        let _ = (key, change);
        false
    }

    /// Decides for one user after the other.
    fn run(&self, count: u64) {
        for turn in 0..count as usize {
            black_box(self.decide(black_box(turn % USERS)));
        }
    }

    /// As [`run`](Contender::run), each context made for its decision.
    fn run_anew(&self, count: u64) {
        let users = crate::users();
        for turn in 0..count as usize {
            black_box(self.decide_anew(black_box(&users[turn % USERS])));
        }
    }
}

/// A contender before it has seen any flags.
pub struct Entry {
    /// What it is called on a command line.
    pub name: &'static str,
    pub title: &'static str,
    pub build: fn(&Task) -> Arc<dyn Contender>,
    /// Parses a definition and makes it ready for decisions; answers how many flags it holds.
    pub ingest: Option<fn(&str) -> usize>,
}

/// Asserts that all these give every user the same version, and both versions to enough of them.
pub fn assert_alike(rules: Rules, contenders: &[(&Entry, Arc<dyn Contender>)]) {
    let users = crate::users();
    let answers = |contender: &Arc<dyn Contender>| -> Vec<bool> {
        (0..USERS).map(|user| contender.decide(user)).collect()
    };
    let expected = answers(&contenders[0].1);
    for (entry, contender) in contenders {
        assert_eq!(answers(contender), expected, "{} decides otherwise", entry.title);
        for (user, second) in users.iter().zip(&expected) {
            assert_eq!(contender.decide_anew(user), *second, "{} decides otherwise", entry.title);
        }
    }
    let (second, tolerance) = rules.expected();
    let count = expected.iter().filter(|second| **second).count();
    assert!(count.abs_diff(second) <= tolerance, "{rules:?}: {count} of {second}");
}
