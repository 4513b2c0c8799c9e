//! How LaunchDarkly is reached.

use std::time::Duration;

use super::{
    events::Events,
    identity::{Identity, is_filter},
};
use crate::{
    flag::Problem,
    source::{
        self, more_than_zero,
        network::{Address, HttpSettings, Key, Retry},
        server_settings::ServerSettings,
    },
};

/// LaunchDarkly asks its clients not to poll more often.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(super) struct SourceSettings {
    pub(super) server: ServerSettings,
    pub(super) key: Key,
    pub(super) stream_url: Address,
    /// `None` where there is nothing to poll.
    pub(super) poll_url: Option<Address>,
    /// Where events go unless they have a URL of their own.
    pub(super) default_events_url: Option<Address>,
    pub(super) events: Option<Events>,
    pub(super) streams: bool,
    pub(super) interval: Duration,
    pub(super) filter: Option<String>,
    pub(super) identity: Identity,
    /// The pauses after refusals.
    pub(super) retry_refused: Retry,
    pub(super) silence: Duration,
    pub(super) http: HttpSettings,
}

impl SourceSettings {
    pub(super) fn new(key: Box<str>) -> SourceSettings {
        SourceSettings {
            server: ServerSettings::new("launchdarkly", Retry::seconds(1, 30)),
            key: Key::new(key),
            stream_url: "https://stream.launchdarkly.com".into(),
            poll_url: Some("https://sdk.launchdarkly.com".into()),
            default_events_url: Some("https://events.launchdarkly.com".into()),
            events: Some(Events::new()),
            streams: true,
            interval: LEAST_INTERVAL,
            filter: None,
            identity: Identity::new(),
            retry_refused: Retry::seconds(300, 3600),
            silence: Duration::from_secs(300),
            http: HttpSettings::new(),
        }
    }

    /// # Errors
    /// When a pause is zero, or a stream may never be silent.
    pub(super) fn check(&self) -> Result<(), source::Error> {
        self.server.check()?;
        more_than_zero("retry_refused.first", self.retry_refused.first)?;
        more_than_zero("retry_refused.max", self.retry_refused.max)?;
        more_than_zero("silence", self.silence)
    }

    /// The payload filter, if it is one that LaunchDarkly takes.
    pub(super) fn valid_filter(&self) -> Option<&str> {
        self.filter.as_deref().filter(|key| is_filter(key))
    }

    /// How requests are sent, and by whom.
    pub(super) fn http(&self) -> HttpSettings {
        let headers = self.identity.headers().into_iter();
        headers.fold(self.http.clone(), |http, (name, value)| http.header(name, value))
    }

    /// The settings that LaunchDarkly would not take: they are not sent.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let filter = self.filter.as_deref().filter(|key| !is_filter(key)).map(|key| {
            let expected = "a letter or digit, then letters, digits, `.`, `_` or `-`; it is not sent, \
                            and all flags come";
            Problem::warning("", "/payload_filter", format!("{key:?}"), expected)
        });
        filter.into_iter().chain(self.identity.problems()).collect()
    }

    /// Where events go; `None`: nowhere.
    pub(super) fn events_url(&self) -> Option<&str> {
        let events = self.events.as_ref()?;
        events.url.as_ref().or(self.default_events_url.as_ref()).map(|url| &**url)
    }
}
