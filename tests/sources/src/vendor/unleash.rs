use std::{net::SocketAddr, time::Duration};

use modelgate::{FlagSource, unleash};

use super::{FLAG, Fault, KEY, Server, Trouble, Vendor, Way};
use crate::unleash::{Answer, Place, Unleash};

/// Unleash, polled.
pub struct Polled;

/// Unleash by its stream.
pub struct Streamed;

fn feature(value: &str) -> String {
    format!(
        r#"{{"name": "{FLAG}", "type": "release", "enabled": true, "strategies": [
            {{"name": "default", "parameters": {{}}, "constraints": [], "variants": [
                {{"name": "{value}", "weight": 1000, "stickiness": "default",
                  "payload": {{"type": "string", "value": "{value}"}}}}]}}], "variants": []}}"#
    )
}

fn features(value: &str) -> String {
    format!("[{}]", feature(value))
}

fn source(way: &Way) -> unleash::Source {
    let (first, max) = way.retry;
    let source = unleash::Source::new(format!("{}/api", way.url()), KEY)
        .interval(Duration::from_millis(5))
        .metrics(None)
        .retry(first, max)
        .silence(way.silence)
        .settings(way.settings());
    match &way.last_known_good {
        Some(path) => source.last_known_good(path),
        None => source,
    }
}

impl Vendor for Polled {
    fn name(&self) -> &'static str {
        "unleash"
    }

    fn start(&self, address: SocketAddr, value: &str) -> Box<dyn Server> {
        Box::new(Unleash::at(address, &features(value)))
    }

    fn source(&self, way: &Way) -> Box<dyn FlagSource> {
        Box::new(source(way))
    }

    fn fault(&self, trouble: Trouble) -> Option<Fault> {
        let json = "application/json";
        trouble.of_http().or(Some(match trouble {
            Trouble::HalfADocument => Fault::ok(json, r#"{"version": 2, "features": [{"name": "#),
            Trouble::OtherJson => Fault::ok(json, r#"{"message": "try again later"}"#),
            _ => Fault::ok("image/png", "\u{1a}PNG"),
        }))
    }
}

impl Vendor for Streamed {
    fn name(&self) -> &'static str {
        "unleash, streamed"
    }

    fn start(&self, address: SocketAddr, value: &str) -> Box<dyn Server> {
        let server = Unleash::at(address, &features(value));
        server.set(Place::Stream, Answer::Well);
        Box::new(server)
    }

    fn source(&self, way: &Way) -> Box<dyn FlagSource> {
        Box::new(source(way).streaming())
    }

    /// A stream that breaks again and again is polled for a minute.
    fn remembers(&self) -> bool {
        true
    }

    fn fault(&self, trouble: Trouble) -> Option<Fault> {
        let event = |data: &str| {
            Fault::ok("text/event-stream", format!("event: unleash-connected\ndata: {data}\n\n"))
        };
        Some(match trouble {
            Trouble::HalfADocument => event(r#"{"events": [{"type": "hyd"#),
            Trouble::OtherJson => event(r#"{"events": {}}"#),
            Trouble::Deep => event(&"[".repeat(10_000)),
            Trouble::WrongContentType => Fault::ok("image/png", "\u{1a}PNG"),
            _ => trouble.of_http()?,
        })
    }
}

impl Server for Unleash {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn set(&self, _: u64, value: &str) {
        let number = self.set_features(&features(value));
        let change = format!(r#"{{"type": "feature-updated", "feature": {}}}"#, feature(value));
        self.update(number, &change);
    }

    fn forget(&self) {
        Unleash::forget(self);
    }
}
