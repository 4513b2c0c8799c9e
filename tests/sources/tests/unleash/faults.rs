//! A server that is not there yet, with a bootstrap. Every other fault is in `faults.rs`, for every
//! source.

use std::net::TcpListener;

use modelgate_source_tests::{expect, expect_text, unleash::Unleash};

use crate::{features, reason, source, store};

#[test]
fn a_server_may_come_later_than_the_service() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let flags = store(
        source(&format!("http://{address}/api"))
            .bootstrap(format!(r#"{{"version": 2, "features": {}}}"#, features("bootstrapped"))),
    );
    let status = expect(&flags, |status| reason(status).contains("could not be reached"));
    assert!(status.sources[0].is_stale());
    expect_text(&flags, "m", "bootstrapped");
    let _server = Unleash::at(address, &features("v1"));
    expect_text(&flags, "m", "v1");
    expect(&flags, |status| status.sources[0].is_ready());
}
