//! How much memory the patterns of one document may take.
//!
//! A pattern's text does not tell what it comes to: three characters may be a table of a hundred
//! kilobytes. So patterns are counted while a document is compiled, apart from what its text was
//! weighed at, and a document whose patterns pass the limit is refused as a whole. They are compiled
//! deep inside of it, on the one thread that compiles it: the count is that thread's.

use std::cell::Cell;

use crate::flag::{DocumentError, DocumentTooLarge, Problem, memory::allowed};

/// The memory that the patterns of one document may take: as much as its text is allowed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PatternLimit(Option<u64>);

/// What is being compiled on this thread: its limit, and what its patterns have come to.
#[derive(Clone, Copy)]
struct Count {
    limit: u64,
    spent: u64,
}

thread_local! {
    static COUNT: Cell<Option<Count>> = const { Cell::new(None) };
}

/// Adds a compiled pattern to the count.
pub(super) fn spend(bytes: usize) {
    if let Some(count) = COUNT.get() {
        COUNT.set(Some(Count { spent: count.spent.saturating_add(bytes as u64), ..count }));
    }
}

/// Whether the document will be refused whatever else is in it.
pub(super) fn is_passed() -> bool {
    COUNT.get().is_some_and(|count| count.spent > count.limit)
}

impl PatternLimit {
    pub(crate) fn bytes(bytes: u64) -> PatternLimit {
        PatternLimit(Some(bytes))
    }

    /// Compiles a document of this text, or refuses it by what its patterns come to.
    pub(crate) fn document<T>(
        self,
        text: &str,
        compile: impl FnOnce() -> Result<T, DocumentError>,
    ) -> Result<T, DocumentError> {
        let (compiled, refused) = self.counted(text, compile);
        refused.map_or(compiled, |refused| Err(refused.into()))
    }

    /// The same of one flag or segment of this name.
    #[cfg_attr(
        not(any(feature = "flagsmith-dialect", feature = "launchdarkly-dialect")),
        allow(dead_code, reason = "Unleash's come in documents")
    )]
    pub(crate) fn item<T>(
        self,
        key: &str,
        text: &str,
        compile: impl FnOnce() -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let (compiled, refused) = self.counted(text, compile);
        let Some(DocumentTooLarge { memory, limit, .. }) = refused else { return compiled };
        let found = format!("patterns that take more than {memory} bytes of memory");
        Err(Problem::rejected(key, "", found, format!("at most {limit}: `with_max_memory`")))
    }

    fn counted<T>(self, text: &str, compile: impl FnOnce() -> T) -> (T, Option<DocumentTooLarge>) {
        let bytes = text.len() as u64;
        let limit = allowed(self.0, bytes);
        let counting = Counting(COUNT.replace(Some(Count { limit, spent: 0 })));
        let compiled = compile();
        let spent = COUNT.get().map_or(0, |count| count.spent);
        drop(counting);
        let too_large = DocumentTooLarge { bytes, memory: spent, limit };
        (compiled, (spent > limit).then_some(too_large))
    }
}

/// Puts back, whatever happens, the count of what this is a part of.
struct Counting(Option<Count>);

impl Drop for Counting {
    fn drop(&mut self) {
        COUNT.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flag::pattern::Pattern;

    fn compile(patterns: usize) -> Result<usize, DocumentError> {
        let compiled = (0..patterns).filter_map(|_| Pattern::new(r"^\w+@\w+$", false));
        Ok(compiled.count())
    }

    #[test]
    fn a_document_is_refused_by_what_its_patterns_come_to_and_nothing_more_is_compiled() {
        let mut compiled = 0;
        let refused = PatternLimit::bytes(100_000).document("ten bytes.", || {
            compiled = compile(1_000)?;
            Ok(())
        });
        let error = refused.unwrap_err();
        let too_large = error.too_large().unwrap();
        assert_eq!((too_large.bytes, too_large.limit), (10, 100_000));
        assert!(too_large.memory > 100_000 && too_large.memory < 1_000_000, "{too_large}");
        assert!(compiled > 0 && compiled < 10, "{compiled}");
        // Nothing is left of it for the next document, nor for a pattern by itself.
        assert_eq!(PatternLimit::default().document("", || compile(1)).unwrap(), 1);
        assert_eq!(compile(1).unwrap(), 1);
    }

    #[test]
    fn a_flag_or_segment_that_comes_by_itself_is_refused_by_name() {
        let one = |limit: PatternLimit| limit.item("beta", "{}", || Ok(compile(3)));
        assert_eq!(one(PatternLimit::bytes(u64::MAX)).unwrap().unwrap(), 3);
        let problem = one(PatternLimit::bytes(60_000)).unwrap_err();
        assert_eq!(problem.key, "beta");
        assert!(problem.to_string().contains("`with_max_memory`"), "{problem}");
    }
}
