//! Shadows.
