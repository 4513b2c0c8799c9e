//! What the official Rust evaluator answers. Around it are the steps that its SDK's client takes.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use launchdarkly_server_sdk_evaluation::{
    Context, Detail, Flag, FlagValue, Segment, Store, evaluate,
};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::case::{Answer, Case};

/// The flags and segments of an environment.
pub struct Official {
    flags: HashMap<String, Flag>,
    segments: HashMap<String, Segment>,
    /// The keys of what could not be read.
    pub refused: Vec<String>,
    asked: RefCell<HashSet<String>>,
}

impl Store for Official {
    fn flag(&self, key: &str) -> Option<Flag> {
        self.flags.get(key).cloned()
    }

    fn segment(&self, key: &str) -> Option<Segment> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.segments.get(key).cloned()
    }
}

/// The answer to a case as it is; `None` when the environment is refused.
pub fn answer(case: &Case) -> Option<Answer> {
    let official = Official::of(&case.environment);
    official.refused.is_empty().then(|| official.answer(&case.flag, &context(&case.context)))
}

/// The context; every generated one can be read.
pub fn context(context: &Json) -> Context {
    Context::deserialize(context).expect("the official evaluator reads the context")
}

impl Official {
    pub fn of(environment: &Json) -> Official {
        let mut refused = Vec::new();
        Official {
            flags: read(&environment["flags"], &mut refused),
            segments: read(&environment["segments"], &mut refused),
            refused,
            asked: RefCell::default(),
        }
    }

    pub fn answer(&self, key: &str, context: &Context) -> Answer {
        match self.flags.get(key) {
            Some(flag) => answer_of(evaluate(self, flag, context, None)),
            None => Answer::error("FLAG_NOT_FOUND"),
        }
    }

    /// The segments that were looked into so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.borrow().iter().cloned().collect()
    }
}

fn read<'j, T: Deserialize<'j>>(items: &'j Json, refused: &mut Vec<String>) -> HashMap<String, T> {
    let mut read = HashMap::new();
    for (key, item) in items.as_object().into_iter().flatten() {
        match T::deserialize(item) {
            Ok(item) => drop(read.insert(key.clone(), item)),
            Err(_) => refused.push(key.clone()),
        }
    }
    read
}

fn answer_of(detail: Detail<&FlagValue>) -> Answer {
    let reason = serde_json::to_value(&detail.reason).expect("a reason is JSON");
    let value = detail.value.and_then(FlagValue::as_json);
    // The client hands out its caller's default, and then without an index.
    let variation_index = value.as_ref().and(detail.variation_index).map(|index| index as i64);
    Answer { value, variation_index, reason: json!(reason) }
}
