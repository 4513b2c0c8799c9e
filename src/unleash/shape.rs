//! What kind of value a text has the shape of: dates, versions and numbers are told apart by how
//! they are written.

use chrono::{DateTime, Utc};

use crate::flag::semver::Version;

/// A value to compare with.
#[derive(Debug)]
pub(super) enum TypedValue {
    Date(DateTime<Utc>),
    /// A strict semantic version.
    Version(Box<str>),
    Number(f64),
}

/// Why a text has no such value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShapeError {
    Date,
    Version,
    Other,
}

impl TypedValue {
    /// Reads a value: as a date, else as a version, else as a number.
    pub(super) fn read(text: &str) -> Result<TypedValue, ShapeError> {
        let text = text.trim_matches([' ', '\t']);
        if is_date(text) {
            return text.parse().map(TypedValue::Date).map_err(|_| ShapeError::Date);
        }
        if is_version(text) {
            return match Version::strict(text) {
                Some(_) => Ok(TypedValue::Version(text.into())),
                None => Err(ShapeError::Version),
            };
        }
        if is_number(text)
            && let Ok(number) = text.parse()
        {
            return Ok(TypedValue::Number(number));
        }
        Err(ShapeError::Other)
    }
}

/// `2026-11-22T13:26:52Z`, with three digits of a fraction or none, and any offset.
fn is_date(text: &str) -> bool {
    let mut rest = Remainder(text.as_bytes());
    rest.pattern(b"dddd-dd-ddTdd:dd:dd")
        && (!rest.starts(b'.') || rest.pattern(b".ddd"))
        && (rest.pattern(b"Z") || rest.pattern(b"+dd:dd") || rest.pattern(b"-dd:dd"))
        && rest.0.is_empty()
}

/// Three numbers, then identifiers after `-`, then identifiers after `+`.
fn is_version(text: &str) -> bool {
    let mut rest = Remainder(text.as_bytes());
    rest.digits()
        && rest.pattern(b".")
        && rest.digits()
        && rest.pattern(b".")
        && rest.digits()
        && (!rest.pattern(b"-") || rest.identifiers())
        && (!rest.pattern(b"+") || rest.identifiers())
        && rest.0.is_empty()
}

/// `5`, `-5.`, `5.5e-3`; neither `.5` nor `5e`.
fn is_number(text: &str) -> bool {
    let mut rest = Remainder(text.as_bytes());
    let whole = rest.integer();
    if rest.pattern(b".") {
        rest.digits();
    }
    let exponent = !(rest.pattern(b"e") || rest.pattern(b"E")) || rest.integer();
    whole && exponent && rest.0.is_empty()
}

/// What is left of a text.
struct Remainder<'t>(&'t [u8]);

impl Remainder<'_> {
    fn starts(&self, byte: u8) -> bool {
        self.0.first() == Some(&byte)
    }

    /// Takes what looks like this, where `d` is a digit; takes nothing if it does not.
    fn pattern(&mut self, pattern: &[u8]) -> bool {
        let Some((start, rest)) = self.0.split_at_checked(pattern.len()) else {
            return false;
        };
        let fits = start.iter().zip(pattern).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            wanted => byte == wanted,
        });
        if fits {
            self.0 = rest;
        }
        fits
    }

    /// Takes bytes that are such; says whether there were any.
    fn some(&mut self, are: impl Fn(u8) -> bool) -> bool {
        let count = self.0.iter().take_while(|byte| are(**byte)).count();
        self.0 = self.0.get(count..).unwrap_or_default();
        count > 0
    }

    fn digits(&mut self) -> bool {
        self.some(|byte| byte.is_ascii_digit())
    }

    fn integer(&mut self) -> bool {
        let _ = self.pattern(b"+") || self.pattern(b"-");
        self.digits()
    }

    fn identifiers(&mut self) -> bool {
        loop {
            if !self.some(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return false;
            }
            if !self.pattern(b".") {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> &'static str {
        match TypedValue::read(text) {
            Ok(TypedValue::Date(_)) => "date",
            Ok(TypedValue::Version(_)) => "version",
            Ok(TypedValue::Number(_)) => "number",
            Err(ShapeError::Date) => "bad date",
            Err(ShapeError::Version) => "bad version",
            Err(ShapeError::Other) => "nothing",
        }
    }

    #[test]
    fn a_value_is_what_it_looks_like() {
        let cases = [
            ("2026-11-22T13:26:52Z", "date"),
            ("2026-11-22T13:26:52.123+01:00", "date"),
            (" 2026-11-22T13:26:52-01:00\t", "date"),
            ("2026-13-22T13:26:52Z", "bad date"),
            ("2026-11-22T13:26:52.12Z", "nothing"),
            ("2026-11-22T13:26:52", "nothing"),
            ("2026-11-22 13:26:52Z", "nothing"),
            ("2026-11-22", "nothing"),
            ("1.2.3", "version"),
            ("1.2.3-rc.1+b", "version"),
            ("1.2.3-01", "bad version"),
            ("01.2.3", "bad version"),
            ("1.2.3-", "nothing"),
            ("1.2.3-a..b", "nothing"),
            ("1.2.3.4", "nothing"),
            ("v1.2.3", "nothing"),
            ("1.2", "number"),
            ("5", "number"),
            ("+5.", "number"),
            ("-5.5E+3", "number"),
            ("1e999", "number"),
            (".5", "nothing"),
            ("5e", "nothing"),
            ("5\n", "nothing"),
            ("", "nothing"),
            ("NaN", "nothing"),
            ("1_000", "nothing"),
            ("٣", "nothing"),
        ];
        for (text, expected) in cases {
            assert_eq!(shape(text), expected, "{text:?}");
        }
    }
}
