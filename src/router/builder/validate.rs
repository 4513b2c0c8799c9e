//! What cannot work, refused by name before anything is started.

use super::RouterBuilder;
use crate::{
    router::{BuildError, Input, Output},
    version::Version,
};

impl<F: ?Sized + Input, P: Output> RouterBuilder<F, P> {
    pub(super) fn validate(&self) -> Result<(), BuildError> {
        if self.versions.is_empty() {
            return Err(BuildError::NoVersions);
        }
        if self.flags.is_some() && self.own_sources {
            return Err(BuildError::FlagsAndSources);
        }
        for (place, registered) in self.versions.iter().enumerate() {
            if self.versions.iter().skip(place + 1).any(|v| v.version == registered.version) {
                return Err(BuildError::RepeatedVersion(registered.version.clone()));
            }
        }
        let registered = |field, version: &Version| match self
            .versions
            .iter()
            .any(|registered| registered.version == *version)
        {
            true => Ok(()),
            false => Err(BuildError::UnknownVersion {
                field,
                version: version.clone(),
                registered: self.versions.iter().map(|v| v.version.clone()).collect(),
            }),
        };
        if self.fallbacks.is_empty() {
            return Err(BuildError::NoFallback);
        }
        for (place, fallback) in self.fallbacks.iter().enumerate() {
            registered("fallback", fallback)?;
            if self.fallbacks.iter().skip(place + 1).any(|other| other == fallback) {
                return Err(BuildError::RepeatedFallback(fallback.clone()));
            }
        }
        self.binding.versions().try_for_each(|version| registered("binding", version))?;
        self.checks.iter().try_for_each(|(version, _)| registered("check", version))?;
        for (place, autopilot) in self.autopilots.iter().enumerate() {
            registered("autopilot", autopilot.candidate())?;
            let others = self.autopilots.iter().skip(place + 1);
            if self.fallbacks.contains(autopilot.candidate())
                || others.into_iter().any(|other| other.candidate() == autopilot.candidate())
            {
                return Err(BuildError::Setting {
                    field: "autopilot",
                    found: format!("candidate `{}`", autopilot.candidate()),
                    expected: "a candidate that is no fallback, and one autopilot for it",
                });
            }
        }
        // Each process would make another hash of the same user, and count it once more.
        let shared = self.autopilots.iter().find(|autopilot| autopilot.knows_users_together());
        if let Some(autopilot) = shared
            && self.shadows.iter().any(|shadow| !shadow.has_key_hasher())
        {
            return Err(BuildError::Setting {
                field: "shadow.key_hasher",
                found: format!(
                    "none, with autopilot `{}` and a store that other processes read",
                    autopilot.name()
                ),
                expected: "`Shadow::key_hasher` with one secret for every process",
            });
        }
        for shadow in &self.shadows {
            shadow.validate().map_err(BuildError::Shadow)?;
            shadow.candidates.iter().try_for_each(|version| registered("shadow", version))?;
        }
        Ok(())
    }
}
