//! Many questions at once: the e-Benjamini-Hochberg procedure.

/// Which hypotheses to reject so that the expected share of false rejections is at most `rate`: of
/// `K` e-values the `k` largest, for the largest `k` such that all of these are at least
/// `K / (k · rate)`. Takes logarithms of e-values, and returns ascending indices into them; NaN is
/// never rejected.
///
/// Valid however the e-values depend on each other. Source: Wang and Ramdas, "False discovery rate
/// control with e-values", JRSS B 2022 (arXiv 2009.02824).
///
/// ```
/// let ln_e = [100.0_f64, 50.0, 30.0, 1.0, 0.2].map(f64::ln);
/// assert_eq!(modelgate::verdict::stats::e_bh::reject(&ln_e, 0.1), [0, 1, 2]);
/// ```
pub fn reject(ln_e: &[f64], rate: f64) -> Vec<usize> {
    let total = ln_e.len() as f64;
    let mut order: Vec<(usize, f64)> =
        ln_e.iter().copied().enumerate().filter(|(_, e)| !e.is_nan()).collect();
    order.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let passing = order
        .iter()
        .enumerate()
        // An e-value that meets its threshold exactly passes, whatever the logarithms' rounding.
        .filter(|(k, (_, e))| *e >= (total / ((*k + 1) as f64 * rate)).ln() - 1e-12)
        .map(|(k, _)| k + 1)
        .max()
        .unwrap_or(0);
    let mut rejected: Vec<usize> =
        order.into_iter().take(passing).map(|(place, _)| place).collect();
    rejected.sort_unstable();
    rejected
}
