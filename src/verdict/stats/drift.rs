//! Whether a distribution has moved: the population stability index, with the critical value for
//! the number of observations instead of a rule of thumb.

use super::special::{chi_square_critical, chi_square_tail};

/// How far two histograms of the same bins are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// The population stability index, `Σ (q - p) ln(q/p)`.
    pub psi: f64,
    /// What the index exceeds with a probability of about `alpha` when nothing has moved:
    /// `(1/N + 1/M) χ²_{B-1, 1-α}`.
    pub critical: f64,
    /// The probability of an index of at least this size when nothing has moved.
    pub p: f64,
    /// The Jensen-Shannon divergence in nats (Lin, "Divergence measures based on the Shannon
    /// entropy", IEEE Transactions on Information Theory 1991).
    pub js_divergence: f64,
}

/// Compares two histograms over the same bins, of which there are at least two; `None` for other
/// histograms, or when either has no observation.
///
/// If any bin of either is empty, half an observation is added to every bin of both. Source of the
/// critical value: Yurdakul and Naranjo, "Statistical properties of the population stability
/// index", Journal of Risk Model Validation 2020.
///
/// ```
/// use modelgate::verdict::stats::drift::compare;
///
/// let then = [253, 302, 204, 134, 72, 26, 8];
/// let now = [177, 262, 285, 158, 88, 25, 6];
/// let drift = compare(&then, &now, 0.05).unwrap();
/// // The folk rule says "no drift below 0.1"; with a thousand observations 0.025 is enough.
/// assert!((drift.psi - 0.067_692_988).abs() < 1e-8 && drift.critical < 0.0252);
/// ```
pub fn compare(base: &[u64], now: &[u64], alpha: f64) -> Option<Drift> {
    let total = |bins: &[u64]| bins.iter().map(|count| *count as f64).sum::<f64>();
    let (n, m, bins) = (total(base), total(now), base.len() as f64);
    if base.len() != now.len() || base.len() < 2 || n == 0.0 || m == 0.0 {
        return None;
    }
    let smooth = if base.iter().chain(now).any(|count| *count == 0) { 0.5 } else { 0.0 };
    let (mut psi, mut js) = (0.0, 0.0);
    for (before, after) in base.iter().zip(now) {
        let p = (*before as f64 + smooth) / (n + smooth * bins);
        let q = (*after as f64 + smooth) / (m + smooth * bins);
        psi += (q - p) * (q / p).ln();
        js += (p * (2.0 * p / (p + q)).ln() + q * (2.0 * q / (p + q)).ln()) / 2.0;
    }
    let scale = 1.0 / n + 1.0 / m;
    let freedom = bins - 1.0;
    Some(Drift {
        psi,
        critical: scale * chi_square_critical(alpha, freedom),
        p: chi_square_tail(psi / scale, freedom),
        js_divergence: js.max(0.0),
    })
}
