//! How much memory compiling a document may take: found out from its text, before anything is made
//! of it. Only what its patterns come to is counted as they are compiled, within the same limit.

use std::{error::Error, fmt};

#[cfg(any(
    feature = "flagsmith-dialect",
    feature = "launchdarkly-dialect",
    feature = "unleash-dialect"
))]
use super::pattern;
use super::{DocumentError, Problem};

/// How many times its own size a document may take, unless a limit was given: usual flags of every
/// dialect come to less (`tests/allocation/memory.rs`).
const TIMES: u64 = 8;

/// What every document may take, unless a limit was given: small ones are never refused.
const ALWAYS: u64 = 32 << 20;

/// The memory that compiling one document may take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MemoryLimit(Option<u64>);

impl MemoryLimit {
    pub(crate) fn bytes(bytes: u64) -> MemoryLimit {
        MemoryLimit(Some(bytes))
    }

    /// Lets a document without patterns in, or refuses it by what its parts would come to together.
    pub(crate) fn admit(self, parts: &[&str], costs: &Costs) -> Result<(), DocumentError> {
        Ok(self.weigh(parts, costs).admit()?)
    }

    /// The same of one flag of this name.
    pub(crate) fn admit_item(self, key: &str, text: &str, costs: &Costs) -> Result<(), Problem> {
        self.weigh(&[text], costs).admit().map_err(|too_large| too_large.of_item(key))
    }

    /// Compiles a document that may have patterns, or refuses it by what it comes to.
    #[cfg(any(
        feature = "flagsmith-dialect",
        feature = "launchdarkly-dialect",
        feature = "unleash-dialect"
    ))]
    pub(crate) fn compile<T>(
        self,
        text: &str,
        costs: &Costs,
        compile: impl FnOnce() -> Result<T, DocumentError>,
    ) -> Result<T, DocumentError> {
        self.weigh(&[text], costs).compile(compile)?
    }

    /// The same of one flag or segment of this name.
    #[cfg(any(feature = "flagsmith-dialect", feature = "launchdarkly-dialect"))]
    pub(crate) fn compile_item<T>(
        self,
        key: &str,
        text: &str,
        costs: &Costs,
        compile: impl FnOnce() -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let compiled = self.weigh(&[text], costs).compile(compile);
        compiled.map_err(|too_large| too_large.of_item(key))?
    }

    fn weigh(self, parts: &[&str], costs: &Costs) -> Weighed {
        let sum = |of: &dyn Fn(&str) -> u64| {
            parts.iter().fold(0_u64, |sum, part| sum.saturating_add(of(part)))
        };
        let (bytes, memory) = (sum(&|text| text.len() as u64), sum(&|text| costs.of(text)));
        let limit = self.0.unwrap_or_else(|| bytes.saturating_mul(TIMES).max(ALWAYS));
        Weighed { bytes, memory, limit }
    }
}

/// A document's text, what it comes to without its patterns, and what all of it may.
struct Weighed {
    bytes: u64,
    memory: u64,
    limit: u64,
}

impl Weighed {
    fn admit(&self) -> Result<(), DocumentTooLarge> {
        let Weighed { bytes, memory, limit } = *self;
        match memory > limit {
            true => Err(DocumentTooLarge { bytes, memory, limit }),
            false => Ok(()),
        }
    }

    /// The patterns have what is left.
    #[cfg(any(
        feature = "flagsmith-dialect",
        feature = "launchdarkly-dialect",
        feature = "unleash-dialect"
    ))]
    fn compile<T>(self, compile: impl FnOnce() -> T) -> Result<T, DocumentTooLarge> {
        self.admit()?;
        let (compiled, patterns) = pattern::counted(self.limit - self.memory, compile);
        Weighed { memory: self.memory.saturating_add(patterns), ..self }.admit()?;
        Ok(compiled)
    }
}

