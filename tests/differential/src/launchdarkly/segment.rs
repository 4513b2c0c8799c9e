//! Groups of contexts.

use serde_json::{Value as Json, json};

use super::clause::Maker;

impl Maker<'_> {
    /// A segment; one that refers to others does so with `nested`.
    pub fn segment(&mut self, key: &str, nested: f64) -> Json {
        let salt = *self.random.of(&["", "salt", "é🦀", "a.b"]);
        let mut segment = json!({
            "key": key,
            "version": 2,
            "included": self.keys("user", 0.25),
            "excluded": self.keys("user", 0.25),
            "salt": salt,
        });
        for list in ["includedContexts", "excludedContexts"] {
            if self.random.chance(0.5) {
                segment[list] = self.targets();
            }
        }
        let count = *self.random.of(&[0, 1, 1, 2, 3]);
        segment["rules"] = (0..count).map(|_| self.segment_rule(key, salt, nested)).collect();
        if self.random.chance(0.12) {
            segment["unbounded"] = json!(true);
            if self.random.chance(0.6) {
                segment["unboundedContextKind"] = json!(self.kind());
            }
            match self.random.below(6) {
                0 => {}
                1 => segment["generation"] = Json::Null,
                2 => segment["generation"] = json!(0),
                _ => segment["generation"] = json!(3),
            }
        } else if self.random.chance(0.2) {
            segment["unbounded"] = json!(false);
        }
        segment
    }

    fn keys(&mut self, kind: &str, often: f64) -> Json {
        if !self.random.chance(often) {
            return json!([]);
        }
        (0..self.count(&[1, 2, 3])).map(|_| json!(self.key_of(kind))).collect()
    }

    fn targets(&mut self) -> Json {
        (0..self.random.below(3))
            .map(|_| {
                let kind = self.kind();
                json!({"contextKind": kind, "values": self.keys(&kind, 0.4)})
            })
            .collect()
    }

    fn segment_rule(&mut self, segment: &str, salt: &str, nested: f64) -> Json {
        let mut rule = json!({"clauses": self.clauses(nested)});
        if self.random.chance(0.6) {
            rule["id"] = json!("segment-rule");
        }
        let kind = if self.random.chance(0.4) {
            let kind = self.kind();
            rule["rolloutContextKind"] = json!(kind);
            kind
        } else {
            "user".to_owned()
        };
        let aware = rule.get("rolloutContextKind").is_some();
        if let Some(by) = self.bucket_by(&kind, aware) {
            rule["bucketBy"] = by;
        }
        let place = self.place(&rule, &kind, &format!("{segment}.{salt}"));
        match (self.random.below(8), place) {
            (0, _) => rule["weight"] = json!(0),
            (1, _) => rule["weight"] = json!(-1),
            (2, _) => rule["weight"] = Json::Null,
            (3, _) => rule["weight"] = json!(self.random.below(100_001)),
            (4, Some(place)) => rule["weight"] = self.bound(place),
            (5, _) => rule["weight"] = json!(self.random.below(1_000_000) as f64 / 7.0),
            _ => {}
        }
        rule
    }
}
