//! Many questions at once: the e-Benjamini-Hochberg procedure.

/// Which of the hypotheses to reject so that the expected share of false ones among them is at
/// most `rate`: with `K` e-values, the largest `k` such that `k` of them are at least
/// `K / (k · rate)`. Takes and compares logarithms; answers places in order.
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
        // Compared as the procedure is written; a threshold met exactly must count as met.
        .filter(|(k, (_, e))| *e >= (total / ((*k + 1) as f64 * rate)).ln() - 1e-12)
        .map(|(k, _)| k + 1)
        .max()
        .unwrap_or(0);
    let mut rejected: Vec<usize> =
        order.into_iter().take(passing).map(|(place, _)| place).collect();
    rejected.sort_unstable();
    rejected
}