/// What the parts of a document cost a dialect at most, in bytes. `tests/allocation/memory.rs` holds
/// them against what is measured.
pub(crate) struct Costs {
    /// How many objects and lists flags and segments stand within.
    pub(crate) depth: u32,
    /// A member of the document under which they stand deeper, and by how much.
    pub(crate) wrapper: Option<(&'static str, u32)>,
    /// The list in which a flag has its variations, and what each of them costs besides: how often it
    /// was served is counted.
    pub(crate) variations: Option<(&'static str, u64)>,
    /// A flag or segment with its own members, or what stands in its place.
    pub(crate) item: u64,
    /// What is kept of the parts of one.
    pub(crate) kept: PartCosts,
    /// What is needed besides while one is compiled, which is over before the next one begins.
    pub(crate) working: PartCosts,
}

/// What the parts of a flag or segment cost.
pub(crate) struct PartCosts {
    /// An object, with its first member.
    pub(crate) object: u64,
    /// A list, with its first element.
    pub(crate) list: u64,
    /// Another member or element.
    pub(crate) element: u64,
    /// The name of a member, of at most as many bytes.
    pub(crate) name: u64,
    /// A text of at most [`INCLUDED`] bytes.
    pub(crate) text: u64,
    /// Each further byte of a text or a name.
    pub(crate) byte: u64,
}

/// The bytes of a text or name that its own cost includes.
const INCLUDED: u64 = 8;

impl Costs {
    /// Goes over the text once. What is no JSON costs something or other: it will be refused anyway.
    fn of(&self, text: &str) -> u64 {
        let mut rest = text.as_bytes();
        let (mut kept, mut working, mut most) = (0_u64, 0_u64, 0_u64);
        let (mut depth, mut items) = (0_u32, self.depth);
        // Whether the last thing that began where an item has its members is a list: of items, then.
        let mut is_list = false;
        // What each further element of the list that has just begun costs besides.
        let mut counted = 0;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            let part: fn(&PartCosts) -> u64 = match byte {
                b'{' | b'[' => {
                    depth = depth.saturating_add(1);
                    if depth == items.saturating_add(1) {
                        is_list = *byte == b'[';
                    }
                    match byte {
                        b'{' => |costs| costs.object,
                        _ => |costs| costs.list,
                    }
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    continue;
                }
                b',' => |costs| costs.element,
                b'"' => {
                    let (string, after) = string(rest);
                    rest = after;
                    if let Some((name, deeper)) = self.wrapper
                        && depth == 1
                        // An escaped one may be any name.
                        && (string == name.as_bytes() || string.contains(&b'\\'))
                    {
                        items = self.depth.saturating_add(deeper);
                    }
                    if depth == items.saturating_add(1) && is_name(rest) {
                        counted = self.variations.map_or(0, |(name, cost)| {
                            let may_be = string == name.as_bytes() || string.contains(&b'\\');
                            u64::from(may_be).saturating_mul(cost)
                        });
                    }
                    let more = (string.len() as u64).saturating_sub(INCLUDED);
                    kept = kept.saturating_add(self.kept.byte.saturating_mul(more));
                    working = working.saturating_add(self.working.byte.saturating_mul(more));
                    match is_name(rest) {
                        true => |costs| costs.name,
                        false => |costs| costs.text,
                    }
                }
                _ => continue,
            };
            let own = items.saturating_add(1);
            let is_item = match byte {
                b'{' | b'[' => depth <= items,
                b',' => depth <= items || (depth == own && is_list),
                _ => false,
            };
            // What an item costs has its own members in it.
            let is_own = match byte {
                b'"' => depth <= own && is_name(rest),
                b'[' => false,
                _ => depth == own,
            };
            if is_item {
                kept = kept.saturating_add(self.item);
                most = most.max(std::mem::take(&mut working));
            } else if !is_own {
                if *byte == b',' && depth == own.saturating_add(1) {
                    kept = kept.saturating_add(counted);
                }
                kept = kept.saturating_add(part(&self.kept));
                working = working.saturating_add(part(&self.working));
            }
        }
        kept.saturating_add(most.max(working))
    }
}

/// Whether the string before this names a member.
fn is_name(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// A string as it is written, without its quotes, and what follows it.
fn string(text: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    let (string, rest) = text.split_at(end.unwrap_or(text.len()));
    (string, rest.get(1..).unwrap_or_default())
}

/// A document that would take more memory than it may: nothing of it is used, what was good stays
/// in force. See [`DocumentError::too_large`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DocumentTooLarge {
    /// The document's size in bytes.
    pub bytes: u64,
    /// What compiling it may take at most, in bytes; with its regular expressions, where it is they
    /// that are too many: as far as they were compiled.
    pub memory: u64,
    /// What it may take, in bytes: what the dialect's `with_max_memory` was given, or else eight
    /// times the document's size, and for any document 32 MiB.
    pub limit: u64,
}

impl fmt::Display for DocumentTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DocumentTooLarge { bytes, memory, limit } = self;
        write!(
            f,
            "document of {bytes} bytes: compiling it may take {memory} bytes of memory, expected at \
             most {limit}: `with_max_memory` of its dialect allows more"
        )
    }
}

impl Error for DocumentTooLarge {}

