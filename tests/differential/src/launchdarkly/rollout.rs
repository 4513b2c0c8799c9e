//! What is served: a variation, or one by percentages.

use serde_json::{Map, Value as Json, json};

use super::{attribute, bucket::bucket, clause::Maker};
use crate::pool;

/// A hundred percent.
const WHOLE: usize = 100_000;

impl Maker<'_> {
    /// The index of a variation, now and then one that the flag does not have.
    pub fn index(&mut self, variations: usize) -> i64 {
        match self.random.below(80) {
            0 => *self.random.of(&[-1, 99, variations as i64, i64::MAX]),
            _ => self.random.below(variations.max(1)) as i64,
        }
    }

    /// A variation or a rollout, now and then both or neither.
    pub fn served(
        &mut self,
        flag: &str,
        salt: &str,
        variations: usize,
        splits: f64,
    ) -> Map<String, Json> {
        let mut served = Map::new();
        let odd = self.random.below(80);
        let split = self.random.chance(splits);
        if odd != 0 && (!split || odd == 1) {
            served.insert("variation".to_owned(), json!(self.index(variations)));
        }
        if odd != 0 && (split || odd == 1) {
            served.insert("rollout".to_owned(), self.rollout(flag, salt, variations));
        }
        served
    }

    pub fn rollout(&mut self, flag: &str, salt: &str, variations: usize) -> Json {
        let mut rollout = json!({});
        match self.random.below(5) {
            0 | 1 => rollout["kind"] = json!("experiment"),
            2 => rollout["kind"] = json!("rollout"),
            _ => {}
        }
        let kind = if self.random.chance(0.6) {
            let kind = self.kind();
            rollout["contextKind"] = json!(kind);
            kind
        } else {
            "user".to_owned()
        };
        if let Some(by) = self.bucket_by(&kind, rollout.get("contextKind").is_some()) {
            rollout["bucketBy"] = by;
        }
        if self.random.chance(0.4) {
            let seeds = [0, 1, 61, -7, i64::MAX, i64::MIN, 123_456_789];
            rollout["seed"] = json!(self.random.of(&seeds));
        }
        let prefix = match rollout.get("seed") {
            Some(seed) => seed.to_string(),
            None => format!("{flag}.{salt}"),
        };
        let place = self.place(&rollout, &kind, &prefix);
        let count = *self.random.of(&[0, 1, 2, 2, 2, 3, 3, 4, 5, 9]);
        let count = if count == 0 && self.random.chance(0.8) { 2 } else { count };
        let entries: Vec<Json> = self
            .weights(count, place)
            .into_iter()
            .map(|weight| {
                let mut entry = json!({"variation": self.index(variations), "weight": weight});
                match self.random.below(6) {
                    0 | 1 => entry["untracked"] = json!(true),
                    2 => entry["untracked"] = json!(false),
                    _ => {}
                }
                entry
            })
            .collect();
        rollout["variations"] = json!(entries);
        rollout
    }

    /// What to split by, where it is not the key.
    pub fn bucket_by(&mut self, kind: &str, aware: bool) -> Option<Json> {
        match self.random.below(20) {
            0..=10 => None,
            11 => Some(json!("key")),
            _ => {
                let single = self.singles.iter().find(|single| single.kind == kind);
                Some(json!(attribute::text(self.random, single, aware)))
            }
        }
    }

    /// Where those who ask fall in this rollout, if they can be told apart by it.
    pub fn place(&self, rollout: &Json, kind: &str, prefix: &str) -> Option<f32> {
        let by = rollout["bucketBy"].as_str().filter(|_| rollout["kind"] != "experiment");
        let aware = rollout.get("contextKind").or(rollout.get("rolloutContextKind")).is_some();
        let path = attribute::path(by.unwrap_or("key"), aware)?;
        match attribute::lookup(self.single(kind)?, &path) {
            Json::String(text) => Some(bucket(prefix, &text)),
            Json::Number(number) => {
                let number = number.as_f64()?;
                let whole = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_991.0;
                whole.then(|| bucket(prefix, &(number as i64).to_string()))
            }
            _ => None,
        }
    }

    /// A weight that ends at a bucket, or as near to it as can be.
    pub fn bound(&mut self, place: f32) -> Json {
        let exact = place * WHOLE as f32;
        match self.random.below(8) {
            0 => json!(exact.floor() as i64),
            1 => json!(exact.ceil() as i64),
            2 => json!(exact.floor() as i64 - 1),
            3 => json!(exact.ceil() as i64 + 1),
            4 => json!(f64::from(exact)),
            5 => json!(f64::from(exact.next_up())),
            6 => json!(f64::from(exact.next_down())),
            _ => json!(f64::from(place) * WHOLE as f64),
        }
    }

    fn weights(&mut self, count: usize, place: Option<f32>) -> Vec<Json> {
        let random = &mut *self.random;
        let mut weights: Vec<Json> = match random.below(12) {
            0..=3 => {
                let mut left = WHOLE;
                let mut weights: Vec<usize> = (1..count)
                    .map(|_| {
                        let part = random.below(left + 1);
                        left -= part;
                        part
                    })
                    .collect();
                weights.extend((count > 0).then_some(left));
                weights.into_iter().map(|weight| json!(weight)).collect()
            }
            4 | 5 => (0..count).map(|_| json!(WHOLE / count)).collect(),
            6 => (0..count).map(|_| json!(*random.of(&[0, 0, 1, WHOLE]))).collect(),
            7 => (0..count).map(|_| json!(random.below(WHOLE))).collect(),
            8 => (0..count).map(|_| json!(random.below(1_000_000_000) as f64 / 30_000.0)).collect(),
            9 => (0..count)
                .map(|_| match random.below(3) {
                    0 => pool::number(random),
                    1 => json!(-1000),
                    _ => json!(random.below(WHOLE / 2)),
                })
                .collect(),
            _ => {
                let Some(place) = place else { return vec![json!(WHOLE); count] };
                let mut weights = vec![self.bound(place)];
                // The same sum, reached in two steps.
                if self.random.chance(0.5)
                    && let Some(whole) = weights[0].as_i64().filter(|whole| *whole > 0)
                {
                    let first = self.random.below(whole as usize + 1) as i64;
                    weights = vec![json!(first), json!(whole - first)];
                }
                while weights.len() < count {
                    weights.push(json!(WHOLE));
                }
                weights
            }
        };
        if self.random.chance(0.1) && !weights.is_empty() {
            weights[0] = json!(0);
        }
        weights
    }
}
