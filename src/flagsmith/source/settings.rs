//! How Flagsmith is reached.

use std::time::Duration;

use crate::source::{
    self, more_than_zero,
    network::{Address, HttpSettings, Key, Retry, Secret},
    server_settings::ServerSettings,
};

/// The cloud's API.
const API: &str = "https://edge.api.flagsmith.com/api/v1";

/// The cloud's real-time service.
pub(super) const REALTIME: &str = "https://realtime.flagsmith.com";

/// What server-side keys begin with.
const SERVER_KEY: &str = "ser.";

#[derive(Clone, Debug)]
pub(super) struct SourceSettings {
    pub(super) server: ServerSettings,
    pub(super) key: Key,
    pub(super) url: Address,
    /// `None` when nobody is to be listened to.
    pub(super) realtime: Option<Address>,
    pub(super) client_key: Option<Secret>,
    pub(super) interval: Duration,
    pub(super) conditional: bool,
    /// Name and version.
    pub(super) application: Option<(String, String)>,
    pub(super) analytics: Option<Duration>,
    pub(super) silence: Duration,
    pub(super) http: HttpSettings,
}

impl SourceSettings {
    pub(super) fn new(key: Box<str>) -> SourceSettings {
        SourceSettings {
            server: ServerSettings::new("flagsmith", Retry::seconds(1, 300)),
            key: Key::new(key),
            url: API.into(),
            realtime: None,
            client_key: None,
            interval: Duration::from_secs(60),
            conditional: false,
            application: None,
            analytics: Some(Duration::from_secs(60)),
            silence: Duration::from_secs(300),
            http: HttpSettings::new(),
        }
    }

    /// What every request to the API says beside the key.
    pub(super) fn headers(&self) -> Vec<(&'static str, &str)> {
        let application = self.application.as_ref().map(|(name, version)| {
            [("flagsmith-application-name", &**name), ("flagsmith-application-version", &**version)]
        });
        application.into_iter().flatten().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// # Errors
    /// When the server would refuse every request with this key, when a pause is nothing, or when
    /// the real-time service may never be silent.
    pub(super) fn check(&self) -> Result<(), source::Error> {
        check_key(self.key.current().reveal())?;
        self.server.check()?;
        more_than_zero("interval", self.interval)?;
        more_than_zero("analytics", self.analytics)?;
        more_than_zero("silence", self.silence)
    }
}

/// # Errors
/// With any other key the server would refuse every request.
pub(super) fn check_key(key: &str) -> Result<(), source::Error> {
    if key.starts_with(SERVER_KEY) {
        return Ok(());
    }
    Err(source::Error::new(
        "key: found none that begins with `ser.`, expected a server-side key of the environment",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_side_key_is_refused_and_not_shown() {
        assert!(SourceSettings::new("ser.hidden".into()).check().is_ok());
        for key in ["hidden", "", "SER.hidden"] {
            let error = SourceSettings::new(key.into()).check().unwrap_err();
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
        assert!(!format!("{:?}", SourceSettings::new("ser.hidden".into())).contains("hidden"));
    }
}
