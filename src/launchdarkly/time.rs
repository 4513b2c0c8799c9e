//! Times as the vendor's data and events have them: milliseconds, and those since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A duration in whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970, by the machine's clock.
pub(super) fn now() -> u64 {
    milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
