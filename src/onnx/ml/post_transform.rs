//! What is done to scores last.

use super::{NodeError, attributes::Attributes};

/// `post_transform`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub(super) fn read(attributes: &Attributes<'_>) -> Result<PostTransform, NodeError> {
        match attributes.text("post_transform", "NONE")? {
            "NONE" => Ok(PostTransform::None),
            "SOFTMAX" => Ok(PostTransform::Softmax),
            "LOGISTIC" => Ok(PostTransform::Logistic),
            "SOFTMAX_ZERO" => Ok(PostTransform::SoftmaxZero),
            "PROBIT" => Ok(PostTransform::Probit),
            other => Err(NodeError::damaged(format!("there is no post-transform `{other}`"))),
        }
    }

    /// The number that `TreeEnsemble` gives it.
    pub(super) fn from_number(number: i64) -> Result<PostTransform, NodeError> {
        match number {
            0 => Ok(PostTransform::None),
            1 => Ok(PostTransform::Softmax),
            2 => Ok(PostTransform::Logistic),
            3 => Ok(PostTransform::SoftmaxZero),
            4 => Ok(PostTransform::Probit),
            other => Err(NodeError::damaged(format!("there is no post-transform {other}"))),
        }
    }

    /// Refuses a probit of the one score that decides between two classes. The specification does not
    /// say what it is, and ONNX Runtime 1.32 fills in only half of the scores.
    pub(super) fn check_between_two(self) -> Result<(), NodeError> {
        match self {
            PostTransform::Probit => Err(NodeError::Unsupported(
                "what its `post_transform` PROBIT makes of one score for two classes is not \
                 specified; export a score for each class, or another post-transform",
            )),
            _ => Ok(()),
        }
    }

    /// Transforms the scores of one row.
    pub(super) fn apply(self, scores: &mut [f32]) {
        match self {
            PostTransform::None => {}
            // One score is no choice; it would always be 1.
            PostTransform::Softmax | PostTransform::SoftmaxZero if scores.len() < 2 => {}
            PostTransform::Softmax => softmax(scores),
            PostTransform::Logistic => {
                scores.iter_mut().for_each(|score| *score = logistic(*score))
            }
            PostTransform::SoftmaxZero => softmax_zero(scores),
            PostTransform::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

pub(super) fn logistic(score: f32) -> f32 {
    // Of the two forms the one that cannot overflow.
    let positive = 1.0 / (1.0 + (-score.abs()).exp());
    if score < 0.0 { 1.0 - positive } else { positive }
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// A softmax in which zeros stay zeros: they stand for classes without a score.
fn softmax_zero(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        // What ONNX Runtime takes for zero.
        if score.abs() > 1e-7 {
            *score = (*score - largest).exp();
            sum += *score;
        } else {
            *score *= (-largest).exp();
        }
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The inverse of the normal distribution, by Winitzki's approximation of the inverse error
/// function, which is what ONNX Runtime uses.
fn probit(score: f32) -> f32 {
    let x = 2.0 * score - 1.0;
    let sign = if x < 0.0 { -1.0 } else { 1.0 };
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let half = 2.0 / (std::f32::consts::PI * 0.147) + 0.5 * log;
    let inverse = (-half + (half * half - log / 0.147).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * sign * inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(transform: PostTransform, scores: &[f32]) -> Vec<f32> {
        let mut scores = scores.to_vec();
        transform.apply(&mut scores);
        scores
    }

    #[test]
    fn probabilities_sum_to_one() {
        let softmax = after(PostTransform::Softmax, &[1.0, 2.0, 0.0]);
        assert!((softmax.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((softmax[1] - 0.665_240_94).abs() < 1e-6, "{softmax:?}");
        let zero = after(PostTransform::SoftmaxZero, &[1.0, 2.0, 0.0]);
        assert_eq!(zero[2], 0.0);
        assert!((zero[1] - 0.731_058_6).abs() < 1e-6, "{zero:?}");
    }

    #[test]
    fn large_scores_do_not_overflow() {
        assert_eq!(after(PostTransform::Logistic, &[200.0, -200.0, 0.0]), [1.0, 0.0, 0.5]);
        assert_eq!(after(PostTransform::Softmax, &[1e30, -1e30]), [1.0, 0.0]);
    }

    #[test]
    fn a_probit_is_the_place_on_the_normal_distribution() {
        let found = after(PostTransform::Probit, &[0.5, 0.975, 0.2]);
        assert!(found[0].abs() < 1e-3, "{found:?}");
        assert!((found[1] - 1.96).abs() < 2e-2, "{found:?}");
        assert!((found[2] + 0.841_756_1).abs() < 1e-5, "{found:?}");
    }
}
