//! Sums of products.

/// How many sums run side by side: as many as the widest registers hold.
const LANES: usize = 8;

/// Lists up to this long are summed one after the other, as ONNX Runtime does.
const SHORT: usize = 64;

/// The sum of the products of two lists, up to the end of the shorter.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let sum = if left.len() <= SHORT {
        left.iter().zip(right).map(|(left, right)| left * right).sum()
    } else {
        fold(left, right, |left, right| left * right)
    };
    if sum.is_finite() { sum } else { fused(left, right) }
}

/// The same without rounding the products: one that is too large for a float may still add up to
/// a sum that is not.
#[cold]
fn fused(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).fold(0.0, |sum: f32, (left, right)| {
        #[allow(clippy::cast_possible_truncation)]
        let sum = (f64::from(*left) * f64::from(*right) + f64::from(sum)) as f32;
        sum
    })
}

/// The square of the distance of two points.
pub(super) fn square_distance(left: &[f32], right: &[f32]) -> f32 {
    fold(left, right, |left, right| (left - right) * (left - right))
}

fn fold(left: &[f32], right: &[f32], product: impl Fn(f32, f32) -> f32) -> f32 {
    let (lefts, left_rest) = left.as_chunks::<LANES>();
    let (rights, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (left, right) in lefts.iter().zip(rights) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += product(*left, *right);
        }
    }
    let rest: f32 =
        left_rest.iter().zip(right_rest).map(|(left, right)| product(*left, *right)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_too_large_for_a_float_does_not_spoil_a_sum_that_is_not() {
        assert_eq!(dot(&[-3e38, 3e38], &[1.0, 1.5]), 1.5e38);
        assert_eq!(dot(&[3e38, 3e38], &[1.0, 1.5]), f32::INFINITY);
        assert!(dot(&[f32::NAN, 1.0], &[1.0, 1.0]).is_nan());
    }

    #[test]
    fn long_lists_are_summed_to_their_ends() {
        let ones = [1.0; 1003];
        assert_eq!(dot(&ones, &ones), 1003.0);
        assert_eq!(square_distance(&ones, &[0.0; 1003]), 1003.0);
    }
}
