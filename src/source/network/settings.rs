//! How a source reaches its server.

use std::{fmt, time::Duration};

/// How a source reaches its server: timeouts, limits, proxy, certificates.
///
/// ```
/// use std::time::Duration;
/// use modelgate::source::HttpSettings;
///
/// let settings = HttpSettings::new()
///     .timeout(Duration::from_secs(3))
///     .header("X-Team", "risk");
/// ```
///
/// TLS is rustls with the platform's certificates, and with the cryptography that the process has
/// installed (`CryptoProvider::install_default`), or else that of ring (feature `tls-ring`). Proxies
/// are taken from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) unless one
/// is given. Redirects are not followed: requests carry keys.
#[derive(Clone)]
#[must_use]
pub struct HttpSettings {
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_bytes: u64,
    pub(super) proxy: Option<String>,
    pub(crate) certificates: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) user_agent: String,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings::new()
    }
}

impl HttpSettings {
    /// The settings that most services want.
    pub fn new() -> HttpSettings {
        HttpSettings {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            max_bytes: 64 << 20,
            proxy: None,
            certificates: Vec::new(),
            headers: Vec::new(),
            user_agent: concat!("modelgate/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// How long one request may take, its body included; 10 seconds otherwise. Streams are open
    /// for longer: each source says when it takes one for dead.
    pub fn timeout(mut self, timeout: Duration) -> HttpSettings {
        self.timeout = timeout;
        self
    }

    /// How long connecting may take; 3 seconds otherwise.
    pub fn connect_timeout(mut self, timeout: Duration) -> HttpSettings {
        self.connect_timeout = timeout;
        self
    }

    /// The largest body, or single event of a stream, that is read, after decompression; 64 MiB
    /// otherwise.
    pub fn max_bytes(mut self, max_bytes: u64) -> HttpSettings {
        self.max_bytes = max_bytes;
        self
    }

    /// Sends everything through this proxy: `http://user:password@host:port`. The environment's
    /// proxies are then not looked at.
    pub fn proxy(mut self, url: impl Into<String>) -> HttpSettings {
        self.proxy = Some(url.into());
        self
    }

    /// Trusts these certificates beside the platform's: those of a company's own authority, in PEM,
    /// several in one text.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> HttpSettings {
        self.certificates = pem.into();
        self
    }

    /// Sends this header with every request. Its value is shown in no log and no `Debug` output.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> HttpSettings {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// What the source calls itself to the server; `modelgate/` and the version otherwise.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> HttpSettings {
        self.user_agent = user_agent.into();
        self
    }
}

/// Headers and proxies may hold secrets.
impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_bytes", &self.max_bytes)
            .field("proxy", &self.proxy.is_some())
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}
