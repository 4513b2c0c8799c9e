//! How a flagd server is reached.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use reqwest::Url;

use crate::source::{
    self,
    network::{Proxies, Secret, url},
};

/// How the server is reached.
#[derive(Clone, Debug)]
pub(super) struct SourceSettings {
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
    pub(super) retry: (Duration, Duration),
    pub(super) grace: Duration,
    pub(super) fatal: Vec<String>,
    pub(super) max_bytes: usize,
    pub(super) proxy: Option<Secret>,
}

impl SourceSettings {
    pub(super) fn new(host: String, port: u16) -> SourceSettings {
        SourceSettings {
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
            retry: (Duration::from_secs(1), Duration::from_secs(12)),
            grace: Duration::from_secs(5),
            fatal: Vec::new(),
            max_bytes: 64 << 20,
            proxy: None,
        }
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
