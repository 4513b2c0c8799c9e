//! Comparing probability vectors.

use super::{Agreement, Comparator, measure};

/// A prediction with a probability, or another weight, for each class in a fixed order.
pub trait HasProbabilities {
    /// One number for each class.
    fn probabilities(&self) -> &[f32];
}

impl HasProbabilities for Vec<f32> {
    fn probabilities(&self) -> &[f32] {
        self
    }
}

impl HasProbabilities for Box<[f32]> {
    fn probabilities(&self) -> &[f32] {
        self
    }
}

impl<const N: usize> HasProbabilities for [f32; N] {
    fn probabilities(&self) -> &[f32] {
        self
    }
}

/// Compares probability vectors by their most likely class, by distance, or by both.
///
/// Vectors of different lengths and vectors with a NaN or an infinity in them agree with nothing
/// and have no distance; two empty vectors agree. Of equally likely classes the first is taken.
///
/// ```
/// use modelgate::compare::{Comparator, ProbabilityDistance};
///
/// let primary = [0.7_f32, 0.2, 0.1];
/// let candidate = [0.5_f32, 0.4, 0.1];
/// assert_eq!(ProbabilityDistance::argmax().compare(&primary, &candidate).agrees(), Some(true));
/// let strict = ProbabilityDistance::total_variation(0.1).and_argmax();
/// assert_eq!(strict.compare(&primary, &candidate).agrees(), Some(false));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ProbabilityDistance {
    distance: Distance,
    tolerance: f64,
    argmax: bool,
}

#[derive(Clone, Copy, Debug)]
enum Distance {
    Max,
    TotalVariation,
}

impl ProbabilityDistance {
    /// Agrees when the most likely class is the same. The distance reported is the largest
    /// difference of one class.
    pub fn argmax() -> ProbabilityDistance {
        ProbabilityDistance { distance: Distance::Max, tolerance: f64::INFINITY, argmax: true }
    }

    /// Agrees when no class differs by more than this.
    pub fn max_distance(tolerance: f64) -> ProbabilityDistance {
        ProbabilityDistance { distance: Distance::Max, tolerance, argmax: false }
    }

    /// Agrees when the total variation, half the sum of all differences, is at most this: for
    /// probabilities a number from 0 (the same) to 1 (nothing in common).
    pub fn total_variation(tolerance: f64) -> ProbabilityDistance {
        ProbabilityDistance { distance: Distance::TotalVariation, tolerance, argmax: false }
    }

    /// Agrees only when the most likely class is the same as well.
    pub fn and_argmax(mut self) -> ProbabilityDistance {
        self.argmax = true;
        self
    }

    fn measure(&self) -> &'static str {
        match self.distance {
            Distance::Max if self.tolerance == f64::INFINITY => measure::ARGMAX,
            Distance::Max => measure::MAX_DISTANCE,
            Distance::TotalVariation => measure::TOTAL_VARIATION,
        }
    }
}

impl<P: HasProbabilities> Comparator<P> for ProbabilityDistance {
    fn compare(&self, primary: &P, candidate: &P) -> Agreement {
        let (a, b) = (primary.probabilities(), candidate.probabilities());
        if !comparable(a, b) {
            return Agreement::of(self.measure(), false);
        }
        let differences = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
        let distance = match self.distance {
            Distance::Max => differences.fold(0.0, f64::max),
            Distance::TotalVariation => differences.sum::<f64>() / 2.0,
        };
        let agrees = distance <= self.tolerance && (!self.argmax || argmax(a) == argmax(b));
        Agreement::of(self.measure(), agrees).with_distance(distance)
    }
}

/// Whether the vectors have one length and nothing but finite numbers.
pub(super) fn comparable(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().chain(b).all(|number| number.is_finite())
}

/// The index of the first largest number.
fn argmax(numbers: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (place, number) in numbers.iter().enumerate() {
        if best.is_none_or(|(_, largest)| *number > largest) {
            best = Some((place, *number));
        }
    }
    best.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [fn() -> ProbabilityDistance; 3] = [
        ProbabilityDistance::argmax,
        || ProbabilityDistance::max_distance(0.05),
        || ProbabilityDistance::total_variation(0.05),
    ];

    #[test]
    fn the_two_distances_are_what_they_say() {
        let (a, b) = ([0.5_f32, 0.25, 0.25], [0.25_f32, 0.5, 0.25]);
        let max = ProbabilityDistance::max_distance(0.25).compare(&a, &b);
        assert_eq!((max.agrees(), max.distance()), (Some(true), Some(0.25)));
        let half_sum = ProbabilityDistance::total_variation(0.2).compare(&a, &b);
        assert_eq!((half_sum.agrees(), half_sum.distance()), (Some(false), Some(0.25)));
        let both = ProbabilityDistance::max_distance(0.25).and_argmax().compare(&a, &b);
        assert_eq!(both.agrees(), Some(false));
    }

    #[test]
    fn odd_vectors_have_defined_answers() {
        for comparator in ALL.map(|make| make()) {
            let answer = |a: &[f32], b: &[f32]| {
                let found = comparator.compare(&a.to_vec(), &b.to_vec());
                (found.agrees(), found.distance())
            };
            assert_eq!(answer(&[], &[]), (Some(true), Some(0.0)));
            assert_eq!(answer(&[1.0], &[]), (Some(false), None));
            assert_eq!(answer(&[1.0], &[1.0, 0.0]), (Some(false), None));
            assert_eq!(answer(&[f32::NAN], &[f32::NAN]), (Some(false), None));
            assert_eq!(answer(&[f32::INFINITY], &[f32::INFINITY]), (Some(false), None));
            assert_eq!(answer(&[0.5, 0.5], &[0.5, 0.5]), (Some(true), Some(0.0)));
        }
    }
}
