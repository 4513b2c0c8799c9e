//! The time from a change on the socket to a prediction that uses it.

use std::time::Duration;

use super::{
    FLAGS,
    client::{ENTRIES, Entry},
    server::Server,
};

/// Between two changes, so that one is over when the next comes.
const PAUSE: Duration = Duration::from_millis(3);

pub fn print(changes: usize) {
    println!("A streamed change of one flag among {FLAGS}, {changes} times:\n");
    println!("| client | median | 99 % | longest |\n|---|---:|---:|---:|");
    for entry in &ENTRIES {
        let mut taken = measure(entry, changes);
        taken.sort_unstable();
        let at = |part: f64| taken[((taken.len() - 1) as f64 * part).round() as usize];
        println!("| {} | {:.2?} | {:.2?} | {:.2?} |", entry.title, at(0.5), at(0.99), at(1.0));
    }
}

/// Asks without a pause, as a service under load does, until the answer is the new one.
fn measure(entry: &Entry, changes: usize) -> Vec<Duration> {
    let mut server = Server::start(entry.dialect);
    let client = (entry.start)(server.address);
    server.wait_for_client();
    let mut change = |second: bool| {
        let written = server.change(second);
        while client.second() != second {
            std::hint::spin_loop();
        }
        written.elapsed()
    };
    change(true);
    (0..changes)
        .map(|number| {
            std::thread::sleep(PAUSE);
            change(number % 2 == 1)
        })
        .collect()
}
