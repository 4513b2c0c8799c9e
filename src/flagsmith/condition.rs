//! One condition of a rule: an operator between a property and a constant.

use std::cmp::Ordering;

use crate::hash::NameSet;
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::StrDeserializer},
};

use super::{
    Engine,
    property::Property,
    python,
    read::shortened,
    subject::{Subject, SubjectType},
};
use crate::flag::{pattern::Pattern, semver::Version};

#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) property: Property,
    pub(super) operator: Operator,
    pub(super) value: ConditionValue,
    pub(super) test: Test,
    /// Why it never matches, if it does not.
    pub(super) problem: Option<Box<ConditionProblem>>,
}

/// What is wrong with a condition that never matches.
#[derive(Clone, Debug)]
pub(super) struct ConditionProblem {
    pub(super) found: String,
    pub(super) expected: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Operator {
    Equal,
    NotEqual,
    GreaterThan,
    GreaterThanInclusive,
    LessThan,
    LessThanInclusive,
    Contains,
    NotContains,
    In,
    Regex,
    PercentageSplit,
    Modulo,
    IsSet,
    IsNotSet,
    /// An operator that no engine has.
    #[serde(skip)]
    Unknown,
}

impl Operator {
    pub(super) fn named(name: &str) -> Option<Operator> {
        let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        Operator::deserialize(name).ok()
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Operator::Equal => "EQUAL",
            Operator::NotEqual => "NOT_EQUAL",
            Operator::GreaterThan => "GREATER_THAN",
            Operator::GreaterThanInclusive => "GREATER_THAN_INCLUSIVE",
            Operator::LessThan => "LESS_THAN",
            Operator::LessThanInclusive => "LESS_THAN_INCLUSIVE",
            Operator::Contains => "CONTAINS",
            Operator::NotContains => "NOT_CONTAINS",
            Operator::In => "IN",
            Operator::Regex => "REGEX",
            Operator::PercentageSplit => "PERCENTAGE_SPLIT",
            Operator::Modulo => "MODULO",
            Operator::IsSet => "IS_SET",
            Operator::IsNotSet => "IS_NOT_SET",
            Operator::Unknown => "UNKNOWN",
        }
    }
}

/// What a condition compares with, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ConditionValue {
    One(Box<str>),
    Many(Box<[Box<str>]>),
}

impl ConditionValue {
    /// As one text: a list is joined by commas.
    pub(super) fn text(&self) -> Box<str> {
        match self {
            ConditionValue::One(text) => text.clone(),
            ConditionValue::Many(texts) => texts.join(",").into(),
        }
    }
}

/// What an operator and its value are compiled to.
#[derive(Clone, Debug)]
pub(super) enum Test {
    IsSet,
    IsNotSet,
    Compare(Comparison, Box<Constant>),
    Contains(Box<str>),
    NotContains(Box<str>),
    In(MemberTexts),
    Matches(std::sync::Arc<Pattern>),
    Modulo {
        divisor: f64,
        remainder: f64,
    },
    /// The percentage up to which it matches.
    Split(f64),
    /// Any other test, as the server's engine has it.
    Python(Box<python::Check>),
    /// The value makes no sense: it matches nothing.
    Never,
}

impl Test {
    /// The test, and why it never matches if it does not.
    pub(super) fn new(
        operator: Operator,
        value: &ConditionValue,
        engine: Engine,
    ) -> (Test, Option<ConditionProblem>) {
        let expected = match operator {
            Operator::Regex => "a regular expression that can be matched",
            Operator::Modulo => "`divisor|remainder`, two numbers",
            Operator::PercentageSplit => "a percentage",
            _ => "an operator of Flagsmith",
        };
        let test = match engine {
            Engine::Python => Test::python(operator, value),
            Engine::Rust => Test::rust(operator, value),
        };
        match test {
            Some(test) => (test, None),
            None => {
                let found = format!("`{}`", shortened(&value.text()));
                (Test::Never, Some(ConditionProblem { found, expected }))
            }
        }
    }

