//! Who is asking: the targeting key, the attributes, the context kinds.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::value::{Map, Value, ValueRef};

/// What flags are evaluated against.
///
/// Implement it on your own request type to be routed without copying an attribute; use
/// [`Context`] to borrow from request headers, or [`OwnedContext`] to keep one.
///
/// ```
/// use modelgate::{EvaluationContext, value::ValueRef};
///
/// struct Request { user: String, region: String, age: i64 }
///
/// impl EvaluationContext for Request {
///     fn targeting_key(&self) -> Option<&str> {
///         Some(&self.user)
///     }
///     fn attribute(&self, name: &str) -> Option<ValueRef<'_>> {
///         match name {
///             "region" => Some(ValueRef::Text(&self.region)),
///             "age" => Some(ValueRef::Int(self.age)),
///             _ => None,
///         }
///     }
/// }
/// ```
pub trait EvaluationContext {
    /// The stable identity that stickiness hangs on: a user id, a session id, an account.
    ///
    /// `None` and `""` both mean that there is none. What a percentage rollout does then is the
    /// router's [`MissingKey`](crate::router::MissingKey) policy, never a bucket shared by everybody.
    fn targeting_key(&self) -> Option<&str>;

    /// The attribute `name`; `None` when absent.
    fn attribute(&self, name: &str) -> Option<ValueRef<'_>>;

    /// Shows every attribute to `visit`: for the rare rule that reads all of them at once.
    ///
    /// The provided method shows none.
    fn visit_attributes(&self, visit: &mut dyn FnMut(&str, ValueRef<'_>)) {
        let _ = visit;
    }

    /// The context of another kind in the same request (`organization`, `device`), for dialects
    /// that target several at once. This context itself is of kind `user`.
    ///
    /// The provided method knows no other kind.
    fn kind(&self, kind: &str) -> Option<&dyn EvaluationContext> {
        let _ = kind;
        None
    }

    /// Shows every other kind to `visit`: for the rare rule that asks which kinds there are.
    ///
    /// The provided method shows none.
    fn visit_kinds(&self, visit: &mut dyn FnMut(&str, &dyn EvaluationContext)) {
        let _ = visit;
    }

    /// Shows the attributes of this context, itself and not its other kinds, that no report may
    /// hold: names, or paths into an object such as `/address/street`, with `~1` for a slash and
    /// `~0` for a tilde within a name. Flags are evaluated by them all the same.
    ///
    /// The provided method shows none.
    fn visit_private(&self, visit: &mut dyn FnMut(&str)) {
        let _ = visit;
    }
}

macro_rules! context_behind {
    ($($pointer:ty),*) => {
        $(impl<C: EvaluationContext + ?Sized> EvaluationContext for $pointer {
            fn targeting_key(&self) -> Option<&str> {
                (**self).targeting_key()
            }
            fn attribute(&self, name: &str) -> Option<ValueRef<'_>> {
                (**self).attribute(name)
            }
            fn visit_attributes(&self, visit: &mut dyn FnMut(&str, ValueRef<'_>)) {
                (**self).visit_attributes(visit)
            }
            fn kind(&self, kind: &str) -> Option<&dyn EvaluationContext> {
                (**self).kind(kind)
            }
            fn visit_kinds(&self, visit: &mut dyn FnMut(&str, &dyn EvaluationContext)) {
                (**self).visit_kinds(visit)
            }
            fn visit_private(&self, visit: &mut dyn FnMut(&str)) {
                (**self).visit_private(visit)
            }
        })*
    };
}
context_behind!(&C, Box<C>, Arc<C>);

/// As many as a request ordinarily has; each takes 40 bytes on the stack.
const INLINE_ATTRIBUTES: usize = 8;

/// A ready-made context that borrows everything: building one from request headers allocates
/// nothing for up to [`Context::INLINE_ATTRIBUTES`] attributes.
///
/// ```
/// use modelgate::Context;
///
/// let interests = ["chess", "go"];
/// let organization = Context::new("acme").with("plan", "pro");
/// let context = Context::new("user-42")
///     .with("region", "eu")
///     .with("age", 41)
///     .with("beta", true)
///     .with("interests", &interests)
///     .with_kind("organization", &organization);
/// ```
#[derive(Clone, Default)]
pub struct Context<'a> {
    targeting_key: Option<&'a str>,
    attributes: SmallVec<[(&'a str, ValueRef<'a>); INLINE_ATTRIBUTES]>,
    kinds: SmallVec<[(&'a str, &'a (dyn EvaluationContext + Sync)); 1]>,
    private: SmallVec<[&'a str; 1]>,
}

impl<'a> Context<'a> {
    /// How many attributes a context holds without allocating.
    pub const INLINE_ATTRIBUTES: usize = INLINE_ATTRIBUTES;

