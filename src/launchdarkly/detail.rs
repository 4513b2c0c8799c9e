//! The vendor's own answer: a value, the place of its variation, and the reason.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::big_segments;
use crate::value::Value;

/// What a flag answered, in the vendor's terms. Borrows from the flag set: making one allocates
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Detail<'a> {
    /// The value of the variation; `None`: the caller's own default.
    pub value: Option<&'a Value>,
    /// The variation's place among the flag's variations, from 0.
    pub variation_index: Option<usize>,
    /// Why.
    pub reason: Reason<'a>,
}

/// Why a variation was served: the vendor's evaluation reason, with the members that its kind has.
///
/// As JSON it is the vendor's own object: `{"kind": "RULE_MATCH", "ruleIndex": 0, "ruleId": "r1"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason<'a> {
    /// What decided.
    pub kind: ReasonKind,
    /// Which rule, from 0.
    pub rule_index: Option<usize>,
    /// The rule's id, unless it is empty.
    pub rule_id: Option<&'a str>,
    /// The prerequisite that did not hold.
    pub prerequisite_key: Option<&'a str>,
    /// Whether the context takes part in an experiment by this variation.
    pub in_experiment: bool,
    /// What went wrong.
    pub error_kind: Option<ErrorKind>,
    /// How the store of big segments was, if one was asked.
    pub big_segments_status: Option<big_segments::Status>,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReasonKind {
    /// The flag is off.
    Off,
    /// No target and no rule matched.
    Fallthrough,
    /// The context's key is one of the flag's targets.
    TargetMatch,
    /// A rule matched.
    RuleMatch,
    /// A prerequisite is off or serves another variation than is required.
    PrerequisiteFailed,
    /// The flag could not be evaluated.
    Error,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The flags are not there yet.
    ClientNotReady,
    /// There is no such flag.
    FlagNotFound,
    /// The flag's data makes no sense: a variation that is not there, a cycle of prerequisites or
    /// segments, a malformed attribute reference.
    MalformedFlag,
    /// The context has no key of any kind.
    UserNotSpecified,
    /// The value is not of the type that was asked for.
    WrongType,
}

impl ReasonKind {
    /// The vendor's spelling: `OFF`, `RULE_MATCH`, and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            ReasonKind::Off => "OFF",
            ReasonKind::Fallthrough => "FALLTHROUGH",
            ReasonKind::TargetMatch => "TARGET_MATCH",
            ReasonKind::RuleMatch => "RULE_MATCH",
            ReasonKind::PrerequisiteFailed => "PREREQUISITE_FAILED",
            ReasonKind::Error => "ERROR",
        }
    }
}

impl ErrorKind {
    /// The vendor's spelling: `FLAG_NOT_FOUND`, `MALFORMED_FLAG`, and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::ClientNotReady => "CLIENT_NOT_READY",
            ErrorKind::FlagNotFound => "FLAG_NOT_FOUND",
            ErrorKind::MalformedFlag => "MALFORMED_FLAG",
            ErrorKind::UserNotSpecified => "USER_NOT_SPECIFIED",
            ErrorKind::WrongType => "WRONG_TYPE",
        }
    }
}

impl fmt::Display for ReasonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Reason<'_> {
    pub(super) const fn new(kind: ReasonKind) -> Reason<'static> {
        Reason {
            kind,
            rule_index: None,
            rule_id: None,
            prerequisite_key: None,
            in_experiment: false,
            error_kind: None,
            big_segments_status: None,
        }
    }

    pub(super) const fn error(kind: ErrorKind) -> Reason<'static> {
        Reason { error_kind: Some(kind), ..Reason::new(ReasonKind::Error) }
    }
}

impl Serialize for Reason<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("kind", self.kind.as_str())?;
        if let Some(index) = self.rule_index {
            members.serialize_entry("ruleIndex", &index)?;
        }
        if let Some(id) = self.rule_id {
            members.serialize_entry("ruleId", id)?;
        }
        if let Some(key) = self.prerequisite_key {
            members.serialize_entry("prerequisiteKey", key)?;
        }
        if self.in_experiment {
            members.serialize_entry("inExperiment", &true)?;
        }
        if let Some(kind) = self.error_kind {
            members.serialize_entry("errorKind", kind.as_str())?;
        }
        if let Some(status) = self.big_segments_status {
            members.serialize_entry("bigSegmentsStatus", status.as_str())?;
        }
        members.end()
    }
}
