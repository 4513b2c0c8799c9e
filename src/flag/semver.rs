//! Semantic versions, read in place: comparing two allocates nothing.

use std::cmp::Ordering;

/// A semantic version that borrows its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version<'a> {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) patch: u64,
    pre: &'a str,
    build: &'a str,
}

impl<'a> Version<'a> {
    /// Reads a version by the strict grammar of semver 2.0: three numbers, no leading zeros.
    pub(crate) fn strict(text: &'a str) -> Option<Version<'a>> {
        Version::read(text, false)
    }

    /// Reads a version that may begin with `v` or `V` and leave out its minor and patch numbers.
    pub(crate) fn loose(text: &'a str) -> Option<Version<'a>> {
        Version::read(text.strip_prefix(['v', 'V']).unwrap_or(text), true)
    }

    /// Reads a version that may leave out its minor and patch numbers.
    pub(crate) fn partial(text: &'a str) -> Option<Version<'a>> {
        Version::read(text, true)
    }

    fn read(text: &'a str, partial: bool) -> Option<Version<'a>> {
        let (text, build) = match text.split_once('+') {
            Some((text, build)) if identifiers(build, false) => (text, build),
            Some(_) => return None,
            None => (text, ""),
        };
        let (core, pre) = match text.split_once('-') {
            Some((core, pre)) if identifiers(pre, true) => (core, pre),
            Some(_) => return None,
            None => (text, ""),
        };
        let mut numbers = [0; 3];
        let mut count = 0;
        for part in core.split('.') {
            *numbers.get_mut(count)? = number(part)?;
            count += 1;
        }
        if count < 3 && !partial {
            return None;
        }
        let [major, minor, patch] = numbers;
        Some(Version { major, minor, patch, pre, build })
    }

    /// Which version comes first; build metadata does not count.
    pub(crate) fn precedence(&self, other: &Version<'_>) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_identifiers(self.pre, other.pre),
            })
    }

    /// Which version comes first, where build metadata decides between versions that are otherwise
    /// equal, none before any: the order of the `semver` crate.
    pub(crate) fn total_order(&self, other: &Version<'_>) -> Ordering {
        self.precedence(other).then_with(|| compare_builds(self.build, other.build))
    }
}

/// A version that owns its text, read when a flag is compiled. It has no build metadata: that does
/// not count when two are compared.
#[derive(Clone, Debug)]
pub(crate) struct OwnedVersion {
    numbers: (u64, u64, u64),
    pre: Box<str>,
}

impl OwnedVersion {
    pub(crate) fn new(version: &Version<'_>) -> OwnedVersion {
        let numbers = (version.major, version.minor, version.patch);
        OwnedVersion { numbers, pre: version.pre.into() }
    }

    pub(crate) fn borrow(&self) -> Version<'_> {
        let (major, minor, patch) = self.numbers;
        Version { major, minor, patch, pre: &self.pre, build: "" }
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if plain && !padded { text.parse().ok() } else { None }
}

fn identifiers(text: &str, release: bool) -> bool {
    text.split('.').all(|part| {
        let allowed = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let numeric = part.bytes().all(|byte| byte.is_ascii_digit());
        let padded = release && numeric && part.len() > 1 && part.starts_with('0');
        !part.is_empty() && allowed && !padded
    })
}

fn compare_identifiers(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let (a, b) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => (a, b),
        };
        let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let order = match (numeric(a), numeric(b)) {
            // Without leading zeros, the longer number is the larger: no overflow to think of.
            (true, true) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => a.cmp(b),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_builds(left: &str, right: &str) -> Ordering {
    let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut right = right.split('.');
    for a in left.split('.') {
        let Some(b) = right.next() else {
            return Ordering::Greater;
        };
        let order = match (numeric(a), numeric(b)) {
            // 0 < 00 < 1 < 01 < 2 < 10
            (true, true) => {
                let (number, other) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
                let by_value = number.len().cmp(&other.len()).then_with(|| number.cmp(other));
                by_value.then_with(|| a.len().cmp(&b.len()))
            }
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => a.cmp(b),
        };
        if order.is_ne() {
            return order;
        }
    }
    if right.next().is_none() { Ordering::Equal } else { Ordering::Less }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_the_specification_lists_them() {
        let ladder = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "10.0.0",
        ];
        for (i, a) in ladder.iter().enumerate() {
            for (j, b) in ladder.iter().enumerate() {
                let (a, b) = (Version::strict(a).unwrap(), Version::strict(b).unwrap());
                assert_eq!(a.precedence(&b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn malformed_versions_are_refused() {
        let malformed = [
            "",
            "a",
            "1.",
            "1..0",
            ".1",
            "01.0.0",
            "1.0.0-",
            "1.0.0-01",
            "1.0.0+",
            "1.0.0-a..b",
            "1.0.0.0",
            "1.0.0-é",
            "-1.0.0",
            " 1.0.0",
            "99999999999999999999.0.0",
            "1.0.0+a+b",
        ];
        for text in malformed {
            assert!(Version::strict(text).is_none(), "{text}");
            assert!(Version::loose(text).is_none(), "{text}");
        }
        for text in ["1", "1.2", "v1.2.3"] {
            assert!(Version::strict(text).is_none(), "{text}");
            assert!(Version::loose(text).is_some(), "{text}");
        }
    }

    #[test]
    fn build_metadata_counts_in_the_total_order_only() {
        let builds = ["1.0.0", "1.0.0+0", "1.0.0+00", "1.0.0+1", "1.0.0+1.a", "1.0.0+01"];
        let builds = builds.into_iter().chain(["1.0.0+2", "1.0.0+10", "1.0.0+a", "1.0.0+b.1"]);
        let builds: Vec<_> = builds.map(|text| Version::strict(text).unwrap()).collect();
        for (i, a) in builds.iter().enumerate() {
            assert_eq!((a.major, a.minor, a.patch), (1, 0, 0));
            for (j, b) in builds.iter().enumerate() {
                assert_eq!(a.precedence(b), Ordering::Equal);
                assert_eq!(a.total_order(b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }
}
