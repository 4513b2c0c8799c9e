//! Answers and labels of whatever type they were recorded in.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::verdict::{
    Builder, Metric,
    classes::{Class, ClassTable, Classes, NONE},
};

/// An answer as it was recorded: a classification (`{"label": …}`), or a bare class or number.
///
/// The class is the member `label`, `class` or `prediction` of an object, or a bare text, number or
/// truth value. A list, and an object without such a member, names no class: it is compared by what
/// the record says of the two, and accuracy is not scored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedOutput {
    label: Option<RecordedLabel>,
    number: Option<f64>,
}

impl RecordedOutput {
    /// The class it names, if any.
    pub fn label(&self) -> Option<&RecordedLabel> {
        self.label.as_ref()
    }

    /// The number it is, if it is one.
    pub fn number(&self) -> Option<f64> {
        self.number
    }
}

impl<'de> Deserialize<'de> for RecordedOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RecordedOutput, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = value.as_f64();
        let named = match &value {
            Value::Object(members) => {
                ["label", "class", "prediction"].into_iter().find_map(|name| members.get(name))
            }
            bare => Some(bare),
        };
        Ok(RecordedOutput { label: named.and_then(RecordedLabel::of_value), number })
    }
}

/// A class or a truth of whatever type: a text, a number or a truth value. Numbers are the same
/// however they were written: `3`, `3.0` and `"3"` are one class.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordedLabel(Box<str>);

impl RecordedLabel {
    /// The class, as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of_value(value: &Value) -> Option<RecordedLabel> {
        match value {
            Value::String(text) => Some(RecordedLabel::from(text.as_str())),
            Value::Bool(is) => Some(RecordedLabel(is.to_string().into())),
            Value::Number(number) => Some(match number.as_f64() {
                // Beyond 2^53 a float is not the whole number that was written.
                Some(float) if !number.is_i64() && !number.is_u64() => RecordedLabel::from(float),
                _ => RecordedLabel(number.to_string().into()),
            }),
            _ => None,
        }
    }
}

impl From<f64> for RecordedLabel {
    fn from(number: f64) -> RecordedLabel {
        // Without an exponent, and a zero without a sign.
        RecordedLabel::from(format!("{}", number + 0.0).as_str())
    }
}

impl From<&str> for RecordedLabel {
    fn from(text: &str) -> RecordedLabel {
        let text = text.trim();
        RecordedLabel(plain_number(text).unwrap_or(text).into())
    }
}

/// A plain decimal number in its shortest form; `None` for any other text, `007` and `1e3` included.
fn plain_number(text: &str) -> Option<&str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let short =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    Some(if short == "-0" { "0" } else { short })
}

impl fmt::Display for RecordedLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The classes of recorded answers, some of which name none.
#[derive(Default)]
struct RecordedClasses(ClassTable<RecordedLabel>);

impl Classes<RecordedOutput, RecordedLabel> for RecordedClasses {
    fn predicted(&mut self, output: &RecordedOutput) -> Class {
        output.label().map_or(NONE, |label| self.0.number(label))
    }
    fn truth(&self, label: &RecordedLabel) -> Option<Class> {
        Some(self.0.known(label))
    }
    fn name(&self, class: Class) -> &str {
        self.0.called(class)
    }
}

impl Metric<RecordedOutput, RecordedLabel> {
    /// [`accuracy`](Metric::accuracy) of recorded answers; those that name no class are not scored.
    pub fn recorded_accuracy() -> Metric<RecordedOutput, RecordedLabel> {
        Metric::with_classes(Box::new(RecordedClasses::default()))
    }
}

impl Builder<RecordedOutput, RecordedLabel> {
    /// [`classes`](Builder::classes) of recorded answers.
    pub fn recorded_classes(self) -> Builder<RecordedOutput, RecordedLabel> {
        self.with_classes(Box::new(RecordedClasses::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(json: &str) -> Option<String> {
        let output: RecordedOutput = serde_json::from_str(json).unwrap();
        output.label().map(ToString::to_string)
    }

    #[test]
    fn a_number_is_one_class_however_it_was_written() {
        for json in ["3", "3.0", r#""3""#, r#"{"label":3,"probabilities":[0.5]}"#, r#""3.00""#] {
            assert_eq!(class(json).as_deref(), Some("3"), "{json}");
        }
        assert_eq!(class("-0.0").as_deref(), Some("0"));
        assert_eq!(class("9007199254740993").as_deref(), Some("9007199254740993"));
        assert_eq!(class(r#""007""#).as_deref(), Some("007"));
        assert_eq!(class("true").as_deref(), Some("true"));
        assert_eq!(class("0.25").as_deref(), Some("0.25"));
        for json in ["[0.1,0.9]", "null", "{}", r#"{"label":null}"#, r#"{"label":[1]}"#] {
            assert_eq!(class(json), None, "{json}");
        }
    }
}
