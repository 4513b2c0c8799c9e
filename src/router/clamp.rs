//! The share of users whom an autopilot lets a version answer.

use std::{fmt, sync::Arc};

use super::slot::Handle;
use crate::{hash::Murmur3, version::Version};

/// The number of shares a draw can tell apart: a thousandth of a percent each.
pub(crate) const WHOLE: u32 = 100_000;

/// Published and frozen: changing it would change who is let through.
const SALT: &str = "modelgate.autopilot/";

/// What an autopilot lets through to one version. It can only lower what the flags give: a version
/// they do not name never answers because of it.
#[derive(Clone, Debug)]
pub(crate) struct Clamp {
    pub(crate) autopilot: Arc<str>,
    pub(crate) version: Version,
    /// The hash after everything that stands before the key.
    prefix: Murmur3,
    /// Draws below this are let through.
    pub(crate) below: u32,
    /// Why the share is what it is, for people.
    pub(crate) why: Arc<str>,
}

impl Clamp {
    pub(crate) fn new(autopilot: Arc<str>, version: Version, seed: u32) -> Clamp {
        let prefix = prefix(&autopilot, seed);
        Clamp { autopilot, version, prefix, below: 0, why: Arc::from("nothing has been read yet") }
    }

    /// Whether the user of this key is to be answered by the fallback. Whoever has no key is, below
    /// the whole share: a user let through once must stay so.
    #[inline]
    pub(crate) fn holds_back(&self, key: Option<&str>) -> bool {
        match self.below {
            0 => true,
            WHOLE.. => false,
            below => key.is_none_or(|key| self.draw(key) >= below),
        }
    }

    #[inline]
    pub(crate) fn draw(&self, key: &str) -> u32 {
        finish(self.prefix, key)
    }
}

fn prefix(autopilot: &str, seed: u32) -> Murmur3 {
    let mut hash = Murmur3::new(0);
    hash.write(SALT.as_bytes());
    hash.write(autopilot.as_bytes());
    hash.byte(b'/');
    if seed != 0 {
        hash.write(seed.to_string().as_bytes());
        hash.byte(b'/');
    }
    hash
}

#[inline]
fn finish(mut hash: Murmur3, key: &str) -> u32 {
    hash.write(key.as_bytes());
    ((u64::from(hash.finish()) * u64::from(WHOLE)) >> 32) as u32
}

/// The draw of a user under an autopilot of this name: a number in `0..100_000`. The user is let
/// through while it is below the share, counted in thousandths of a percent.
///
/// It is the murmur3-32 hash (x86, seed 0) of `modelgate.autopilot/`, the autopilot's name, `/` and
/// the targeting key, multiplied by 100,000 and divided by 2^32. It is frozen: growing a share keeps
/// everybody who was in, and a share given again after a rollback goes to the same users.
///
/// ```
/// assert_eq!(modelgate::autopilot::draw("ml-model-version", "user-42"), 16_916);
/// ```
pub fn draw(autopilot: &str, key: &str) -> u32 {
    finish(prefix(autopilot, 0), key)
}

/// The clamps of a table: none for most routers, one for most others.
#[inline]
pub(crate) fn of<'a>(clamps: &'a [Clamp], version: &str) -> Option<&'a Clamp> {
    clamps.iter().find(|clamp| clamp.version.as_str() == version)
}

/// What an autopilot did to a request; see [`Explanation`](crate::router::Explanation).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ExplainedClamp {
    /// The autopilot's name.
    pub autopilot: String,
    /// The version it lets some users reach.
    pub version: Version,
    /// The user's draw, in `0..100_000`; `None` for a request without a targeting key.
    pub draw: Option<u32>,
    /// Draws below this are let through.
    pub below: u32,
    /// Whether the fallback answers in the version's place.
    pub held_back: bool,
    /// Why the share is what it is.
    pub why: String,
}

impl ExplainedClamp {
    pub(crate) fn new(clamp: &Clamp, key: Option<&str>) -> ExplainedClamp {
        ExplainedClamp {
            autopilot: clamp.autopilot.to_string(),
            version: clamp.version.clone(),
            draw: key.map(|key| clamp.draw(key)),
            below: clamp.below,
            held_back: clamp.holds_back(key),
            why: clamp.why.to_string(),
        }
    }
}

/// `autopilot ml-model: draw 53846 >= 25000 (25 %), v2 held back: stage 2 of 4`
impl fmt::Display for ExplainedClamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExplainedClamp { autopilot, version, draw, below, held_back, why } = self;
        write!(f, "autopilot {autopilot}: ")?;
        match draw {
            Some(draw) => write!(f, "draw {draw} {} ", if draw < below { "<" } else { ">=" })?,
            None => f.write_str("no targeting key to draw by, ")?,
        }
        let percent = f64::from(*below) * 100.0 / f64::from(WHOLE);
        let outcome = if *held_back { "held back" } else { "let through" };
        write!(f, "{below} ({percent} %), {version} {outcome}: {why}")
    }
}

