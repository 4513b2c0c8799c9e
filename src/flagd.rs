//! OpenFeature flagd definitions: the native dialect.
//!
//! A definition is JSON: `flags`, each with a `state`, `variants`, a `defaultVariant` and a
//! `targeting` rule in JSONLogic; shared rules in `$evaluators`; `metadata`. The format is an open
//! standard: what works in a file here works on a flagd server unchanged.
//!
//! ```
//! use modelgate::{Context, Reason, flagd::Flagd};
//!
//! let flags = Flagd::new().compile(
//!     r#"{"flags": {"ml-model-version": {
//!         "state": "ENABLED",
//!         "variants": {"v1": "fraud-v1", "v2": "fraud-v2"},
//!         "defaultVariant": "v1",
//!         "targeting": {"if": [{"==": [{"var": "region"}, "eu"]}, "v2"]}
//!     }}}"#,
//! )?;
//! let context = Context::new("user-42").with("region", "eu");
//! let answer = flags.evaluate("ml-model-version", &context).string("none");
//! assert_eq!((answer.value, answer.variant), ("fraud-v2", Some("v2")));
//! assert_eq!(answer.reason, Reason::TargetingMatch);
//! # Ok::<(), modelgate::flag::DocumentError>(())
//! ```
//!
//! # Generations of `fractional`
//!
//! flagd has changed how `fractional` hashes twice, and a definition does not say which way it
//! means. The three assign the same user differently: [`Fractional`] says which one to follow. Nobody
//! can tell from the data, so a live [`Source`](crate::flagd) whose definitions use `fractional` while
//! no generation was chosen says so, among the problems in its status and once in the log.
//!
//! | who evaluates | generation |
//! |---|---|
//! | the flagd daemon and its Go core, up to 0.16 | [`V2`](Fractional::V2) |
//! | providers that ask the daemon (`rpc`), in any language | [`V2`](Fractional::V2) |
//! | Node evaluator (`@openfeature/flagd-core`), up to 4.0 | [`V2`](Fractional::V2) |
//! | Python evaluator (`openfeature-flagd-core`) 2.0 | [`V3`](Fractional::V3) |
//! | Rust evaluator (`flagd-evaluation-engine`) 0.1, `open-feature-flagd` 0.3 in process | [`V3`](Fractional::V3) |
//! | evaluators from before shares of a 32-bit range | [`V1`](Fractional::V1) |
//!
//! # Where engines differ
//!
//! flagd's evaluators agree on a core of JSONLogic and differ outside of it: on how values of
//! different types compare, on what `+` does with `null`, on the text of numbers and lists. Where the
//! public suite of flagd says what is right, this does that. Where it is silent, this answers as the
//! Go core does, which is what a flagd daemon runs: `tests/data/flagd_matrix.tsv` has its answer for
//! every operator over every pair of types. In short:
//!
//! | | |
//! |---|---|
//! | `==`, `!=` | `null` equals only itself; two texts by their characters; everything else as numbers, where blank text is 0, `true` 1, and text that is no number, a list or an object equals nothing |
//! | `===`, `!==` | the same between values of one type; lists and objects equal nothing |
//! | `<` and its like | two texts by their bytes, everything else as numbers, `null` as 0; but `null <= 0` is false |
//! | `in` | text in text; in a list, a number among whatever is a number when read as one, `[1, 9]` as a range, and anything else among its like |
//! | `+ - * / % min max` | numbers, and text by its digits or else 0; anything else cannot be evaluated |
//! | `cat`, `substr` | text, numbers and `null`; `cat` of several parts drops the blanks around the whole |
//! | `var` | the fallback also stands in for `null`; in a list, a segment that is no number is the first element |
//! | `!`, `!!` | of a list that comes from a `var` or another operator, its first element |
//! | `map`, `all`, … | go through lists only; a written list stays as it is written; in `filter`, `some` and `none` an attribute of the context hides a member of the element that has its name |
//!
//! Rules that cannot be evaluated answer [`PARSE_ERROR`](crate::flag::ErrorCode::ParseError). A flag
//! that visibly uses a form on which the engines differ gets a
//! [warning](crate::flag::ProblemSeverity::Warning) among its set's
//! [problems](crate::FlagSet::problems).
//!
//! One thing is not followed: the Go core evaluates an object of one member that a rule comes to, or
//! puts into another rule, as a rule once more. Data is never a rule here: that is an error.
//!
//! A rule that reads `$flagd` or `targetingKey` always reads modelgate's own: an attribute of that
//! name never stands in their way.
//!
//! # Limits
//!
//! A flag is read when it nests at most 127 deep, and its rule at most 256 deep with all that
//! `$evaluators` put in. All uses of `$evaluators` in one document, and all copies of its metadata
//! in flags that have their own, add up to at most 100,000 nodes and members, or one for 64 bytes of
//! it where that is more. What compiling a definition may take of memory is bounded:
//! [`Flagd::with_max_memory`]. A rule that goes through more than 1,000,000 elements, or whose `reduce` piles
//! up more than a mebibyte, answers [`PARSE_ERROR`](crate::flag::ErrorCode::ParseError).
//!
//! # What allocates
//!
//! Evaluating allocates nothing, except for:
//! - `cat` and `substr` of computed text, unless `cat` is the key of a `fractional`;
//! - `map`, `filter`, `reduce`, `merge`, `missing`, `missing_some`, and lists with computed elements
//!   outside of `in`;
//! - `var` of everything (`""`) or of all of `$flagd`; going through the members of an object;
//! - a `fractional` by an object, or with more than eight shares of which some are computed;
//! - a computed variant name, version or path of more than 40 bytes that is no text of the context,
//!   and an operator with more than four computed arguments.