impl DocumentTooLarge {
    /// The same of a flag or segment that came by itself.
    fn of_item(self, key: &str) -> Problem {
        let DocumentTooLarge { bytes, memory, limit } = self;
        let found = format!("{bytes} bytes that may take {memory} bytes of memory");
        Problem::rejected(key, "", found, format!("at most {limit}: `with_max_memory`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs {
        depth: 2,
        wrapper: Some(("data", 1)),
        variations: Some(("answers", 3)),
        item: 1_000_000,
        kept: PartCosts {
            object: 100_000,
            list: 10_000,
            element: 1_000,
            name: 100,
            text: 10,
            byte: 1,
        },
        working: PartCosts { object: 0, list: 0, element: 0, name: 0, text: 0, byte: 0 },
    };

    #[test]
    fn a_document_costs_what_its_parts_do() {
        assert_eq!(COSTS.of(r#"{"flags": {}}"#), 2_000_000);
        assert_eq!(COSTS.of(r#"{"flags": {"a": 1, "b": {"x": [1, 2], "y": {}}}}"#), 3_111_000);
        assert_eq!(COSTS.of(r#"{"flags": {"a": {"x": {"y": "z"}}}}"#), 2_100_110);
        assert_eq!(COSTS.of(r#"{"project": {"segments": [1, 2, 3]}}"#), 4_010_000);
        assert_eq!(COSTS.of(r#"{"a": "{[,\"{[,\\"}"#), 1_000_012);
        assert_eq!(COSTS.of(r#"{"data": {"flags": {"a": {}, "b": 1}}}"#), 4_000_000);
        assert_eq!(COSTS.of(r#"{"d\u0061ta": {"flags": {"a": {}}}}"#), 3_000_001);
        assert_eq!(COSTS.of(r#"}}]"open"#), 10);
        assert_eq!(
            COSTS.of(r#"{"flags": {"a": {"answers": [1, [2, 3]], "b": [1, 2]}}}"#),
            2_033_003
        );
        assert_eq!(COSTS.of(r#"{"flags": {"a": {"\u0061nswers": [1, 2, 3]}}}"#), 2_012_010);
    }

    #[test]
    fn of_what_is_over_when_the_next_flag_begins_only_the_most_counts() {
        let working = PartCosts { object: 0, list: 0, element: 0, name: 0, text: 5, byte: 0 };
        let kept = PartCosts { object: 0, list: 0, element: 0, name: 0, text: 0, byte: 0 };
        let costs = Costs { depth: 2, wrapper: None, variations: None, item: 0, kept, working };
        let text = r#"{"flags": {"a": {"x": "1"}, "b": {"x": ["1", "2", "3"]}, "c": "1"}}"#;
        assert_eq!(costs.of(text), 15);
    }

    #[test]
    fn small_documents_are_never_refused_and_a_limit_of_ones_own_counts_alone() {
        let small = r#"{"flags": {"a": 1, "b": 2}}"#;
        let admit = |limit: MemoryLimit, text: &str| limit.admit(&[text], &COSTS);
        assert!(admit(MemoryLimit::default(), small).is_ok());
        assert!(admit(MemoryLimit::bytes(3_000_000), small).is_ok());
        let error = admit(MemoryLimit::bytes(2_999_999), small).unwrap_err();
        let too_large = *error.too_large().unwrap();
        let expected = DocumentTooLarge { bytes: 27, memory: 3_000_000, limit: 2_999_999 };
        assert_eq!(too_large, expected);
        assert!(too_large.to_string().contains("with_max_memory"), "{too_large}");
        let many = format!(r#"{{"flags": [{}0]}}"#, "0,".repeat(100));
        let error = admit(MemoryLimit::default(), &many).unwrap_err();
        assert_eq!(error.too_large().unwrap().limit, 32 << 20);
    }

    #[cfg(any(feature = "flagsmith-dialect", feature = "launchdarkly-dialect"))]
    #[test]
    fn the_patterns_of_a_flag_that_comes_by_itself_have_what_its_text_leaves() {
        let text = r#"{"flags": {"a": 1, "b": 2}}"#;
        let one = |limit: u64| {
            let patterns = || pattern::Pattern::new(r"^\w+@\w+$", false).into_iter().count();
            MemoryLimit::bytes(limit).compile_item("beta", text, &COSTS, || Ok(patterns()))
        };
        assert_eq!(one(u64::MAX).unwrap(), 1);
        for limit in [2_999_999, 3_000_000, 3_010_000] {
            let problem = one(limit).unwrap_err();
            assert_eq!(problem.key, "beta");
            assert!(
                problem.to_string().contains(&format!("{limit}: `with_max_memory`")),
                "{problem}"
            );
        }
        assert_eq!(one(4_000_000).unwrap(), 1);
    }
}
