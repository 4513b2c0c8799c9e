//! What a source says of the program behind it, with every request.

use super::events::uuid;
use crate::flag::Problem;

/// The longest tag that LaunchDarkly takes.
const LONGEST_TAG: usize = 64;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) application: Option<String>,
    pub(super) application_version: Option<String>,
    pub(super) wrapper: Option<(String, Option<String>)>,
    /// Of this source alone.
    instance: String,
}

impl Identity {
    pub(super) fn new() -> Identity {
        let (application, application_version, wrapper) = (None, None, None);
        Identity { application, application_version, wrapper, instance: uuid() }
    }

    /// The headers that say so, without the tags that LaunchDarkly would not take.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("x-launchdarkly-instance-id".to_owned(), self.instance.clone())];
        let tags: Vec<String> = self
            .tags()
            .filter(|(_, _, value)| is_tag(value))
            .map(|(name, _, value)| format!("{name}/{value}"))
            .collect();
        if !tags.is_empty() {
            headers.push(("x-launchdarkly-tags".to_owned(), tags.join(" ")));
        }
        if let Some((name, version)) = &self.wrapper {
            let version = version.as_deref().map(|version| format!("/{version}"));
            let value = format!("{name}{}", version.unwrap_or_default());
            headers.push(("x-launchdarkly-wrapper".to_owned(), value));
        }
        headers
    }

    /// The tags that LaunchDarkly would not take: they are not sent.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.tags().filter(|(_, _, value)| !is_tag(value)).map(|(_, place, value)| {
            let expected = "1 to 64 letters, digits, `.`, `_` or `-`; it is not sent";
            Problem::warning("", place, format!("{value:?}"), expected)
        })
    }

    fn tags(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let id = self.application.as_deref();
        let version = self.application_version.as_deref();
        [
            ("application-id", "/application", id),
            ("application-version", "/application_version", version),
        ]
        .into_iter()
        .filter_map(|(name, place, value)| Some((name, place, value.filter(|v| !v.is_empty())?)))
    }
}

fn is_tag(value: &str) -> bool {
    (1..=LONGEST_TAG).contains(&value.len()) && value.bytes().all(is_tag_byte)
}

fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Whether this may be the key of a payload filter.
pub(super) fn is_filter(key: &str) -> bool {
    key.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && key.bytes().all(is_tag_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(id: &str, version: &str) -> (Option<String>, usize) {
        let identity = Identity {
            application: Some(id.to_owned()),
            application_version: Some(version.to_owned()),
            ..Identity::new()
        };
        let headers = identity.headers();
        let tags = headers.into_iter().find(|(name, _)| name == "x-launchdarkly-tags");
        (tags.map(|(_, value)| value), identity.problems().count())
    }

    #[test]
    fn tags_that_may_not_be_sent_are_left_out_and_said() {
        let both = "application-id/shop-1.a_b application-version/2";
        assert_eq!(tags("shop-1.a_b", "2"), (Some(both.to_owned()), 0));
        assert_eq!(tags("", "2"), (Some("application-version/2".to_owned()), 0));
        assert_eq!(tags("", ""), (None, 0));
        let longest = "x".repeat(LONGEST_TAG);
        let id = Some(format!("application-id/{longest}"));
        assert_eq!(tags(&longest, &format!("{longest}x")), (id, 1));
        for bad in ["a b", "a/b", "é", "a:b", "a\n"] {
            assert_eq!(tags("ok", bad), (Some("application-id/ok".to_owned()), 1), "{bad}");
        }
    }

    #[test]
    fn a_payload_filter_begins_with_a_letter_or_digit() {
        assert!(["a", "models", "1-a.b_c"].into_iter().all(is_filter));
        assert!(!["", "-a", ".", "a b", "a+!%&", "é"].into_iter().any(is_filter));
    }
}
