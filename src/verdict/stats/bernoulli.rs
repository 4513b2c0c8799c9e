//! The confidence sequence of a share: for showing how often something happens.

use super::special::{bisect, ln_beta};

/// The confidence sequence of a share after `yes` of `count` observations, valid at all times at
/// once: the shares that a beta-binomial mixture has not refuted.
///
/// ```text
/// ln M(p) = ln B(a+S, b+n-S) - ln B(a, b) - S ln p - (n-S) ln(1-p);   { p : M(p) < 1/α }
/// ```
///
/// Source: Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math.
/// Stat. 1970. `prior` is `(a, b)`; `(1, 1)` is uniform.
///
/// ```
/// use modelgate::verdict::stats::bernoulli::interval;
///
/// let (low, high) = interval(30, 1000, (1.0, 1.0), 0.05);
/// assert!((low - 0.013_743_3).abs() < 1e-7 && (high - 0.055_318_3).abs() < 1e-7);
/// ```
pub fn interval(yes: u64, count: u64, prior: (f64, f64), alpha: f64) -> (f64, f64) {
    let yes = yes.min(count);
    if count == 0 {
        return (0.0, 1.0);
    }
    let (a, b) = prior;
    let (s, n) = (yes as f64, count as f64);
    let rest = (count - yes) as f64;
    let constant = ln_beta(a + s, b + rest) - ln_beta(a, b);
    let enough = -alpha.ln();
    let refuted = |p: f64| {
        let of_yes = if yes == 0 { 0.0 } else { s * p.ln() };
        let of_no = if rest == 0.0 { 0.0 } else { rest * (-p).ln_1p() };
        constant - of_yes - of_no >= enough
    };
    let share = s / n;
    let low = if yes == 0 { 0.0 } else { bisect(0.0, share, refuted) };
    let high = if rest == 0.0 { 1.0 } else { bisect(share, 1.0, |p| !refuted(p)) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_counts_have_defined_ranges() {
        assert_eq!(interval(0, 0, (1.0, 1.0), 0.05), (0.0, 1.0));
        assert_eq!(interval(0, 100, (1.0, 1.0), 0.05).0, 0.0);
        assert!((interval(0, 100, (1.0, 1.0), 0.05).1 - 0.073_284_4).abs() < 1e-7);
        assert_eq!(interval(7, 7, (1.0, 1.0), 0.05).1, 1.0);
        let (low, high) = interval(500_000_000_000, 1_000_000_000_000, (1.0, 1.0), 0.05);
        assert!(low <= 0.5 && 0.5 <= high && high - low < 1e-4, "{low} {high}");
    }
}
