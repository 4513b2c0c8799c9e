//! What every source of a server is told, whoever's server it is.

use std::borrow::Cow;

use super::{Error, LastKnownGood, last_good::LastGood, more_than_zero, network::Retry};

/// The settings that the sources of servers have in common.
#[derive(Clone, Debug)]
pub(crate) struct ServerSettings {
    /// The source's name in the status.
    pub(crate) name: Cow<'static, str>,
    /// The pauses after failures.
    pub(crate) retry: Retry,
    /// Where the last good flags are kept.
    pub(crate) last_known_good: Option<LastKnownGood>,
}

impl ServerSettings {
    pub(crate) fn new(name: &'static str, retry: Retry) -> ServerSettings {
        ServerSettings { name: Cow::Borrowed(name), retry, last_known_good: None }
    }

    /// # Errors
    /// When there would be no pause between two attempts: a server that is away would be asked
    /// without end.
    pub(crate) fn check(&self) -> Result<(), Error> {
        more_than_zero("retry.first", self.retry.first)?;
        more_than_zero("retry.max", self.retry.max)
    }

    /// The last good flags of this source.
    pub(crate) fn last_good(&self) -> LastGood {
        LastGood::new(self.name.clone(), self.last_known_good.clone())
    }
}

#[cfg(test)]
#[cfg(all(
    feature = "flagd",
    feature = "flagsmith",
    feature = "launchdarkly",
    feature = "unleash"
))]
mod tests {
    use std::{error::Error, time::Duration};

    use crate::{
        Flags, flagd, flagsmith, launchdarkly,
        source::{FlagSource, HttpSettings, HttpSource},
        unleash,
    };

    const NOTHING: Duration = Duration::ZERO;
    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn refused(source: impl FlagSource, setting: &str) {
        let error = Flags::builder().source(source).build().unwrap_err();
        let error = error.source().unwrap().to_string();
        assert_eq!(error, format!("{setting}: found 0 s, expected more than 0 s"));
    }

    #[test]
    fn a_time_of_nothing_is_refused_by_the_name_of_its_setting() {
        let http = || HttpSource::poll("http://127.0.0.1:9");
        refused(http().interval(NOTHING), "interval");
        refused(http().retry(NOTHING, SECOND), "retry.first");
        refused(http().retry(SECOND, NOTHING), "retry.max");
        let settings = HttpSettings::new();
        refused(http().settings(settings.clone().timeout(NOTHING)), "timeout");
        refused(http().settings(settings.connect_timeout(NOTHING)), "connect_timeout");

        let flagd = || flagd::Source::new("127.0.0.1", 9);
        refused(flagd().retry(NOTHING, SECOND), "retry.first");
        refused(flagd().deadline(NOTHING), "deadline");
        refused(flagd().stream_deadline(Some(NOTHING)), "stream_deadline");
        refused(flagd().keep_alive(NOTHING), "keep_alive");

        let launchdarkly = || launchdarkly::Source::new("sdk-key").relay("http://127.0.0.1:9");
        refused(launchdarkly().retry(NOTHING, SECOND), "retry.first");
        refused(launchdarkly().retry_refused(NOTHING, SECOND), "retry_refused.first");
        refused(launchdarkly().silence(NOTHING), "silence");

        let flagsmith = || flagsmith::Source::new("ser.key").url("http://127.0.0.1:9/api/v1");
        refused(flagsmith().interval(NOTHING), "interval");
        refused(flagsmith().analytics(Some(NOTHING)), "analytics");
        refused(flagsmith().silence(NOTHING), "silence");

        let unleash = || unleash::Source::new("http://127.0.0.1:9/api", "token");
        refused(unleash().interval(NOTHING), "interval");
        refused(unleash().metrics(Some(NOTHING)), "metrics");
        refused(unleash().silence(NOTHING), "silence");
    }
}
