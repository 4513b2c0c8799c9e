//! Flags written in code, as the flagd definitions they stand for.

use std::{error::Error as StdError, fmt, time::Duration};

use serde_json::{Value as Json, json};

use crate::{
    flag::{Flag, Problem},
    flagd::Flagd,
    value::Value,
};

/// Weights are thousandths of a percent, and always sum to this: only so does a share that grows
/// keep every user it had.
const WHOLE: u32 = 100_000;

/// A flag whose variants are model versions, written in code.
///
/// ```
/// use modelgate::{Rollout, rollout::Condition};
///
/// // A quarter of the users gets v2, and everybody in the EU.
/// let flag = Rollout::percent("v2", 25.0)
///     .or("v1")
///     .when(Condition::attribute("region").equals("eu"), "v2")
///     .flag("ml-model-version")?;
/// assert_eq!(flag.key(), "ml-model-version");
/// # Ok::<(), modelgate::rollout::Error>(())
/// ```
///
/// Users are told apart by the context's targeting key together with the flag's key: two flags
/// draw independently. A user without a targeting key gets the version after
/// [`or`](Shares::or), unless the router's policy for missing keys says otherwise.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Rollout {
    conditions: Vec<(Condition, String)>,
    stages: Vec<ScheduledShares>,
    rest: String,
    salt: Option<String>,
}

/// What is shared out from some moment on.
#[derive(Clone, Debug, PartialEq)]
struct ScheduledShares {
    /// Since 1970-01-01 UTC; `None` for always.
    from: Option<Duration>,
    shares: Vec<(String, f64)>,
}

impl Rollout {
    /// Everybody gets this version.
    pub fn everyone(version: impl Into<String>) -> Rollout {
        Rollout { conditions: Vec::new(), stages: Vec::new(), rest: version.into(), salt: None }
    }

    /// This share of the users gets this version, from 0 to 100 percent, exact to a thousandth.
    pub fn percent(version: impl Into<String>, percent: f64) -> Shares {
        Shares { shares: vec![(version.into(), percent)] }
    }

    /// This version's share changes at given times.
    pub fn schedule(version: impl Into<String>) -> Schedule {
        Schedule { version: version.into(), stages: Vec::new() }
    }

    /// Whoever fulfils the condition gets this version, before anything is shared out. Of several
    /// conditions the first that is fulfilled counts.
    pub fn when(mut self, condition: Condition, version: impl Into<String>) -> Rollout {
        self.conditions.push((condition, version.into()));
        self
    }

    /// Draws by this salt instead of the flag's key: two flags of one salt pick the same users, the
    /// smaller share among those of the larger one. All users without a targeting key then draw as one.
    ///
    /// ```
    /// use modelgate::{Context, Rollout};
    ///
    /// let (model, prompt) = (
    ///     Rollout::percent("v2", 20.0).or("v1").salt("spring").flag("model")?,
    ///     Rollout::percent("long", 20.0).or("short").salt("spring").flag("prompt")?,
    /// );
    /// let flags: modelgate::FlagSet = [model, prompt].into_iter().collect();
    /// for user in ["ann", "bob", "cem", "dee", "eve"] {
    ///     let context = Context::new(user);
    ///     let read = |key| flags.evaluate(key, &context).string("").value;
    ///     assert_eq!(read("model") == "v2", read("prompt") == "long");
    /// }
    /// # Ok::<(), modelgate::rollout::Error>(())
    /// ```
    pub fn salt(mut self, salt: impl Into<String>) -> Rollout {
        self.salt = Some(salt.into());
        self
    }

    /// The flag, compiled.
    ///
    /// # Errors
    /// A percentage outside of 0 to 100, shares of more than 100 percent, stages that go back in time.
    pub fn flag(&self, key: &str) -> Result<Flag, Error> {
        let definition = self.to_json()?;
        Flagd::new().compile_flag(key, &definition).map_err(Error::Definition)
    }

    /// The flag as it stands in a flagd definition, under its key.
    ///
    /// # Errors
    /// As [`flag`](Rollout::flag).
    pub fn to_json(&self) -> Result<String, Error> {
        let targeting = self.targeting()?.unwrap_or(json!({}));
        let definition = json!({
            "state": "ENABLED",
            "variants": self.versions().into_iter().map(|version| (version.clone(), json!(version)))
                .collect::<serde_json::Map<_, _>>(),
            "defaultVariant": self.rest,
            "targeting": targeting,
        });
        Ok(format!("{definition:#}"))
    }

