use std::{net::SocketAddr, time::Duration};

use modelgate::{FlagSource, source::HttpSource};

use super::{FLAG, Fault, Server, Trouble, Vendor, Way};
use crate::http::Http;

/// A flag document that is polled.
pub struct Document;

pub(super) fn definition(value: &str) -> String {
    format!(
        r#"{{"flags": {{"{FLAG}": {{"state": "ENABLED", "variants": {{"it": "{value}"}},
            "defaultVariant": "it"}}}}}}"#
    )
}

impl Vendor for Document {
    fn name(&self) -> &'static str {
        "http"
    }

    fn start(&self, address: SocketAddr, value: &str) -> Box<dyn Server> {
        Box::new(Http::at(address, &definition(value)))
    }

    fn source(&self, way: &Way) -> Box<dyn FlagSource> {
        let (first, max) = way.retry;
        let source = HttpSource::poll(format!("{}/flags.json", way.url()))
            .interval(Duration::from_millis(5))
            .retry(first, max)
            .settings(way.settings());
        Box::new(match &way.last_known_good {
            Some(path) => source.last_known_good(path),
            None => source,
        })
    }

    fn fault(&self, trouble: Trouble) -> Option<Fault> {
        trouble.of_http().or(Some(match trouble {
            Trouble::HalfADocument => Fault::ok("application/json", r#"{"flags": {"m": {"sta"#),
            Trouble::OtherJson => Fault::ok("application/json", r#"{"error": "try later"}"#),
            _ => Fault::ok("image/png", "\u{1a}PNG"),
        }))
    }
}

impl Server for Http {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn set(&self, _: u64, value: &str) {
        Http::set(self, &definition(value));
    }
}
