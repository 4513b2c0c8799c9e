use std::{net::SocketAddr, time::Duration};

use modelgate::{FlagSource, flagd};

use super::{Fault, Server, Trouble, Vendor, Way, http::definition};
use crate::{flagd::Flagd, proxy::Proxy};

/// flagd's sync stream.
pub struct Synced;

/// The head of a gRPC message of a gigabyte, and nothing of it.
const HUGE: &[u8] = &[0, 0x40, 0, 0, 0, 1, 2, 3];

impl Vendor for Synced {
    fn name(&self) -> &'static str {
        "flagd"
    }

    fn start(&self, address: SocketAddr, value: &str) -> Box<dyn Server> {
        Box::new(Flagd::at(address, &definition(value)))
    }

    fn source(&self, way: &Way) -> Box<dyn FlagSource> {
        let (first, max) = way.retry;
        let source = flagd::Source::new(&way.host, way.port)
            .tls(way.scheme == "https")
            .deadline(way.timeout)
            .stream_deadline(way.stream_deadline)
            .retry(first, max);
        let source = match &way.authority {
            Some(path) => source.certificate(path),
            None => source,
        };
        Box::new(match &way.last_known_good {
            Some(path) => source.last_known_good(path),
            None => source,
        })
    }

    fn fault(&self, trouble: Trouble) -> Option<Fault> {
        match trouble {
            Trouble::ClosedAtOnce | Trouble::ResetInHead | Trouble::Silence | Trouble::NoHttp => {
                trouble.of_http()
            }
            Trouble::ResetInBody => Some(Fault::Reset(100)),
            Trouble::SlowLoris => Some(Fault::SlowLoris(Duration::from_millis(50))),
            // The server's own.
            _ => None,
        }
    }

    fn waits(&self, trouble: Trouble) -> bool {
        matches!(trouble, Trouble::HalfADocument | Trouble::OtherJson | Trouble::Deep)
    }

    fn says(&self, trouble: Trouble) -> &'static str {
        match trouble {
            Trouble::ClosedAtOnce | Trouble::ResetInHead => {
                "sync stream: UNKNOWN: transport error: connection error"
            }
            Trouble::ResetInBody => "sync stream: UNKNOWN: h2 protocol error",
            Trouble::Silence | Trouble::SlowLoris => "sync stream: DEADLINE_EXCEEDED",
            Trouble::NoHttp => "sync stream: INTERNAL: h2 protocol error",
            Trouble::HalfADocument | Trouble::OtherJson | Trouble::Deep => "document refused",
            Trouble::Endless => {
                "sync stream: OUT_OF_RANGE: Error, decoded message length too large: \
                 found 1073741824 bytes"
            }
            Trouble::WrongContentType => "content type: found `application/json`",
            Trouble::ErrorPage | Trouble::Status(_) => "content type: found `text/html`",
            Trouble::RedirectLoop => "content type: found `text/plain`",
        }
    }

    fn proxy(&self, upstream: SocketAddr) -> Proxy {
        Proxy::of_bytes(upstream)
    }

    fn protocol(&self) -> &'static [u8] {
        b"h2"
    }
}

impl Server for Flagd {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn set(&self, _: u64, value: &str) {
        self.publish(&definition(value));
    }

    fn suffer(&self, trouble: Trouble) -> bool {
        let (grpc, page) = ("application/grpc", b"<html>Down</html>");
        match trouble {
            Trouble::HalfADocument => self.publish(r#"{"flags": {"m": {"sta"#),
            Trouble::OtherJson => self.publish(r#"{"error": "try later"}"#),
            Trouble::Deep => self.publish(&"[".repeat(10_000)),
            Trouble::WrongContentType => self.page(200, "application/json", b"{}"),
            Trouble::ErrorPage => self.page(200, "text/html", page),
            Trouble::Endless => self.page(200, grpc, HUGE),
            Trouble::RedirectLoop => self.page(302, "text/plain", b""),
            Trouble::Status(code) => self.page(code, "text/html", page),
            _ => return false,
        }
        true
    }

    fn requests(&self) -> usize {
        Flagd::requests(self).len()
    }
}
