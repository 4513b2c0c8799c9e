//! What can be wrong with a router's settings, and with an operator's request.

use std::{error::Error, fmt};

use crate::{flag::store::StartError, shadow, version::Version};

/// A router that cannot be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// No version was registered.
    NoVersions,
    /// Two models were registered under one version.
    RepeatedVersion(Version),
    /// `field` names a version that is not registered.
    UnknownVersion {
        /// The setting: `fallback`, `binding`, `shadow`.
        field: &'static str,
        /// The version it names.
        version: Version,
        /// The versions there are.
        registered: Vec<Version>,
    },
    /// No fallback version was named: [`RouterBuilder::fallback`](crate::RouterBuilder::fallback).
    NoFallback,
    /// One version was named twice as a fallback.
    RepeatedFallback(Version),
    /// The last fallback version may not answer: it did not load, or it failed its checks.
    FallbackIneligible {
        /// The fallback version.
        version: Version,
        /// Why it may not answer.
        why: String,
    },
    /// A setting is outside what it can be.
    Setting {
        /// The setting.
        field: &'static str,
        /// What it was set to.
        found: String,
        /// What it can be.
        expected: &'static str,
    },
    /// Both [`RouterBuilder::flags`](crate::RouterBuilder::flags) and
    /// [`RouterBuilder::source`](crate::RouterBuilder::source) were given.
    FlagsAndSources,
    /// A source cannot work at all.
    Source(StartError),
    /// A shadow policy cannot be put to work.
    Shadow(shadow::Error),
    /// The operating system refused a thread.
    Thread(std::io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoVersions => f.write_str("model: found no version, expected at least one"),
            BuildError::RepeatedVersion(version) => {
                write!(f, "model: found version `{version}` twice, expected each once")
            }
            BuildError::UnknownVersion { field, version, registered } => {
                write!(f, "{field}: found version `{version}`, expected one of {registered:?}")
            }
            BuildError::NoFallback => f.write_str(
                "fallback: found none, expected the version to serve when others cannot",
            ),
            BuildError::RepeatedFallback(version) => {
                write!(f, "fallback: found version `{version}` twice, expected each once")
            }
            BuildError::FallbackIneligible { version, why } => {
                write!(f, "fallback: version `{version}` may not answer: {why}")
            }
            BuildError::Setting { field, found, expected } => {
                write!(f, "{field}: found {found}, expected {expected}")
            }
            BuildError::FlagsAndSources => f.write_str(
                "source: found sources beside a shared store, expected the sources in that store",
            ),
            BuildError::Source(_) => f.write_str("source: found one that cannot start"),
            BuildError::Shadow(_) => f.write_str("shadow: found a policy that cannot work"),
            BuildError::Thread(_) => f.write_str("a thread could not be started"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Source(source) => Some(source),
            BuildError::Shadow(source) => Some(source),
            BuildError::Thread(source) => Some(source),
            _ => None,
        }
    }
}

/// An operator's request that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperateError {
    /// No such version is registered.
    UnknownVersion(Version),
    /// The fallback version can be neither blocked nor retired: there is nobody behind it.
    IsFallback(Version),
    /// The version did not load, or failed its checks; what was installed before stays.
    Ineligible {
        /// The version.
        version: Version,
        /// What it failed.
        why: String,
    },
}

impl fmt::Display for OperateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperateError::UnknownVersion(version) => {
                write!(f, "model version `{version}` is not registered")
            }
            OperateError::IsFallback(version) => {
                write!(f, "model version `{version}` is the fallback, which must stay")
            }
            OperateError::Ineligible { version, why } => {
                write!(f, "model version `{version}` may not answer: {why}")
            }
        }
    }
}

impl Error for OperateError {}
