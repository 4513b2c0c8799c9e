//! Context kinds as the bits of a number, so that those of many requests are gathered without a
//! lock.

use std::sync::OnceLock;

use super::context_snapshot::key_of;
use crate::{flag::Request, launchdarkly::reference::kind_key};

/// The bit of the kind `user`.
const USER: u64 = 1;

/// How many other kinds have a bit: those that are left. Kinds beyond them are not reported.
const OTHERS: usize = 63;

/// Which kind has which bit. A kind keeps the one it got first.
pub(super) struct KindNames(Box<[OnceLock<Box<str>>]>);

impl KindNames {
    pub(super) fn new() -> KindNames {
        KindNames((0..OTHERS).map(|_| OnceLock::new()).collect())
    }

    /// The kinds of a request's context.
    #[inline]
    pub(super) fn of(&self, request: &Request<'_>) -> u64 {
        let mut kinds = if key_of(request).is_some() { USER } else { 0 };
        request.context.visit_kinds(&mut |kind, context| {
            if kind_key(kind, context).is_some() {
                kinds |= self.bit(kind);
            }
        });
        kinds
    }

    #[inline(never)]
    fn bit(&self, kind: &str) -> u64 {
        if kind == "user" {
            return USER;
        }
        let mut bit = USER << 1;
        for place in &self.0 {
            if place.get_or_init(|| kind.into()).as_ref() == kind {
                return bit;
            }
            bit <<= 1;
        }
        0
    }

    /// The names of these kinds.
    pub(super) fn names(&self, kinds: u64) -> Vec<&str> {
        let user = (kinds & USER != 0).then_some("user");
        let others = self.0.iter().enumerate().filter_map(|(place, name)| {
            let name = name.get()?;
            (kinds >> (place + 1) & 1 == 1).then_some(&**name)
        });
        user.into_iter().chain(others).collect()
    }
}
