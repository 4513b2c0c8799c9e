//! How much memory the patterns of one document may take.
//!
//! A pattern's text does not tell what it comes to: three characters may be a table of a hundred
//! kilobytes. So patterns are counted while a document is compiled, and have the room that the weight
//! of its text leaves ([`MemoryLimit`](crate::flag::MemoryLimit)). They are compiled deep inside of
//! it, on the one thread that compiles it: the count is that thread's.

use std::cell::Cell;

/// What is being compiled on this thread: its room for patterns, and what they have come to.
#[derive(Clone, Copy)]
struct Count {
    room: u64,
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
    COUNT.get().is_some_and(|count| count.spent > count.room)
}

/// Compiles what has so much room for its patterns, and says what they came to. Once that is more
/// than the room, no more of them are compiled.
pub(crate) fn counted<T>(room: u64, compile: impl FnOnce() -> T) -> (T, u64) {
    let counting = Counting(COUNT.replace(Some(Count { room, spent: 0 })));
    let compiled = compile();
    let spent = COUNT.get().map_or(0, |count| count.spent);
    drop(counting);
    (compiled, spent)
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

    fn compile(patterns: usize) -> usize {
        (0..patterns).filter_map(|_| Pattern::new(r"^\w+@\w+$", false)).count()
    }

    #[test]
    fn once_the_room_is_full_no_more_patterns_are_compiled() {
        let (compiled, spent) = counted(100_000, || compile(1_000));
        assert!(spent > 100_000 && spent < 1_000_000, "{spent}");
        assert!(compiled > 0 && compiled < 10, "{compiled}");
        // Nothing is left of it for the next document, nor for a pattern by itself.
        assert_eq!(counted(u64::MAX, || compile(1)).0, 1);
        assert_eq!(compile(1), 1);
    }
}
