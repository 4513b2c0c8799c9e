//! Flags.

use serde_json::{Value as Json, json};

use super::clause::Maker;
use crate::{
    pool::{self, Type},
    random::Random,
};

/// How a flag is to be made.
pub struct Shape {
    /// The flags it may have as prerequisites, and how likely each is.
    pub prerequisites: &'static [&'static str],
    pub required: f64,
    pub rules: usize,
    pub targets: f64,
    /// How likely what is served is a rollout.
    pub splits: f64,
}

impl Maker<'_> {
    pub fn flag(&mut self, key: &str, shape: &Shape) -> Json {
        let salt = *self.random.of(&["", "salt", "é🦀", "a.b"]);
        let variations = variations(self.random);
        let count = variations.as_array().map_or(0, Vec::len);
        let mut flag = json!({
            "key": key,
            "version": 2,
            "on": !self.random.chance(0.06),
            "salt": salt,
            "variations": variations,
            "prerequisites": self.prerequisites(shape),
            "targets": [],
            "trackEvents": false,
        });
        match self.random.below(12) {
            0 => {}
            1 => flag["offVariation"] = Json::Null,
            _ => flag["offVariation"] = json!(self.index(count)),
        }
        if self.random.chance(shape.targets) {
            flag["targets"] = self.targets_of(count, false);
        }
        match self.random.below(4) {
            0 => flag["contextTargets"] = json!([]),
            1 | 2 if self.random.chance(shape.targets) => {
                flag["contextTargets"] = self.targets_of(count, true);
            }
            _ => {}
        }
        flag["rules"] = (0..self.random.below(shape.rules + 1))
            .map(|number| {
                let mut rule = self.served(key, salt, count, shape.splits);
                rule.insert("clauses".to_owned(), json!(self.clauses(0.2)));
                rule.insert("trackEvents".to_owned(), json!(false));
                if self.random.chance(0.8) {
                    rule.insert("id".to_owned(), json!(format!("rule-{number}")));
                }
                Json::Object(rule)
            })
            .collect();
        flag["fallthrough"] = Json::Object(self.served(key, salt, count, shape.splits));
        flag
    }

    fn prerequisites(&mut self, shape: &Shape) -> Json {
        let mut list: Vec<Json> = Vec::new();
        for key in shape.prerequisites {
            let mut times = usize::from(self.random.chance(shape.required));
            if times == 1 && self.random.chance(0.05) {
                times = 2;
            }
            for _ in 0..times {
                // Mostly the first two, so that they are met about as often as not.
                list.push(json!({"key": key, "variation": self.random.below(2)}));
            }
        }
        if self.random.chance(0.03) {
            list.push(json!({"key": "nowhere", "variation": 0}));
        }
        self.random.shuffle(&mut list);
        Json::Array(list)
    }

    fn targets_of(&mut self, variations: usize, by_kind: bool) -> Json {
        (0..1 + self.random.below(3))
            .map(|_| {
                let mut target = json!({"variation": self.index(variations)});
                let kind = if by_kind || self.random.chance(0.1) {
                    let kind = self.kind();
                    target["contextKind"] = json!(kind);
                    kind
                } else {
                    "user".to_owned()
                };
                // In the newer list users stand for those of the older one.
                let empty = by_kind && kind == "user" && self.random.chance(0.8);
                let count = if empty { 0 } else { self.count(&[0, 1, 2, 3]) };
                let keys: Vec<String> = (0..count).map(|_| self.key_of(&kind)).collect();
                target["values"] = json!(keys);
                target
            })
            .collect()
    }
}

fn variations(random: &mut Random) -> Json {
    let of = *random.of(&[Type::Bool, Type::Text, Type::Text, Type::Number, Type::Object]);
    if of == Type::Bool {
        return json!([false, true]);
    }
    let mixed = random.chance(0.1);
    let count = if random.chance(0.01) { 0 } else { 2 + random.below(3) };
    (0..count)
        .map(|_| if mixed { pool::anything(random) } else { pool::value(random, of) })
        .collect()
}
