//! Strategies of every kind.

use serde_json::{Map, Value as Json, json};
use unleash_yggdrasil::{KNOWN_STRATEGIES, strategy_parsing::normalized_hash};

use super::{
    constraint::Maker,
    context::find_text,
    pool::{self, NETWORKS},
};

/// The custom strategies that the service defines.
pub const CUSTOM: &[&str] = &["by-parameter", "by-user"];

pub fn is_known(name: &str) -> bool {
    KNOWN_STRATEGIES.contains(&name)
}

/// What the service's own strategy answers; nothing for one that it does not define.
pub fn custom(name: &str, parameters: &Json, context: &Map<String, Json>) -> Option<bool> {
    let asked = find_text(context, "userId");
    decide(name, |name| parameters[name].as_str(), asked.as_deref())
}

/// The same, with parameters and user from wherever they are.
pub fn decide<'a>(
    name: &str,
    parameter: impl Fn(&str) -> Option<&'a str>,
    user: Option<&str>,
) -> Option<bool> {
    match name {
        "by-parameter" => Some(parameter("on") == Some("yes")),
        "by-user" => Some(user.is_some() && parameter("user") == user),
        _ => None,
    }
}

/// The host that services of this test run on.
pub const HOST: &str = "Web-1.example.com";

impl Maker<'_> {
    /// A strategy of a toggle of this name.
    pub fn strategy(&mut self, toggle: &str) -> Json {
        let name = match self.random.below(20) {
            0..5 => "default",
            5..7 => "userWithId",
            7..13 => "flexibleRollout",
            13 => "gradualRolloutUserId",
            14 => "gradualRolloutSessionId",
            15 if self.random.chance(0.5) => "gradualRolloutRandom",
            15 | 16 => "remoteAddress",
            17 => "applicationHostname",
            _ => *self.random.of(&["by-parameter", "by-user", "undefined", "Default"]),
        };
        let mut strategy = json!({"name": name});
        let parameters = self.parameters(name, toggle);
        if !parameters.is_empty() || self.random.chance(0.5) {
            strategy["parameters"] = Json::Object(parameters);
        }
        if self.random.chance(0.45) {
            let count = self.random.below(3);
            strategy["constraints"] = (0..count).map(|_| self.constraint()).collect();
        }
        if self.random.chance(0.25) {
            strategy["segments"] = self.segments();
        }
        if self.random.chance(0.3) {
            let count = self.random.below(4);
            strategy["variants"] =
                self.variants(count, 's', toggle, &strategy["parameters"].clone());
        }
        if self.random.chance(0.1) {
            strategy["sortOrder"] = json!(self.random.below(3));
        }
        strategy
    }

    /// Segments 1 to 3 are there, one of them switches its users off, 4 is missing.
    fn segments(&mut self) -> Json {
        match self.random.below(20) {
            0 => json!([]),
            1 => json!([3]),
            2 => json!([1, 4]),
            3..9 => json!([1, 2]),
            9 => json!([2, 2]),
            _ => json!([1 + self.random.below(2)]),
        }
    }

    fn parameters(&mut self, name: &str, toggle: &str) -> Map<String, Json> {
        let mut parameters = Map::new();
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                parameters.insert(name.to_owned(), json!(value));
            }
        };
        match name {
            "userWithId" => set("userIds", self.joined("userId", &["", "user-1", "a\"b", "ΟΔΟΣ"])),
            "remoteAddress" => set("IPs", self.joined("remoteAddress", NETWORKS)),
            "applicationHostname" => {
                set("hostNames", self.joined("", &["", "web-1.example.com", HOST, "other"]));
            }
            "flexibleRollout" => {
                let stickiness = self.stickiness();
                let group = self.group();
                let key = self.own(stickiness.as_deref().unwrap_or("userId"));
                let rollout = self.rollout(group.as_deref().unwrap_or(toggle), key);
                set("rollout", rollout);
                set("stickiness", stickiness);
                set("groupId", group);
            }
            "gradualRolloutUserId" | "gradualRolloutSessionId" => {
                let group = self.group();
                let field = if name.ends_with("UserId") { "userId" } else { "sessionId" };
                let key = self.own(field);
                set("percentage", self.rollout(group.as_deref().unwrap_or(toggle), key));
                set("groupId", group);
            }
            "gradualRolloutRandom" => {
                let choices = &["0", "1", "40", "60", "100", "101", "300", "-1", "many"];
                set("percentage", Some((*self.random.of(choices)).to_owned()));
            }
            "by-parameter" => set("on", Some((*self.random.of(&["yes", "no"])).to_owned())),
            "by-user" => set("user", self.own("userId")),
            // What other strategies read must not matter, but variants read these.
            _ => {
                if self.random.chance(0.3) {
                    set("stickiness", self.stickiness());
                    set("groupId", self.group());
                }
            }
        }
        parameters
    }

    /// A list as one text, with what one of those who ask holds in it.
    fn joined(&mut self, own: &str, others: &[&str]) -> Option<String> {
        if self.random.chance(0.05) {
            return None;
        }
        let mut parts: Vec<String> = Vec::new();
        for _ in 0..self.random.below(4) {
            let own = self.own(own).filter(|own| self.random.chance(0.5) && !own.ends_with('\\'));
            parts.push(own.unwrap_or_else(|| (*self.random.of(others)).to_owned()));
        }
        let mut text = parts.join(*self.random.of(&[",", ", ", " ,\t"]));
        match self.random.below(60) {
            0 => text.push('\\'),
            1 => text.push('"'),
            2 => text.push(','),
            _ => {}
        }
        Some(text)
    }

    /// A percentage: often one at which this key is just in or just out.
    fn rollout(&mut self, group: &str, key: Option<String>) -> Option<String> {
        const ODD: &[&str] = &[
            "101",
            "+50",
            "007",
            "-1",
            "50.5",
            "",
            " 50",
            "1e2",
            "18446744073709551615",
            "18446744073709551616",
            "100%",
            "00",
            "100.0",
        ];
        match self.random.below(20) {
            0 => None,
            1 if self.random.chance(0.5) => Some((*self.random.of(ODD)).to_owned()),
            1..5 => Some("100".to_owned()),
            5 => Some("0".to_owned()),
            6..14 => {
                let place = normalized_hash(group, &key?, 100, 0).ok()?;
                Some((place + self.random.below(3) as u32).saturating_sub(1).min(100).to_string())
            }
            _ => Some((20 + self.random.below(61)).to_string()),
        }
    }

    fn group(&mut self) -> Option<String> {
        match self.random.below(40) {
            0..15 => None,
            15..18 => Some(String::new()),
            18 if self.random.chance(0.5) => Some("quo\"te".to_owned()),
            19 if self.random.chance(0.5) => Some("back\\".to_owned()),
            20 => Some("quo\\\"te".to_owned()),
            21 => Some("grüppe 🦀".to_owned()),
            _ => Some((*self.random.of(&["group", "flag", "a\\b"])).to_owned()),
        }
    }

    pub fn stickiness(&mut self) -> Option<String> {
        match self.random.below(20) {
            0..3 => None,
            3..10 => Some("default".to_owned()),
            10 => Some("random".to_owned()),
            11..16 => Some((*self.random.of(&["userId", "sessionId"])).to_owned()),
            _ => Some(self.name()),
        }
    }

    /// Variants, often with weights between which a key of those who ask falls.
    pub fn variants(&mut self, count: usize, letter: char, group: &str, parameters: &Json) -> Json {
        let group = parameters["groupId"].as_str().unwrap_or(group);
        let stickiness = parameters["stickiness"].as_str().unwrap_or("default");
        let field = if stickiness == "default" { "userId" } else { stickiness };
        let mut weights: Vec<i64> =
            (0..count).map(|_| *self.random.of(&[0, 1, 10, 100, 333, 500, 1000])).collect();
        if count > 1
            && self.random.chance(0.4)
            && let Some(key) = self.own(field)
            && let Ok(place) = normalized_hash(group, &key, 1000, 86_028_157)
        {
            let first = (i64::from(place) + self.random.below(3) as i64 - 1).min(1000);
            weights = vec![0; count];
            weights[count - 2] = first;
            weights[count - 1] = 1000 - first;
        }
        if count > 0 && weights.iter().all(|weight| *weight == 0) && self.random.chance(0.9) {
            weights[count - 1] = 100;
        }
        if count > 0 && self.random.chance(0.01) {
            weights[0] = *self.random.of(&[-1, -100, 2_147_483_647]);
        }
        weights
            .into_iter()
            .enumerate()
            .map(|(place, weight)| {
                let name = if self.random.chance(0.05) {
                    "twice".to_owned()
                } else {
                    format!("{letter}{place}")
                };
                let mut variant = json!({"name": name, "weight": weight});
                if let Some(payload) = self.payload() {
                    variant["payload"] = payload;
                }
                variant
            })
            .collect()
    }

    fn payload(&mut self) -> Option<Json> {
        Some(match self.random.below(10) {
            0..3 => return None,
            3 => {
                json!({"type": "json", "value": self.random.of(&["{\"a\": [1, 2.0]}", "{", "null", "\"a\"", "", "1e400", "{\"a\":1,\"a\":2}"])})
            }
            4 => {
                json!({"type": "number", "value": self.random.of(&["1", "1.5", "-0", "inf", "many", ""])})
            }
            5 => json!({"type": "csv", "value": "a,b"}),
            6 => json!({"type": "", "value": "of no type"}),
            _ => json!({"type": "string", "value": pool::text(self.random)}),
        })
    }
}
