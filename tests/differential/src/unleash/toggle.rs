//! Toggles, segments, and how they hang together.

use serde_json::{Value as Json, json};

use super::{constraint::Maker, context::FIELDS, pool};

/// The toggles that another may depend on; the last of them is not always there, and the one
/// before it depends on a toggle itself.
pub const PARENTS: &[&str] = &["parent", "second parent", "dependent", "nowhere"];

impl Maker<'_> {
    /// A toggle of this name; it hangs on these parents, or on none.
    pub fn toggle(&mut self, name: &str, parents: &[&str]) -> Json {
        let mut toggle = json!({"name": name, "enabled": self.random.chance(0.92)});
        match self.random.below(30) {
            0 => {}
            1 => toggle["strategies"] = Json::Null,
            2 => toggle["strategies"] = json!([]),
            3..10 => toggle["strategies"] = json!([{"name": "default"}]),
            _ => {
                let count = *self.random.of(&[1, 1, 1, 2, 2, 3, 4]);
                toggle["strategies"] = (0..count).map(|_| self.strategy(name)).collect();
            }
        }
        if self.random.chance(0.6) {
            let count = self.random.below(5);
            toggle["variants"] = self.toggle_variants(count, name);
        }
        if !parents.is_empty() {
            let count = *self.random.of(&[0, 1, 1, 1, 2, 3]);
            toggle["dependencies"] = (0..count).map(|_| self.dependency(parents)).collect();
        }
        if self.random.chance(0.2) {
            toggle["type"] = json!("release");
            toggle["description"] = Json::Null;
            toggle["stale"] = json!(false);
            toggle["impressionData"] = json!(true);
            toggle["project"] = json!("default");
        }
        toggle
    }

    fn toggle_variants(&mut self, count: usize, name: &str) -> Json {
        let stickiness = self.stickiness();
        let parameters = json!({"stickiness": stickiness});
        let mut variants = self.variants(count, 't', name, &parameters);
        for variant in variants.as_array_mut().into_iter().flatten() {
            variant["weightType"] = json!(self.random.of(&["fix", "variable"]));
            match &stickiness {
                // Only the first variant's counts.
                _ if self.random.chance(0.05) => variant["stickiness"] = json!(self.stickiness()),
                Some(stickiness) => variant["stickiness"] = json!(stickiness),
                None => {}
            }
            if self.random.chance(0.2) {
                variant["overrides"] =
                    (0..self.random.below(4)).map(|_| self.one_override()).collect();
            }
        }
        variants
    }

    fn one_override(&mut self) -> Json {
        let name = if self.random.chance(0.6) {
            (*self.random.of(FIELDS)).to_owned()
        } else {
            self.name()
        };
        let values: Vec<String> = (0..self.random.below(4))
            .map(|_| match self.own(&name) {
                Some(own) if self.random.chance(0.5) => own,
                _ => pool::text(self.random).to_owned(),
            })
            .collect();
        json!({"contextName": name, "values": values})
    }

    fn dependency(&mut self, parents: &[&str]) -> Json {
        let parent = match self.random.below(20) {
            0 => parents.last(),
            1 => parents.iter().rev().nth(1),
            _ => parents[..parents.len().min(2)].get(self.random.below(2)),
        };
        let parent = parent.or(parents.first()).copied().unwrap_or_default();
        let mut dependency = json!({"feature": parent});
        match self.random.below(4) {
            0 => dependency["enabled"] = json!(false),
            1 => dependency["enabled"] = json!(true),
            2 => dependency["enabled"] = Json::Null,
            _ => {}
        }
        match self.random.below(6) {
            0 => dependency["variants"] = json!([]),
            1 => dependency["variants"] = json!(["t0", "s0"]),
            2 => dependency["variants"] = json!(["t0", "t1", "t2", "s1"]),
            3 if self.random.chance(0.3) => dependency["variants"] = json!(["disabled"]),
            _ => {}
        }
        dependency
    }

    /// Segment `id`; the third one switches its users off.
    pub fn segment(&mut self, id: usize) -> Json {
        let count = self.random.below(3);
        let mut constraints: Vec<Json> = (0..count).map(|_| self.constraint()).collect();
        if id == 3 {
            constraints.push(match self.random.below(3) {
                0 => json!({"contextName": "userId", "operator": "NEW_OPERATOR"}),
                1 => json!({"contextName": "userId", "operator": "STR_CONTAINS", "values": []}),
                _ => json!({"contextName": "userId", "operator": "NUM_EQ", "value": "many"}),
            });
        }
        json!({"id": id, "name": format!("segment {id}"), "constraints": constraints})
    }
}
