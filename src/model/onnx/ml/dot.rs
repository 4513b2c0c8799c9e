//! Sums of products.

/// How many sums run side by side: as many as the widest registers hold.
const LANES: usize = 8;

/// The sum of the products of two lists, up to the end of the shorter.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    fold(left, right, |left, right| left * right)
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
