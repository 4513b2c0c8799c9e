//! Every network source in one table, so that a test of one is a test of all.
//!
//! A new source is one more [`Vendor`] in [`VENDORS`].

mod flagd;
mod flagsmith;
mod http;
mod launchdarkly;
mod unleash;

use std::{net::SocketAddr, time::Duration};

use modelgate::{FlagSource, source::HttpSettings};

use crate::proxy::{Fault, Proxy};

/// Every network source there is.
pub const VENDORS: [&dyn Vendor; 6] = [
    &http::Document,
    &flagsmith::Polled,
    &launchdarkly::Streamed,
    &unleash::Polled,
    &unleash::Streamed,
    &flagd::Synced,
];

/// A key that must not be seen anywhere but in requests.
pub const KEY: &str = "default:development.hidden";

/// The name of the flag that every stand-in serves.
pub const FLAG: &str = "ml-model-version";

/// A network source and the stand-in for its server.
pub trait Vendor: Sync {
    fn name(&self) -> &'static str;

    /// A server whose flag says `value`.
    fn start(&self, address: SocketAddr, value: &str) -> Box<dyn Server>;

    /// A source that follows the server found so.
    fn source(&self, way: &Way) -> Box<dyn FlagSource>;

    /// What the trouble is on the way to this server; `None` where there is no such thing.
    fn fault(&self, trouble: Trouble) -> Option<Fault>;

    /// A proxy that speaks the server's protocol.
    fn proxy(&self, upstream: SocketAddr) -> Proxy {
        Proxy::before(upstream)
    }

    /// What the server speaks inside TLS.
    fn protocol(&self) -> &'static [u8] {
        b"http/1.1"
    }

    /// Whether the vendor's rules forbid to try again after this.
    fn gives_up(&self, _: Trouble) -> bool {
        false
    }

    /// Whether the stream stays open after this, for something better to come.
    fn waits(&self, _: Trouble) -> bool {
        false
    }

    /// What the status says, or the beginning of it.
    fn says(&self, trouble: Trouble) -> &'static str {
        trouble.named()
    }

    /// Whether one trouble changes what the source does for longer than a test lasts.
    fn remembers(&self) -> bool {
        false
    }
}

/// A running stand-in. Dropping it ends its connections and its port.
pub trait Server: Send {
    fn address(&self) -> SocketAddr;

    /// From now on the flag says `value`; streams that are open bring it. Numbers grow.
    fn set(&self, number: u64, value: &str);

    /// Makes the trouble that is the server's own rather than the proxy's.
    fn suffer(&self, _: Trouble) -> bool {
        false
    }

    /// Forgets what it was asked: the heads of requests are kept with the buffers they came in.
    fn forget(&self) {}

    /// Requests that came by connections that the proxy has counted already.
    fn requests(&self) -> usize {
        0
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    ClosedAtOnce,
    ResetInHead,
    ResetInBody,
    Silence,
    SlowLoris,
    HalfADocument,
    WrongContentType,
    ErrorPage,
    OtherJson,
    Deep,
    Endless,
    NoHttp,
    RedirectLoop,
    Status(u16),
}

impl Trouble {
    pub const ALL: [Trouble; 19] = [
        Trouble::ClosedAtOnce,
        Trouble::ResetInHead,
        Trouble::ResetInBody,
        Trouble::Silence,
        Trouble::SlowLoris,
        Trouble::HalfADocument,
        Trouble::WrongContentType,
        Trouble::ErrorPage,
        Trouble::OtherJson,
        Trouble::Deep,
        Trouble::Endless,
        Trouble::NoHttp,
        Trouble::RedirectLoop,
        Trouble::Status(429),
        Trouble::Status(500),
        Trouble::Status(503),
        // Last: after these some are not to try again.
        Trouble::Status(401),
        Trouble::Status(403),
        Trouble::Status(404),
    ];

    /// What the status says of it where documents are polled over HTTP.
    fn named(self) -> &'static str {
        match self {
            Trouble::ClosedAtOnce | Trouble::ResetInHead | Trouble::NoHttp => "request failed",
            Trouble::ResetInBody => "answer ended early or is damaged",
            Trouble::Silence | Trouble::SlowLoris => "request took too long",
            Trouble::HalfADocument
            | Trouble::WrongContentType
            | Trouble::ErrorPage
            | Trouble::OtherJson
            | Trouble::Deep => "document refused",
            Trouble::Status(code) => match code {
                401 => "server answered 401",
                403 => "server answered 403",
                404 => "server answered 404",
                429 => "server answered 429",
                500 => "server answered 500",
                _ => "server answered 503",
            },
            Trouble::RedirectLoop => "server answered 302",
            Trouble::Endless => "answer: found more than 1048576 bytes",
        }
    }

    /// What a proxy of HTTP does, where the trouble is the same whoever is asked.
    fn of_http(self) -> Option<Fault> {
        Some(match self {
            Trouble::ClosedAtOnce => Fault::Refused,
            Trouble::ResetInHead => Fault::Reset(9),
            Trouble::ResetInBody => Fault::Reset(200),
            Trouble::Silence => Fault::Silence,
            Trouble::SlowLoris => Fault::SlowLoris(Duration::from_millis(50)),
            Trouble::ErrorPage => Fault::ok("text/html", "<html>Down for maintenance</html>"),
            Trouble::Deep => Fault::deep(10_000),
            Trouble::Endless => Fault::Endless,
            Trouble::NoHttp => Fault::Answer {
                status: "-",
                headers: String::new(),
                body: "SSH-2.0-OpenSSH".to_owned(),
            },
            Trouble::RedirectLoop => Fault::RedirectLoop,
            Trouble::Status(code) => Fault::status(match code {
                401 => "401 Unauthorized",
                403 => "403 Forbidden",
                404 => "404 Not Found",
                429 => "429 Slow Down",
                500 => "500 Oh",
                _ => "503 Busy",
            }),
            Trouble::HalfADocument | Trouble::WrongContentType | Trouble::OtherJson => return None,
        })
    }
}

/// How a source is to reach its server.
#[derive(Clone, Debug)]
pub struct Way {
    /// `http` or `https`.
    pub scheme: &'static str,
    pub host: String,
    pub port: u16,
    pub timeout: Duration,
    /// First and longest pause after failures.
    pub retry: (Duration, Duration),
    /// How long a stream may be silent.
    pub silence: Duration,
    /// How long a stream is kept where its silence cannot be told from its death.
    pub stream_deadline: Option<Duration>,
    /// An authority to be trusted: a file of PEM.
    pub authority: Option<std::path::PathBuf>,
    pub last_known_good: Option<std::path::PathBuf>,
}

impl Way {
    /// To this address, without encryption, with short pauses.
    pub fn to(address: SocketAddr) -> Way {
        Way {
            scheme: "http",
            host: address.ip().to_string(),
            port: address.port(),
            timeout: Duration::from_millis(300),
            retry: (Duration::from_millis(2), Duration::from_millis(20)),
            silence: Duration::from_millis(500),
            stream_deadline: None,
            authority: None,
            last_known_good: None,
        }
    }

    fn url(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }

    fn settings(&self) -> HttpSettings {
        let settings = HttpSettings::new().timeout(self.timeout).max_bytes(1 << 20);
        match &self.authority {
            Some(path) => settings.root_certificates(std::fs::read(path).unwrap()),
            None => settings,
        }
    }
}
