//! The operators of clauses. A clause holds when its test does for one of its values: the values are
//! merged into one test when the flag is compiled.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use super::tree::KeySet;
use crate::{
    flag::{
        pattern::Pattern,
        semver::{OwnedVersion, Version},
    },
    value::{Value, ValueRef},
};

/// A test of one attribute value against all the values of a clause.
pub(super) enum Test {
    In(Box<OneOf>),
    StartsWith(Box<[Box<str>]>),
    EndsWith(Box<[Box<str>]>),
    Contains(Box<[Box<str>]>),
    Matches(Box<[Pattern]>),
    /// Below the greatest of the values is below one of them; and so on. NaN, the bound of a clause
    /// without numbers, is never met.
    LessThan(f64),
    LessThanOrEqual(f64),
    GreaterThan(f64),
    GreaterThanOrEqual(f64),
    Before(Option<Moment>),
    After(Option<Moment>),
    SemVerEqual(Box<[OwnedVersion]>),
    SemVerLessThan(Option<Box<OwnedVersion>>),
    SemVerGreaterThan(Option<Box<OwnedVersion>>),
    Unknown(Box<str>),
}

/// Values, any of which may be met.
pub(super) struct OneOf {
    texts: KeySet,
    /// In ascending order.
    numbers: Box<[f64]>,
    others: Box<[Value]>,
}

/// Seconds since 1970 and nanoseconds; a leap second has more than a second of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(i64, u32);

/// 2^53 - 1: beyond it, neighbouring whole numbers can no longer be told apart.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_991.0;

impl Test {
    /// The test of an operator, and the values that mean nothing to it.
    pub(super) fn new(operator: Box<str>, values: Vec<Value>) -> (Test, usize) {
        let given = values.len();
        let mut used = given;
        let test = match &*operator {
            "in" => Test::In(Box::new(OneOf::new(values))),
            "startsWith" => Test::StartsWith(texts(values, &mut used)),
            "endsWith" => Test::EndsWith(texts(values, &mut used)),
            "contains" => Test::Contains(texts(values, &mut used)),
            "matches" => {
                let texts = texts(values, &mut used);
                let patterns = texts.iter().filter_map(|text| Pattern::new(text, false));
                let patterns = patterns.collect::<Box<[_]>>();
                used = patterns.len();
                Test::Matches(patterns)
            }
            "lessThan" => Test::LessThan(bound(&values, f64::max, &mut used)),
            "lessThanOrEqual" => Test::LessThanOrEqual(bound(&values, f64::max, &mut used)),
            "greaterThan" => Test::GreaterThan(bound(&values, f64::min, &mut used)),
            "greaterThanOrEqual" => Test::GreaterThanOrEqual(bound(&values, f64::min, &mut used)),
            "before" => Test::Before(moments(&values, &mut used).into_iter().max()),
            "after" => Test::After(moments(&values, &mut used).into_iter().min()),
            "semVerEqual" => Test::SemVerEqual(versions(&values, &mut used).into()),
            "semVerLessThan" => {
                let versions = versions(&values, &mut used).into_iter();
                Test::SemVerLessThan(versions.max_by(precedence).map(Box::new))
            }
            "semVerGreaterThan" => {
                let versions = versions(&values, &mut used).into_iter();
                Test::SemVerGreaterThan(versions.min_by(precedence).map(Box::new))
            }
            _ => Test::Unknown(operator),
        };
        (test, given - used)
    }