    /// A context with a targeting key and no attributes.
    pub fn new(targeting_key: &'a str) -> Context<'a> {
        Context { targeting_key: Some(targeting_key), ..Context::default() }
    }

    /// A context without a targeting key: a caller that nothing identifies.
    pub fn anonymous() -> Context<'a> {
        Context::default()
    }

    /// Adds an attribute. Of two with one name the later counts.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: impl Into<ValueRef<'a>>) -> Context<'a> {
        self.attributes.push((name, value.into()));
        self
    }

    /// Adds the context of another kind.
    #[must_use]
    pub fn with_kind(
        mut self,
        kind: &'a str,
        context: &'a (dyn EvaluationContext + Sync),
    ) -> Context<'a> {
        self.kinds.push((kind, context));
        self
    }

    /// Keeps an attribute of this context out of every report: a name, or a path into an object
    /// such as `/address/street`. May be called again for more; from the second on they are allocated.
    /// Flags are evaluated by it all the same; another kind has private attributes of its own.
    ///
    /// ```
    /// use modelgate::Context;
    ///
    /// let context = Context::new("user-42").with("email", "a@example.com").with_private("email");
    /// ```
    #[must_use]
    pub fn with_private(mut self, attribute: &'a str) -> Context<'a> {
        self.private.push(attribute);
        self
    }
}

impl EvaluationContext for Context<'_> {
    #[inline]
    fn targeting_key(&self) -> Option<&str> {
        self.targeting_key
    }
    #[inline]
    fn attribute(&self, name: &str) -> Option<ValueRef<'_>> {
        // A handful of attributes: a scan beats hashing.
        self.attributes.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
    fn visit_attributes(&self, visit: &mut dyn FnMut(&str, ValueRef<'_>)) {
        for (position, (name, value)) in self.attributes.iter().enumerate() {
            if !self.attributes.iter().skip(position + 1).any(|(later, _)| later == name) {
                visit(name, *value);
            }
        }
    }
    fn kind(&self, kind: &str) -> Option<&dyn EvaluationContext> {
        self.kinds
            .iter()
            .rev()
            .find(|(name, _)| *name == kind)
            .map(|(_, context)| *context as &dyn EvaluationContext)
    }
    fn visit_kinds(&self, visit: &mut dyn FnMut(&str, &dyn EvaluationContext)) {
        for (position, (name, context)) in self.kinds.iter().enumerate() {
            if !self.kinds.iter().skip(position + 1).any(|(later, _)| later == name) {
                visit(name, *context);
            }
        }
    }
    fn visit_private(&self, visit: &mut dyn FnMut(&str)) {
        self.private.iter().for_each(|attribute| visit(attribute));
    }
}