mod arithmetic;
mod cbor;
mod coercion;
mod collection;
mod compile;
mod condition;
mod document;
mod evaluate;
mod expression;
mod fractional;
mod membership;
mod operand;
mod operator;
mod place;
#[cfg(feature = "flagd")]
mod source;
mod text;
mod trace;
mod tree;
mod variable;
mod variant_name;
mod warnings;

use std::sync::Arc;

#[cfg(feature = "flagd")]
pub use self::source::Source;
use self::{document::Definition, tree::FlagdOptions};
use crate::{
    flag::{DocumentError, Flag, FlagSet, MemoryLimit, Problem},
    value::Map,
};

/// Which generation of `fractional` to follow: the one that the flags were written for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fractional {
    /// The legacy one: percentages compared as floats, text keys only.
    V1,
    /// Shares of a 32-bit range, text keys only: flagd's server core, and the Node evaluator up to
    /// 4.0. A first argument that is null or absent is the same as none.
    V2,
    /// The current one: keys of any type, by their canonical CBOR: the Rust evaluator 0.1, the
    /// Python evaluator 2.0.
    #[default]
    V3,
}

/// Reads flagd definitions.
#[derive(Clone, Debug, Default)]
pub struct Flagd {
    settings: Arc<FlagdOptions>,
    /// Whether [`with_fractional`](Flagd::with_fractional) chose the generation.
    #[cfg_attr(not(feature = "flagd"), allow(dead_code, reason = "only a live source asks"))]
    chosen: bool,
    memory: MemoryLimit,
}

impl Flagd {
    /// The dialect with the current generation of `fractional` and no static context.
    pub fn new() -> Flagd {
        Flagd::default()
    }

    /// Follows this generation of `fractional`.
    #[must_use]
    pub fn with_fractional(self, fractional: Fractional) -> Flagd {
        let static_context = self.settings.static_context.clone();
        let settings = Arc::new(FlagdOptions { fractional, static_context });
        Flagd { settings, chosen: true, ..self }
    }

    /// Attributes that every context has unless it brings its own: what a flagd server sends along
    /// with its flags.
    #[must_use]
    pub fn with_static_context(self, static_context: Map) -> Flagd {
        let fractional = self.settings.fractional;
        let settings = Arc::new(FlagdOptions { fractional, static_context });
        Flagd { settings, ..self }
    }

    /// The memory in bytes that compiling one definition may take; otherwise eight times its size,
    /// and for any definition 32 MiB.
    #[must_use]
    pub fn with_max_memory(self, bytes: u64) -> Flagd {
        Flagd { memory: MemoryLimit::bytes(bytes), ..self }
    }

    /// Compiles a whole definition. A flag that is wrong is left out and reported in the set's
    /// [problems](FlagSet::problems); it never takes its neighbours with it.
    ///
    /// # Errors
    /// When the text is not JSON or not a definition, or would take
    /// [more memory](DocumentError::too_large) than it may.
    pub fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        self.compile_definition(text).map(|definition| definition.flags)
    }

    fn compile_definition(&self, text: &str) -> Result<Definition, DocumentError> {
        document::compile(&self.settings, self.memory, crate::dialect::without_mark(text))
    }

    /// Refuses a definition that takes more memory than it may, together with the static context that
    /// a server sent along with it, before anybody makes a copy of it.
    #[cfg(feature = "flagd")]
    fn admit(&self, text: &str, static_context: &str) -> Result<(), DocumentError> {
        document::admit(self.memory, &[crate::dialect::without_mark(text), static_context])
    }

    /// Compiles one flag: what stands under its key in a definition. Warnings about it are not returned:
    /// they are problems of a whole definition's set.
    ///
    /// # Errors
    /// What the flag is refused for, and where it stands.
    pub fn compile_flag(&self, key: &str, text: &str) -> Result<Flag, Problem> {
        document::compile_flag(&self.settings, self.memory, key, text)
    }
}
