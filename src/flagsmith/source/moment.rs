//! Timestamps, in the forms in which Flagsmith writes them.

use chrono::{DateTime, NaiveDateTime};
use serde_json::Value as Json;

/// Numbers above this are milliseconds: as seconds they would lie 3,000 years ahead.
const MILLISECONDS: f64 = 1e11;

/// Seconds since 1970. Flagsmith's documents have a date as text, its real-time service a number,
/// which is in seconds for some of its clients and in milliseconds for its manual.
pub(super) fn moment(json: &str) -> Option<f64> {
    match serde_json::from_str(json).ok()? {
        Json::Number(number) => {
            let number = number.as_f64().filter(|number| number.is_finite() && *number > 0.0)?;
            Some(if number > MILLISECONDS { number / 1e3 } else { number })
        }
        Json::String(text) => date(&text),
        _ => None,
    }
}

fn date(text: &str) -> Option<f64> {
    let moment = DateTime::parse_from_rfc3339(text).map(|date| date.to_utc()).ok();
    let moment = moment.or_else(|| {
        // Older servers name no zone.
        let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
        let read = |form: &&str| NaiveDateTime::parse_from_str(text, form).ok();
        forms.iter().find_map(read).map(|date| date.and_utc())
    })?;
    Some(moment.timestamp_micros() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_is_read_in_every_form() {
        for json in [
            "1795334108.620212",
            "1795334108620.212",
            r#""2026-11-22T07:55:08.620212+00:00""#,
            r#""2026-11-22T07:55:08.620212Z""#,
            r#""2026-11-22T08:55:08.620212+01:00""#,
            r#""2026-11-22 07:55:08.620212""#,
            r#""2026-11-22T07:55:08.620212""#,
        ] {
            let found = moment(json).unwrap_or_default();
            assert!((found - 1_795_334_108.620_212).abs() < 1e-5, "{json}: {found}");
        }
        assert_eq!(moment("1795334108"), Some(1_795_334_108.0));
        assert_eq!(moment("1795334108620"), Some(1_795_334_108.62));
    }

    #[test]
    fn anything_else_is_no_moment() {
        for json in ["null", "0", "-1", "1e999", "true", r#""soon""#, "", "{", "[1]"] {
            assert_eq!(moment(json), None, "{json}");
        }
    }
}
