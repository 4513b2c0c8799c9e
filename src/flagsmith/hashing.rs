//! Where an identity stands in a percentage split.

use super::tree::Variant;
use crate::hash::Md5;

/// The hash of what a split is salted with, and of the comma after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix(Md5);

impl Prefix {
    pub(super) fn new(salt: &str) -> Prefix {
        let mut hash = Md5::new();
        hash.write(salt.as_bytes());
        hash.write(b",");
        Prefix(hash)
    }

    /// The same, and the beginning of the key of every identity that has none of its own.
    pub(super) fn of_identities(salt: &str, environment: &str) -> Prefix {
        let Prefix(mut hash) = Prefix::new(salt);
        hash.write(environment.as_bytes());
        hash.write(b"_");
        Prefix(hash)
    }

    /// The same where a state gives identities different variants: it has some, and is salted.
    pub(super) fn of_splits(
        variants: &[Variant],
        salt: &str,
        environment: &str,
    ) -> Option<Box<Prefix>> {
        let splits = !variants.is_empty() && !salt.is_empty();
        splits.then(|| Box::new(Prefix::of_identities(salt, environment)))
    }

    /// The percentage, from 0 to 100 inclusive, of the text that `write` writes.
    #[inline]
    pub(super) fn percentage(&self, write: impl FnOnce(&mut Md5)) -> f64 {
        let mut hash = self.0;
        write(&mut hash);
        let bucket = bucket(hash);
        // In single precision, as Flagsmith computes it: the boundaries depend on it.
        f64::from(bucket as f32 / 9998.0 * 100.0)
    }

    /// The percentage, from 0 to below 100, as the server's engine computes it: in double precision,
    /// and what would be 100 is hashed once more with everything repeated. `rest` writes what comes
    /// after the prefix, `whole` the same with all of the key.
    #[inline]
    pub(super) fn below_100(
        &self,
        salt: &str,
        rest: impl FnOnce(&mut Md5),
        whole: impl Fn(&mut Md5),
    ) -> f64 {
        let mut hash = self.0;
        rest(&mut hash);
        let mut found = bucket(hash);
        // The odds of a second time are 1 to 9,998.
        let mut times = 1;
        while found == HUNDRED && times < 16 {
            times += 1;
            let mut hash = Md5::new();
            for time in 0..times {
                hash.write(if time == 0 { b"" } else { b"," });
                hash.write(salt.as_bytes());
                hash.write(b",");
                whole(&mut hash);
            }
            found = bucket(hash);
        }
        found as f64 / HUNDRED as f64 * 100.0
    }
}

/// The bucket that stands for 100 percent.
const HUNDRED: u64 = 9998;

fn bucket(hash: Md5) -> u64 {
    // The digest modulo 9999, part by part.
    hash.finish().into_iter().fold(0, |rest, part| (rest << 32 | u64::from(part)) % 9999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_bucket_is_0_and_the_highest_100() {
        let mut seen = [false; 2];
        for n in 0..60_000 {
            let percentage =
                Prefix::new("1").percentage(|hash| hash.write(format!("user-{n}").as_bytes()));
            assert!((0.0..=100.0).contains(&percentage));
            seen[0] |= percentage == 0.0;
            seen[1] |= percentage == 100.0;
        }
        assert_eq!(seen, [true, true]);
    }
}
