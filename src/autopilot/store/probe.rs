//! Whether a store keeps what is promised of it, tried before anything depends on it.

use super::{Error, Expect, StateStore};

/// Tries whether a store keeps what [`StateStore`] promises: makes a document, replaces it, tries to
/// replace and to make it once more, which must fail, reads and removes it.
///
/// The stores here try themselves when they are opened. For one of your own: call it once at the start.
///
/// # Errors
///
/// What the store answered, or what it does not keep.
pub fn probe(store: &(impl StateStore + ?Sized)) -> Result<(), Error> {
    let unique = crate::prediction_id::PredictionId::generate().to_string();
    let name = format!("probe-{}", unique.to_ascii_lowercase());
    let tried = try_out(store, &name);
    // Left behind, it harms nobody.
    let removed = store.remove(&name);
    match (tried?, removed) {
        (_, Err(error)) => Err(error),
        (None, Ok(())) => Ok(()),
        (Some(what), Ok(())) => {
            Err(Error::plain(format!("the store {what}, so it cannot hold the state of a fleet")))
        }
    }
}

/// What the store does not keep.
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
