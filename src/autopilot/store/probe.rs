//! Testing that a store keeps its promises, before a rollout depends on them.

use super::{Error, Expect, StateStore};

/// Tests whether a store keeps what [`StateStore`] promises: creates a document and replaces it, tries
/// to replace and to create it once more, which must fail, then reads and removes it.
///
/// The stores of this crate test themselves when they are opened. Call it for one of your own when a
/// service starts.
///
/// # Errors
///
/// What the store answered, or what it does not keep.
pub fn probe(store: &(impl StateStore + ?Sized)) -> Result<(), Error> {
    let unique = crate::prediction_id::PredictionId::generate().to_string();
    let name = format!("probe-{}", unique.to_ascii_lowercase());
    let tried = try_out(store, &name);
    // A document that stays behind does no harm.
    let removed = store.remove(&name);
    match (tried?, removed) {
        (_, Err(error)) => Err(error),
        (None, Ok(())) => Ok(()),
        (Some(what), Ok(())) => {
            Err(Error::plain(format!("the store {what}, so it cannot hold the state of a fleet")))
        }
    }
}

/// The first promise that the store does not keep, in words.
fn try_out(store: &(impl StateStore + ?Sized), name: &str) -> Result<Option<&'static str>, Error> {
    let first = store.store(name, b"1", Expect::Absent)?;
    let second = store.store(name, b"2", Expect::Tag(first.clone()))?;
    let late = store.store(name, b"3", Expect::Tag(first));
    if !late.is_err_and(|error| error.is_conflict()) {
        return Ok(Some("replaces a document that is not as it was expected"));
    }
    let again = store.store(name, b"4", Expect::Absent);
    if !again.is_err_and(|error| error.is_conflict()) {
        return Ok(Some("makes a document anew that is there"));
    }
    match store.load(name)? == Some((b"2".to_vec(), second)) {
        true => Ok(None),
        false => Ok(Some("does not keep what is written to it")),
    }
}
