//! Formats numbers for people: few digits, a unit, separated thousands.

use std::fmt;

use crate::verdict::grouped;

/// A number with three significant digits: `0.0123`, `1.5`, `84`, `12,345`.
pub(crate) struct Short(pub(crate) f64);

/// A share between 0 and 1, or a difference of two, in percent.
pub(crate) struct Percent(pub(crate) f64);

/// A difference of two shares, with its sign, in percentage points.
pub(crate) struct Points(pub(crate) f64);

/// A whole number with separated thousands.
pub(crate) struct Whole(pub(crate) u64);

/// A duration given in microseconds.
pub(crate) struct Micros(pub(crate) f64);

/// A duration given in seconds.
pub(crate) struct Seconds(pub(crate) f64);

/// A moment, in milliseconds since 1970, in UTC.
pub(crate) struct Moment(pub(crate) u64);

/// The Unicode minus: a hyphen is read as one by screen readers, and set shorter than a plus.
const MINUS: &str = "\u{2212}";

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if !value.is_finite() {
            return f.write_str("not a number");
        }
        if value < 0.0 {
            f.write_str(MINUS)?;
        }
        let size = value.abs();
        if size == 0.0 {
            return f.write_str("0");
        }
        if size >= 999.5 {
            // Numbers beyond `u64` are not written out in digits.
            return match size < 1e15 {
                true => Whole(size.round() as u64).fmt(f),
                false => write!(f, "{size:.1e}"),
            };
        }
        if size < 0.0005 {
            return write!(f, "{size:.1e}");
        }
        let decimals = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
        let text = format!("{size:.decimals$}");
        f.write_str(trimmed(&text))
    }
}

/// Removes trailing zeros behind the decimal point.
fn trimmed(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        percentage(self.0, f)?;
        f.write_str("\u{202f}%")
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0.0 {
            f.write_str("+")?;
        }
        percentage(self.0, f)?;
        f.write_str("\u{202f}pt")
    }
}

/// Two decimals below one percent, one below ten, none where they would be noise.
fn percentage(share: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !share.is_finite() {
        return f.write_str("not a number");
    }
    let percent = share * 100.0;
    let decimals = match percent.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{:.decimals$}", percent.abs());
    let text = trimmed(&text);
    if percent < 0.0 && text != "0" {
        f.write_str(MINUS)?;
    }
    f.write_str(text)
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&grouped(self.0))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            micros if micros < 1.0 => (micros * 1e3, "ns"),
            micros if micros < 1e3 => (micros, "µs"),
            micros if micros < 1e6 => (micros / 1e3, "ms"),
            micros => (micros / 1e6, "s"),
        };
        write!(f, "{}\u{202f}{unit}", Short(value))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds < 120.0 => Micros(seconds * 1e6).fmt(f),
            seconds if seconds < 7_200.0 => write!(f, "{}\u{202f}min", Short(seconds / 60.0)),
            seconds if seconds < 172_800.0 => write!(f, "{}\u{202f}h", Short(seconds / 3_600.0)),
            seconds => write!(f, "{}\u{202f}days", Short(seconds / 86_400.0)),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = i64::try_from(self.0).ok().and_then(chrono::DateTime::from_timestamp_millis);
        match moment {
            Some(moment) => write!(f, "{}", moment.format("%Y-%m-%d %H:%M:%S UTC")),
            None => f.write_str("an unknown time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_few_digits_and_keep_their_size() {
        for (value, text) in [
            (0.0, "0"),
            (0.012345, "0.0123"),
            (1.5, "1.5"),
            (84.2, "84.2"),
            (999.6, "1,000"),
            (-12345.6, "\u{2212}12,346"),
            (0.00001, "1.0e-5"),
            (1e18, "1.0e18"),
        ] {
            assert_eq!(Short(value).to_string(), text);
        }
        assert_eq!(Short(f64::NAN).to_string(), "not a number");
    }

    #[test]
    fn shares_are_percent_and_differences_are_points_with_a_sign() {
        assert_eq!(Percent(0.123).to_string(), "12.3\u{202f}%");
        assert_eq!(Percent(1.0).to_string(), "100\u{202f}%");
        assert_eq!(Points(0.0041).to_string(), "+0.41\u{202f}pt");
        assert_eq!(Points(-0.05).to_string(), "\u{2212}5\u{202f}pt");
        assert_eq!(Points(-0.000001).to_string(), "0\u{202f}pt");
    }

    #[test]
    fn durations_and_moments_carry_their_unit() {
        assert_eq!(Micros(0.59).to_string(), "590\u{202f}ns");
        assert_eq!(Micros(5_500.0).to_string(), "5.5\u{202f}ms");
        assert_eq!(Seconds(600.0).to_string(), "10\u{202f}min");
        assert_eq!(Moment(1_700_000_000_123).to_string(), "2023-11-14 22:13:20 UTC");
        assert_eq!(Moment(u64::MAX).to_string(), "an unknown time");
    }
}
