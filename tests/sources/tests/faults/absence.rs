//! Servers that are not there: not yet, not any more, not by that name.

use std::{
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use modelgate::{Context, source::LastKnownGood};
use modelgate_source_tests::{
    PATIENCE, attempts, eventually, expect, expect_text,
    load::Load,
    proxy::{Fault, Proxy},
    reason,
    vendor::{FLAG, Trouble, VENDORS, Way},
};

use crate::{ANY_PORT, allowed, store};

/// A port that was free a moment ago.
fn nobody() -> SocketAddr {
    TcpListener::bind(ANY_PORT).unwrap().local_addr().unwrap()
}

/// With the default pauses of most sources an outage of an hour is some twenty attempts; this is
/// ten times as many.
const ATTEMPTS: u64 = 200;

#[test]
fn a_server_may_be_away_at_the_start_and_for_an_hour_and_come_back() {
    for vendor in VENDORS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags.lkg");
        let address = nobody();
        let way = Way {
            retry: (Duration::from_millis(1), Duration::from_millis(8)),
            timeout: Duration::from_secs(10),
            last_known_good: Some(path.clone()),
            ..Way::to(address)
        };
        let flags = store(vendor, &way);
        let status = expect(&flags, |status| attempts(status) >= 3);
        let connection = status.sources[0].connection.as_ref().unwrap();
        assert!(!status.ready && connection.last_success.is_none(), "{status:#?}");
        let error = flags.wait_ready(Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("refused"), "{}: {error}", vendor.name());

        let server = vendor.start(address, "v1");
        flags.wait_ready(PATIENCE).unwrap();
        eventually("saved", || LastKnownGood::at(&path).load().unwrap().is_some());
        let load = Load::on(&flags);
        let before = flags.status().sources[0].connection.clone().unwrap();
        let gone = Instant::now();
        drop(server);
        let status = expect(&flags, |status| attempts(status) >= ATTEMPTS);
        assert!(status.ready && status.sources[0].is_stale(), "{status:#?}");
        assert!(reason(&status).contains("refused"), "{}: {}", vendor.name(), reason(&status));
        let connection = status.sources[0].connection.as_ref().unwrap();
        assert!(connection.failures >= before.failures + ATTEMPTS, "{status:#?}");
        // A stream that is given up is polled at once: twice as many at the most.
        let asked = (connection.requests - before.requests) as usize;
        assert!(asked <= 2 * allowed(way.retry, gone.elapsed()), "{}: {asked}", vendor.name());
        assert_eq!(flags.string(FLAG, &Context::new("u"), "none"), "v1");

        // A service that starts meanwhile has what the file has, and says so.
        let late = store(vendor, &way);
        assert!(late.is_ready() && late.status().sources[0].is_stale(), "{}", vendor.name());
        assert_eq!(late.string(FLAG, &Context::new("u"), "none"), "v1");

        let server = vendor.start(address, "v1");
        server.set(2, "v2");
        for flags in [&flags, &late] {
            expect_text(flags, FLAG, "v2");
            let status = expect(flags, |status| status.sources[0].is_ready());
            assert_eq!(attempts(&status), 0);
        }
        assert_eq!(load.wrong(), [""; 0]);
    }
}

#[test]
fn a_name_that_is_not_known_is_said() {
    for vendor in VENDORS {
        let server = vendor.start(ANY_PORT.parse().unwrap(), "v1");
        let way = Way { host: "flags.invalid".to_owned(), ..Way::to(server.address()) };
        let way = Way { timeout: PATIENCE, ..way };
        let flags = store(vendor, &way);
        let status = expect(&flags, |status| attempts(status) > 1);
        let said = reason(&status);
        assert!(said.contains("dns error") || said.contains("lookup"), "{said}");
        assert!(!status.ready);
    }
}

#[test]
fn a_server_that_wants_to_be_left_alone_is() {
    for vendor in VENDORS {
        if vendor.fault(Trouble::Status(429)).is_none() {
            // gRPC has no such wish.
            continue;
        }
        let server = vendor.start(ANY_PORT.parse().unwrap(), "v1");
        let proxy = vendor.proxy(server.address());
        proxy.set(Fault::Answer {
            status: "429 Slow Down",
            headers: "Retry-After: 1\r\n".to_owned(),
            body: String::new(),
        });
        let started = Instant::now();
        let flags = store(vendor, &Way { timeout: PATIENCE, ..Way::to(proxy.address()) });
        expect(&flags, |status| reason(status) == "server answered 429");
        let asked = proxy.requests();
        proxy.set(Fault::None);
        expect_text(&flags, FLAG, "v1");
        assert!(started.elapsed() >= Duration::from_secs(1), "{}", vendor.name());
        assert!(asked <= 2, "{}: {asked} requests", vendor.name());
    }
}

#[test]
fn a_gigabyte_is_not_read() {
    for vendor in VENDORS {
        if vendor.fault(Trouble::Endless).is_none() {
            // Its length stands before a gRPC message: `survives_everything` has that.
            continue;
        }
        let server = vendor.start(ANY_PORT.parse().unwrap(), "v1");
        let proxy = Proxy::before(server.address());
        proxy.set(Fault::Endless);
        let way = Way { timeout: PATIENCE, ..Way::to(proxy.address()) };
        // One answer, and then none for a long while.
        let way = Way { retry: (Duration::from_secs(3600), Duration::from_secs(3600)), ..way };
        let flags = store(vendor, &way);
        expect(&flags, |status| attempts(status) >= 1);
        drop(flags);
        let sent = proxy.sent();
        // A megabyte is allowed; the rest is what the system's buffers take.
        assert!(sent <= 32 << 20, "{}: {sent} bytes", vendor.name());
    }
}
