//! Which settings a verdict refuses.

use std::{error::Error as StdError, fmt};

use super::Builder;
use crate::{
    mismatch::Mismatch,
    verdict::{MetricConfig, MetricKind, Role, Unit, user_filter::UserFilter},
    version::Version,
};

impl<P, L> Builder<P, L> {
    pub(super) fn check(&self) -> Result<(), Error> {
        let config = &self.config;
        let name = |field: &'static str, name: &str, expected| {
            let wrong = || Error::new(field, format!("`{name}`"), expected);
            if name.is_empty() { Err(wrong()) } else { Ok(()) }
        };
        name("candidate", &config.candidate, "the name of a version")?;
        let champion = config.champion.as_deref();
        champion.map_or(Ok(()), |it| name("against", it, "the name of a version"))?;
        let again = self.again.as_ref().map(Version::as_str);
        for (field, version) in [("against", champion), ("again", again)] {
            if version == Some(config.candidate.as_str()) {
                let expected = "another version than the candidate";
                return Err(Error::new(field, format!("`{}`", config.candidate), expected));
            }
        }
        if again.is_some() && again == champion {
            let found = format!("`{}`", again.unwrap_or_default());
            return Err(Error::new("again", found, "a second name of the champion"));
        }
        for (field, share, expected) in [
            ("budget.rollback", config.budget.rollback, "a number above 0 and below 1"),
            ("budget.promote", config.budget.promote, "a number above 0 and below 1"),
        ] {
            if !(share > 0.0 && share < 1.0) {
                return Err(Error::new(field, share, expected));
            }
        }
        for (field, share) in
            [("max_missing", config.max_missing), ("min_coverage", config.min_coverage)]
        {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::new(field, share, "a number from 0 to 1"));
            }
        }
        if !(1..=UserFilter::MOST).contains(&self.expected_users) {
            let expected = "1 to 67108864 users";
            return Err(Error::new("expected_users", self.expected_users, expected));
        }
        if !(1..=10_000_000).contains(&self.open_labels) {
            return Err(Error::new("open_labels", self.open_labels, "1 to 10000000 pairs"));
        }
        if config.unit == Unit::KeyPer(0) {
            return Err(Error::new("unit", "a window of 0 ms", "a window of 1 ms or more"));
        }
        let ranges = self.watched.iter().map(|watched| watched.range);
        for range in ranges.chain(self.score.as_ref().map(|(range, _)| *range)) {
            check_range("range", range)?;
        }
        for (place, metric) in self.metrics.iter().enumerate() {
            let metric = &metric.config;
            name("metric", &metric.name, "a name")?;
            let again = self.metrics.iter().skip(place + 1);
            if again.into_iter().any(|other| other.config.name == metric.name) {
                let found = format!("`{}` twice", metric.name);
                return Err(Error::new("metric", found, "each name once"));
            }
            self.check_metric(metric)?;
        }
        Ok(())
    }

    fn check_metric(&self, metric: &MetricConfig) -> Result<(), Error> {
        let wrong = |what: &str, found: String, expected| {
            Err(Error::new("metric", format!("{what} of `{}`: {found}", metric.name), expected))
        };
        if !(metric.bound > 0.0 && metric.bound.is_finite()) {
            return wrong("bound", metric.bound.to_string(), "a finite number above 0");
        }
        if let Some(margin) = metric.margin {
            let most = match metric.kind {
                MetricKind::Disagreement | MetricKind::Distance => metric.bound,
                MetricKind::Outcome => f64::MAX,
                _ => metric.bound / 2.0,
            };
            if !(0.0..=most).contains(&margin) {
                let expected = "from 0 to half the bound (a limit: to the bound)";
                return wrong("margin", margin.to_string(), expected);
            }
        }
        if metric.kind == MetricKind::Loss && metric.role != Role::Watch && metric.margin.is_none()
        {
            return wrong("margin", "none".to_owned(), "how much more loss counts as not worse");
        }
        if metric.kind == MetricKind::Noise && self.again.is_none() {
            return wrong("champion", "one name".to_owned(), "a second one (`again`)");
        }
        if metric.kind == MetricKind::Late
            && metric.role == Role::Guardrail
            && !metric.both_in_shadow
        {
            let expected = "`signal`, or the champion in shadow as well (`again`)";
            return wrong("role", "guardrail".to_owned(), expected);
        }
        if let Some(ratio) = metric.ratio
            && !(ratio > 0.0 && ratio < 1e4)
        {
            return wrong("ratio", ratio.to_string(), "above 0 and below 10000");
        }
        if metric.kind == MetricKind::Disagreement
            && metric.role == Role::Guardrail
            && metric.margin.is_none()
        {
            return wrong("limit", "none".to_owned(), "`at_most`, to be a guardrail");
        }
        metric.range.map_or(Ok(()), |range| check_range("metric (range)", range))
    }
}

fn check_range(field: &'static str, (low, high): (f64, f64)) -> Result<(), Error> {
    if low.is_finite() && high.is_finite() && low < high {
        Ok(())
    } else {
        Err(Error::new(field, format!("{low} to {high}"), "two finite numbers, in order"))
    }
}

/// A verdict cannot be built from these settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Mismatch);

impl Error {
    #[cold]
    fn new(field: &'static str, found: impl fmt::Display, expected: &'static str) -> Error {
        Error(Mismatch::new(field, found, expected))
    }

    /// The setting that is wrong.
    pub fn field(&self) -> &str {
        self.0.field
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Error {}
