//! The special functions that the other modules need, on top of `libm`.

use libm::{erfc, lgamma};

/// The natural logarithm of the gamma function, for `x > 0`.
pub(super) fn ln_gamma(x: f64) -> f64 {
    lgamma(x)
}

/// `ln B(a, b)`, the logarithm of the beta function.
pub(super) fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// `ln Φ(z)`, the logarithm of the standard normal distribution function; finite for every
/// finite `z`.
pub(super) fn ln_normal_cdf(z: f64) -> f64 {
    if z > -30.0 {
        return (erfc(-z / std::f64::consts::SQRT_2) / 2.0).ln();
    }
    // Where `erfc` would underflow: the asymptotic series of Mills' ratio (Abramowitz and Stegun
    // 26.2.12), whose next term is below 1e-12 here.
    let s = 1.0 / (z * z);
    let series = 1.0 - s * (1.0 - 3.0 * s * (1.0 - 5.0 * s * (1.0 - 7.0 * s)));
    -z * z / 2.0 - (-z).ln() - (2.0 * std::f64::consts::PI).ln() / 2.0 + series.ln()
}

/// What a continued fraction divides by in place of 0 (the modified Lentz method).
const TINY: f64 = 1e-300;
/// A bound on the work. The fraction of the beta function takes about `√max(a, b)` terms, that of the
/// chi-square tail fewer: enough for 10^10 observations.
const TERMS: u32 = 100_000;

/// `ln I_x(a, b)`, the logarithm of the regularised incomplete beta function, by its continued
/// fraction (NIST DLMF 8.17.22), evaluated by the modified Lentz method (Thompson and Barnett,
/// Journal of Computational Physics 1986).
pub(super) fn ln_incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if x >= 1.0 {
        return 0.0;
    }
    // The fraction converges fast only below the mean of the distribution: above it, by symmetry
    // (DLMF 8.17.4).
    if x > (a + 1.0) / (a + b + 2.0) {
        let other = ln_incomplete_beta(b, a, 1.0 - x);
        return (-other.exp()).ln_1p();
    }
    let front = a * x.ln() + b * (-x).ln_1p() - ln_beta(a, b) - a.ln();
    front + beta_fraction(a, b, x).ln()
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let safe = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for term in 1..TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / safe(1.0 + even * d);
        c = safe(1.0 + even / c);
        result *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / safe(1.0 + odd * d);
        c = safe(1.0 + odd / c);
        let step = d * c;
        result *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    result
}

/// The upper tail of a chi-square distribution: `P(X > x)` with `freedom` degrees of freedom, the
/// regularised incomplete gamma function `Q(freedom / 2, x / 2)` (NIST DLMF 8.7.1 and 8.9.2).
pub(super) fn chi_square_tail(x: f64, freedom: f64) -> f64 {
    let (a, x) = (freedom / 2.0, x / 2.0);
    if x.is_nan() || x <= 0.0 || a <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..TERMS {
            term *= x / (a + f64::from(n));
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let safe = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / safe(b);
    let mut result = d;
    for n in 1..TERMS {
        let n = f64::from(n);
        let an = -n * (n - a);
        b += 2.0;
        d = 1.0 / safe(an * d + b);
        c = safe(b + an / c);
        let step = d * c;
        result *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (front * result).clamp(0.0, 1.0)
}

/// The `x` above which a chi-square variable lies with this probability.
pub(super) fn chi_square_critical(tail: f64, freedom: f64) -> f64 {
    // The search below would not end for NaN.
    if freedom.is_nan() || freedom <= 0.0 {
        return 0.0;
    }
    let tail = tail.clamp(1e-300, 1.0);
    let mut high = freedom + 10.0;
    while chi_square_tail(high, freedom) > tail {
        high *= 2.0;
    }
    bisect(0.0, high, |x| chi_square_tail(x, freedom) > tail)
}

/// The point in `[low, high]` where `is_left` turns from true to false, to the last bit.
pub(super) fn bisect(mut low: f64, mut high: f64, is_left: impl Fn(f64) -> bool) -> f64 {
    // It ends at neighbouring floats, after 60 halvings for most intervals; 200 bound it near 0.
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if is_left(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low + (high - low) / 2.0
}

/// `ln Σ exp(v)`, without overflow; minus infinity for nothing.
pub(super) fn ln_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + values.map(|value| (value - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_tail_goes_on_where_the_error_function_ends() {
        // ln Φ(-30) = -454.3212439563 (any table of Mills' ratio).
        assert!((ln_normal_cdf(-29.999_999) - ln_normal_cdf(-30.000_001)).abs() < 1e-4);
        assert!((ln_normal_cdf(-30.0) + 454.321_243_956_3).abs() < 1e-9);
        assert!(ln_normal_cdf(-1e150).is_finite());
        assert_eq!(ln_normal_cdf(40.0), 0.0);
    }

    #[test]
    fn the_chi_square_tail_and_its_critical_value_are_each_others_inverse() {
        // The textbook's 95 % points.
        for (freedom, critical) in [(1.0, 3.841_458_820_694), (6.0, 12.591_587_243_744)] {
            assert!((chi_square_critical(0.05, freedom) - critical).abs() < 1e-10);
            assert!((chi_square_tail(critical, freedom) - 0.05).abs() < 1e-12);
        }
        assert_eq!(chi_square_tail(f64::NAN, 3.0), 1.0);
    }
}
