//! Every network source through every fault.

#[path = "faults/absence.rs"]
mod absence;
#[path = "faults/tls.rs"]
mod tls;

use std::time::{Duration, Instant};

use modelgate::{Context, Flags};
use modelgate_source_tests::{
    PATIENCE, attempts, eventually, expect, expect_text,
    load::{Load, VERSIONS},
    proxy::{Fault, Proxy},
    reason,
    vendor::{FLAG, Server, Trouble, VENDORS, Vendor, Way},
};

const ANY_PORT: &str = "127.0.0.1:0";

fn store(vendor: &dyn Vendor, way: &Way) -> Flags {
    Flags::builder().source(vendor.source(way)).build().unwrap()
}

/// The most requests that pauses after failures allow in this time: each is half its length at the
/// least, and they double.
fn allowed(retry: (Duration, Duration), mut elapsed: Duration) -> usize {
    let (mut pause, max) = retry;
    let mut count = 1;
    while pause / 2 <= elapsed {
        elapsed -= pause / 2;
        pause = max.min(pause * 2);
        count += 1;
    }
    count
}

/// A store over a proxy before a server, with predictions going on.
struct Site {
    vendor: &'static dyn Vendor,
    server: Box<dyn Server>,
    proxy: Proxy,
    flags: Flags,
    load: Load,
    way: Way,
    /// How often the flag was changed.
    number: u64,
}

impl Site {
    fn new(vendor: &'static dyn Vendor) -> Site {
        let server = vendor.start(ANY_PORT.parse().unwrap(), VERSIONS[0]);
        let proxy = vendor.proxy(server.address());
        let way = Way::to(proxy.address());
        let flags = store(vendor, &way);
        flags.wait_ready(PATIENCE).unwrap();
        let load = Load::on(&flags);
        Site { vendor, server, proxy, flags, load, way, number: 0 }
    }

    fn value(&self) -> String {
        self.flags.string(FLAG, &Context::new("u"), "none")
    }

    fn good(&self) -> &'static str {
        VERSIONS[self.number as usize % 2]
    }

    fn requests(&self) -> usize {
        self.proxy.requests() + self.server.requests()
    }

    /// Makes the trouble; whether there is such a thing with this vendor.
    fn suffer(&self, trouble: Trouble) -> bool {
        match self.vendor.fault(trouble) {
            Some(fault) => {
                self.proxy.set(fault);
                self.proxy.cut();
                // What is new has to get through the fault.
                self.server.set(self.number + 2, VERSIONS[(self.number as usize + 1) % 2]);
                true
            }
            None => self.server.suffer(trouble),
        }
    }

    /// Ends the trouble, and changes the flag, so that its end is seen.
    fn mend(&mut self) {
        self.number += 1;
        self.server.set(self.number + 1, self.good());
        self.proxy.set(Fault::None);
        self.proxy.cut();
    }

    fn survive(&mut self, trouble: Trouble) {
        let name = format!("{}: {trouble:?}", self.vendor.name());
        let (started, before) = (Instant::now(), self.requests());
        let predicted = self.load.answered();
        if !self.suffer(trouble) {
            return;
        }
        let says = self.vendor.says(trouble);
        let status = expect(&self.flags, |status| reason(status).starts_with(says));
        assert!(status.ready && status.sources[0].is_stale(), "{name}: {status:#?}");
        assert_eq!(self.value(), self.good(), "{name}");
        if self.vendor.gives_up(trouble) {
            return;
        }
        // Time and again, but not in a hurry.
        if !self.vendor.waits(trouble) {
            expect(&self.flags, |status| attempts(status) >= 4);
        }
        let asked = self.requests() - before;
        let most = allowed(self.way.retry, started.elapsed()) + 1;
        assert!(asked <= 2 * most, "{name}: {asked} requests, {most} are well");
        let status = self.flags.status();
        let connection = status.sources[0].connection.as_ref().unwrap();
        assert!(connection.requests > 0, "{name}: {status:#?}");
        assert_eq!(self.value(), self.good(), "{name}");
        eventually("predictions go on", || self.load.answered() > predicted);

        self.mend();
        expect_text(&self.flags, FLAG, self.good());
        expect(&self.flags, |status| status.sources[0].is_ready());
    }
}

fn survives(name: &str) {
    let vendor = *VENDORS.iter().find(|vendor| vendor.name() == name).unwrap();
    let mut site = Site::new(vendor);
    for trouble in Trouble::ALL {
        if vendor.remembers() || vendor.gives_up(trouble) {
            site = Site::new(vendor);
        }
        site.survive(trouble);
        if vendor.gives_up(trouble) {
            let asked = site.requests();
            site.mend();
            assert_eq!(site.value(), VERSIONS[0]);
            assert_eq!(site.requests(), asked, "{name}: {trouble:?}");
        }
        assert_eq!(site.load.wrong(), [""; 0], "{name}: {trouble:?}");
    }
}

#[test]
fn http_survives_everything() {
    survives("http");
}

#[test]
fn launchdarkly_survives_everything() {
    survives("launchdarkly");
}

#[test]
fn unleash_survives_everything() {
    survives("unleash");
}

#[test]
fn unleash_survives_everything_while_streamed() {
    survives("unleash, streamed");
}

#[test]
fn flagd_survives_everything() {
    survives("flagd");
}

#[test]
fn no_source_is_forgotten() {
    let tests = include_str!("faults.rs");
    for vendor in VENDORS {
        let call = format!("survives(\"{}\")", vendor.name());
        assert!(tests.contains(&call), "{call}");
    }
}
