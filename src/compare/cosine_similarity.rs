//! Comparing vectors by their direction.

use super::{Agreement, Comparator, HasProbabilities, measure, probability_distance::comparable};

/// Compares vectors by the cosine of the angle between them: for embeddings, whose length says
/// nothing.
///
/// The distance is 1 less the cosine: 0 for the same direction, 1 for right angles, 2 for opposite
/// ones. Vectors of different lengths and vectors with a NaN or an infinity in them agree with nothing
/// and have no distance. A vector of zeros has no direction: it agrees with another one, and with
/// nothing else; two empty vectors agree.
///
/// ```
/// use modelgate::compare::{Comparator, CosineSimilarity};
///
/// let primary = [3.0_f32, 4.0];
/// let near = CosineSimilarity::at_least(0.99);
/// assert_eq!(near.compare(&primary, &[6.0, 8.0]).agrees(), Some(true));
/// let found = near.compare(&primary, &[4.0, 3.0]);
/// assert_eq!(found.agrees(), Some(false));
/// assert!((found.distance().unwrap_or_default() - 0.04).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct CosineSimilarity {
    at_least: f64,
}

impl CosineSimilarity {
    /// More than the rounding error of a cosine in 64 bits, so that `at_least(1.0)` lets the same
    /// direction agree.
    const ROUNDING: f64 = 1e-12;

    /// Agrees when the cosine is at least this: a number from -1 to 1. NaN lets nothing agree.
    pub fn at_least(cosine: f64) -> CosineSimilarity {
        CosineSimilarity { at_least: cosine }
    }
}

impl<P: HasProbabilities> Comparator<P> for CosineSimilarity {
    fn compare(&self, primary: &P, candidate: &P) -> Agreement {
        const MEASURE: &str = measure::COSINE;
        let (a, b) = (primary.probabilities(), candidate.probabilities());
        if !comparable(a, b) {
            return Agreement::of(MEASURE, false);
        }
        let Some(cosine) = cosine(a, b) else {
            // One of them is all zeros, or both are.
            let same = a.iter().chain(b).all(|number| *number == 0.0);
            let agreement = Agreement::of(MEASURE, same);
            return if same { agreement.with_distance(0.0) } else { agreement };
        };
        let agrees = cosine + CosineSimilarity::ROUNDING >= self.at_least;
        Agreement::of(MEASURE, agrees).with_distance((1.0 - cosine).max(0.0))
    }
}

/// The cosine of the angle between two vectors; `None` where one of them has no direction.
fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let (mut dot, mut squares_a, mut squares_b) = (0.0_f64, 0.0_f64, 0.0_f64);
    // In 64 bits no square of a 32-bit float overflows, or vanishes.
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        dot += a * b;
        squares_a += a * a;
        squares_b += b * b;
    }
    let lengths = squares_a.sqrt() * squares_b.sqrt();
    (lengths > 0.0).then(|| (dot / lengths).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(a: &[f32], b: &[f32], at_least: f64) -> (Option<bool>, Option<f64>) {
        let found = CosineSimilarity::at_least(at_least).compare(&a.to_vec(), &b.to_vec());
        (found.agrees(), found.distance())
    }

    #[test]
    fn the_length_of_a_vector_does_not_count() {
        for factor in [1e-30_f32, 1.0, 3.7, 1e30] {
            let a = [0.3_f32, -0.2, 0.9];
            let b = a.map(|number| number * factor);
            let (agrees, distance) = found(&a, &b, 1.0);
            assert_eq!(agrees, Some(true), "{factor}");
            assert!(distance.unwrap() < 1e-12, "{factor}");
        }
        assert_eq!(found(&[f32::MAX, f32::MAX], &[1.0, 1.0], 1.0).0, Some(true));
        let smallest = f32::from_bits(1);
        assert_eq!(found(&[smallest, smallest], &[1.0, 1.0], 1.0).0, Some(true));
    }

    #[test]
    fn right_angles_and_opposite_directions_are_one_and_two_apart() {
        let (agrees, distance) = found(&[1.0, 0.0], &[0.0, 5.0], 0.1);
        assert_eq!((agrees, distance), (Some(false), Some(1.0)));
        let (agrees, distance) = found(&[1.0, 1.0], &[-1.0, -1.0], -1.0);
        assert_eq!(agrees, Some(true));
        assert!((distance.unwrap() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn odd_vectors_have_defined_answers() {
        assert_eq!(found(&[], &[], 1.0), (Some(true), Some(0.0)));
        assert_eq!(found(&[0.0, 0.0], &[0.0, -0.0], 1.0), (Some(true), Some(0.0)));
        assert_eq!(found(&[0.0, 0.0], &[0.0, 1.0], -1.0), (Some(false), None));
        assert_eq!(found(&[1.0], &[1.0, 0.0], -1.0), (Some(false), None));
        assert_eq!(found(&[f32::NAN], &[f32::NAN], -1.0), (Some(false), None));
        assert_eq!(found(&[f32::INFINITY], &[f32::INFINITY], -1.0), (Some(false), None));
        assert_eq!(found(&[1.0], &[1.0], f64::NAN).0, Some(false));
    }
}
