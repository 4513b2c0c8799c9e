use std::{net::SocketAddr, time::Duration};

use modelgate::{FlagSource, flagsmith};

use super::{FLAG, Fault, Server, Trouble, Vendor, Way};
use crate::flagsmith::{Flagsmith, SERVER_KEY, document, feature};

/// Flagsmith, polled.
pub struct Polled;

fn environment(value: &str) -> serde_json::Value {
    document("2026-11-22T07:55:08.620212+00:00", &[feature(1, FLAG, value)])
}

impl Vendor for Polled {
    fn name(&self) -> &'static str {
        "flagsmith"
    }

    fn start(&self, address: SocketAddr, value: &str) -> Box<dyn Server> {
        Box::new(Flagsmith::at(address, environment(value)))
    }

    fn source(&self, way: &Way) -> Box<dyn FlagSource> {
        let (first, max) = way.retry;
        let source = flagsmith::Source::new(SERVER_KEY)
            .url(format!("{}/api/v1", way.url()))
            .interval(Duration::from_millis(5))
            .analytics(None)
            .retry(first, max)
            .settings(way.settings());
        Box::new(match &way.last_known_good {
            Some(path) => source.last_known_good(path),
            None => source,
        })
    }

    fn fault(&self, trouble: Trouble) -> Option<Fault> {
        let json = "application/json";
        trouble.of_http().or(Some(match trouble {
            Trouble::HalfADocument => Fault::ok(json, r#"{"api_key": "k", "feature_states": [{"#),
            Trouble::OtherJson => Fault::ok(json, r#"{"detail": "Missing identifier"}"#),
            _ => Fault::ok("image/png", "\u{1a}PNG"),
        }))
    }

    fn says(&self, trouble: Trouble) -> &'static str {
        match trouble {
            Trouble::HalfADocument
            | Trouble::WrongContentType
            | Trouble::ErrorPage
            | Trouble::Deep => "answer: found no JSON object",
            Trouble::OtherJson => "answer: found an object without `api_key`",
            _ => trouble.named(),
        }
    }
}

impl Server for Flagsmith {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn set(&self, _: u64, value: &str) {
        self.set_document(environment(value));
    }

    fn forget(&self) {
        Flagsmith::forget(self);
    }
}
