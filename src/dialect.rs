//! Flag dialects.