/// What an autopilot asks of the routers it steers, and tells them.
pub(crate) trait Clamped: Send + Sync {
    /// Publishes a share, in thousandths of a percent.
    fn clamp(&self, autopilot: &str, below: u32, why: &Arc<str>);

    /// How the version fares here; `None` when it is not registered.
    fn health(&self, version: &Version) -> Option<Health>;
}

/// How a version fares on one router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Whether it is loaded and has passed its checks.
    pub(crate) eligible: bool,
    /// Whether an operator blocks it, or pins a version.
    pub(crate) overruled: bool,
    /// How often its breaker has opened.
    pub(crate) breaker_opens: u64,
    /// Requests it answered.
    pub(crate) answered: u64,
    /// Requests that wanted it and were held back.
    pub(crate) held_back: u64,
}

impl<M: Handle> Clamped for super::Core<M> {
    fn clamp(&self, autopilot: &str, below: u32, why: &Arc<str>) {
        self.set_share(autopilot, below, why);
    }

    fn health(&self, version: &Version) -> Option<Health> {
        self.candidate_health(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clamp(below: u32) -> Clamp {
        Clamp { below, ..Clamp::new("ml-model-version".into(), "v2".into(), 0) }
    }

    #[test]
    fn the_draw_is_frozen_and_is_what_is_published() {
        let vectors = include_str!("../../tests/vectors/autopilot-draws.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let vectors = vectors["draws"].as_array().unwrap();
        assert!(vectors.len() >= 20);
        for vector in vectors {
            let text = |field: &str| vector[field].as_str().unwrap().to_owned();
            let found = draw(&text("autopilot"), &text("key"));
            assert_eq!(u64::from(found), vector["draw"].as_u64().unwrap(), "{vector}");
        }
    }

    #[test]
    fn growing_a_share_keeps_everybody_and_shrinking_it_returns_the_same() {
        for n in 0..5_000 {
            let key = format!("user-{n}");
            let held =
                [0, 5_000, 25_000, 50_000, WHOLE].map(|below| clamp(below).holds_back(Some(&key)));
            assert!(held.is_sorted_by(|one, next| one >= next), "{key}: {held:?}");
        }
    }

    #[test]
    fn the_share_let_through_is_the_share_published() {
        for below in [500, 5_000, 25_000, 50_000] {
            let clamp = clamp(below);
            let count = 100_000_u32;
            let through =
                (0..count).filter(|n| !clamp.holds_back(Some(&format!("user-{n}")))).count();
            let share = f64::from(below) / f64::from(WHOLE);
            // Five standard deviations of a binomial draw.
            let bound = 5.0 * (f64::from(count) * share * (1.0 - share)).sqrt();
            let off = (through as f64 - f64::from(count) * share).abs();
            assert!(off <= bound, "{below}: {through} of {count}");
        }
    }

    #[test]
    fn whoever_has_no_key_waits_for_the_whole_share() {
        for below in [0, 1, 50_000, WHOLE - 1] {
            assert!(clamp(below).holds_back(None));
        }
        assert!(!clamp(WHOLE).holds_back(None));
    }

    #[test]
    fn another_seed_draws_other_users() {
        let other = Clamp::new("ml-model-version".into(), "v2".into(), 1);
        let first = clamp(50_000);
        let both = (0..40_000)
            .map(|n| format!("user-{n}"))
            .filter(|key| first.draw(key) < 50_000 && other.draw(key) < 50_000)
            .count();
        assert!((9_500..10_500).contains(&both), "{both}");
    }

    #[test]
    fn the_draw_is_independent_of_who_is_shadowed() {
        let sampler = crate::shadow::Sampler::percent(50.0);
        let clamp = clamp(50_000);
        let id = crate::prediction_id::PredictionId::from_u128(0);
        let both = (0..40_000)
            .map(|n| format!("user-{n}"))
            .filter(|key| !clamp.holds_back(Some(key)) && sampler.wants(Some(key), id))
            .count();
        assert!((9_500..10_500).contains(&both), "{both}");
    }

    #[test]
    fn it_explains_itself() {
        let clamp = Clamp { why: "stage 2 of 4".into(), ..clamp(25_000) };
        let explained = ExplainedClamp::new(&clamp, Some("user-42"));
        assert_eq!(
            explained.to_string(),
            format!(
                "autopilot ml-model-version: draw {} < 25000 (25 %), v2 let through: stage 2 of 4",
                draw("ml-model-version", "user-42")
            )
        );
        let without = ExplainedClamp::new(&clamp, None).to_string();
        assert!(without.contains("no targeting key"), "{without}");
    }
}