    fn python(operator: Operator, value: &ConditionValue) -> Option<Test> {
        use Operator as Is;
        let compare =
            |comparison| python::Check::Compare(comparison, python::Constant::new(value.text()));
        let check = match operator {
            Is::IsSet => return Some(Test::IsSet),
            Is::IsNotSet => return Some(Test::IsNotSet),
            Is::Unknown => return None,
            Is::PercentageSplit => return python::float(&value.text()).map(Test::Split),
            Is::Equal => compare(Comparison::Equal),
            Is::NotEqual => compare(Comparison::NotEqual),
            Is::GreaterThan => compare(Comparison::Greater),
            Is::GreaterThanInclusive => compare(Comparison::GreaterOrEqual),
            Is::LessThan => compare(Comparison::Less),
            Is::LessThanInclusive => compare(Comparison::LessOrEqual),
            Is::Contains => python::Check::Contains(python::Constant::new(value.text())),
            Is::NotContains => python::Check::NotContains(value.text()),
            Is::In => python::Check::In(python::members(value)),
            Is::Regex => python::Check::Matches(Pattern::python(&value.text())?.into()),
            Is::Modulo => python::modulo(&value.text())?,
        };
        Some(Test::Python(Box::new(check)))
    }

    fn rust(operator: Operator, value: &ConditionValue) -> Option<Test> {
        let compare = |comparison| Test::Compare(comparison, Box::new(Constant::new(value.text())));
        Some(match operator {
            Operator::IsSet => Test::IsSet,
            Operator::IsNotSet => Test::IsNotSet,
            Operator::Unknown => return None,
            Operator::Equal => compare(Comparison::Equal),
            Operator::NotEqual => compare(Comparison::NotEqual),
            Operator::GreaterThan => compare(Comparison::Greater),
            Operator::GreaterThanInclusive => compare(Comparison::GreaterOrEqual),
            Operator::LessThan => compare(Comparison::Less),
            Operator::LessThanInclusive => compare(Comparison::LessOrEqual),
            Operator::Contains => Test::Contains(value.text()),
            Operator::NotContains => Test::NotContains(value.text()),
            Operator::In => Test::In(MemberTexts::new(value)),
            Operator::Regex => Test::Matches(Pattern::new(&value.text(), false)?.into()),
            Operator::Modulo => modulo(&value.text())?,
            Operator::PercentageSplit => Test::Split(value.text().parse().ok()?),
        })
    }

    /// Whether a subject that is there passes. Splits are decided elsewhere: they need the segment.
    #[inline]
    pub(super) fn passes(&self, subject: &Subject<'_>) -> bool {
        match self {
            Test::IsSet => true,
            Test::Python(check) => check.passes(subject),
            Test::Compare(comparison, constant) => comparison.holds(subject, constant),
            Test::In(members) => {
                !matches!(subject.kind(), SubjectType::Bool(_))
                    && subject.with_text(|text| members.has(text))
            }
            Test::Contains(part) => subject.with_text(|text| text.contains(&**part)),
            Test::NotContains(part) => subject.with_text(|text| !text.contains(&**part)),
            Test::Matches(pattern) => subject.with_text(|text| pattern.is_found_in(text)),
            Test::Modulo { divisor, remainder } => {
                let number = match subject.kind() {
                    SubjectType::Int(value) => Some(value as f64),
                    SubjectType::Float(value) => Some(value),
                    SubjectType::Text => subject.with_text(|text| text.parse().ok()),
                    SubjectType::Null | SubjectType::Bool(_) => None,
                };
                number.is_some_and(|number| (number % divisor - remainder).abs() < 1e-10)
            }
            Test::IsNotSet | Test::Split(_) | Test::Never => false,
        }
    }
}

