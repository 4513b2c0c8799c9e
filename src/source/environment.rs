//! Flags set by environment variables: an operator's override.

use std::{borrow::Cow, ffi::OsString, fmt};

use super::{Error, FlagSource, FlagUpdates, Subscription};
use crate::{
    flag::{Flag, FlagSet, Problem},
    value::Value,
};

/// Flags that are set by environment variables, read once at start. Declared last, they override
/// every other source.
///
/// `MODELGATE_FLAG_ML_MODEL_VERSION=v1` sets the flag `ml-model-version`: the rest of the name in
/// lower case, with `-` for `_`. For a key that is written otherwise name the variable with
/// [`variable`](EnvironmentSource::variable).
///
/// A value that is JSON (`true`, `0.5`, `"2"`, `{"version": "v2"}`) is that value, every other is
/// text. An empty variable counts as unset; one that is not Unicode sets nothing, and is a
/// [problem](Problem) of the source.
///
/// ```
/// use modelgate::{Context, Flags, source::EnvironmentSource};
///
/// let source = EnvironmentSource::new()
///     .variable("KILL_SWITCH", "risk_model_enabled")
///     .with_variables([
///         ("MODELGATE_FLAG_ML_MODEL_VERSION", "v1"),
///         ("KILL_SWITCH", "false"),
///     ]);
/// let flags = Flags::builder().source(source).build()?;
/// assert_eq!(flags.string("ml-model-version", &Context::new("u"), "v2"), "v1");
/// assert!(!flags.boolean("risk_model_enabled", &Context::new("u"), true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct EnvironmentSource {
    prefix: String,
    named: Vec<(String, String)>,
    variables: Option<Vec<(String, OsString)>>,
}

impl Default for EnvironmentSource {
    fn default() -> EnvironmentSource {
        EnvironmentSource::new()
    }
}

impl EnvironmentSource {
    /// Every variable whose name starts with `MODELGATE_FLAG_`.
    pub fn new() -> EnvironmentSource {
        EnvironmentSource::prefixed("MODELGATE_FLAG_")
    }

    /// Every variable whose name starts with `prefix`. With an empty prefix, only those named
    /// with [`variable`](EnvironmentSource::variable).
    pub fn prefixed(prefix: impl Into<String>) -> EnvironmentSource {
        EnvironmentSource { prefix: prefix.into(), named: Vec::new(), variables: None }
    }

    /// Lets the variable `name` set the flag `key`, whatever the prefix says.
    pub fn variable(
        mut self,
        name: impl Into<String>,
        key: impl Into<String>,
    ) -> EnvironmentSource {
        self.named.push((name.into(), key.into()));
        self
    }

    /// Reads these variables instead of the process's.
    pub fn with_variables<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> EnvironmentSource {
        let variables = variables.into_iter();
        self.variables =
            Some(variables.map(|(name, value)| (name.into(), value.into().into())).collect());
        self
    }

    fn read(mut self) -> FlagSet {
        let mut variables = self.variables.take().unwrap_or_else(|| {
            // `vars` would panic where one is not Unicode.
            let variables = std::env::vars_os();
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
        });
        // In a fixed order: of two variables for one flag the same one counts each time.
        variables.sort();
        let prefixed =
            variables.iter().filter(|_| !self.prefix.is_empty()).filter_map(|(name, value)| {
                let rest = name.strip_prefix(&self.prefix).filter(|rest| !rest.is_empty())?;
                Some((rest.to_lowercase().replace('_', "-"), value))
            });
        let named = self.named.iter().filter_map(|(wanted, key)| {
            let (_, value) = variables.iter().find(|(name, _)| name == wanted)?;
            Some((key.clone(), value))
        });
        let set = prefixed.chain(named).filter(|(_, value)| !value.is_empty());
        set.fold(FlagSet::new(), |flags, (key, value)| match value.to_str() {
            Some(text) => flags.with(Flag::constant(key, parse(text))),
            None => {
                let found = "an environment variable that is not Unicode";
                flags.with_problem(Problem::rejected(key, "", found, "UTF-8 text"))
            }
        })
    }
}

/// Values may be secret: only the names are shown.
impl fmt::Debug for EnvironmentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvironmentSource")
            .field("prefix", &self.prefix)
            .field("named", &self.named)
            .finish_non_exhaustive()
    }
}

impl FlagSource for EnvironmentSource {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("environment")
    }
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error> {
        updates.replace(self.read());
        Ok(Subscription::none())
    }
}

fn parse(text: &str) -> Value {
    match serde_json::from_str(text.trim()) {
        Ok(Value::Null) | Err(_) => Value::from(text),
        Ok(value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_where_they_are_and_text_otherwise() {
        assert_eq!(parse("true"), Value::Bool(true));
        assert_eq!(parse(" 25 "), Value::Int(25));
        assert_eq!(parse("0.5"), Value::Float(0.5));
        assert_eq!(parse("\"2\""), Value::from("2"));
        assert_eq!(parse("v2"), Value::from("v2"));
        assert_eq!(parse("null"), Value::from("null"));
        assert_eq!(parse("{\"version\": \"v2\"}").get("version"), Some(&Value::from("v2")));
        assert_eq!(parse("{half"), Value::from("{half"));
    }

    #[test]
    fn the_named_variable_counts_before_the_prefix_and_empty_ones_are_unset() {
        let set = EnvironmentSource::new()
            .variable("OTHER", "a-b")
            .with_variables([
                ("MODELGATE_FLAG_A_B", "1"),
                ("OTHER", "2"),
                ("MODELGATE_FLAG_EMPTY", ""),
                ("MODELGATE_FLAG_", "x"),
                ("PATH", "/bin"),
            ])
            .read();
        assert_eq!(set.iter().map(Flag::key).collect::<Vec<_>>(), ["a-b"]);
        let all = EnvironmentSource::prefixed("").with_variables([("X", "1")]).read();
        assert!(all.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_unicode_is_a_problem_by_name() {
        let value = std::os::unix::ffi::OsStringExt::from_vec(vec![b'v', 0xff]);
        let mut source = EnvironmentSource::new().with_variables([("MODELGATE_FLAG_B", "1")]);
        source.variables.as_mut().unwrap().push(("MODELGATE_FLAG_A_B".to_owned(), value));
        let set = source.read();
        assert_eq!(set.iter().map(Flag::key).collect::<Vec<_>>(), ["b"]);
        assert_eq!(set.problems().iter().map(|problem| &*problem.key).collect::<Vec<_>>(), ["a-b"]);
    }

    #[test]
    fn debug_output_shows_no_value() {
        let source = EnvironmentSource::new().with_variables([("MODELGATE_FLAG_A", "hidden")]);
        assert!(!format!("{source:?}").contains("hidden"));
    }
}
