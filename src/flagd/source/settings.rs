//! How a flagd server is reached.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use reqwest::Url;

use crate::source::{
    self, more_than_zero,
    network::{Proxies, Retry, Secret, url},
    server_settings::ServerSettings,
};

/// How the server is reached.
#[derive(Clone, Debug)]
pub(super) struct SourceSettings {
    pub(super) server: ServerSettings,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) certificate: Option<PathBuf>,
    pub(super) socket: Option<PathBuf>,
    pub(super) selector: Option<String>,
    pub(super) provider: String,
    pub(super) deadline: Duration,
    pub(super) stream_deadline: Option<Duration>,
    pub(super) keep_alive: Option<Duration>,
    pub(super) grace: Duration,
    pub(super) fatal: Vec<String>,
    pub(super) max_bytes: usize,
    pub(super) proxy: Option<Secret>,
}

impl SourceSettings {
    pub(super) fn new(host: String, port: u16) -> SourceSettings {
        SourceSettings {
            server: ServerSettings::new("flagd", Retry::seconds(1, 12)),
            host,
            port,
            tls: false,
            certificate: None,
            socket: None,
            selector: None,
            provider: concat!("modelgate/", env!("CARGO_PKG_VERSION")).to_owned(),
            deadline: Duration::from_millis(500),
            stream_deadline: Some(Duration::from_secs(600)),
            keep_alive: None,
            grace: Duration::from_secs(5),
            fatal: Vec::new(),
            max_bytes: 64 << 20,
            proxy: None,
        }
    }

    /// # Errors
    /// When a pause or a deadline is nothing: no stream would ever be opened, or one after the other.
    pub(super) fn check(&self) -> Result<(), source::Error> {
        self.server.check()?;
        more_than_zero("deadline", self.deadline)?;
        more_than_zero("stream_deadline", self.stream_deadline)?;
        more_than_zero("keep_alive", self.keep_alive)
    }

    /// The proxy on the way to the server: that which was given, or that of the environment.
    pub(super) fn proxy(&self) -> Result<Option<Url>, source::Error> {
        if let Some(proxy) = &self.proxy {
            return url::proxy(proxy.reveal()).map(Some);
        }
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let is_here = host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let proxies = Proxies::of_environment().filter(|_| !is_here);
        Ok(proxies.and_then(|proxies| {
            let proxy = proxies.to(self.tls, &self.host, self.port)?;
            // Those that want to be spoken to otherwise are other sources'.
            (proxy.scheme() == "http").then(|| proxy.clone())
        }))
    }
}
