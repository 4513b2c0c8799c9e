//! For tests of a service: flags that a test switches, a model that does as it is told, and answers,
//! decisions and errors made by hand. Feature `test-util`; see the [guide](crate::guide::testing).
//!
//! The clock that a test turns is [`ManualClock`](crate::clock::ManualClock).

mod answers;
mod flags;
mod model;

pub use self::{
    answers::{DecisionBuilder, decision, predict_error, prediction},
    flags::TestFlags,
    model::PuppetModel,
};
