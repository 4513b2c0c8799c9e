//! Which requests are shadowed.

use crate::{hash::Murmur3, prediction_id::PredictionId};

/// The number of shares a draw can tell apart: a thousandth of a percent each.
const SHARES: u32 = 100_000;

/// Published and frozen: changing it would change who is shadowed.
const SALT: &str = "modelgate.shadow/";

/// Draws the share of requests that is shadowed.
///
/// The draw depends on the targeting key alone, so that a user's requests are all shadowed or
/// none, and raising the share keeps those already in. Its salt makes it independent of every
/// rollout. A request without a key is drawn by its prediction id. Nothing here knows the
/// outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampler {
    /// Draws below this are in.
    below: u32,
}

impl Sampler {
    /// A sampler of this share; it is cut to 0 to 100, and NaN is nothing.
    pub(crate) fn percent(percent: f64) -> Sampler {
        // A float that does not fit an integer is cut to its range, and NaN becomes 0.
        let below = (percent * f64::from(SHARES) / 100.0).round() as u32;
        Sampler { below: below.min(SHARES) }
    }

    /// Whether the request of this user, answered under this id, is shadowed. An empty key is
    /// none.
    #[inline]
    pub(crate) fn wants(&self, targeting_key: Option<&str>, id: PredictionId) -> bool {
        match self.below {
            0 => false,
            SHARES => true,
            below => {
                let draw = match targeting_key.filter(|key| !key.is_empty()) {
                    Some(key) => draw(SALT, key.as_bytes()),
                    None => draw(SALT, &id.as_u128().to_be_bytes()),
                };
                draw < below
            }
        }
    }
}

/// A number in `0..100_000` for a salt and a key: the murmur3-32 hash (seed 0) of the salt
/// followed by the key, scaled down by a multiplication.
fn draw(salt: &str, key: &[u8]) -> u32 {
    let mut hash = Murmur3::new(0);
    hash.write(salt.as_bytes());
    hash.write(key);
    ((u64::from(hash.finish()) * u64::from(SHARES)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> PredictionId {
        PredictionId::from_u128(number)
    }

    #[test]
    fn the_draw_is_frozen() {
        let draws = ["user-1", "user-2", "user-42", "", "ключ"].map(|k| draw(SALT, k.as_bytes()));
        assert_eq!(draws, [73124, 40705, 96075, 71884, 10186]);
        assert_eq!(draw(SALT, &7_u128.to_be_bytes()), 24684);
    }

    #[test]
    fn the_share_drawn_is_the_share_asked_for() {
        for percent in [0.5, 10.0, 37.5] {
            let sampler = Sampler::percent(percent);
            let count = 100_000_u32;
            let keyed = (0..count).filter(|n| sampler.wants(Some(&format!("user-{n}")), id(0)));
            let anonymous = (0..count).filter(|n| sampler.wants(None, id(u128::from(*n) << 9)));
            let share = percent / 100.0;
            // Five standard deviations of a binomial draw.
            let bound = 5.0 * (f64::from(count) * share * (1.0 - share)).sqrt();
            for found in [keyed.count(), anonymous.count()] {
                let off = (found as f64 - f64::from(count) * share).abs();
                assert!(off <= bound, "{percent} %: {found} of {count}");
            }
        }
    }

    #[test]
    fn raising_the_share_keeps_everybody_in() {
        for n in 0..2_000 {
            let key = format!("user-{n}");
            let drawn = [1.0, 5.0, 25.0, 50.0, 100.0]
                .map(|percent| Sampler::percent(percent).wants(Some(&key), id(0)));
            assert!(drawn.is_sorted(), "{key}: {drawn:?}");
        }
    }

    #[test]
    fn the_draw_ignores_the_id_where_there_is_a_key_and_needs_it_where_there_is_none() {
        let sampler = Sampler::percent(50.0);
        for n in 0..100 {
            let key = format!("user-{n}");
            assert_eq!(sampler.wants(Some(&key), id(1)), sampler.wants(Some(&key), id(2)));
            assert_eq!(sampler.wants(Some(""), id(n)), sampler.wants(None, id(n)));
        }
        let drawn = (0..1_000).filter(|n| sampler.wants(None, id(*n))).count();
        assert!((400..600).contains(&drawn), "{drawn}");
    }

    #[test]
    fn the_draw_is_independent_of_another_salt() {
        let both = (0..40_000)
            .map(|n| format!("user-{n}"))
            .filter(|key| draw(SALT, key.as_bytes()) < 50_000)
            .filter(|key| draw("ml-model-version", key.as_bytes()) < 50_000)
            .count();
        assert!((9_500..10_500).contains(&both), "{both}");
    }

    #[test]
    fn odd_shares_have_defined_answers() {
        for percent in [f64::NAN, -1.0, f64::NEG_INFINITY, 0.0] {
            assert!(!Sampler::percent(percent).wants(Some("u"), id(0)));
        }
        for percent in [100.0, 1e300, f64::INFINITY] {
            assert!(Sampler::percent(percent).wants(Some("u"), id(0)));
        }
    }
}
