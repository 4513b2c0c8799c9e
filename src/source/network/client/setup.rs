//! The making of the HTTP client itself: TLS, proxy, resolver.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{
    Url,
    header::{HeaderMap, HeaderValue},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::source::{
    Error,
    network::{Proxies, Resolver, tls_provider},
};

/// What the client is made of when its first request is sent, on the network thread: reading the
/// platform's certificates takes long enough to be felt where a service starts.
pub(super) struct ClientSetup {
    pub(super) headers: HeaderMap,
    pub(super) user_agent: HeaderValue,
    pub(super) proxy: Option<reqwest::Proxy>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) connect_timeout: Duration,
    /// How many idle connections are kept.
    pub(super) idle: usize,
    /// What is offered to a server behind TLS.
    pub(super) protocols: &'static [&'static str],
    pub(super) made: OnceLock<reqwest::Client>,
}

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::with_source("root certificates are malformed", error))?;
    if found.is_empty() && !pem.is_empty() {
        return Err(Error::new("root certificates: found none, expected PEM"));
    }
    Ok(found)
}

impl ClientSetup {
    pub(super) fn make(&self) -> Result<reqwest::Client, Error> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls()?)
            .default_headers(self.headers.clone())
            .user_agent(self.user_agent.clone())
            .connect_timeout(self.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(self.idle)
            .dns_resolver(Arc::new(Resolver::default()));
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        } else if let Some(proxies) = Proxies::of_environment() {
            // The client's own reading of the environment knows no exemption of one port.
            let to = move |url: &Url| proxies.for_url(url).cloned();
            builder = builder.no_proxy().proxy(reqwest::Proxy::custom(to));
        }
        builder.build().map_err(|error| {
            Error::with_source("HTTP client could not be made", error.without_url())
        })
    }

    /// rustls with the platform's certificates and those given.
    fn tls(&self) -> Result<rustls::ClientConfig, Error> {
        let failed = |error| Error::with_source("TLS could not be set up", error);
        let provider = tls_provider()?;
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(
            self.certificates.iter().cloned(),
            Arc::clone(&provider),
        )
        .map_err(failed)?;
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols =
            self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(config)
    }
}
