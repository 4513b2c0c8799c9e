//! A judgement with all that it was made from, so that anybody can recompute it.

use std::{error::Error, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Config, Judgement, Tally, config::hex, judge};
use crate::mismatch::Mismatch;

/// A judgement, and everything it was made from: to be stored with a decision, and verified later.
///
/// Serializes as JSON. `examples/verify_evidence.py` of the repository verifies one from the
/// formulas alone.
///
/// ```
/// use modelgate::verdict::Verdict;
///
/// let verdict = Verdict::<f32>::builder("v2").build()?;
/// let mut evidence = verdict.evidence();
/// evidence.verify()?;
/// evidence.tally.pairs.scored += 1;
/// let mismatch = evidence.verify().unwrap_err();
/// assert_eq!(mismatch.field(), "judgement.why[0]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The version of this record's form: 1.
    pub schema: u32,
    /// The version of this crate.
    pub modelgate: String,
    /// The question.
    pub config: Config,
    /// The sums.
    pub tally: Tally,
    /// The judgement that follows.
    pub judgement: Judgement,
    /// SHA-256 of the fields above as compact JSON, in hexadecimal digits.
    pub digest: String,
}

/// How far a number may be off, relative to it: the logarithms of two platforms may differ in their
/// last bits, and sums of many of them in a few more.
pub(crate) const TOLERANCE: f64 = 1e-9;

/// The form of the records that this version writes and verifies.
const SCHEMA: u32 = 1;

impl Evidence {
    /// Judges these sums, and keeps the judgement with them.
    pub fn new(config: Config, tally: Tally) -> Evidence {
        let judgement = judge(&config, &tally);
        let mut evidence = Evidence {
            schema: SCHEMA,
            modelgate: env!("CARGO_PKG_VERSION").to_owned(),
            config,
            tally,
            judgement,
            digest: String::new(),
        };
        evidence.digest = evidence.digest_of_fields();
        evidence
    }

    fn digest_of_fields(&self) -> String {
        let fields = (self.schema, &self.modelgate, &self.config, &self.tally, &self.judgement);
        hex(&Sha256::digest(serde_json::to_vec(&fields).unwrap_or_default()))
    }

    /// Judges the sums again, and compares.
    ///
    /// # Errors
    ///
    /// [`EvidenceMismatch`] naming the first field that differs: the schema, the hash of the
    /// configuration, a part of the judgement, or the digest.
    pub fn verify(&self) -> Result<(), EvidenceMismatch> {
        let wrong = |field: &str, found: String, expected: String| {
            Err(EvidenceMismatch(Mismatch::new(field.to_owned(), found, expected)))
        };
        if self.schema != SCHEMA {
            return wrong("schema", self.schema.to_string(), SCHEMA.to_string());
        }
        if self.tally.config_hash != self.config.hash() {
            return wrong("tally.config_hash", self.tally.config_hash.clone(), self.config.hash());
        }
        let again = judge(&self.config, &self.tally);
        let values = |judgement: &Judgement| serde_json::to_value(judgement).unwrap_or_default();
        compare("judgement", &values(&self.judgement), &values(&again))?;
        let digest = self.digest_of_fields();
        if self.digest != digest {
            return wrong("digest", self.digest.clone(), digest);
        }
        Ok(())
    }
}

/// Compares as JSON: texts and whole numbers exactly, others to the tolerance.
fn compare(path: &str, found: &Value, expected: &Value) -> Result<(), EvidenceMismatch> {
    let same = match (found, expected) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= TOLERANCE * b.abs().max(1.0)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (place, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{place}]"), a, b)?;
            }
            true
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            for (name, b) in b {
                compare(&format!("{path}.{name}"), a.get(name).unwrap_or(&Value::Null), b)?;
            }
            true
        }
        (a, b) => a == b,
    };
    if same {
        Ok(())
    } else {
        Err(EvidenceMismatch(Mismatch::new(path.to_owned(), found, expected)))
    }
}

/// A record of evidence contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceMismatch(Mismatch<String>);

impl EvidenceMismatch {
    /// The path of the field, such as `judgement.metrics[0].ln_e_worse`.
    pub fn field(&self) -> &str {
        &self.0.field
    }
}

impl fmt::Display for EvidenceMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for EvidenceMismatch {}
