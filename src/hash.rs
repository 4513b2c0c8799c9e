//! Hash functions whose output is specified, for buckets that must never move: never a
//! [`Hasher`](std::hash::Hasher), since what those answer may change with any release.
//!
//! And the maps in memory of names that come from outside, whose hash is seeded.

#[cfg(feature = "flagsmith-dialect")]
mod md5;
mod murmur3;
mod names;
#[cfg(feature = "launchdarkly-dialect")]
mod sha1;

#[cfg(feature = "flagsmith-dialect")]
pub(crate) use self::md5::Md5;
pub(crate) use self::murmur3::Murmur3;
pub(crate) use self::names::{NameSet, Names, Seed};
#[cfg(feature = "launchdarkly-dialect")]
pub(crate) use self::sha1::Sha1;
