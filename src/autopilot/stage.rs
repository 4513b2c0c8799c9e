//! The stages of a rollout.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::router::clamp::WHOLE;

/// A share of users, in thousandths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(u32);

impl Share {
    /// Nobody.
    pub const NOBODY: Share = Share(0);
    /// Everybody.
    pub const EVERYBODY: Share = Share(WHOLE);

    /// This many percent, rounded to a thousandth and clamped to 0 to 100; NaN is 0.
    pub fn from_percent(percent: f64) -> Share {
        // `as` saturates, and makes NaN 0.
        Share(((percent * f64::from(WHOLE) / 100.0).round() as u32).min(WHOLE))
    }

    /// In percent.
    pub fn percent(self) -> f64 {
        f64::from(self.0) * 100.0 / f64::from(WHOLE)
    }

    /// In thousandths of a percent: what [draws](super::draw) are compared with.
    pub fn thousandths(self) -> u32 {
        self.0.min(WHOLE)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent())
    }
}

/// One stage of a rollout: which share of users reaches the candidate, for how long at least, and what
/// else is needed before the next stage.
///
/// ```
/// use std::time::Duration;
/// use modelgate::autopilot::Stage;
///
/// let day = Duration::from_secs(24 * 3600);
/// let stages = [
///     Stage::percent(5.0).for_at_least(day),
///     Stage::percent(25.0).for_at_least(2 * day).min_pairs(5_000),
///     Stage::percent(50.0).for_at_least(2 * day).approval(),
/// ];
/// assert_eq!(stages[1].share().percent(), 25.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    pub(super) share: Share,
    pub(super) dwell: Duration,
    pub(super) min_pairs: Option<u64>,
    pub(super) approval: bool,
}

impl Stage {
    /// A stage with this share of the users to whom the flag gives the candidate. It lasts at least a day
    /// unless [set otherwise](Stage::for_at_least).
    pub fn percent(percent: f64) -> Stage {
        Stage {
            share: Share::from_percent(percent),
            dwell: Duration::from_secs(24 * 3600),
            min_pairs: None,
            approval: false,
        }
    }

    /// How much *observed* time the stage takes at least: time in which no replica was running, or no
    /// data arrived, does not count.
    #[must_use]
    pub fn for_at_least(mut self, dwell: Duration) -> Stage {
        self.dwell = dwell;
        self
    }

    /// How many scored pairs there must be before the stage can end. Default: the autopilot's
    /// [number](super::Builder::min_pairs).
    #[must_use]
    pub fn min_pairs(mut self, pairs: u64) -> Stage {
        self.min_pairs = Some(pairs);
        self
    }

    /// Somebody has to [approve](super::Autopilot::approve) before this stage begins.
    #[must_use]
    pub fn approval(mut self) -> Stage {
        self.approval = true;
        self
    }

    /// The share of users.
    pub fn share(&self) -> Share {
        self.share
    }
}
