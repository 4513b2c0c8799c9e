//! How LaunchDarkly is reached.

use std::time::Duration;

use super::events::Events;
use crate::source::network::{HttpSettings, Secret};

/// LaunchDarkly asks its clients not to poll more often.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) key: Secret,
    pub(super) stream_url: String,
    /// `None` where there is nothing to poll.
    pub(super) poll_url: Option<String>,
    /// Where events go unless they have a URL of their own.
    pub(super) default_events_url: Option<String>,
    pub(super) events: Option<Events>,
    pub(super) streams: bool,
    pub(super) interval: Duration,
    pub(super) filter: Option<String>,
    pub(super) retry: (Duration, Duration),
    pub(super) silence: Duration,
    pub(super) http: HttpSettings,
}

impl Settings {
    pub(super) fn new(key: Box<str>) -> Settings {
        Settings {
            key: Secret::new(key),
            stream_url: "https://stream.launchdarkly.com".to_owned(),
            poll_url: Some("https://sdk.launchdarkly.com".to_owned()),
            default_events_url: Some("https://events.launchdarkly.com".to_owned()),
            events: Some(Events::new()),
            streams: true,
            interval: LEAST_INTERVAL,
            filter: None,
            retry: (Duration::from_secs(1), Duration::from_secs(30)),
            silence: Duration::from_secs(300),
            http: HttpSettings::new(),
        }
    }

    /// Where events go; `None`: nowhere.
    pub(super) fn events_url(&self) -> Option<&str> {
        let events = self.events.as_ref()?;
        events.url.as_ref().or(self.default_events_url.as_ref()).map(String::as_str)
    }
}