    /// The operator's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Test::In(_) => "in",
            Test::StartsWith(_) => "startsWith",
            Test::EndsWith(_) => "endsWith",
            Test::Contains(_) => "contains",
            Test::Matches(_) => "matches",
            Test::LessThan(_) => "lessThan",
            Test::LessThanOrEqual(_) => "lessThanOrEqual",
            Test::GreaterThan(_) => "greaterThan",
            Test::GreaterThanOrEqual(_) => "greaterThanOrEqual",
            Test::Before(_) => "before",
            Test::After(_) => "after",
            Test::SemVerEqual(_) => "semVerEqual",
            Test::SemVerLessThan(_) => "semVerLessThan",
            Test::SemVerGreaterThan(_) => "semVerGreaterThan",
            Test::Unknown(name) => name,
        }
    }

    /// Whether it holds for the attribute's value; for a list, whether for one of its elements.
    #[inline]
    pub(super) fn holds(&self, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::List(list) => (0..list.len())
                .any(|index| list.element(index).is_some_and(|element| self.holds_for(element))),
            value => self.holds_for(value),
        }
    }

    #[inline]
    fn holds_for(&self, value: ValueRef<'_>) -> bool {
        match self {
            Test::In(values) => values.contain(value),
            Test::StartsWith(starts) => text(value)
                .is_some_and(|text| starts.iter().any(|start| text.starts_with(&**start))),
            Test::EndsWith(ends) => {
                text(value).is_some_and(|text| ends.iter().any(|end| text.ends_with(&**end)))
            }
            Test::Contains(parts) => {
                text(value).is_some_and(|text| parts.iter().any(|part| text.contains(&**part)))
            }
            Test::Matches(patterns) => text(value)
                .is_some_and(|text| patterns.iter().any(|pattern| pattern.is_found_in(text))),
            Test::LessThan(bound) => number(value).is_some_and(|number| number < *bound),
            Test::LessThanOrEqual(bound) => number(value).is_some_and(|number| number <= *bound),
            Test::GreaterThan(bound) => number(value).is_some_and(|number| number > *bound),
            Test::GreaterThanOrEqual(bound) => number(value).is_some_and(|number| number >= *bound),
            Test::Before(bound) => {
                bound.is_some_and(|bound| moment(value).is_some_and(|moment| moment < bound))
            }
            Test::After(bound) => {
                bound.is_some_and(|bound| moment(value).is_some_and(|moment| moment > bound))
            }
            Test::SemVerEqual(bounds) => {
                compared(value, bounds).any(|ordering| ordering == Ordering::Equal)
            }
            Test::SemVerLessThan(bound) => {
                compared(value, bound.as_deref()).any(|ordering| ordering == Ordering::Less)
            }
            Test::SemVerGreaterThan(bound) => {
                compared(value, bound.as_deref()).any(|ordering| ordering == Ordering::Greater)
            }
            Test::Unknown(_) => false,
        }
    }
}

impl OneOf {
    fn new(values: Vec<Value>) -> OneOf {
        let (mut texts, mut numbers, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            match value {
                Value::Text(text) => texts.push(text),
                Value::Int(_) | Value::Float(_) => numbers.extend(number(value.borrow())),
                value => others.push(value),
            }
        }
        numbers.retain(|number| !number.is_nan());
        numbers.sort_by(f64::total_cmp);
        OneOf { texts: KeySet::new(texts), numbers: numbers.into(), others: others.into() }
    }

    #[inline]
    fn contain(&self, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::Text(text) => self.texts.contains(text),
            ValueRef::Int(_) | ValueRef::Float(_) => {
                number(value).is_some_and(|number| self.contain_number(number))
            }
            value => self.others.iter().any(|one| equal(one, value)),
        }
    }

    fn contain_number(&self, number: f64) -> bool {
        // By value, so that 0 and -0, which stand side by side, are one.
        let order = |one: &f64| one.partial_cmp(&number).unwrap_or(Ordering::Less);
        self.numbers.binary_search_by(order).is_ok()
    }
}

/// Equal as JSON: of one type, and numbers by value.
fn equal(value: &Value, other: ValueRef<'_>) -> bool {
    match (value, other) {
        (Value::Null, ValueRef::Null) => true,
        (Value::Bool(value), ValueRef::Bool(other)) => *value == other,
        (Value::Text(value), ValueRef::Text(other)) => **value == *other,
        (Value::Int(_) | Value::Float(_), ValueRef::Int(_) | ValueRef::Float(_)) => {
            number(value.borrow()) == number(other)
        }
        (Value::List(values), ValueRef::List(others)) => {
            values.len() == others.len()
                && values.iter().enumerate().all(|(index, value)| {
                    others.element(index).is_some_and(|other| equal(value, other))
                })
        }
        (Value::Map(map), ValueRef::Map(other)) => {
            let (mut count, mut same) = (0_usize, true);
            other.visit(&mut |name, other| {
                count += 1;
                same = same && map.get(name).is_some_and(|value| equal(value, other));
            });
            same && count == map.len()
        }
        _ => false,
    }
}