/// Attribute values may be personal: only the names are shown.
impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("attributes", &self.attributes.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("kinds", &self.kinds.iter().map(|(kind, _)| kind).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A context that owns what it holds, to keep or to send to another thread.
#[derive(Clone, Default)]
pub struct OwnedContext {
    targeting_key: Option<Box<str>>,
    attributes: Map,
    kinds: Vec<(Box<str>, OwnedContext)>,
    private: Vec<Box<str>>,
}

impl OwnedContext {
    /// A context with a targeting key and no attributes.
    pub fn new(targeting_key: impl Into<Box<str>>) -> OwnedContext {
        OwnedContext { targeting_key: Some(targeting_key.into()), ..OwnedContext::default() }
    }

    /// A context without a targeting key.
    pub fn anonymous() -> OwnedContext {
        OwnedContext::default()
    }

    /// Adds an attribute. Of two with one name the later counts.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, value: impl Into<Value>) -> OwnedContext {
        self.attributes.insert(name, value);
        self
    }

    /// Adds the context of another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<Box<str>>, context: OwnedContext) -> OwnedContext {
        self.kinds.push((kind.into(), context));
        self
    }

    /// Keeps an attribute of this context out of every report: see [`Context::with_private`].
    #[must_use]
    pub fn with_private(mut self, attribute: impl Into<Box<str>>) -> OwnedContext {
        self.private.push(attribute.into());
        self
    }
}

impl EvaluationContext for OwnedContext {
    fn targeting_key(&self) -> Option<&str> {
        self.targeting_key.as_deref()
    }
    fn attribute(&self, name: &str) -> Option<ValueRef<'_>> {
        self.attributes.get(name).map(Value::borrow)
    }
    fn visit_attributes(&self, visit: &mut dyn FnMut(&str, ValueRef<'_>)) {
        for (name, value) in self.attributes.iter() {
            visit(name, value.borrow());
        }
    }
    fn kind(&self, kind: &str) -> Option<&dyn EvaluationContext> {
        self.kinds
            .iter()
            .rev()
            .find(|(name, _)| **name == *kind)
            .map(|(_, context)| context as &dyn EvaluationContext)
    }
    fn visit_kinds(&self, visit: &mut dyn FnMut(&str, &dyn EvaluationContext)) {
        for (position, (name, context)) in self.kinds.iter().enumerate() {
            if !self.kinds.iter().skip(position + 1).any(|(later, _)| later == name) {
                visit(name, context);
            }
        }
    }
    fn visit_private(&self, visit: &mut dyn FnMut(&str)) {
        self.private.iter().for_each(|attribute| visit(attribute));
    }
}

/// Attribute values may be personal: only the names are shown.
impl std::fmt::Debug for OwnedContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnedContext")
            .field("attributes", &self.attributes.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("kinds", &self.kinds.iter().map(|(kind, _)| kind).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(context: &dyn EvaluationContext) -> Vec<String> {
        let mut names = Vec::new();
        context.visit_attributes(&mut |name, value| names.push(format!("{name}={value:?}")));
        names
    }

    #[test]
    fn the_later_attribute_of_one_name_counts() {
        let context = Context::new("u").with("a", 1).with("b", 2).with("a", 3);
        assert!(matches!(context.attribute("a"), Some(ValueRef::Int(3))));
        assert_eq!(names(&context), ["b=Int(2)", "a=Int(3)"]);
    }

    #[test]
    fn private_attributes_are_shown_by_whatever_stands_for_the_context() {
        fn private(context: &dyn EvaluationContext) -> Vec<String> {
            let mut names = Vec::new();
            context.visit_private(&mut |name| names.push(name.to_owned()));
            names
        }
        let borrowed = Context::new("u").with_private("email").with_private("/address/street");
        let owned = OwnedContext::new("u").with_private("email").with_private("/address/street");
        assert_eq!(private(&borrowed), ["email", "/address/street"]);
        assert_eq!(private(&owned), private(&&borrowed));
        let shared: Arc<dyn EvaluationContext> = Arc::new(owned.clone());
        assert_eq!(private(&shared), private(&Box::new(owned)));
        assert!(private(&Context::new("u").with("email", "x")).is_empty());
    }

    #[test]
    fn debug_output_shows_no_attribute_value_and_no_key() {
        let borrowed = Context::new("secret-user").with("email", "a@example.com");
        let owned = OwnedContext::new("secret-user").with("email", "a@example.com");
        for text in [format!("{borrowed:?}"), format!("{owned:?}")] {
            assert!(text.contains("email"), "{text}");
            assert!(!text.contains("secret-user") && !text.contains("a@example.com"), "{text}");
        }
    }
}
