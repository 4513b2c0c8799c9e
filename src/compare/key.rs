//! The keyed hash that stands for a user's key in comparisons.

use std::{
    error::Error,
    fmt,
    hash::{BuildHasher, RandomState},
};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, Serializer};
use sha2::Sha256;

/// A targeting key, hashed with a secret: the same user always has the same hash, and without the
/// secret nobody can find out whose it is. It displays as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 16]);

impl KeyHash {
    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A hash that was made elsewhere.
    pub fn from_bytes(bytes: [u8; 16]) -> KeyHash {
        KeyHash(bytes)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Makes [`KeyHash`]es: HMAC-SHA-256 of the targeting key, cut to its first 128 bits.
///
/// ```
/// use modelgate::compare::key::KeyHasher;
///
/// let hasher = KeyHasher::new(b"sixteen bytes or more")?;
/// assert_eq!(hasher.hash("user-42"), hasher.hash("user-42"));
/// assert_ne!(hasher.hash("user-42"), KeyHasher::random().hash("user-42"));
/// assert_eq!(format!("{hasher:?}"), "KeyHasher(..)");
/// # Ok::<(), modelgate::compare::key::WeakSecretError>(())
/// ```
#[derive(Clone)]
pub struct KeyHasher {
    // The secret is already mixed in: hashing a key copies this state.
    keyed: Hmac<Sha256>,
}

impl KeyHasher {
    /// A hasher with a secret of your own, so that records of several processes, and of one
    /// process before and after a restart, can be joined by user.
    ///
    /// # Errors
    ///
    /// [`WeakSecretError`] for fewer than 16 bytes: user ids are few enough to try them all.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<KeyHasher, WeakSecretError> {
        let secret = secret.as_ref();
        if secret.len() < 16 {
            return Err(WeakSecretError { length: secret.len() });
        }
        Ok(KeyHasher::keyed(secret))
    }

    /// A hasher with a random secret that nobody learns: its hashes cannot be joined with those of
    /// another process, nor with those of this one after a restart.
    pub fn random() -> KeyHasher {
        // `RandomState` is keyed with 128 bits of the system's randomness, as many as a hash keeps; its
        // keyed hash expands them to a secret of 256.
        let random = RandomState::new();
        let secret: Vec<u8> = (0..4_u8)
            .flat_map(|part| random.hash_one(("modelgate key hash", part)).to_le_bytes())
            .collect();
        KeyHasher::keyed(&secret)
    }

    #[expect(clippy::expect_used, reason = "HMAC pads or hashes a key of any length")]
    fn keyed(secret: &[u8]) -> KeyHasher {
        KeyHasher { keyed: Hmac::new_from_slice(secret).expect("HMAC takes a key of any length") }
    }

    /// The hash of a targeting key.
    pub fn hash(&self, targeting_key: &str) -> KeyHash {
        let mut keyed = self.keyed.clone();
        keyed.update(targeting_key.as_bytes());
        let digest: [u8; 32] = keyed.finalize().into_bytes().into();
        let mut hash = [0; 16];
        hash.iter_mut().zip(digest).for_each(|(hash, digest)| *hash = digest);
        KeyHash(hash)
    }
}

/// Without the secret.
impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHasher(..)")
    }
}

/// The secret of a [`KeyHasher`] is too short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeakSecretError {
    length: usize,
}

impl fmt::Display for WeakSecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret: found {} bytes, expected at least 16", self.length)
    }
}

impl Error for WeakSecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_hmac_sha_256_cut_in_half() {
        // RFC 4231, test case 1: key of twenty bytes 0x0b, data "Hi There".
        let hasher = KeyHasher::new([0x0b; 20]).unwrap();
        assert_eq!(hasher.hash("Hi There").to_string(), "b0344c61d8db38535ca8afceaf0bf12b");
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(
            KeyHasher::new("secret").unwrap_err().to_string(),
            "secret: found 6 bytes, expected at least 16"
        );
    }
}
