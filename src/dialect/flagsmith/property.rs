//! What a condition reads: a trait by its name, or a place of the context by its JSONPath.

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
}

/// What a condition can read of another flag.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FlagField {
    Enabled,
    Value,
    Variant,
    Name,
    Reason,
    Metadata(Box<str>),
    /// No scalar; reading it depends on the flag all the same.
    Nothing,
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
        let Some(names) = names(text) else {
            return Path::Nothing;
        };
        // Flagsmith reads a path of plain names itself, and any other through JSON.
        let json = !is_plain(text);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match *names {
            ["environment", "key"] => Path::EnvironmentKey,
            ["environment", "name"] => Path::EnvironmentName,
            ["identity", "identifier"] => Path::Identifier,
            ["identity", "key"] => Path::IdentityKey,
            ["identity", "traits", name] => Path::NamedTrait { name: name.into(), json },
            ["flags", name, ref field @ ..] if text.starts_with("$.flags") => {
                Path::Flag { name: name.into(), field: FlagField::new(field), json }
            }
            _ => Path::Nothing,
        }
    }
}

impl FlagField {
    fn new(names: &[&str]) -> FlagField {
        match *names {
            ["enabled"] => FlagField::Enabled,
            ["value"] => FlagField::Value,
            ["variant"] => FlagField::Variant,
            ["name"] => FlagField::Name,
            ["reason"] => FlagField::Reason,
            ["metadata", name] => FlagField::Metadata(name.into()),
            _ => FlagField::Nothing,
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

/// The names of a path that does nothing but follow them, by dots or by quoted names in brackets.
fn names(path: &str) -> Option<Vec<String>> {
    let mut rest = path.strip_prefix('$')?;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (name, after) = if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            (is_shorthand(name).then_some(name)?, after)
        } else {
            let after = rest.strip_prefix('[')?;
            let quote = after.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
            let (name, after) = after.get(1..)?.split_once(quote)?;
            let after = after.strip_prefix(']')?;
            (name.chars().all(|c| c >= ' ' && c != '\\').then_some(name)?, after)
        };
        names.push(name.to_owned());
        rest = after;
    }
    Some(names)
}

/// Whether RFC 9535 lets a name stand after a dot.
fn is_shorthand(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}
