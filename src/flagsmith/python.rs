//! What the server's engine, which is written in Python, does with a value before it compares it.
//!
//! A trait that is text made of digits becomes a number, text with a point in it a float; whatever
//! is compared is read as the trait's type, and whatever is hashed or matched is Python's text of it.

use std::{borrow::Cow, cmp::Ordering, fmt};

use super::{
    condition::{Comparison, ConditionValue, MemberTexts},
    subject::{Subject, SubjectType},
};
use crate::{
    flag::{pattern::Pattern, semver::Version},
    value::ShortText,
};

/// A value of the context as the engine holds it.
#[derive(Clone, Copy, Debug)]
pub(super) enum PythonValue<'t> {
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, by its digits without leading zeros.
    Large {
        negative: bool,
        digits: &'t str,
    },
    Float(f64),
    Text(&'t str),
}

impl<'t> PythonValue<'t> {
    /// The engine reads numbers out of text.
    #[inline]
    pub(super) fn of_text(text: &'t str) -> PythonValue<'t> {
        // Most text is none, and its first byte says so.
        match text.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => PythonValue::of_digits(text),
            _ => PythonValue::Text(text),
        }
    }

    fn of_digits(text: &'t str) -> PythonValue<'t> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if numeric(digits) {
            return match text.parse() {
                Ok(value) => PythonValue::Int(value),
                Err(_) => PythonValue::Large { negative, digits: digits.trim_start_matches('0') },
            };
        }
        match digits.split_once('.') {
            Some((whole, fraction)) if numeric(whole) && numeric(fraction) => {
                text.parse().map_or(PythonValue::Text(text), PythonValue::Float)
            }
            _ => PythonValue::Text(text),
        }
    }

    /// Writes Python's text of it: `True`, `1.0`, `1e+21`.
    pub(super) fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match self {
            PythonValue::Bool(value) => out.write_str(if *value { "True" } else { "False" }),
            PythonValue::Int(value) => write!(out, "{value}"),
            PythonValue::Large { negative, digits } => {
                out.write_str(if *negative { "-" } else { "" })?;
                out.write_str(digits)
            }
            PythonValue::Float(value) => write_float(*value, out),
            PythonValue::Text(text) => out.write_str(text),
        }
    }

    /// Lends the text.
    pub(super) fn with_text<T>(&self, read: impl FnOnce(&str) -> T) -> T {
        if let PythonValue::Text(text) = self {
            return read(text);
        }
        let mut text = ShortText::default();
        // Writing to it cannot fail.
        let _ = self.write(&mut text);
        read(text.as_str())
    }

    fn number(&self) -> Option<f64> {
        match self {
            PythonValue::Bool(value) => Some(f64::from(u8::from(*value))),
            PythonValue::Int(value) => Some(*value as f64),
            PythonValue::Large { negative, digits } => {
                let size: f64 = digits.parse().ok()?;
                Some(if *negative { -size } else { size })
            }
            PythonValue::Float(value) => Some(*value),
            PythonValue::Text(_) => None,
        }
    }
}

impl Subject<'_> {
    /// Lends the value as the engine holds it. There is none for null.
    #[inline(always)]
    pub(super) fn with_value<T>(&self, read: impl FnOnce(PythonValue<'_>) -> T) -> Option<T> {
        // What most conditions read, without another question of its type.
        if let Subject::Text(text) = self {
            return Some(read(PythonValue::of_text(text)));
        }
        Some(match self.kind() {
            SubjectType::Null => return None,
            SubjectType::Bool(value) => read(PythonValue::Bool(value)),
            SubjectType::Int(value) => read(PythonValue::Int(value)),
            SubjectType::Float(value) => read(PythonValue::Float(value)),
            SubjectType::Text => self.with_text(|text| read(PythonValue::of_text(text))),
        })
    }
}

/// A float as Python shows it: always with a point or an exponent.
fn write_float(value: f64, out: &mut impl fmt::Write) -> fmt::Result {
    let size = value.abs();
    if value.is_nan() {
        out.write_str("nan")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "inf" } else { "-inf" })
    } else if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let mut text = ShortText::default();
        fmt::Write::write_fmt(&mut text, format_args!("{value:e}"))?;
        let (digits, exponent) = text.as_str().split_once('e').unwrap_or((text.as_str(), "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        write!(out, "{digits}e{sign}{exponent:0>2}")
    } else {
        write!(out, "{value:?}")
    }
}

/// A condition's value as the engine's own types read it.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    text: Box<str>,
    /// The digits of an integer, without leading zeros.
    integer: Option<(bool, Box<str>)>,
    /// The same, where it has no more than 64 bits.
    small: Option<i64>,
    float: Option<f64>,
    is_version: bool,
}

impl Constant {
    pub(super) fn new(text: Box<str>) -> Constant {
        let integer = integer(&text);
        let small = integer.as_ref().and_then(|(is_negative, digits)| match is_negative {
            true => format!("-{digits}").parse().ok(),
            false => digits.parse().ok(),
        });
        Constant {
            integer,
            small,
            float: float(&text),
            is_version: text.ends_with(":semver"),
            text,
        }
    }