#[inline]
fn text(value: ValueRef<'_>) -> Option<&str> {
    match value {
        ValueRef::Text(text) => Some(text),
        _ => None,
    }
}

/// A number as the vendor holds it: in double precision, whatever it was.
#[inline]
pub(super) fn number(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Int(number) => Some(number as f64),
        ValueRef::Float(number) => Some(number),
        _ => None,
    }
}

/// The number without its fraction, unless it is too large to have been whole.
#[inline]
pub(super) fn whole(number: f64) -> Option<i64> {
    (number.abs() <= LARGEST_WHOLE).then_some(number as i64)
}

/// Milliseconds since 1970, or a text as RFC 3339 has it.
fn moment(value: ValueRef<'_>) -> Option<Moment> {
    let time = match value {
        ValueRef::Text(text) => date(text)?,
        value => DateTime::from_timestamp_millis(whole(number(value)?)?)?,
    };
    Some(Moment(time.timestamp(), time.timestamp_subsec_nanos()))
}

/// A date as the vendor's Go and Python SDKs read it: capital letters, a colon in the offset, and no
/// second beyond the 59th.
fn date(text: &str) -> Option<DateTime<Utc>> {
    let bytes = text.as_bytes();
    let offset = matches!(bytes, [.., b'Z'] | [.., b'+' | b'-', _, _, b':', _, _]);
    if bytes.get(10) != Some(&b'T') || !offset {
        return None;
    }
    let date = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    // chrono keeps a leap second as a fraction of more than one.
    (date.timestamp_subsec_nanos() < 1_000_000_000).then_some(date)
}

fn version(value: ValueRef<'_>) -> Option<Version<'_>> {
    text(value).and_then(Version::partial)
}

#[inline]
fn compared<'b>(
    value: ValueRef<'_>,
    bounds: impl IntoIterator<Item = &'b OwnedVersion>,
) -> impl Iterator<Item = Ordering> {
    let version = version(value);
    bounds
        .into_iter()
        .filter_map(move |bound| version.map(|version| version.precedence(&bound.borrow())))
}

fn precedence(left: &OwnedVersion, right: &OwnedVersion) -> Ordering {
    left.borrow().precedence(&right.borrow())
}

fn texts(values: Vec<Value>, used: &mut usize) -> Box<[Box<str>]> {
    let texts: Box<[_]> = values
        .into_iter()
        .filter_map(|value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        })
        .collect();
    *used = texts.len();
    texts
}

fn bound(values: &[Value], choose: fn(f64, f64) -> f64, used: &mut usize) -> f64 {
    let numbers = || values.iter().filter_map(|value| number(value.borrow()));
    *used = numbers().count();
    numbers().reduce(choose).unwrap_or(f64::NAN)
}

fn moments(values: &[Value], used: &mut usize) -> Vec<Moment> {
    let moments: Vec<_> = values.iter().filter_map(|value| moment(value.borrow())).collect();
    *used = moments.len();
    moments
}

fn versions(values: &[Value], used: &mut usize) -> Vec<OwnedVersion> {
    let versions = values.iter().filter_map(|value| version(value.borrow()));
    let versions: Vec<_> = versions.map(|version| OwnedVersion::new(&version)).collect();
    *used = versions.len();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_vendor_s_go_and_python_sdks_read_them() {
        for text in [
            "2017-12-06T00:00:00.000-07:00",
            "2017-12-06T00:00:00Z",
            "2017-12-06T00:00:00.123456789+00:00",
        ] {
            assert!(date(text).is_some(), "{text}");
        }
        for text in [
            "2016-12-31T23:59:60Z",
            "2016-12-31T23:59:60.5+00:00",
            "2017-12-06T00:00:00+0000",
            "2017-12-06 00:00:00Z",
            "2017-12-06t00:00:00z",
            "2017-12-06T00:00:00",
            "2017-12-06",
            "",
        ] {
            assert!(date(text).is_none(), "{text}");
        }
    }
}
