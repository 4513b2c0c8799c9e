//! The numbers behind a verdict: pure functions, without clock, file or thread.
//!
//! Evidence is an **e-value**: a number whose expectation is at most 1 when there is nothing to be
//! found. As observations come, the probability that it *ever* reaches `1/α` is then at most `α`
//! (Ville's inequality; Ville, "Étude critique de la notion de collectif", 1939), which is why one may
//! look after every request and stop when one likes. All evidence is kept as a logarithm, `ln E`, so
//! that nothing overflows.
//!
//! | module | question | decides |
//! |---|---|---|
//! | [`grid`] | is a mean above or below a limit? | yes: every paired metric |
//! | [`rate_ratio`] | do users fail more often live? | yes: live metrics |
//! | [`sample_ratio`] | are users split as asked? | holds a rollout up |
//! | [`e_detector`] | did a promoted version get worse? | yes, after promotion |
//! | [`bernoulli`], [`asymptotic`] | between which values does it lie? | no: shown |
//! | [`drift`], [`agreement`] | has it moved, how alike are they? | no: shown |
//! | [`e_bh`] | which of many slices? | no: shown |
//! | [`mcnemar`] | the uniform mixture and the exact test | no: checks [`grid`] |
//! | [`budget`], [`rounding`] | how error is divided, how values are binned | |

pub mod agreement;
pub mod asymptotic;
pub mod bernoulli;
pub mod budget;
pub mod drift;
pub mod e_bh;
pub mod e_detector;
pub mod grid;
pub mod mcnemar;
pub mod rate_ratio;
pub mod rounding;
pub mod sample_ratio;
mod special;
