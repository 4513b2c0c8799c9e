//! Whether users are split as asked: the sequential sample-ratio test.

use super::special::ln_gamma;

/// The weight of the Dirichlet prior around the shares asked for: as if so many users had been seen.
pub const CONCENTRATION: f64 = 100.0;

/// `ln BF`: the evidence that the counts do not come from these shares.
///
/// ```text
/// a_i = 100 θ_i,  A = Σ a_i,  n = Σ n_i
/// ln BF = ln Γ(A) - ln Γ(A + n) + Σ (ln Γ(a_i + n_i) - ln Γ(a_i)) - Σ n_i ln θ_i
/// ```
///
/// It is a martingale under the shares, so it may be looked at after every user. Where the shares
/// changed, add the values of the stages. Source: Lindon and Malek, "Anytime-valid inference for
/// multinomial count data", NeurIPS 2022 (arXiv 2011.03567).
///
/// `shares` add up to 1. It is 0, no evidence either way, for a share that is not above 0, and for
/// slices of different lengths.
///
/// How small a loss it finds depends on the share. Simulated users until a Bayes factor of 1,000: at
/// 50 %, 26,900 (the median) with 5 % of the users of one arm lost, and about 864,000 with 1 % lost; at
/// 5 %, 34,700 with 10 % lost, and with 1 % lost only a third of the runs had found it after four
/// million.
///
/// ```
/// let ln_bf = modelgate::verdict::stats::sample_ratio::ln_bayes_factor(&[5200, 4800], &[0.5, 0.5]);
/// assert!((ln_bf - 5.613_613_4).abs() < 1e-6);
/// ```
pub fn ln_bayes_factor(counts: &[u64], shares: &[f64]) -> f64 {
    if counts.len() != shares.len() || !shares.iter().all(|share| *share > 0.0 && *share <= 1.0) {
        return 0.0;
    }
    let n: f64 = counts.iter().map(|count| *count as f64).sum();
    let total: f64 = shares.iter().map(|share| CONCENTRATION * share).sum();
    let parts: f64 = counts
        .iter()
        .zip(shares)
        .map(|(count, share)| {
            let (a, count) = (CONCENTRATION * share, *count as f64);
            ln_gamma(a + count) - ln_gamma(a) - count * share.ln()
        })
        .sum();
    ln_gamma(total) - ln_gamma(total + n) + parts
}

/// The p value that is valid at all times: `min(1, 1/BF)`.
pub fn p_value(ln_bayes_factor: f64) -> f64 {
    (-ln_bayes_factor).exp().min(1.0)
}