/// `divisor|remainder`.
fn modulo(text: &str) -> Option<Test> {
    let (divisor, remainder) = text.split_once('|')?;
    Some(Test::Modulo { divisor: divisor.parse().ok()?, remainder: remainder.parse().ok()? })
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    /// By the type of the subject.
    #[inline]
    fn holds(self, subject: &Subject<'_>, constant: &Constant) -> bool {
        match subject.kind() {
            SubjectType::Bool(value) => self.between_switches(value, constant.loose_switch),
            SubjectType::Int(value) => {
                constant.integer.is_some_and(|constant| self.of(value.partial_cmp(&constant)))
            }
            SubjectType::Float(value) => {
                constant.float.is_some_and(|constant| self.of(value.partial_cmp(&constant)))
            }
            SubjectType::Text => subject.with_text(|text| self.of_text(text, constant)),
            SubjectType::Null => false,
        }
    }

    fn of_text(self, text: &str, constant: &Constant) -> bool {
        if constant.is_version {
            let version = constant.text.strip_suffix(":semver").and_then(Version::strict);
            return match (Version::strict(text), version) {
                (Some(version), Some(other)) => self.of(Some(version.total_order(&other))),
                _ => false,
            };
        }
        // Text that looks like a switch or a number is compared as one, when both sides do.
        if let Some(constant) = constant.switch
            && let Some(text) = switch(text)
        {
            return self.between_switches(text, Some(constant));
        }
        if let Some(constant) = constant.integer
            && let Ok(integer) = text.parse::<i64>()
        {
            return self.of(Some(integer.cmp(&constant)));
        }
        if let Some(constant) = constant.float
            && let Ok(float) = text.parse::<f64>()
        {
            return self.of(float.partial_cmp(&constant));
        }
        match self {
            Comparison::Equal => text == &*constant.text,
            Comparison::NotEqual => text != &*constant.text,
            _ => self.of(Some(text.cmp(&constant.text))),
        }
    }

    /// Switches are equal or not; neither is greater.
    fn between_switches(self, value: bool, constant: Option<bool>) -> bool {
        match (self, constant) {
            (Comparison::Equal, Some(constant)) => value == constant,
            (Comparison::NotEqual, Some(constant)) => value != constant,
            _ => false,
        }
    }

    /// What cannot be ordered (NaN) is unequal, and neither greater nor less.
    #[inline]
    pub(super) fn of(self, order: Option<Ordering>) -> bool {
        match self {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::NotEqual => order != Some(Ordering::Equal),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        }
    }
}

/// A condition's value, read as everything that it can be compared as.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    text: Box<str>,
    /// Whether it is written as a version: `1.2.3:semver`.
    is_version: bool,
    switch: Option<bool>,
    /// The same, where `1` counts as true (`0` does not count as false).
    loose_switch: Option<bool>,
    integer: Option<i64>,
    float: Option<f64>,
}

impl Constant {
    fn new(text: Box<str>) -> Constant {
        let switch = switch(&text);
        Constant {
            is_version: text.ends_with(":semver"),
            switch,
            loose_switch: switch.or((&*text == "1").then_some(true)),
            integer: text.parse().ok(),
            float: text.parse().ok(),
            text,
        }
    }
}

#[inline]
fn switch(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The texts that `IN` looks through.
#[derive(Clone, Debug)]
pub(super) enum MemberTexts {
    Few(Box<[Box<str>]>),
    Many(NameSet<Box<str>>),
}

/// From how many members on hashing beats scanning.
const MANY: usize = 8;

impl MemberTexts {
    fn new(value: &ConditionValue) -> MemberTexts {
        let members: Box<[Box<str>]> = match value {
            ConditionValue::One(text) => text.split(',').map(|part| part.trim().into()).collect(),
            ConditionValue::Many(texts) => texts.clone(),
        };
        MemberTexts::of(members)
    }

    pub(super) fn of(members: Box<[Box<str>]>) -> MemberTexts {
        if members.len() < MANY {
            MemberTexts::Few(members)
        } else {
            MemberTexts::Many(members.into_iter().collect())
        }
    }

    #[inline]
    pub(super) fn has(&self, text: &str) -> bool {
        match self {
            MemberTexts::Few(members) => members.iter().any(|member| **member == *text),
            MemberTexts::Many(members) => members.contains(text),
        }
    }
}
