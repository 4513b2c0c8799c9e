//! What a condition reads: a trait by its name, or a place of the context by its JSONPath.

use std::sync::Arc;

use super::query::{Query, Step};

/// The property of a condition.
#[derive(Clone, Debug)]
pub(super) struct Property {
    /// As it was written; the name of the trait that is read when the path finds nothing.
    pub(super) text: Box<str>,
    pub(super) path: Path,
}

/// Where a property is found.
#[derive(Clone, Debug)]
pub(super) enum Path {
    /// There is no property.
    Nowhere,
    /// The property is the name of a trait.
    Trait,
    /// A path that never leads to a scalar.
    Nothing,
    EnvironmentKey,
    EnvironmentName,
    Identifier,
    IdentityKey,
    /// `json`: whether the path goes through JSON, which writes floats differently.
    NamedTrait {
        name: Box<str>,
        json: bool,
    },
    Flag {
        name: Box<str>,
        field: FlagField,
        json: bool,
    },
    /// A query over the whole context.
    Query(Arc<Query>),
}

/// What a condition can read of another flag.
#[derive(Clone, Debug)]
pub(super) enum FlagField {
    Enabled,
    Value,
    Variant,
    Name,
    Reason,
    Metadata(Box<str>),
    /// A query over the flag's whole result.
    Query(Arc<Query>),
}

impl Property {
    pub(super) fn new(text: &str) -> Property {
        let path = if text.is_empty() {
            Path::Nowhere
        } else if text.starts_with("$.") {
            Path::parse(text)
        } else {
            Path::Trait
        };
        Property { text: text.into(), path }
    }

    /// Whether conditions on it mean the same for everybody.
    pub(super) fn is_free_of_identity(&self) -> bool {
        ["$.environment.", "$.environment[", "$.flags.", "$.flags["]
            .iter()
            .any(|prefix| self.text.starts_with(prefix))
    }

    /// Whether a percentage split by it splits by identity.
    pub(super) fn is_identity(&self) -> bool {
        matches!(self.path, Path::Nowhere | Path::Identifier | Path::IdentityKey)
    }

    pub(super) fn reads_flags(&self) -> bool {
        matches!(self.path, Path::Flag { .. })
    }
}

impl Path {
    fn parse(text: &str) -> Path {
        let Some(query) = Query::parse(text) else {
            return Path::Nothing;
        };
        // Flagsmith reads a path of plain names itself, and any other through JSON.
        let json = !is_plain(text);
        let names: Vec<&str> = query.steps.iter().map_while(Step::name).collect();
        let only_names = names.len() == query.steps.len();
        match *names {
            ["environment", "key"] if only_names => Path::EnvironmentKey,
            ["environment", "name"] if only_names => Path::EnvironmentName,
            ["identity", "identifier"] if only_names => Path::Identifier,
            ["identity", "key"] if only_names => Path::IdentityKey,
            ["identity", "traits", name] if only_names => {
                Path::NamedTrait { name: name.into(), json }
            }
            ["identity"] | ["environment"] | ["identity", "traits"] if only_names => Path::Nothing,
            ["flags", name, ref field @ ..] if text.starts_with("$.flags") => {
                let name = name.into();
                let field = match *field {
                    ["enabled"] if only_names => FlagField::Enabled,
                    ["value"] if only_names => FlagField::Value,
                    ["variant"] if only_names => FlagField::Variant,
                    ["name"] if only_names => FlagField::Name,
                    ["reason"] if only_names => FlagField::Reason,
                    ["metadata", name] if only_names => FlagField::Metadata(name.into()),
                    _ => FlagField::Query(Arc::new(query)),
                };
                Path::Flag { name, field, json }
            }
            _ => Path::Query(Arc::new(query)),
        }
    }
}

/// Whether a path is made of names of ASCII letters, digits and `_` only.
fn is_plain(path: &str) -> bool {
    path.strip_prefix("$.").is_some_and(|names| {
        names.split('.').all(|name| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    })
}
