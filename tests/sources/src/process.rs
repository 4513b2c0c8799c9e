//! What the process holds, for tests that are alone in theirs.

use std::fs;

/// How many threads the stores have.
pub fn threads() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.starts_with("modelgate")).count()
}

/// How much is open: files, sockets, event queues.
pub fn open() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}