    fn holds(&self, comparison: Comparison, held: PythonValue<'_>) -> bool {
        match held {
            // Any text but two stands for true.
            PythonValue::Bool(value) => {
                let constant = !matches!(&*self.text, "False" | "false");
                comparison.of(Some(value.cmp(&constant)))
            }
            PythonValue::Int(value) if self.small.is_some() => {
                comparison.of(self.small.map(|small| value.cmp(&small)))
            }
            PythonValue::Int(_) | PythonValue::Large { .. } => {
                self.integer.as_ref().is_some_and(|constant| {
                    held.with_text(|text| {
                        let negative = text.starts_with('-');
                        let digits = text.trim_start_matches('-');
                        comparison.of(Some(compared((negative, digits), (constant.0, &constant.1))))
                    })
                })
            }
            PythonValue::Float(value) => {
                self.float.is_some_and(|constant| comparison.of(value.partial_cmp(&constant)))
            }
            PythonValue::Text(text) if self.is_version => {
                let version = self.text.strip_suffix(":semver").and_then(Version::strict);
                Version::strict(text)
                    .zip(version)
                    .is_some_and(|(version, other)| comparison.of(Some(version.precedence(&other))))
            }
            PythonValue::Text(text) => match comparison {
                Comparison::Equal => *text == *self.text,
                Comparison::NotEqual => *text != *self.text,
                _ => comparison.of(Some(text.cmp(&self.text))),
            },
        }
    }

    /// Versions are no text to look into.
    fn is_in(&self, held: PythonValue<'_>) -> bool {
        matches!(held, PythonValue::Text(text) if !self.is_version && text.contains(&*self.text))
    }
}

/// Integers by their signs and digits.
fn compared(left: (bool, &str), right: (bool, &str)) -> Ordering {
    let size = |(_, digits): (bool, &str)| if digits == "0" { 0 } else { digits.len() };
    let by_size = size(left).cmp(&size(right)).then_with(|| left.1.cmp(right.1));
    match (left.0, right.0) {
        (false, false) => by_size,
        (true, true) => by_size.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

/// `int()`: blanks around it and single underscores between digits are allowed.
fn integer(text: &str) -> Option<(bool, Box<str>)> {
    let text = without_underscores(text.trim())?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits.trim_start_matches('0') {
        "" => Some((false, "0".into())),
        digits => Some((negative, digits.into())),
    }
}

/// `float()`.
pub(super) fn float(text: &str) -> Option<f64> {
    without_underscores(text.trim())?.parse().ok()
}

fn without_underscores(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let parts = || text.split('_');
    let inner = parts().count() - 1;
    let between = parts().take(inner).all(|part| part.ends_with(|c: char| c.is_ascii_digit()))
        && parts().skip(1).all(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    between.then(|| Cow::Owned(text.replace('_', "")))
}

/// What an operator and its value are compiled to for this engine.
#[derive(Clone, Debug)]
pub(super) enum Check {
    Compare(Comparison, Constant),
    Contains(Constant),
    NotContains(Box<str>),
    In(MemberTexts),
    Matches(std::sync::Arc<Pattern>),
    Modulo { divisor: f64, remainder: f64 },
}

impl Check {
    #[inline]
    pub(super) fn passes(&self, subject: &Subject<'_>) -> bool {
        subject.with_value(|held| self.passes_for(held)).unwrap_or(false)
    }

    fn passes_for(&self, held: PythonValue<'_>) -> bool {
        match self {
            Check::Compare(comparison, constant) => constant.holds(*comparison, held),
            Check::Contains(part) => part.is_in(held),
            Check::NotContains(part) => {
                matches!(held, PythonValue::Text(text) if !text.contains(&**part))
            }
            // Only text and integers are members of a list of texts.
            Check::In(members) => match held {
                PythonValue::Bool(_) | PythonValue::Float(_) => false,
                held => held.with_text(|text| members.has(text)),
            },
            Check::Matches(pattern) => held.with_text(|text| pattern.is_found_in(text)),
            Check::Modulo { divisor, remainder } => held.number().is_some_and(|number| {
                let rest = number % divisor;
                // The rest has the divisor's sign.
                let rest = if rest != 0.0 && (rest < 0.0) != (*divisor < 0.0) {
                    rest + divisor
                } else {
                    rest
                };
                rest == *remainder
            }),
        }
    }
}

/// `divisor|remainder`.
pub(super) fn modulo(text: &str) -> Option<Check> {
    let (divisor, remainder) = text.split_once('|')?;
    let (divisor, remainder) = (float(divisor)?, float(remainder)?);
    (divisor != 0.0).then_some(Check::Modulo { divisor, remainder })
}

/// The texts that `IN` looks through: a list, also one that is written out as JSON, or what stands
/// between commas, blanks included.
pub(super) fn members(value: &ConditionValue) -> MemberTexts {
    match value {
        ConditionValue::Many(texts) => MemberTexts::of(texts.clone()),
        ConditionValue::One(text) => {
            if text.starts_with('[')
                && let Ok(values) = serde_json::from_str::<Vec<crate::value::Value>>(text)
            {
                return MemberTexts::of(values.iter().map(text_of).collect());
            }
            MemberTexts::of(text.split(',').map(Box::from).collect())
        }
    }
}

/// Python's text of a member of a list.
pub(super) fn text_of(value: &crate::value::Value) -> Box<str> {
    use crate::value::Value;
    let held = match value {
        Value::Null => return "None".into(),
        Value::Bool(value) => PythonValue::Bool(*value),
        Value::Int(value) => PythonValue::Int(*value),
        Value::Float(value) => PythonValue::Float(*value),
        Value::Text(text) => PythonValue::Text(text),
        nested => return nested.to_string().into(),
    };
    held.with_text(|text| text.into())
}

#[cfg(test)]
mod tests;