    fn versions(&self) -> Vec<&String> {
        let shares = self.stages.iter().flat_map(|stage| &stage.shares);
        let mut versions: Vec<&String> = Vec::new();
        let named = self.conditions.iter().map(|(_, version)| version);
        for version in
            [&self.rest].into_iter().chain(shares.map(|(version, _)| version)).chain(named)
        {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        versions
    }

    fn targeting(&self) -> Result<Option<Json>, Error> {
        let mut branches = Vec::new();
        for (condition, version) in &self.conditions {
            branches.extend([condition.0.clone(), json!(version)]);
        }
        let (mut before, mut last) = (json!(self.rest), None);
        for stage in &self.stages {
            if let Some(from) = stage.from {
                if last.is_some_and(|last| last >= from) {
                    return Err(Error::Order { from });
                }
                let time = json!({"<": [{"var": "$flagd.timestamp"}, from.as_secs()]});
                branches.extend([time, before]);
                last = Some(from);
            }
            before = fractional(&stage.shares, &self.rest, self.salt.as_deref())?;
        }
        Ok(match (branches.is_empty(), before) {
            (true, before) => before.is_object().then_some(before),
            (false, before) => {
                branches.push(before);
                Some(json!({"if": branches}))
            }
        })
    }
}

/// The candidates come first on the range, so that one that grows only gains users.
fn fractional(shares: &[(String, f64)], rest: &str, salt: Option<&str>) -> Result<Json, Error> {
    let (mut entries, mut total) = (Vec::new(), 0_u32);
    if let Some(salt) = salt {
        entries.push(json!({"cat": [format!("{salt}/"), {"var": "targetingKey"}]}));
    }
    for (version, percent) in shares {
        if !(0.0..=100.0).contains(percent) {
            return Err(Error::Percent { version: version.clone(), percent: *percent });
        }
        // At most 100,000 by the check above.
        let weight = (percent * f64::from(WHOLE / 100)).round() as u32;
        total += weight;
        if total > WHOLE {
            let percent = shares.iter().map(|(_, percent)| percent).sum();
            return Err(Error::Sum { percent });
        }
        entries.push(json!([version, weight]));
    }
    entries.push(json!([rest, WHOLE - total]));
    Ok(json!({"fractional": entries}))
}

/// Shares of the users, still without a version for the others.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Shares {
    shares: Vec<(String, f64)>,
}

impl Shares {
    /// Another version with a share of its own, after those already there.
    ///
    /// When the shares of a running rollout change, only the first version is sure to keep every
    /// user it has.
    pub fn percent(mut self, version: impl Into<String>, percent: f64) -> Shares {
        self.shares.push((version.into(), percent));
        self
    }

    /// The version for everybody else.
    pub fn or(self, version: impl Into<String>) -> Rollout {
        let stage = ScheduledShares { from: None, shares: self.shares };
        let rest = version.into();
        Rollout { conditions: Vec::new(), stages: vec![stage], rest, salt: None }
    }
}

/// A version whose share changes at given times, still without a version for the others.
///
/// ```
/// use std::time::Duration;
/// use modelgate::Rollout;
///
/// let day = Duration::from_secs(24 * 60 * 60);
/// let monday = Duration::from_secs(1_767_600_000);
/// let flag = Rollout::schedule("v2")
///     .stage(monday, 5.0)
///     .stage(monday + day, 25.0)
///     .stage(monday + 2 * day, 100.0)
///     .or("v1")
///     .flag("ml-model-version")?;
/// # Ok::<(), modelgate::rollout::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Schedule {
    version: String,
    stages: Vec<ScheduledShares>,
}

impl Schedule {
    /// From this time since 1970-01-01 UTC on, in whole seconds, the version has this share.
    pub fn stage(mut self, from: Duration, percent: f64) -> Schedule {
        let from = Some(Duration::from_secs(from.as_secs()));
        self.stages.push(ScheduledShares { from, shares: vec![(self.version.clone(), percent)] });
        self
    }

