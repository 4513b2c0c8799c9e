//! The proxy that the environment names, if it names one.

use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::Url;

/// The proxies of the environment: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, and whom `NO_PROXY`
/// exempts.
#[derive(Clone)]
pub(crate) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    exempt: Vec<NoProxyEntry>,
}

/// An entry of `NO_PROXY`: `*`, an address, a network, a domain with all below it; of one port, or
/// of all.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NoProxyEntry {
    whom: ExemptHost,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ExemptHost {
    Everybody,
    Network(IpNet),
    Domain(String),
}

impl Proxies {
    /// `None` where the environment names no proxy. One that is no URL is none.
    pub(crate) fn of_environment() -> Option<Proxies> {
        Proxies::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Proxies> {
        let named = |name: &str| {
            [name.to_ascii_lowercase(), name.to_owned()]
                .iter()
                .find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        };
        let proxy = |name: &str| {
            let text = named(name)?;
            let text = text.trim();
            let with_scheme = if text.contains("://") { "" } else { "http://" };
            Url::parse(&format!("{with_scheme}{text}")).ok().filter(Url::has_host)
        };
        // In a CGI program this is a header of the request: anybody could set it.
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let all = proxy("ALL_PROXY");
        let http = if is_cgi { None } else { proxy("HTTP_PROXY") }.or_else(|| all.clone());
        let https = proxy("HTTPS_PROXY").or(all);
        if http.is_none() && https.is_none() {
            return None;
        }
        let exempt = named("NO_PROXY").unwrap_or_default();
        let exempt = exempt.split(',').filter_map(NoProxyEntry::read).collect();
        Some(Proxies { http, https, exempt })
    }

    /// The proxy on the way to this server.
    pub(crate) fn to(&self, is_tls: bool, host: &str, port: u16) -> Option<&Url> {
        let proxy = if is_tls { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.exempt.iter().any(|exempt| exempt.covers(host, port)))
    }

    /// The same for a URL.
    pub(crate) fn for_url(&self, url: &Url) -> Option<&Url> {
        self.to(url.scheme() == "https", url.host_str()?, url.port_or_known_default()?)
    }
}

impl NoProxyEntry {
    fn read(entry: &str) -> Option<NoProxyEntry> {
        let entry = entry.trim();
        // A bare address of version 6 has colons, and no port.
        let (whom, port) = match entry.rsplit_once(':') {
            Some((whom, port)) if !whom.contains(':') || whom.ends_with(']') => {
                (whom, Some(port.parse().ok()?))
            }
            _ => (entry, None),
        };
        let whom = whom.trim_start_matches('[').trim_end_matches(']');
        let whom = match whom {
            "" => return None,
            "*" => ExemptHost::Everybody,
            whom => match (whom.parse::<IpNet>(), whom.parse::<IpAddr>()) {
                (Ok(network), _) => ExemptHost::Network(network),
                (_, Ok(address)) => ExemptHost::Network(address.into()),
                _ => ExemptHost::Domain(
                    whom.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase(),
                ),
            },
        };
        Some(NoProxyEntry { whom, port })
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        if self.port.is_some_and(|only| only != port) {
            return false;
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        match &self.whom {
            ExemptHost::Everybody => true,
            ExemptHost::Network(network) => {
                host.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))
            }
            ExemptHost::Domain(domain) => {
                let host = host.to_ascii_lowercase();
                host.strip_suffix(&**domain)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Option<Proxies> {
        Proxies::of(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_exemption_may_be_of_one_port() {
        let exempt = "flags.internal:8080, 10.0.0.0/8, [::1]:9, .corp.example, db:5432,,::2";
        let proxies = proxies(&[("HTTP_PROXY", "proxy:3128"), ("NO_PROXY", exempt)]).unwrap();
        let goes = |host: &str, port| proxies.to(false, host, port).is_some();
        assert!(!goes("flags.internal", 8080) && goes("flags.internal", 80));
        assert!(!goes("a.flags.internal", 8080) && goes("otherflags.internal", 8080));
        assert!(!goes("10.1.2.3", 1) && goes("11.1.2.3", 1));
        assert!(!goes("[::1]", 9) && goes("[::1]", 10) && !goes("::2", 10));
        assert!(!goes("a.corp.example", 1) && !goes("CORP.example.", 1));
        assert!(goes("db", 80) && !goes("db", 5432));
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        assert!(proxies(&[("NO_PROXY", "*"), ("HTTP_PROXY", " ")]).is_none());
        let found = proxies(&[("ALL_PROXY", "all"), ("https_proxy", "http://u:p@tls:1/")]).unwrap();
        assert_eq!(found.to(false, "a", 80).unwrap().host_str(), Some("all"));
        assert_eq!(found.to(true, "a", 443).unwrap().host_str(), Some("tls"));
        let url = Url::parse("https://a/").unwrap();
        assert_eq!(found.for_url(&url).unwrap().username(), "u");
        assert!(proxies(&[("HTTP_PROXY", "x"), ("REQUEST_METHOD", "GET")]).is_none());
        let none = proxies(&[("HTTP_PROXY", "x"), ("NO_PROXY", "*")]).unwrap();
        assert!(none.to(false, "anybody", 80).is_none());
    }
}
