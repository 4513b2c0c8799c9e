//! Documents that nobody has, and somebody might send.

mod flagd;
mod flagsmith;
mod launchdarkly;
mod unleash;

use super::{Shape, shape};

/// The shapes of each dialect.
pub const HOSTILE: [(&str, &[Shape]); 4] = [
    ("flagd", &flagd::SHAPES),
    ("launchdarkly", &launchdarkly::SHAPES),
    ("unleash", &unleash::SHAPES),
    ("flagsmith", &flagsmith::SHAPES),
];
