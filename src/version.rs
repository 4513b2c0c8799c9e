//! The name of a model version.

use std::{borrow::Borrow, fmt, ops::Deref};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The name of a model version: `"v1"`, `"2026-11-champion"`.
///
/// Up to 23 bytes are held inline, so that an answer can carry its version without an allocation
/// and without touching a reference count that other threads share.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(SmolStr);

impl Version {
    /// A version of this name.
    pub fn new(name: impl AsRef<str>) -> Version {
        Version(SmolStr::new(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `name` as a text of its own: a copy of this version's where they are the same, which is
    /// cheaper to make.
    #[inline]
    pub(crate) fn text(&self, name: &str) -> SmolStr {
        if self.as_str() == name { self.0.clone() } else { SmolStr::new(name) }
    }
}

impl Deref for Version {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Version {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Version {
    fn from(name: &str) -> Version {
        Version::new(name)
    }
}

impl From<String> for Version {
    fn from(name: String) -> Version {
        Version::new(name)
    }
}

impl From<&Version> for Version {
    fn from(version: &Version) -> Version {
        version.clone()
    }
}

impl PartialEq<str> for Version {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Version {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
