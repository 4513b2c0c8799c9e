//! How Unleash is reached, and what the application calls itself.

use std::time::Duration;

use crate::{
    prediction_id::PredictionId,
    source::{
        self, more_than_zero,
        network::{Address, HttpSettings, Key, Retry},
        server_settings::ServerSettings,
    },
};

#[derive(Clone, Debug)]
pub(super) struct SourceSettings {
    pub(super) server: ServerSettings,
    pub(super) url: Address,
    pub(super) token: Key,
    /// `None` until the source or its dialect says it.
    pub(super) app_name: Option<String>,
    pub(super) instance_id: String,
    /// Of this store alone, where several share an instance.
    pub(super) connection_id: String,
    pub(super) interval: Duration,
    pub(super) streams: bool,
    pub(super) deltas: bool,
    pub(super) filters: Vec<(&'static str, String)>,
    pub(super) metrics: Option<Duration>,
    pub(super) silence: Duration,
    pub(super) http: HttpSettings,
}

impl SourceSettings {
    pub(super) fn new(url: String, token: Box<str>) -> SourceSettings {
        SourceSettings {
            server: ServerSettings::new("unleash", Retry::seconds(1, 300)),
            url: url.into(),
            token: Key::new(token),
            app_name: None,
            instance_id: PredictionId::generate().to_string(),
            connection_id: uuid(PredictionId::generate()),
            interval: Duration::from_secs(15),
            streams: false,
            deltas: false,
            filters: Vec::new(),
            metrics: Some(Duration::from_secs(60)),
            silence: Duration::from_secs(60),
            http: HttpSettings::new(),
        }
    }

    /// What the application calls itself.
    pub(super) fn app_name(&self) -> &str {
        self.app_name.as_deref().unwrap_or("modelgate")
    }

    /// # Errors
    /// When a pause is nothing, or a stream may never be silent.
    pub(super) fn check(&self) -> Result<(), source::Error> {
        self.server.check()?;
        more_than_zero("interval", self.interval)?;
        more_than_zero("metrics", self.metrics)?;
        more_than_zero("silence", self.silence)
    }

    /// The environment of the flags, which a token names: `project:environment.secret`.
    pub(super) fn environment(&self) -> Option<String> {
        let token = self.token.current();
        let (_, rest) = token.reveal().split_once(':')?;
        let (environment, _) = rest.split_once('.')?;
        Some(environment.to_owned()).filter(|environment| !environment.is_empty())
    }
}

/// A random identity in the form of a UUID of version 4.
fn uuid(id: PredictionId) -> String {
    let digits: Vec<char> = id.to_string().chars().filter(char::is_ascii_hexdigit).collect();
    let digits: String = digits
        .into_iter()
        .chain(std::iter::repeat('0'))
        .take(32)
        .collect::<String>()
        .to_lowercase();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let (first, second, third) = (part(0, 8), part(8, 12), part(13, 16));
    format!("{first}-{second}-4{third}-a{}-{}", part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_a_uuid_of_its_own() {
        let [first, second] = [(), ()].map(|()| uuid(PredictionId::generate()));
        assert_ne!(first, second);
        assert_eq!(first.len(), 36);
        assert_eq!(first.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(first.chars().all(|c| c.is_ascii_hexdigit() || c == '-'), "{first}");
    }
}
