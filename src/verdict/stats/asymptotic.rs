//! The asymptotic confidence sequence of a mean: shown for values without a bound, never a gate.
//!
//! Sources: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory
//! and asymptotic confidence sequences", Annals of Statistics 2024 (arXiv 2103.06476); Howard,
//! Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
//! sequences", Annals of Statistics 2021 (arXiv 1810.08240) for the one-sided mixture.
//!
//! Its error rate holds in the limit only. With rare events it is far off (in simulations the limits
//! of a rate of 0.3 % lay below the true rate in 36 % of the runs), which is why
//! [`grid`](super::grid) decides.
//!
//! Probabilities `alpha` lie in `(0, 1)`, below one half where a function is one-sided, and
//! deviations above 0; what other arguments give is not defined.

use super::special::ln_normal_cdf;

/// The mixture's precision `ρ`, tuned to be tightest at `tuned_for` observations:
/// `√((-2 ln α + ln(1 - 2 ln α)) / N*)`; one-sided with `2α` for `α`.
pub fn rho(alpha: f64, tuned_for: f64, two_sided: bool) -> f64 {
    let alpha = if two_sided { alpha } else { 2.0 * alpha };
    let l = -2.0 * alpha.ln();
    ((l + (l + 1.0).ln()) / tuned_for).sqrt()
}

/// Half the width of the two-sided sequence after `n` observations of this standard deviation:
/// `s √(2 (nρ² + 1) / (nρ)² ln(√(nρ² + 1) / α))`.
///
/// ```
/// use modelgate::verdict::stats::asymptotic::half_width;
///
/// assert!((half_width(1.0, 5000.0, 0.05, 5000.0) - 0.042_924_337_2).abs() < 1e-9);
/// ```
pub fn half_width(deviation: f64, n: f64, alpha: f64, tuned_for: f64) -> f64 {
    let r = rho(alpha, tuned_for, true);
    let v = n * r * r + 1.0;
    deviation * (2.0 * v / (n * r).powi(2) * (v.sqrt() / alpha).ln()).sqrt()
}

/// The distance of the one-sided limit from the mean:
/// `s √(2 (nρ² + 1) / (nρ)² ln(1 + √(nρ² + 1) / (2α)))`.
pub fn half_width_one_sided(deviation: f64, n: f64, alpha: f64, tuned_for: f64) -> f64 {
    let r = rho(alpha, tuned_for, false);
    let v = n * r * r + 1.0;
    deviation * (2.0 * v / (n * r).powi(2) * (v.sqrt() / (2.0 * alpha)).ln_1p()).sqrt()
}

/// `ln E` against "the mean is `null`", both ways, with the mixture's precision `rho`:
/// `ρ² S² / (2 (nρ² + 1)) - ln(nρ² + 1) / 2` with `S = n (mean - null) / s`.
pub fn ln_e_two_sided(n: f64, mean: f64, null: f64, deviation: f64, rho: f64) -> f64 {
    let s = n * (mean - null) / deviation;
    let v = n * rho * rho + 1.0;
    rho * rho * s * s / (2.0 * v) - v.ln() / 2.0
}

/// `ln E` against "the mean is at most `null`", by a half-normal mixture (Howard et al. 2021, the
/// one-sided normal mixture), with `S` as above and `r = 1/ρ²`:
/// `ln(4r / (n + r)) / 2 + S² / (2 (n + r)) + ln Φ(S / √(n + r))`.
pub fn ln_e_above(n: f64, mean: f64, null: f64, deviation: f64, rho: f64) -> f64 {
    let s = n * (mean - null) / deviation;
    let r = 1.0 / (rho * rho);
    (4.0 * r / (n + r)).ln() / 2.0 + s * s / (2.0 * (n + r)) + ln_normal_cdf(s / (n + r).sqrt())
}

/// The difference of two arms' means, and its variance, from the arms' sums.
///
/// Each value counts as `φ = (y - centre) (1{candidate}/share - 1{other}/(1 - share))`. When users are
/// assigned at random with this share, the mean of `φ` is the difference of the arms' means whatever
/// the centre is; a centre near the common mean makes the variance small. Source: Horvitz and
/// Thompson, "A generalization of sampling without replacement from a finite universe", JASA 1952.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Contrast {
    /// How many values.
    pub n: f64,
    /// `Σ φ`.
    pub sum: f64,
    /// `Σ φ²`.
    pub sum_of_squares: f64,
}

/// Count, sum and sum of squares of an arm's values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Arm {
    /// How many values.
    pub n: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_of_squares: f64,
}

impl Arm {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        self.n += 1.0;
        self.sum += value;
        self.sum_of_squares += value * value;
    }

    /// `Σ (y - c)` and `Σ (y - c)²`.
    fn about(&self, centre: f64) -> (f64, f64) {
        let squares = self.sum_of_squares - 2.0 * centre * self.sum + self.n * centre * centre;
        (self.sum - self.n * centre, squares.max(0.0))
    }
}

impl Contrast {
    /// The contrast of one stage, in which the share did not change; empty unless the share leaves
    /// users in both arms.
    pub fn of(candidate: Arm, other: Arm, share: f64, centre: f64) -> Contrast {
        if !(share > 0.0 && share < 1.0) {
            return Contrast::default();
        }
        let (t, tt) = candidate.about(centre);
        let (c, cc) = other.about(centre);
        Contrast {
            n: candidate.n + other.n,
            sum: t / share - c / (1.0 - share),
            sum_of_squares: tt / (share * share) + cc / ((1.0 - share) * (1.0 - share)),
        }
    }

    /// Together with another stage's.
    #[must_use]
    pub fn and(self, other: Contrast) -> Contrast {
        Contrast {
            n: self.n + other.n,
            sum: self.sum + other.sum,
            sum_of_squares: self.sum_of_squares + other.sum_of_squares,
        }
    }

    /// The mean of `φ`: the difference of the arms' means.
    pub fn mean(&self) -> f64 {
        self.sum / self.n
    }

    /// The variance of `φ`, with divisor `n`.
    pub fn variance(&self) -> f64 {
        (self.sum_of_squares / self.n - self.mean().powi(2)).max(0.0)
    }
}
