//! One case beside the other side's answer.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use modelgate::{FlagSet, clock::ManualClock};

use super::{
    case::{Answer, Case},
    official::Official,
    ours::Ours,
};

/// How often chance is asked before an answer counts as one that never comes: a variant may weigh
/// one in thousands.
pub const PATIENCE: usize = 200_000;

pub enum Verdict {
    Same(Answer),
    /// What both said, the vendor's first.
    Different(Result<Answer, String>, Answer),
}

/// Asks both, at the same second: a context without a time has the present one. What chance decides
/// is asked again until each has given what the other gave, or `patience` ends.
pub fn compare(
    official: &Official,
    ours: &Ours,
    set: &FlagSet,
    case: &Case,
    patience: usize,
) -> Verdict {
    loop {
        let second = now();
        let clock = ManualClock::at_unix(Duration::from_secs(second));
        let verdict = at(official, ours, set, case, &clock, patience);
        if now() == second {
            return verdict;
        }
    }
}

fn at(
    official: &Official,
    ours: &Ours,
    set: &FlagSet,
    case: &Case,
    clock: &ManualClock,
    patience: usize,
) -> Verdict {
    let theirs = official.answer(case);
    let (answer, by_chance) = ours.answer(set, case, clock);
    let same = match &theirs {
        Ok(theirs) if by_chance => {
            let ours = || ours.answer(set, case, clock).0;
            let theirs = || official.answer(case).unwrap_or_else(|_| theirs.clone());
            may_both(&ours, &theirs, patience)
        }
        theirs => theirs.as_ref() == Ok(&answer),
    };
    if same { Verdict::Same(answer) } else { Verdict::Different(theirs, answer) }
}

/// Whether each side gives, sooner or later, what the other one gives.
fn may_both(ours: &dyn Fn() -> Answer, theirs: &dyn Fn() -> Answer, patience: usize) -> bool {
    let some = |ask: &dyn Fn() -> Answer| (0..12).flat_map(|_| halves(&ask())).collect();
    let (mut left, mut right): (BTreeSet<String>, BTreeSet<String>) = (some(ours), some(theirs));
    for _ in 0..patience {
        if left == right {
            return true;
        }
        // Only who lacks something is asked again, or a rare answer would never be matched.
        if !left.is_superset(&right) {
            left.extend(halves(&ours()));
        } else {
            right.extend(halves(&theirs()));
        }
    }
    false
}

/// Being on and the variant are drawn one by one, and so they are compared one by one.
fn halves(answer: &Answer) -> [String; 2] {
    let Answer { enabled, name, payload, variant_enabled, .. } = answer;
    [format!("{enabled}"), format!("{name} {payload:?} {variant_enabled}")]
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
