//! The lock-free snapshot of all flags, and the sources that feed it.
