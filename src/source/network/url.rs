//! URLs of servers and proxies, and what of them may be shown.

use reqwest::Url;

use crate::source::Error;

/// A URL of a server, with the path of one of its resources added. A query stays what it is.
///
/// # Errors
/// When it is no `http` or `https` URL.
pub(crate) fn join(base: &str, path: &str) -> Result<Url, Error> {
    let scheme = base.split_once("://").map(|(scheme, _)| scheme);
    if !scheme.is_some_and(|it| ["http", "https"].iter().any(|of| it.eq_ignore_ascii_case(of))) {
        return Err(Error::new("URL: found another beginning, expected `http://` or `https://`"));
    }
    let mut url =
        Url::parse(base).map_err(|error| Error::with_source("URL is malformed", error))?;
    if !path.is_empty() {
        let joined = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
    }
    Ok(url)
}

/// The URL of an HTTP proxy, which is asked for tunnels.
///
/// # Errors
/// When it is none; the error does not show it.
#[cfg(feature = "flagd")]
pub(crate) fn proxy(text: &str) -> Result<Url, Error> {
    let url =
        Url::parse(text).map_err(|error| Error::with_source("proxy URL is malformed", error))?;
    if url.scheme() != "http" || !url.has_host() {
        return Err(Error::new("proxy: found another URL, expected `http://host:port`"));
    }
    Ok(url)
}

/// What of a URL may be shown: scheme, host and port. Users, passwords and queries are secrets, and
/// paths may hold tokens.
pub(crate) fn public_part(text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return "[a malformed URL]".to_owned() };
    // With a slash in it a password ends up there, and the user is taken for the host.
    if url.path().contains('@') {
        return "[a URL with an unescaped password]".to_owned();
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = if matches!(url.path(), "" | "/") { "" } else { "/…" };
    format!("{}://{host}{port}{path}", url.scheme())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_added_to_a_base_with_or_without_a_slash() {
        for base in ["https://flags.example.com/api", "https://flags.example.com/api/"] {
            let url = join(base, "/client/features").unwrap();
            assert_eq!(url.as_str(), "https://flags.example.com/api/client/features");
        }
        let url = join("HTTPS://flags.example.com/a%20b/?tenant=7", "/client/features").unwrap();
        assert_eq!(url.as_str(), "https://flags.example.com/a%20b/client/features?tenant=7");
        for base in ["flags.example.com", "ftp://flags.example.com", "", "://", "http:/x"] {
            assert!(join(base, "/x").is_err(), "{base}");
        }
    }
}
