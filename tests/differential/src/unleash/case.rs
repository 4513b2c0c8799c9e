//! One question, and its answer.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

/// What the service tells its flag client once, for every question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Stands in for a context without an `appName`.
    pub app_name: Option<String>,
    /// Stands in for a context without an `environment`.
    pub environment: Option<String>,
    pub host_name: Option<String>,
}

/// Toggles, somebody who asks, and for which toggle.
#[derive(Clone, Debug)]
pub struct Case {
    pub id: String,
    /// Client features, or `{"events": [...]}`.
    pub environment: Arc<Json>,
    pub context: Map<String, Json>,
    pub flag: String,
    pub options: Options,
}

impl Case {
    /// The case as a line of conformance data.
    pub fn line(&self, expect: &Answer) -> Json {
        let named = [
            ("app_name", &self.options.app_name),
            ("environment", &self.options.environment),
            ("host_name", &self.options.host_name),
        ];
        let options: Map<String, Json> = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))))
            .collect();
        json!({
            "id": self.id,
            "kind": "variant",
            "dialect": "unleash",
            "environment": *self.environment,
            "context": self.context,
            "flag": self.flag,
            "options": options,
            "expect": expect.json(),
        })
    }

    /// The case of a line.
    pub fn of_line(line: &Json) -> Case {
        let option = |name: &str| line["options"][name].as_str().map(str::to_owned);
        Case {
            id: line["id"].as_str().expect("a line has an id").to_owned(),
            environment: Arc::new(line["environment"].clone()),
            context: line["context"].as_object().cloned().unwrap_or_default(),
            flag: line["flag"].as_str().expect("a line names its flag").to_owned(),
            options: Options {
                app_name: option("app_name"),
                environment: option("environment"),
                host_name: option("host_name"),
            },
        }
    }

    /// The toggle that is asked for, as it is defined; of two with one name the later.
    pub fn definition(&self) -> Option<&Json> {
        self.toggle(&self.flag)
    }

    /// The toggle of this name.
    pub fn toggle(&self, name: &str) -> Option<&Json> {
        features(&self.environment).filter(|feature| feature["name"] == name).last()
    }
}

/// The toggles of client features, or all that events ever bring.
pub fn features(environment: &Json) -> impl Iterator<Item = &Json> {
    let brought = elements(environment, "events")
        .flat_map(|event| elements(event, "features").chain(event.get("feature")));
    elements(environment, "features").chain(brought)
}

/// The members of a list that may be absent or null.
pub fn elements<'a>(of: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> {
    of[name].as_array().into_iter().flatten()
}

/// What a toggle answered: whether it is on, and its variant as the vendor's own SDK shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub enabled: bool,
    pub name: String,
    /// Its type and its text.
    pub payload: Option<(String, String)>,
    pub variant_enabled: bool,
    pub feature_enabled: bool,
}

impl Answer {
    pub fn json(&self) -> Json {
        let mut variant = json!({
            "name": self.name,
            "enabled": self.variant_enabled,
            "feature_enabled": self.feature_enabled,
        });
        if let Some((kind, text)) = &self.payload {
            variant["payload"] = json!({"type": kind, "value": text});
        }
        json!({"enabled": self.enabled, "variant": variant})
    }
}
