//! A row of features, or a map of names to values.

use std::fmt;

use super::value::FeatureValue;

/// Features as callers send them: a row of values, or values by name.
///
/// Reading them from JSON never fails on what a value is: `"abc"` where a number should be, a
/// repeated name, a missing one are found by the [`Schema`](super::Schema), which refuses them by name. (JSON that
/// is no JSON, and numbers beyond `f64`, are refused by the parser.)
///
/// ```
/// use modelgate::{Features, features::Schema};
///
/// let schema = Schema::new(["amount", "age"])?;
/// let map: Features = serde_json::from_str(r#"{"age": 40, "amount": 12.5}"#)?;
/// assert_eq!(schema.row(&map)?, [12.5, 40.0]);
///
/// let row: Features = serde_json::from_str("[12.5, 40]")?;
/// assert_eq!(schema.row(&row)?, [12.5, 40.0]);
///
/// let bad: Features = serde_json::from_str(r#"{"age": 40, "amount": "abc"}"#)?;
/// assert_eq!(
///     schema.row(&bad).unwrap_err().to_string(),
///     r#"features.amount: found "abc", expected a number"#,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Features {
    pub(super) values: Vec<FeatureValue>,
    /// Where each name ends in `text`; empty for a row.
    pub(super) ends: Vec<usize>,
    /// All names, one after another: a map of 64 names is one allocation, not 64.
    pub(super) text: String,
    named: bool,
}

impl Features {
    /// A row: values in the order of the model's own features.
    pub fn row<V: Into<FeatureValue>>(values: impl IntoIterator<Item = V>) -> Features {
        Features {
            values: values.into_iter().map(Into::into).collect(),
            ends: Vec::new(),
            text: String::new(),
            named: false,
        }
    }

    /// Values by name, in whatever order.
    pub fn named<N: AsRef<str>, V: Into<FeatureValue>>(
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Features {
        let mut features = Features::empty_map();
        for (name, value) in values {
            features.text.push_str(name.as_ref());
            features.push_named(value.into());
        }
        features
    }

    pub(super) fn empty_map() -> Features {
        Features { values: Vec::new(), ends: Vec::new(), text: String::new(), named: true }
    }

    /// Adds a value under the name that was just written to the end of `text`.
    pub(super) fn push_named(&mut self, value: FeatureValue) {
        self.ends.push(self.text.len());
        self.values.push(value);
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether the values have names.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// The values, in the order they were given.
    pub fn values(&self) -> &[FeatureValue] {
        &self.values
    }

    /// Names and values, in the order they were given; nothing for a row.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &FeatureValue)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let names = starts
            .zip(&self.ends)
            .map(|(start, end)| self.text.get(start..*end).unwrap_or_default());
        names.zip(&self.values)
    }
}

impl fmt::Debug for Features {
    /// Says how many there are, and not what they are: features may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.named { "named" } else { "row" };
        write!(f, "Features({form}, {} values)", self.values.len())
    }
}
