//! Stores that come and go leave nothing behind, whatever their sources are in the middle of.
//! Alone in its process, for it counts what the process holds.
#![cfg(target_os = "linux")]

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    sync::Mutex,
    time::Duration,
};

use modelgate::Flags;
use modelgate_source_tests::{
    PATIENCE, attempts, eventually, expect,
    process::{open, threads},
    proxy::Fault,
    vendor::{VENDORS, Vendor, Way},
};

const CYCLES: usize = 1000;

/// One test at a time: all count the same.
static ALONE: Mutex<()> = Mutex::new(());

/// Resident memory, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn store(vendor: &dyn Vendor, way: &Way) -> Flags {
    Flags::builder().source(vendor.source(way)).build().unwrap()
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_thousand_stores_of_each_source_leave_neither_threads_nor_sockets_nor_memory() {
    let _alone = ALONE.lock();
    for vendor in VENDORS {
        let server = vendor.start("127.0.0.1:0".parse().unwrap(), "v1");
        let way = Way { timeout: PATIENCE, ..Way::to(server.address()) };
        let cycle = || {
            store(vendor, &way).wait_ready(PATIENCE).unwrap();
            server.forget();
        };
        (0..CYCLES / 10).for_each(|_| cycle());
        eventually("the first are let go", || threads() == 0);
        let (sockets, kept) = (open(), memory());
        (0..CYCLES).for_each(|_| cycle());
        eventually("everything is let go", || threads() == 0 && open() <= sockets);
        // A connection, a client and a set of flags are tens of kilobytes: had each been kept, it
        // would be many times this.
        let grown = memory().saturating_sub(kept);

        assert!(grown < 4 << 10, "{}: {grown} KiB more", vendor.name());
    }
}

#[test]
fn stores_without_a_server_leave_nothing_either() {
    let _alone = ALONE.lock();
    for vendor in VENDORS {
        let way = Way { timeout: PATIENCE, ..Way::to(free_port()) };
        let cycle = || drop(expect(&store(vendor, &way), |status| attempts(status) >= 2));
        cycle();
        eventually("the first is let go", || threads() == 0);
        let sockets = open();
        (0..CYCLES / 10).for_each(|_| cycle());
        eventually("everything is let go", || threads() == 0 && open() <= sockets);
    }
}

/// Whatever a source waits for when its store goes, it does not wait for it any longer. A drop
/// waits for the thread for a tenth of a second and no longer, so that a thread that is gone when
/// the drop returns has ended within that.
#[test]
fn a_store_that_goes_does_not_wait_for_its_server() {
    const TIMES: usize = 20;

    let _alone = ALONE.lock();
    // Connects, and hears nothing.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    for vendor in VENDORS {
        let server = vendor.start("127.0.0.1:0".parse().unwrap(), "v1");
        for fault in [Fault::None, Fault::Silence, Fault::SlowLoris(Duration::from_millis(50))] {
            let proxy = vendor.proxy(server.address());
            let mut ended = 0;
            for _ in 0..TIMES {
                proxy.set(fault.clone());
                let before = proxy.requests();
                let way = Way { timeout: Duration::from_secs(3600), ..Way::to(proxy.address()) };
                let flags = store(vendor, &way);
                match fault {
                    Fault::None => flags.wait_ready(PATIENCE).unwrap(),
                    _ => eventually("asked", || proxy.requests() > before),
                }
                drop(flags);
                ended += usize::from(threads() == 0);
                eventually("the thread ends", || threads() == 0);
            }
            // On a busy machine some take longer, without holding up the drop.
            assert!(ended > TIMES / 2, "{}: {fault:?}: {ended} of {TIMES}", vendor.name());
        }
        let way = Way { timeout: Duration::from_secs(3600), ..Way::to(deaf.local_addr().unwrap()) };
        drop(store(vendor, &way));
        eventually("the thread ends", || threads() == 0);
    }
}
