//! Hash functions whose output is specified, for buckets that must never move.
//!
//! Never a [`Hasher`](std::hash::Hasher): what those answer may change with any release.

#[cfg(feature = "flagsmith-dialect")]
mod md5;
mod murmur3;
#[cfg(feature = "launchdarkly-dialect")]
mod sha1;

#[cfg(feature = "flagsmith-dialect")]
pub(crate) use self::md5::Md5;
pub(crate) use self::murmur3::Murmur3;
#[cfg(feature = "launchdarkly-dialect")]
pub(crate) use self::sha1::Sha1;
