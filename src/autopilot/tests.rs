//! Tests of what is hidden.
