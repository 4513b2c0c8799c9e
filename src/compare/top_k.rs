//! Comparing the leading classes of two rankings.

use super::{Agreement, Comparator, HasProbabilities, measure, probability_distance::comparable};

/// Compares the `k` likeliest classes, as a set or in order.
///
/// Fewer classes than `k` are all taken; of equally likely ones the first comes first. Vectors of
/// different lengths and vectors with a NaN or an infinity in them agree with nothing and have no
/// distance; two empty vectors agree.
///
/// ```
/// use modelgate::compare::{Comparator, TopK};
///
/// let primary = [0.5_f32, 0.3, 0.2, 0.0];
/// let candidate = [0.3_f32, 0.5, 0.0, 0.2];
/// assert_eq!(TopK::set(2).compare(&primary, &candidate).agrees(), Some(true));
/// assert_eq!(TopK::ordered(2).compare(&primary, &candidate).agrees(), Some(false));
/// assert_eq!(TopK::overlap(3, 0.6).compare(&primary, &candidate).agrees(), Some(true));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct TopK {
    k: usize,
    overlap: f64,
    ordered: bool,
}

impl TopK {
    /// Agrees when the same `k` classes lead, in whatever order. The distance is the share of the `k`
    /// classes that only one answer has.
    pub fn set(k: usize) -> TopK {
        TopK::overlap(k, 1.0)
    }

    /// Agrees when the two answers have at least this share of their `k` leading classes in common. The
    /// distance is the share of the `k` classes that only one answer has.
    pub fn overlap(k: usize, at_least: f64) -> TopK {
        TopK { k, overlap: at_least, ordered: false }
    }

    /// Agrees when the same `k` classes lead in the same order. The distance is the share of
    /// places that differ.
    pub fn ordered(k: usize) -> TopK {
        TopK { k, overlap: 1.0, ordered: true }
    }
}

impl<P: HasProbabilities> Comparator<P> for TopK {
    fn compare(&self, primary: &P, candidate: &P) -> Agreement {
        let measure = if self.ordered { measure::TOP_K_ORDER } else { measure::TOP_K };
        let (a, b) = (primary.probabilities(), candidate.probabilities());
        if !comparable(a, b) {
            return Agreement::of(measure, false);
        }
        let (a, b) = (leading(a, self.k), leading(b, self.k));
        if a.is_empty() {
            return Agreement::of(measure, true).with_distance(0.0);
        }
        let common = if self.ordered {
            a.iter().zip(&b).filter(|(a, b)| a == b).count()
        } else {
            let other: rustc_hash::FxHashSet<usize> = b.into_iter().collect();
            a.iter().filter(|class| other.contains(class)).count()
        };
        let share = common as f64 / a.len() as f64;
        Agreement::of(measure, share >= self.overlap).with_distance(1.0 - share)
    }
}

fn leading(numbers: &[f32], k: usize) -> Vec<usize> {
    let mut places: Vec<(usize, &f32)> = numbers.iter().enumerate().collect();
    // Stable, so that ties keep the order of the classes.
    places.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    places.into_iter().take(k).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_matters_only_where_asked() {
        let (a, b) = (vec![0.1_f32, 0.9, 0.5], vec![0.1_f32, 0.5, 0.9]);
        assert_eq!(TopK::set(2).compare(&a, &b).agrees(), Some(true));
        let ordered = TopK::ordered(3).compare(&a, &b);
        assert_eq!(ordered.agrees(), Some(false));
        assert!((ordered.distance().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn odd_vectors_have_defined_answers() {
        for top in [TopK::set(2), TopK::ordered(2), TopK::set(0), TopK::overlap(9, 0.5)] {
            let answer = |a: &[f32], b: &[f32]| top.compare(&a.to_vec(), &b.to_vec()).agrees();
            assert_eq!(answer(&[], &[]), Some(true));
            assert_eq!(answer(&[1.0], &[1.0]), Some(true));
            assert_eq!(answer(&[1.0], &[1.0, 0.0]), Some(false));
            assert_eq!(answer(&[f32::NAN, 1.0], &[f32::NAN, 1.0]), Some(false));
            assert_eq!(answer(&[0.5, 0.5, 0.5], &[0.5, 0.5, 0.5]), Some(true));
        }
    }
}
