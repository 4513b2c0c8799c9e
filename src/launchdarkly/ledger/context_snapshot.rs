//! An owned copy of a request's context.

use crate::{
    context::EvaluationContext,
    flag::Request,
    launchdarkly::{context_json::private_attributes, reference::kind_key},
    value::{Value, ValueRef},
};

/// An owned copy of a context of one or several kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ContextSnapshot {
    pub(crate) parts: Vec<SingleContext>,
}

/// The context of one kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SingleContext {
    pub(crate) kind: Box<str>,
    pub(crate) key: Box<str>,
    pub(crate) anonymous: bool,
    /// All others that a context may have, `name` among them.
    pub(crate) attributes: Vec<(Box<str>, Value)>,
    /// The attributes that must not be sent, as they were named: names and paths.
    pub(crate) private: Vec<Box<str>>,
}

impl ContextSnapshot {
    pub(super) fn of(request: &Request<'_>) -> ContextSnapshot {
        let mut parts = Vec::new();
        if let Some(key) = key_of(request) {
            let mut user = SingleContext::of("user", key, request.context);
            // A key that was drawn identifies nobody.
            user.anonymous |= request.key_override.is_some();
            parts.push(user);
        }
        request.context.visit_kinds(&mut |kind, context| {
            if let Some(key) = kind_key(kind, context)
                && !parts.iter().any(|part: &SingleContext| *part.kind == *kind)
            {
                parts.push(SingleContext::of(kind, key, context));
            }
        });
        ContextSnapshot { parts }
    }
}

impl SingleContext {
    fn of(kind: &str, key: &str, context: &dyn EvaluationContext) -> SingleContext {
        let mut attributes = Vec::new();
        context.visit_attributes(&mut |name, value| {
            let counts = match name {
                "" | "kind" | "key" | "anonymous" | "_meta" => false,
                "name" => matches!(value, ValueRef::Text(_)),
                _ => !matches!(value, ValueRef::Null),
            };
            if counts {
                attributes.push((name.into(), value.to_value()));
            }
        });
        let anonymous = matches!(context.attribute("anonymous"), Some(ValueRef::Bool(true)));
        let private = private_attributes(context);
        SingleContext { kind: kind.into(), key: key.into(), anonymous, attributes, private }
    }
}

/// The key of the request's context itself, which is of kind `user`.
#[inline]
pub(super) fn key_of<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.key_override.or_else(|| request.context.targeting_key())
}

/// Whether there is a context of any kind.
#[inline]
pub(super) fn has_context(request: &Request<'_>) -> bool {
    let mut any = key_of(request).is_some();
    if !any {
        request
            .context
            .visit_kinds(&mut |kind, context| any = any || kind_key(kind, context).is_some());
    }
    any
}
