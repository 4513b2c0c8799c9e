//! Grid betting on counts: the test that decides.
//!
//! On each observation `x` in `[0, 1]` we bet, at fourteen fixed stakes `c_k` at once, that the mean is
//! above (or below) `m`:
//!
//! ```text
//! E+(m) = Σ_k w_k Π_i (1 - c_k + c_k x_i / m)                evidence that the mean is above m
//! E-(m) = Σ_k w_k Π_i (1 - c_k + c_k (1 - x_i) / (1 - m))    evidence that the mean is below m
//! ```
//!
//! If the mean of each observation, given what came before, is at most `m`, each factor has a
//! mean of at most 1, so `E+(m)` is a test martingale: by Ville's inequality the probability that
//! it *ever* reaches `1/α` is at most `α`, however often one looks. The product depends on counts
//! only; so counts of several replicas may be added, in any order, and the sum tested.
//!
//! Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
//! JRSS B 2024 (arXiv 2010.09686), the section on grid-Kelly betting; Orabona and Jun, "Tight
//! concentrations and confidence sequences from the regret of universal portfolio", IEEE T-IT
//! 2024 (arXiv 2110.14099) for the fixed mixture.

use super::special::{bisect, ln_sum_exp};

/// The stakes `c_k`, our choice. The largest is below 1, so that no single observation ruins a bet.
pub const STAKES: [f64; 14] =
    [0.99, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005];

/// The weights `w_k` of the stakes; their sum is 1.
pub const WEIGHTS: [f64; 14] =
    [0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.05, 0.05, 0.05, 0.05];

/// A value in `[0, 1]`, and how often it was observed.
pub type Observed = (f64, f64);

/// Nulls are kept this far inside `(0, 1)`, where a factor is still finite.
const EDGE: f64 = 1e-15;

/// `ln E+(m)`: the evidence that the mean of the observations is above `m`.
///
/// Finite for finite counts, whatever they are; 0 without observations.
///
/// ```
/// use modelgate::verdict::stats::grid::{ln_e_above, ternary};
///
/// // 30 requests on which only the candidate failed, 10 on which only the champion did.
/// let ln_e = ln_e_above(&ternary(30, 950, 10), 0.5);
/// assert!((ln_e - 3.928_863_189_366).abs() < 1e-10);
/// ```
pub fn ln_e_above(observations: &[Observed], m: f64) -> f64 {
    let m = m.clamp(EDGE, 1.0 - EDGE);
    ln_e(observations, |x| x / m - 1.0)
}

/// `ln E-(m)`: the evidence that the mean of the observations is below `m`.
///
/// ```
/// use modelgate::verdict::stats::grid::{ln_e_below, ternary};
///
/// // 1,200 requests without a difference: not worse by half a point.
/// let ln_e = ln_e_below(&ternary(0, 1200, 0), (0.005 + 1.0) / 2.0);
/// assert!((ln_e - 4.258_658_681_991).abs() < 1e-10);
/// ```
pub fn ln_e_below(observations: &[Observed], m: f64) -> f64 {
    let m = m.clamp(EDGE, 1.0 - EDGE);
    ln_e(observations, |x| (1.0 - x) / (1.0 - m) - 1.0)
}

fn ln_e(observations: &[Observed], gain: impl Fn(f64) -> f64) -> f64 {
    let mut logs = WEIGHTS.map(f64::ln);
    for (x, count) in observations.iter().filter(|(_, count)| *count > 0.0) {
        let gain = gain(*x);
        for (log, stake) in logs.iter_mut().zip(STAKES) {
            *log += count * (stake * gain).ln_1p();
        }
    }
    // Without observations the mixture is 1, which the weights' rounding would miss.
    if observations.iter().all(|(_, count)| *count <= 0.0) {
        return 0.0;
    }
    ln_sum_exp(logs.into_iter())
}

/// The mean of the observations; `None` without any.
pub fn mean(observations: &[Observed]) -> Option<f64> {
    let count: f64 = observations.iter().map(|(_, count)| count).sum();
    let sum: f64 = observations.iter().map(|(x, count)| x * count).sum();
    (count > 0.0).then(|| sum / count)
}

/// The lower limit of the mean: below it `E+` is at least `1/alpha`. At any time, and at all
/// times at once, the true mean is below the limit with a probability of at most `alpha`. 0
/// without observations.
pub fn lower_limit(observations: &[Observed], alpha: f64) -> f64 {
    let Some(mean) = mean(observations).filter(|mean| *mean > 0.0) else { return 0.0 };
    let enough = -alpha.ln();
    let count: f64 = observations.iter().map(|(_, count)| count).sum();
    let squares: f64 = observations.iter().map(|(x, count)| count * (x - mean).powi(2)).sum();
    // `ln E+` falls in `m` from infinity to 0 or less at the mean. Newton's steps, kept between the
    // two by halving, come to the last bit in a few passes, where halving alone takes sixty.
    let (mut low, mut high) = (0.0, mean);
    let mut m = mean - (2.0 * squares * enough).sqrt() / count;
    for _ in 0..200 {
        if !(m > low && m < high) {
            m = low + (high - low) / 2.0;
            if !(m > low && m < high) {
                break;
            }
        }
        let (ln_e, slope) = ln_e_above_with_slope(observations, m);
        if ln_e >= enough {
            low = m;
        } else {
            high = m;
        }
        let step = (ln_e - enough) / slope;
        if step.abs() <= 2.0 * f64::EPSILON * m {
            break;
        }
        m -= step;
    }
    m.clamp(0.0, 1.0)
}

