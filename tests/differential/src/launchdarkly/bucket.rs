//! Where a value falls in a rollout, written a second time and as plainly as possible: so that
//! weights can be put right beside it.

use sha1::{Digest, Sha1};

/// The bucket of `value`, between 0 and 1, under a seed or `key.salt`.
pub fn bucket(prefix: &str, value: &str) -> f32 {
    let digest = Sha1::digest(format!("{prefix}.{value}"));
    let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let number = i64::from_str_radix(&hexadecimal[..15], 16).expect("fifteen hexadecimal digits");
    number as f32 / 0x0fff_ffff_ffff_ffff_i64 as f32
}
