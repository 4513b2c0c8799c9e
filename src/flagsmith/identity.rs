//! Who is asking, as Flagsmith sees it: an identifier, a key and traits.

use smallvec::SmallVec;

use super::subject::Subject;
use crate::{context::EvaluationContext, flag::Request, hash::Md5, value::ValueRef};

/// The attribute by which a context brings a key of its own.
pub(super) const KEY_ATTRIBUTE: &str = "$.identity.key";

#[derive(Clone, Copy)]
pub(super) struct Identity<'a> {
    pub(super) identifier: &'a str,
    environment: &'a str,
    context: &'a dyn EvaluationContext,
}

impl<'a> Identity<'a> {
    /// The identity that asks; none when the context has no targeting key.
    #[inline]
    pub(super) fn of(request: &Request<'a>, environment: &'a str) -> Option<Identity<'a>> {
        let identifier = request.targeting_key()?;
        Some(Identity { identifier, environment, context: request.context })
    }

    /// The trait of this name.
    #[inline]
    pub(super) fn attribute(&self, name: &str) -> Option<Subject<'a>> {
        self.context.attribute(name).and_then(Subject::of)
    }

    pub(super) fn visit_traits(&self, visit: &mut dyn FnMut(&str, ValueRef<'_>)) {
        self.context.visit_attributes(&mut |name, value| {
            if name != KEY_ATTRIBUTE {
                visit(name, value);
            }
        });
    }

    /// The key that the context brought.
    #[inline]
    pub(super) fn given_key(&self) -> Option<&'a str> {
        match self.context.attribute(KEY_ATTRIBUTE) {
            Some(ValueRef::Text(key)) if !key.is_empty() => Some(key),
            _ => None,
        }
    }

    /// Adds the key to a hash: the given one, or the one that is made of the environment's.
    #[inline]
    pub(super) fn hash_key(&self, hash: &mut Md5) {
        match self.given_key() {
            Some(key) => hash.write(key.as_bytes()),
            None => {
                hash.write(self.environment.as_bytes());
                hash.write(b"_");
                hash.write(self.identifier.as_bytes());
            }
        }
    }

    /// Lends the key that [`Identity::hash_key`] hashes.
    pub(super) fn with_key<T>(&self, read: impl FnOnce(&str) -> T) -> T {
        match self.given_key() {
            Some(key) => read(key),
            None => {
                let mut key: SmallVec<[u8; 256]> = SmallVec::new();
                key.extend_from_slice(self.environment.as_bytes());
                key.push(b'_');
                key.extend_from_slice(self.identifier.as_bytes());
                read(std::str::from_utf8(&key).unwrap_or_default())
            }
        }
    }
}

impl std::fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