/// `ln E+` and its derivative by `m`.
fn ln_e_above_with_slope(observations: &[Observed], m: f64) -> (f64, f64) {
    let mut logs = WEIGHTS.map(f64::ln);
    let mut slopes = [0.0; STAKES.len()];
    for (x, count) in observations.iter().filter(|(_, count)| *count > 0.0) {
        let gain = x / m - 1.0;
        for ((log, slope), stake) in logs.iter_mut().zip(&mut slopes).zip(STAKES) {
            *log += count * (stake * gain).ln_1p();
            *slope -= count * stake * x / (m * m * (1.0 + stake * gain));
        }
    }
    let ln_e = ln_sum_exp(logs.into_iter());
    let slope = logs.iter().zip(slopes).map(|(log, slope)| (log - ln_e).exp() * slope).sum();
    (ln_e, slope)
}

/// The upper limit of the mean: above it `E-` is at least `1/alpha`. 1 without observations.
pub fn upper_limit(observations: &[Observed], alpha: f64) -> f64 {
    let flipped: Vec<Observed> = observations.iter().map(|(x, count)| (1.0 - x, *count)).collect();
    1.0 - lower_limit(&flipped, alpha)
}

/// A paired difference `d` in `{-1, 0, 1}` as observations of `x = (d + 1) / 2`: how often only
/// the candidate did badly, how often both did alike, how often only the champion did badly.
pub fn ternary(worse: u64, same: u64, better: u64) -> [Observed; 3] {
    [(1.0, worse as f64), (0.5, same as f64), (0.0, better as f64)]
}

/// Yes-or-no observations.
pub fn bernoulli(yes: u64, no: u64) -> [Observed; 2] {
    [(1.0, yes as f64), (0.0, no as f64)]
}

/// A histogram of `n + 1` counts of the values `0, 1/n, …, 1` as observations.
pub fn histogram(bins: &[u64]) -> Vec<Observed> {
    let last = bins.len().saturating_sub(1).max(1) as f64;
    let seen = bins.iter().enumerate().filter(|(_, count)| **count > 0);
    seen.map(|(bin, count)| (bin as f64 / last, *count as f64)).collect()
}

/// About how many more observations like the ones so far it takes until the evidence on either side
/// is enough; `None` when that needs more than a thousand times as many as there are, and more than
/// ten million in all.
///
/// `above` is the null that "worse" refutes and `below` the one that "not worse" refutes, each with
/// the `ln E` that it takes.
pub fn expected_more(
    observations: &[Observed],
    above: Option<(f64, f64)>,
    below: Option<(f64, f64)>,
) -> Option<u64> {
    let count: f64 = observations.iter().map(|(_, count)| count).sum();
    if count <= 0.0 {
        return None;
    }
    let most = (1e7 / count).max(1000.0);
    let enough = |times: f64| {
        let scaled: Vec<Observed> = observations.iter().map(|(x, n)| (*x, n * times)).collect();
        above.is_some_and(|(m, needed)| ln_e_above(&scaled, m) >= needed)
            || below.is_some_and(|(m, needed)| ln_e_below(&scaled, m) >= needed)
    };
    if enough(1.0) {
        return Some(0);
    }
    let mut high = 1.0;
    while !enough(high) {
        if high >= most {
            return None;
        }
        high = (high * 2.0).min(most);
    }
    let times = bisect(1.0, high, |times| !enough(times));
    Some((count * (times - 1.0)).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_are_a_mixture() {
        assert!((WEIGHTS.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        assert_eq!(ln_e_above(&[], 0.5), 0.0);
        assert_eq!(ln_e_below(&ternary(0, 0, 0), 0.5), 0.0);
    }

    #[test]
    fn no_difference_for_long_enough_is_not_worse_at_exactly_pair_903() {
        let enough = 20_f64.ln();
        let m = (0.005 + 1.0) / 2.0;
        assert!(ln_e_below(&ternary(0, 902, 0), m) < enough);
        assert!(ln_e_below(&ternary(0, 903, 0), m) >= enough);
        assert_eq!(expected_more(&ternary(0, 400, 0), None, Some((m, enough))), Some(503));
    }

    #[test]
    fn limits_hold_the_mean_between_them() {
        let seen = ternary(30, 950, 10);
        let (low, high) = (lower_limit(&seen, 0.025), upper_limit(&seen, 0.025));
        assert!((2.0 * low - 1.0 - 0.000_517).abs() < 1e-6);
        assert!((2.0 * high - 1.0 - 0.043_046).abs() < 1e-6);
        assert_eq!((lower_limit(&[], 0.05), upper_limit(&[], 0.05)), (0.0, 1.0));
        assert_eq!(lower_limit(&bernoulli(0, 50), 0.05), 0.0);
        assert_eq!(upper_limit(&bernoulli(50, 0), 0.05), 1.0);
    }

    #[test]
    fn huge_counts_give_finite_evidence() {
        let n = 1_000_000_000_000;
        for seen in [ternary(n, 0, 0), ternary(0, n, n), ternary(u64::MAX, u64::MAX, u64::MAX)] {
            for m in [0.0, 1e-300, 0.5, 0.75, 1.0] {
                assert!(ln_e_above(&seen, m).is_finite());
                assert!(ln_e_below(&seen, m).is_finite());
            }
            let (low, high) = (lower_limit(&seen, 0.05), upper_limit(&seen, 0.05));
            assert!((0.0..=1.0).contains(&low) && low <= high && high <= 1.0, "{low} {high}");
        }
    }
}
