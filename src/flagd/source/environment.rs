//! The environment variables of the flagd providers.

use std::{collections::HashMap, ffi::OsString, fmt::Display, str::FromStr, time::Duration};

use super::Source;
use crate::source;

pub(super) fn read(
    variables: impl Iterator<Item = (String, OsString)>,
) -> Result<Source, source::Error> {
    let set: HashMap<String, String> = variables
        .filter(|(name, value)| name.starts_with("FLAGD_") && !value.is_empty())
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => {
                let error = format!("{name}: found text that is not Unicode, expected UTF-8");
                Err(source::Error::new(error))
            }
        })
        .collect::<Result<_, _>>()?;
    let text = |name: &str| set.get(name).cloned();
    let tls = flag(&set, "FLAGD_TLS")?;
    let port = match number::<u16>(&set, "FLAGD_SYNC_PORT")? {
        Some(port) => port,
        None => number(&set, "FLAGD_PORT")?.unwrap_or(8015),
    };
    let host = text("FLAGD_HOST").unwrap_or_else(|| "localhost".to_owned());
    let mut source = Source::new(host, port).tls(tls);
    let settings = &mut source.settings;
    settings.certificate = text("FLAGD_SERVER_CERT_PATH").map(Into::into);
    settings.socket = text("FLAGD_SOCKET_PATH").map(Into::into);
    settings.selector = text("FLAGD_SOURCE_SELECTOR");
    if let Some(provider) = text("FLAGD_PROVIDER_ID") {
        settings.provider = provider;
    }
    let milliseconds =
        |name: &str| Ok::<_, source::Error>(number(&set, name)?.map(Duration::from_millis));
    if let Some(deadline) = milliseconds("FLAGD_DEADLINE_MS")? {
        settings.deadline = deadline;
    }
    if let Some(deadline) = milliseconds("FLAGD_STREAM_DEADLINE_MS")? {
        settings.stream_deadline = Some(deadline).filter(|deadline| !deadline.is_zero());
    }
    let keep_alive = milliseconds("FLAGD_KEEP_ALIVE_TIME_MS")?;
    settings.keep_alive = keep_alive.filter(|interval| !interval.is_zero());
    if let Some(first) = milliseconds("FLAGD_RETRY_BACKOFF_MS")? {
        settings.server.retry.first = first;
    }
    if let Some(max) = milliseconds("FLAGD_RETRY_BACKOFF_MAX_MS")? {
        settings.server.retry.max = max;
    }
    if let Some(seconds) = number(&set, "FLAGD_RETRY_GRACE_PERIOD")? {
        settings.grace = Duration::from_secs(seconds);
    }
    if let Some(codes) = text("FLAGD_FATAL_STATUS_CODES") {
        settings.fatal = codes.split(',').map(|code| code.trim().to_owned()).collect();
    }
    source.offline = text("FLAGD_OFFLINE_FLAG_SOURCE_PATH").map(Into::into);
    Ok(source)
}

fn number<T: FromStr>(set: &HashMap<String, String>, name: &str) -> Result<Option<T>, source::Error>
where
    T::Err: Display,
{
    let Some(text) = set.get(name) else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|error| {
        source::Error::new(format!("{name}: found `{text}`, expected a number ({error})"))
    })
}

fn flag(set: &HashMap<String, String>, name: &str) -> Result<bool, source::Error> {
    let Some(text) = set.get(name) else { return Ok(false) };
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(source::Error::new(format!("{name}: found `{text}`, expected true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Source, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        read(variables).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_set_is_as_the_providers_have_it() {
        let settings = of(&[("PATH", "/bin"), ("FLAGD_HOST", "")]).unwrap().settings;
        assert_eq!((&*settings.host, settings.port, settings.tls), ("localhost", 8015, false));
        assert_eq!(settings.deadline, Duration::from_millis(500));
        assert_eq!(settings.stream_deadline, Some(Duration::from_secs(600)));
        assert_eq!(settings.grace, Duration::from_secs(5));
    }

    #[test]
    fn every_variable_is_read() {
        let source = of(&[
            ("FLAGD_HOST", "flags"),
            ("FLAGD_PORT", "1"),
            ("FLAGD_SYNC_PORT", "2"),
            ("FLAGD_TLS", "TRUE"),
            ("FLAGD_SERVER_CERT_PATH", "c.pem"),
            ("FLAGD_SOCKET_PATH", "s.sock"),
            ("FLAGD_SOURCE_SELECTOR", "flagSetId=x"),
            ("FLAGD_PROVIDER_ID", "me"),
            ("FLAGD_DEADLINE_MS", "7"),
            ("FLAGD_STREAM_DEADLINE_MS", "0"),
            ("FLAGD_KEEP_ALIVE_TIME_MS", "60000"),
            ("FLAGD_RETRY_BACKOFF_MS", "5"),
            ("FLAGD_RETRY_BACKOFF_MAX_MS", "50"),
            ("FLAGD_RETRY_GRACE_PERIOD", "9"),
            ("FLAGD_FATAL_STATUS_CODES", "UNAUTHENTICATED, PERMISSION_DENIED"),
            ("FLAGD_OFFLINE_FLAG_SOURCE_PATH", "flags.json"),
        ])
        .unwrap();
        let settings = &source.settings;
        assert_eq!((&*settings.host, settings.port, settings.tls), ("flags", 2, true));
        assert_eq!(settings.certificate.as_deref(), Some("c.pem".as_ref()));
        assert_eq!(settings.socket.as_deref(), Some("s.sock".as_ref()));
        assert_eq!(settings.selector.as_deref(), Some("flagSetId=x"));
        assert_eq!(settings.provider, "me");
        assert_eq!(settings.deadline, Duration::from_millis(7));
        assert_eq!(settings.stream_deadline, None);
        assert_eq!(settings.keep_alive, Some(Duration::from_secs(60)));
        assert_eq!(settings.server.retry.first, Duration::from_millis(5));
        assert_eq!(settings.server.retry.max, Duration::from_millis(50));
        assert_eq!(settings.grace, Duration::from_secs(9));
        assert_eq!(settings.fatal, ["UNAUTHENTICATED", "PERMISSION_DENIED"]);
        assert_eq!(source.offline.as_deref(), Some("flags.json".as_ref()));
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_unicode_is_named() {
        let value = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]);
        let error = read([("FLAGD_SERVER_CERT_PATH".to_owned(), value)].into_iter()).unwrap_err();
        assert!(error.to_string().starts_with("FLAGD_SERVER_CERT_PATH: found"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = of(&[("FLAGD_PORT", "http")]).unwrap_err();
        assert!(error.starts_with("FLAGD_PORT: found `http`, expected a number"), "{error}");
        let error = of(&[("FLAGD_TLS", "maybe")]).unwrap_err();
        assert_eq!(error, "FLAGD_TLS: found `maybe`, expected true or false");
    }
}
