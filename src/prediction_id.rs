//! The name of one answer.

use std::{
    cell::Cell,
    error::Error,
    fmt,
    hash::{BuildHasher, RandomState},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The name of one answer: 128 bits, 32 hexadecimal digits when shown.
///
/// Keep it with whatever happens later (the label, the chargeback, the click) to join it to the
/// prediction and to its comparisons. Two ids differ, across threads, processes and machines, as
/// surely as two random 64-bit numbers do; they are not secret and cannot serve as tokens. A
/// process that forks without `exec` may repeat ids in the child.
///
/// ```
/// use modelgate::PredictionId;
///
/// let id: PredictionId = "000102030405060708090a0b0c0d0e0f".parse()?;
/// assert_eq!(id.as_u128(), 0x000102030405060708090a0b0c0d0e0f);
/// assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f");
/// # Ok::<(), modelgate::router::ParsePredictionIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PredictionId(u128);

/// A thread's series: a random half that names it, and the next number in it.
#[derive(Clone, Copy)]
struct Series {
    name: u64,
    next: u64,
}

thread_local! {
    // `const` and without a destructor, so that it can be read at any time in a thread's life.
    static SERIES: Cell<Option<Series>> = const { Cell::new(None) };
}

impl PredictionId {
    /// A new id. Takes no lock, allocates nothing and writes nothing that another thread reads.
    #[inline]
    pub fn generate() -> PredictionId {
        SERIES.with(|cell| {
            let series = cell.get().unwrap_or_else(new_series);
            cell.set(Some(Series { name: series.name, next: series.next.wrapping_add(1) }));
            PredictionId(u128::from(series.name) << 64 | u128::from(series.next))
        })
    }

    /// The id as a number.
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// The id with this number.
    pub fn from_u128(number: u128) -> PredictionId {
        PredictionId(number)
    }
}

#[cold]
fn new_series() -> Series {
    // The standard library seeds each `RandomState` from the system's randomness. A random start
    // keeps two threads apart even if their names should meet.
    let random = RandomState::new();
    Series {
        name: random.hash_one("modelgate prediction id: series"),
        next: random.hash_one("modelgate prediction id: start"),
    }
}

impl fmt::Display for PredictionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for PredictionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PredictionId({self})")
    }
}

impl FromStr for PredictionId {
    type Err = ParsePredictionIdError;

    fn from_str(text: &str) -> Result<PredictionId, ParsePredictionIdError> {
        // `from_str_radix` alone would also take a sign.
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParsePredictionIdError { length: text.len() });
        }
        u128::from_str_radix(text, 16)
            .map(PredictionId)
            .map_err(|_| ParsePredictionIdError { length: text.len() })
    }
}

impl Serialize for PredictionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PredictionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PredictionId, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// The text is not a [`PredictionId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePredictionIdError {
    length: usize,
}

impl fmt::Display for ParsePredictionIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == 32 {
            f.write_str("prediction id: found another character than 0-9 and a-f")
        } else {
            write!(f, "prediction id: found {} bytes, expected 32 hexadecimal digits", self.length)
        }
    }
}

impl Error for ParsePredictionIdError {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_many_threads_are_all_different() {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(|| {
                    (0..2_000).map(|_| PredictionId::generate()).collect::<Vec<_>>()
                })
            })
            .collect();
        let ids: HashSet<_> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        assert_eq!(ids.len(), 16_000);
    }

    #[test]
    fn an_id_survives_text_and_json() {
        let id = PredictionId::from_u128(7);
        assert_eq!(id.to_string().parse::<PredictionId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"00000000000000000000000000000007\"");
        assert_eq!(serde_json::from_str::<PredictionId>(&json).unwrap(), id);
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in
            ["", "7", "+0000000000000000000000000000007", "g0000000000000000000000000000007"]
        {
            assert!(text.parse::<PredictionId>().is_err(), "{text}");
        }
    }
}
