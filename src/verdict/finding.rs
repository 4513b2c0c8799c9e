//! The words of a verdict.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the evidence says of one metric at this moment.
///
/// Serializes in snake case: `worse`, `not_worse`, `better`, `equivalent`, `undecided`, `no_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// The candidate is worse than the champion, by however little.
    Worse,
    /// The candidate is not worse by the margin; it may be worse by less, equal or better.
    NotWorse,
    /// The candidate is better, by however little.
    Better,
    /// The candidate is neither worse nor better by the margin.
    Equivalent,
    /// There is not enough evidence for any of the others yet.
    Undecided,
    /// Nothing has been observed.
    NoData,
}

impl Finding {
    /// Whether a guardrail with this finding lets a candidate go on.
    pub fn passes(self) -> bool {
        matches!(self, Finding::NotWorse | Finding::Better | Finding::Equivalent)
    }

    /// The finding in snake case, as it serializes.
    pub fn as_str(self) -> &'static str {
        match self {
            Finding::Worse => "worse",
            Finding::NotWorse => "not_worse",
            Finding::Better => "better",
            Finding::Equivalent => "equivalent",
            Finding::Undecided => "undecided",
            Finding::NoData => "no_data",
        }
    }
}

/// In words: `not worse`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Finding::NotWorse => "not worse",
            Finding::NoData => "no data",
            other => other.as_str(),
        })
    }
}

/// What to do with the candidate.
///
/// Serializes in snake case: `roll_back`, `advance`, `hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// A guardrail is worse: take the candidate back.
    RollBack,
    /// Every guardrail is not worse by its margin: the candidate may get more traffic.
    Advance,
    /// Neither: go on watching.
    Hold,
}

impl Overall {
    /// The recommendation in snake case, as it serializes.
    pub fn as_str(self) -> &'static str {
        match self {
            Overall::RollBack => "roll_back",
            Overall::Advance => "advance",
            Overall::Hold => "hold",
        }
    }
}

/// In words: `roll back`.
impl fmt::Display for Overall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Overall::RollBack => "roll back",
            Overall::Advance => "advance",
            Overall::Hold => "hold",
        })
    }
}

/// What a metric may do to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Rolls back when worse, and must be not worse for the candidate to advance.
    Guardrail,
    /// Holds the candidate up while it is worse; never rolls back.
    Signal,
    /// Is shown, and decides nothing.
    Watch,
}
