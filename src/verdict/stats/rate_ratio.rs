//! Failures of live answers: the arm of a failing user is a coin of known bias.
//!
//! A share `s` of the users whom the flag means for the candidate is answered by it; the others
//! are held back. If the version makes no difference, whether a user's requests fail has nothing
//! to do with the hash that assigns the user: each failing user is one of the candidate's with
//! probability `s`, whatever the traffic does. If the candidate's rate is `r` times the other's,
//! the odds are `s / (1 - s) · r`.
//!
//! ```text
//! odds0 = s/(1-s) r0,  p0 = odds0/(1+odds0),  p1 = odds0 θ/(1 + odds0 θ)
//! E(r0) = mean over θ of Π_stages (p1/p0)^f_candidate ((1-p1)/(1-p0))^f_held_back
//! ```
//!
//! Compare Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022
//! (arXiv 2011.03567). The mixture over eight fixed `θ` is ours.

use super::special::{bisect, ln_sum_exp};

/// The alternatives `θ`: the true ratio of the rates as a multiple of the allowed one. Our choice.
pub const THETAS: [f64; 8] = [1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0];

/// The users who failed in one stage of a ramp, in which the share did not change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stratum {
    /// The share of users answered by the candidate, above 0 and below 1. A stage without both
    /// arms says nothing, and is left out.
    pub share: f64,
    /// Users who failed and were the candidate's.
    pub candidate: u64,
    /// Users who failed and were held back.
    pub held_back: u64,
}

/// `ln E`: the evidence that the candidate's failure rate is more than `ratio` times the other's.
///
/// ```
/// use modelgate::verdict::stats::rate_ratio::{Stratum, ln_e_above};
///
/// let stage = Stratum { share: 0.05, candidate: 8, held_back: 20 };
/// assert!((ln_e_above(&[stage], 1.0) - 6.611_523_919_8).abs() < 1e-9);
/// ```
pub fn ln_e_above(stages: &[Stratum], ratio: f64) -> f64 {
    ln_e(stages, ratio.ln(), |theta| theta)
}

/// `ln E`: the evidence that the candidate's failure rate is less than `ratio` times the other's.
pub fn ln_e_below(stages: &[Stratum], ratio: f64) -> f64 {
    ln_e(stages, ratio.ln(), |theta| 1.0 / theta)
}

fn ln_e(stages: &[Stratum], ln_ratio: f64, direction: impl Fn(f64) -> f64) -> f64 {
    let mut logs = [0.0; THETAS.len()];
    // In a stage without failures, or with one arm alone, every alternative is as likely.
    let tested = |stage: &&Stratum| {
        stage.share > 0.0
            && stage.share < 1.0
            && stage.candidate.saturating_add(stage.held_back) > 0
    };
    for stage in stages.iter().filter(tested) {
        // A ratio of 0, or one beyond what a float holds, is tested as e^±700: the odds stay finite.
        let odds = (stage.share / (1.0 - stage.share)) * ln_ratio.clamp(-700.0, 700.0).exp();
        for (log, theta) in logs.iter_mut().zip(THETAS) {
            let theta = direction(theta);
            // p1/p0 = θ (1 + odds) / (1 + odds θ), and the other quotient lacks the θ.
            let common = odds.ln_1p() - (odds * theta).ln_1p();
            *log +=
                stage.candidate as f64 * (theta.ln() + common) + stage.held_back as f64 * common;
        }
    }
    ln_sum_exp(logs.into_iter()) - (THETAS.len() as f64).ln()
}

/// The largest ratio whose logarithm [`limits`] tells from infinity: `e^12`, about 163,000.
pub(crate) const LN_LARGEST_RATIO: f64 = 12.0;

/// The limits of the ratio, each missed with a probability of at most `alpha` at all times
/// together. `None` where the failures set no upper limit.
pub fn limits(stages: &[Stratum], alpha: f64) -> (f64, Option<f64>) {
    const WIDEST: f64 = LN_LARGEST_RATIO;
    let enough = -alpha.ln();
    let above = |ln_ratio: f64| ln_e(stages, ln_ratio, |theta| theta) > enough;
    let below = |ln_ratio: f64| ln_e(stages, ln_ratio, |theta| 1.0 / theta) > enough;
    let lower = if above(-WIDEST) { bisect(-WIDEST, WIDEST, above).exp() } else { 0.0 };
    let upper = below(WIDEST).then(|| bisect(-WIDEST, WIDEST, |ratio| !below(ratio)).exp());
    (lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_anchor_numbers_come_out() {
        let stages = [Stratum { share: 0.05, candidate: 8, held_back: 20 }];
        assert!((limits(&stages, 0.025).0 - 1.667_849_161_9).abs() < 1e-9);
        assert!((limits(&stages, 0.025).1.unwrap() - 26.214_427_504).abs() < 1e-7);
    }

    #[test]
    fn a_stage_without_both_arms_says_nothing() {
        for share in [0.0, 1.0, f64::NAN, -1.0] {
            let stages = [Stratum { share, candidate: 1_000, held_back: 0 }];
            assert!(ln_e_above(&stages, 1.0).abs() < 1e-15);
            assert_eq!(limits(&stages, 0.05), (0.0, None));
        }
    }

    #[test]
    fn huge_counts_give_finite_evidence() {
        let stages = [Stratum { share: 0.5, candidate: u64::MAX, held_back: 1_000_000_000_000 }];
        for ratio in [0.0, 1e-300, 1.0, f64::MAX] {
            assert!(ln_e_above(&stages, ratio).is_finite());
            assert!(ln_e_below(&stages, ratio).is_finite());
        }
    }
}
