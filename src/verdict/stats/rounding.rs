//! Rounding a value into a histogram without moving its mean.

use crate::prediction_id::PredictionId;

/// The number of steps from 0 to 1; a histogram has one bin more.
pub const STEPS: usize = 128;

/// 53 bits that are as good as random, from a prediction id: the top of `splitmix64` of the xor of its
/// halves. The same id always gives the same bits, so that a replay rounds alike.
///
/// Source of the mixing function: Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014.
pub fn bits(id: PredictionId) -> u64 {
    let number = id.as_u128();
    splitmix64((number as u64) ^ ((number >> 64) as u64)) >> 11
}

pub(crate) fn splitmix64(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The bin of `x` in `[0, 1]`: `floor(128 x)`, or the next one with the probability of what was
/// cut off. The mean is kept exactly in expectation; the variance added is at most `1/65536`.
/// Values outside are moved to the nearer end, NaN to 1.
pub fn bin(x: f64, id: PredictionId) -> usize {
    let x = if x.is_nan() { 1.0 } else { x.clamp(0.0, 1.0) };
    let scaled = x * STEPS as f64;
    let floor = scaled.floor();
    // 2^53, the number of values that the bits can take.
    let up = (bits(id) as f64) < (scaled - floor) * 9_007_199_254_740_992.0;
    (floor as usize + usize::from(up)).min(STEPS)
}
