//! McNemar's test, sequentially: of the pairs on which only one version is right, do more go against
//! the candidate?
//!
//! [`grid`](super::grid) with margin 0 is this test with a discrete mixture, and decides; the
//! uniform mixtures here and the exact test for a fixed number of pairs are for checking it. Sources:
//! McNemar, "Note on the sampling error of the difference between correlated proportions or
//! percentages", Psychometrika 1947; for the mixtures Robbins, "Statistical methods related to the
//! law of the iterated logarithm", Ann. Math. Stat. 1970.

use std::f64::consts::LN_2;

use super::special::{ln_beta, ln_incomplete_beta};

/// `ln E` against "each discordant pair is a fair coin", both ways: a uniform mixture over the coin's
/// bias, `(b + c) ln 2 + ln B(1 + b, 1 + c)`.
///
/// ```
/// assert!((modelgate::verdict::stats::mcnemar::ln_e_two_sided(30, 10) - 31.636_906_4_f64.ln()).abs() < 1e-8);
/// ```
pub fn ln_e_two_sided(worse: u64, better: u64) -> f64 {
    let (b, c) = (worse as f64, better as f64);
    (b + c) * LN_2 + ln_beta(1.0 + b, 1.0 + c)
}

/// `ln E` against "a discordant pair goes against the candidate at most half the time":
/// `ln 2^(b+c+1) ∫ t^b (1-t)^c dt` over `t` in `[1/2, 1]`.
pub fn ln_e_worse(worse: u64, better: u64) -> f64 {
    let (b, c) = (worse as f64, better as f64);
    ln_e_two_sided(worse, better) + LN_2 + ln_incomplete_beta(c + 1.0, b + 1.0, 0.5)
}

/// The exact two-sided p value for a number of pairs fixed beforehand. It is valid for a single look,
/// and here to check the others.
///
/// `p = min(1, 2 P(X <= min(b, c)))` with `X` binomial with `b + c` trials at one half.
pub fn exact_p(worse: u64, better: u64) -> f64 {
    let (low, high) = (worse.min(better), worse.max(better));
    if low == high {
        return 1.0;
    }
    // P(X <= k) = I_{1/2}(n - k, k + 1).
    let tail = ln_incomplete_beta(high as f64, low as f64 + 1.0, 0.5);
    (2.0 * tail.exp()).min(1.0)
}
