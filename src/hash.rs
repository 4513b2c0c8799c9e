//! Hash functions whose output is specified, for buckets that must never move.
//!
//! Never a [`Hasher`](std::hash::Hasher): what those answer may change with any release.

mod md5;
mod murmur3;
mod sha1;

pub(crate) use self::{md5::Md5, murmur3::Murmur3, sha1::Sha1};