    /// The version for everybody else, and for all before the first stage.
    pub fn or(self, version: impl Into<String>) -> Rollout {
        Rollout { conditions: Vec::new(), stages: self.stages, rest: version.into(), salt: None }
    }
}

/// A condition on the context.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Condition(Json);

impl Condition {
    /// Begins a condition on the attribute at this path: `region`, or `device.model`.
    pub fn attribute(path: impl Into<String>) -> AttributeCondition {
        AttributeCondition { path: path.into() }
    }

    /// Both conditions hold.
    pub fn and(self, other: Condition) -> Condition {
        Condition(json!({"and": [self.0, other.0]}))
    }

    /// One of the conditions holds, or both.
    pub fn or(self, other: Condition) -> Condition {
        Condition(json!({"or": [self.0, other.0]}))
    }

    /// The condition does not hold.
    #[expect(clippy::should_implement_trait, reason = "reads as the other combinators do")]
    pub fn not(self) -> Condition {
        Condition(json!({"!": [self.0]}))
    }
}

/// A condition on an attribute, still without its test. An attribute that is absent or `null` fulfils
/// none, unless `null` is what it is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct AttributeCondition {
    path: String,
}

impl AttributeCondition {
    /// The attribute is this value: the same type, numbers being one type.
    pub fn equals(self, value: impl Into<Value>) -> Condition {
        self.holds("===", value.into())
    }

    /// The attribute is one of these: of the same type, numbers being one type. Only a number that is
    /// looked for among texts goes by flagd's `in`, to which text without digits is 0.
    pub fn one_of<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Condition {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        let searchable =
            |value: &Value| matches!(value, Value::Text(_) | Value::Int(_) | Value::Float(_));
        if values.iter().all(searchable) {
            return self.holds("in", Value::List(values));
        }
        // `in` fails the whole rule when it looks for a number beside a boolean or an object.
        let each = values.into_iter().map(|value| self.clone().equals(value).0);
        Condition(json!({"or": each.collect::<Vec<_>>()}))
    }

    /// The attribute is at least this, as a number: text goes by its digits, `true` is 1. Two texts
    /// compare by their bytes.
    pub fn at_least(self, least: impl Into<Value>) -> Condition {
        self.is_present().and(self.holds(">=", least.into()))
    }

    /// The attribute is below this, compared as by [`at_least`](Self::at_least).
    pub fn below(self, limit: impl Into<Value>) -> Condition {
        self.is_present().and(self.holds("<", limit.into()))
    }

    /// The attribute is text that starts with this.
    pub fn starts_with(self, text: &str) -> Condition {
        self.holds("starts_with", text.into())
    }

    /// The attribute is text that ends with this.
    pub fn ends_with(self, text: &str) -> Condition {
        self.holds("ends_with", text.into())
    }

    /// To flagd's operators of order, `null` is 0: whoever has no age would be below 18.
    fn is_present(&self) -> Condition {
        self.clone().holds("!==", Value::Null)
    }

    fn holds(self, operator: &str, value: Value) -> Condition {
        let value = serde_json::to_value(&value).unwrap_or_default();
        Condition(json!({operator: [{"var": self.path}, value]}))
    }
}

/// A rollout that cannot be.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A share outside of 0 to 100 percent, or none that is a number.
    Percent {
        /// The version it was for.
        version: String,
        /// What was given.
        percent: f64,
    },
    /// Shares of more than everybody.
    Sum {
        /// What they sum to.
        percent: f64,
    },
    /// A stage that does not come after the one before it.
    Order {
        /// When it was to begin, since 1970-01-01 UTC.
        from: Duration,
    },
    /// A definition that the dialect refuses.
    Definition(Problem),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Percent { version, percent } => {
                write!(f, "version `{version}`: found {percent} percent, expected 0 to 100")
            }
            Error::Sum { percent } => {
                write!(f, "shares: found {percent} percent in all, expected at most 100")
            }
            Error::Order { from } => write!(
                f,
                "stage at {} s: found a time not after the stage before, expected a later one",
                from.as_secs()
            ),
            Error::Definition(problem) => problem.fmt(f),
        }
    }
}

impl StdError for Error {}
