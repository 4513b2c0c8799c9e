//! Guides, one a topic. There is no code here; every example in them is compiled and run as a test.

#[doc = include_str!("guide/routing.md")]
pub mod routing {}

#[doc = include_str!("guide/from_python.md")]
pub mod from_python {}

#[doc = include_str!("guide/sources.md")]
pub mod sources {}

#[doc = include_str!("guide/dialects.md")]
pub mod dialects {}

#[cfg(feature = "launchdarkly-dialect")]
#[doc = include_str!("guide/launchdarkly.md")]
pub mod launchdarkly {}

#[cfg(feature = "unleash-dialect")]
#[doc = include_str!("guide/unleash.md")]
pub mod unleash {}

#[cfg(feature = "flagsmith-dialect")]
#[doc = include_str!("guide/flagsmith.md")]
pub mod flagsmith {}

#[doc = include_str!("guide/flagd.md")]
pub mod flagd {}

#[doc = include_str!("guide/writing_a_source.md")]
pub mod writing_a_source {}

#[doc = include_str!("guide/axum.md")]
pub mod axum {}

#[doc = include_str!("guide/models.md")]
pub mod models {}

#[doc = include_str!("guide/shadow.md")]
pub mod shadow {}

#[doc = include_str!("guide/comparison.md")]
pub mod comparison {}

#[doc = include_str!("guide/verdict.md")]
pub mod verdict {}

#[cfg(feature = "onnx")]
#[doc = include_str!("guide/onnx.md")]
#[doc = include_str!("guide/onnx_models.md")]
#[doc = include_str!("guide/onnx_operators.md")]
pub mod onnx {}

#[doc = include_str!("guide/autopilot.md")]
pub mod autopilot {}

#[cfg(feature = "test-util")]
#[doc = include_str!("guide/testing.md")]
pub mod testing {}

#[doc = include_str!("guide/operations.md")]
pub mod operations {}

#[cfg(feature = "remote")]
#[doc = include_str!("guide/remote.md")]
pub mod remote {}
