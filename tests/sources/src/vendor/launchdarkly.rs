use std::net::SocketAddr;

use modelgate::{FlagSource, launchdarkly};

use super::{FLAG, Fault, KEY, Server, Trouble, Vendor, Way};
use crate::launchdarkly::LaunchDarkly;

/// LaunchDarkly by its stream.
pub struct Streamed;

fn flag(number: u64, value: &str) -> String {
    format!(
        r#"{{"key": "{FLAG}", "version": {number}, "on": true, "variations": ["{value}"],
            "fallthrough": {{"variation": 0}}, "salt": "s"}}"#
    )
    .replace('\n', " ")
}

fn data(number: u64, value: &str) -> String {
    format!(r#"{{"flags": {{"{FLAG}": {}}}, "segments": {{}}}}"#, flag(number, value))
}

impl Vendor for Streamed {
    fn name(&self) -> &'static str {
        "launchdarkly"
    }

    fn start(&self, address: SocketAddr, value: &str) -> Box<dyn Server> {
        Box::new(LaunchDarkly::at(address, &data(1, value)))
    }

    fn source(&self, way: &Way) -> Box<dyn FlagSource> {
        let (first, max) = way.retry;
        let source = launchdarkly::Source::new(KEY)
            .relay(way.url())
            .retry(first, max)
            .silence(way.silence)
            .settings(way.settings());
        Box::new(match &way.last_known_good {
            Some(path) => source.last_known_good(path),
            None => source,
        })
    }

    fn fault(&self, trouble: Trouble) -> Option<Fault> {
        let stream = "text/event-stream";
        Some(match trouble {
            Trouble::HalfADocument => Fault::ok(stream, "event: put\ndata: {\"data\": {\"fl\n\n"),
            Trouble::OtherJson => Fault::ok(stream, "event: put\ndata: {\"data\": []}\n\n"),
            Trouble::Deep => {
                Fault::ok(stream, format!("event: put\ndata: {}\n\n", "[".repeat(10_000)))
            }
            Trouble::Endless => Fault::EndlessEvent,
            Trouble::WrongContentType => Fault::ok("application/json", data(9, "v9")),
            _ => trouble.of_http()?,
        })
    }

    fn says(&self, trouble: Trouble) -> &'static str {
        match trouble {
            Trouble::HalfADocument | Trouble::Deep => "put is malformed",
            Trouble::WrongContentType => "content type: found `application/json`",
            Trouble::ErrorPage => "content type: found `text/html`",
            Trouble::Endless => "event: found more than 1048576 bytes",
            _ => trouble.named(),
        }
    }

    fn gives_up(&self, trouble: Trouble) -> bool {
        matches!(trouble, Trouble::Status(401 | 403 | 404))
    }
}

impl Server for LaunchDarkly {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn set(&self, number: u64, value: &str) {
        self.set_data(&data(number, value));
        self.patch_flag(FLAG, &flag(number, value));
    }

    fn forget(&self) {
        LaunchDarkly::forget(self);
    }
}
