//! What modelgate answers: from a set compiled at once, and from one built item by item.

use modelgate::{
    EvaluationContext, FlagSet, OwnedContext,
    clock::SystemClock,
    flag::TraceStep,
    launchdarkly::{
        Detail, LaunchDarkly, ReasonKind,
        big_segments::{BigSegments, Membership},
    },
    value::Value,
};
use serde_json::{Map, Value as Json};

use super::{
    case::{Answer, Case},
    context::{self, Single},
};
use crate::random::Random;

/// Forms that everything has before its own: one serves something else, the other is no JSON of its
/// kind at all.
const OLDER_FLAG: &str = r#"{"key": "flag", "version": 1, "on": true, "variations": ["older"],
    "fallthrough": {"variation": 0}, "salt": ""}"#;
const OLDER_SEGMENT: &str = r#"{"key": "first", "version": 1, "included": ["user-1", "user-2"],
    "rules": [{"clauses": []}], "salt": ""}"#;
const WRONG: &str = r#"{"rules": 5}"#;

/// The answer from everything compiled as a whole.
pub fn at_once(case: &Case) -> Answer {
    let launchdarkly = dialect(case);
    let mut text = case.environment.to_string();
    if case.id.len().is_multiple_of(2) {
        text = format!(r#"{{"path": "/", "data": {text}}}"#);
    }
    match launchdarkly.compile(&text) {
        Ok(set) => ask(&launchdarkly, &set, case),
        Err(error) => panic!("{error}: {}", case.environment),
    }
}

/// The answer from a set that grew item by item, in any order and with older forms in between.
pub fn one_by_one(case: &Case, random: &mut Random) -> Answer {
    let launchdarkly = dialect(case);
    let mut updates: Vec<(&str, &str, Option<&Json>)> = Vec::new();
    for collection in ["flags", "segments"] {
        for (key, item) in case.environment[collection].as_object().into_iter().flatten() {
            updates.push((collection, key, Some(item)));
            for _ in 0..random.below(3) {
                updates.push((collection, key, None));
            }
        }
    }
    random.shuffle(&mut updates);
    let mut set = FlagSet::new();
    let mut last: Vec<(&str, &str)> = Vec::new();
    for (collection, key, item) in updates {
        let is_last = last.contains(&(collection, key));
        set = match (collection, item) {
            ("flags", Some(item)) => {
                last.push((collection, key));
                let changed = launchdarkly.with_flag(&set, key, &item.to_string());
                changed.unwrap_or_else(|_| set.without(key))
            }
            (_, Some(item)) => {
                last.push((collection, key));
                let changed = launchdarkly.with_segment(&set, key, &item.to_string());
                changed.unwrap_or_else(|_| launchdarkly.without_segment(&set, key))
            }
            _ if is_last => continue,
            ("flags", None) => match random.below(4) {
                0 => set.without(key),
                1 => {
                    assert!(launchdarkly.with_flag(&set, key, WRONG).is_err());
                    set
                }
                _ => launchdarkly.with_flag(&set, key, OLDER_FLAG).expect("a good flag"),
            },
            _ => match random.below(4) {
                0 => launchdarkly.without_segment(&set, key),
                1 => {
                    assert!(launchdarkly.with_segment(&set, key, WRONG).is_err());
                    set
                }
                _ => launchdarkly.with_segment(&set, key, OLDER_SEGMENT).expect("a good segment"),
            },
        };
    }
    ask(&launchdarkly, &set, case)
}

fn dialect(case: &Case) -> LaunchDarkly {
    match &case.memberships {
        Some(memberships) => LaunchDarkly::new().with_big_segments(Store(memberships.clone())),
        None => LaunchDarkly::new(),
    }
}

struct Store(Map<String, Json>);

impl BigSegments for Store {
    fn membership(&self, segment: &str, key: &str) -> Membership {
        let known = self.0.get(key).and_then(|known| known.get(segment)?.as_bool());
        Membership::healthy(known)
    }
}

fn ask(launchdarkly: &LaunchDarkly, set: &FlagSet, case: &Case) -> Answer {
    let context = of_singles(&context::singles(&case.context));
    let detail = launchdarkly.detail(set, &case.flag, &context);
    check_neutral(set, case, &context, &detail);
    Answer {
        value: detail.value.map(|value| serde_json::to_value(value).expect("a value is JSON")),
        variation_index: detail.variation_index.map(|index| index as i64),
        reason: serde_json::to_value(detail.reason).expect("a reason is JSON"),
    }
}

/// The answer without the vendor's words says the same, and so does the one with its trace.
fn check_neutral(set: &FlagSet, case: &Case, context: &OwnedContext, detail: &Detail<'_>) {
    let clock = SystemClock::new();
    let context: &dyn EvaluationContext = context;
    let plain = set.evaluate_at(&case.flag, context, &clock);
    let (explained, trace) = set.explain_at(&case.flag, context, &clock);
    let flag = case.definition();
    let split = |served: &Json| !served["rollout"].is_null() && served["variation"].is_null();
    let reason = match detail.reason.kind {
        ReasonKind::Off | ReasonKind::PrerequisiteFailed => "DISABLED",
        ReasonKind::RuleMatch => {
            let rule = &flag["rules"][detail.reason.rule_index.expect("a rule matched")];
            if split(rule) { "SPLIT" } else { "TARGETING_MATCH" }
        }
        ReasonKind::TargetMatch => "TARGETING_MATCH",
        ReasonKind::Fallthrough if split(&flag["fallthrough"]) => "SPLIT",
        ReasonKind::Fallthrough => "DEFAULT",
        _ => "ERROR",
    };
    assert_eq!((plain.value, plain.reason.as_str()), (detail.value, reason), "{}", case.id);
    let seen = |answer: &modelgate::flag::BorrowedDetails<'_>| {
        (answer.value.cloned(), answer.variant.map(str::to_owned), answer.reason, answer.error)
    };
    assert_eq!(seen(&plain), seen(&explained), "{}", case.id);
    assert_eq!(plain.missing_key, explained.missing_key, "{}", case.id);
    let singles = context::singles(&case.context);
    let known = singles.iter().any(|single| single.kind == "user" && !single.key.is_empty());
    assert!(!(known && plain.missing_key), "{}", case.id);
    let is_bucket = |step: &TraceStep| matches!(step, TraceStep::Bucket { .. });
    assert!(reason != "SPLIT" || trace.steps.iter().any(is_bucket), "{}: {trace:?}", case.id);
}

/// The context of kind `user` with the others in it.
fn of_singles(singles: &[Single]) -> OwnedContext {
    let is_user = |single: &&Single| single.kind == "user";
    let mut context = match singles.iter().find(is_user) {
        Some(user) => with_attributes(OwnedContext::new(user.key.as_str()), user),
        None => OwnedContext::anonymous(),
    };
    for single in singles.iter().filter(|single| !is_user(single)) {
        let other = with_attributes(OwnedContext::new(single.key.as_str()), single);
        context = context.with_kind(single.kind.as_str(), other);
    }
    context
}

fn with_attributes(mut context: OwnedContext, single: &Single) -> OwnedContext {
    for (name, value) in &single.attributes {
        let value: Value = serde_json::from_value(value.clone()).expect("JSON is a value");
        context = context.with(name.as_str(), value);
    }
    context
}
