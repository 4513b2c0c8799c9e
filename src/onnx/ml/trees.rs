//! `TreeEnsembleClassifier`, `TreeEnsembleRegressor` and `TreeEnsemble`: decision trees whose
//! leaves vote.
//!
//! A node is read into a [`Table`](table::Table), which is checked: every branch leads to a node
//! that exists, and no node is reached twice, so that there are no cycles. From the table a
//! [`Forest`](forest::Forest) is made for the type of the input, and that is what runs.

mod classifier;
mod ensemble;
mod float;
mod forest;
mod nodes;
mod regressor;
mod scores;
mod table;
mod walk;

pub(super) use self::{
    classifier::TreeEnsembleClassifier,
    regressor::{TreeEnsemble, TreeEnsembleRegressor},
};
