//! What a service reports to LaunchDarkly, and asks of its flags in LaunchDarkly's own terms.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::{mpsc, oneshot};

use crate::{
    clock::SystemClock,
    context::EvaluationContext,
    flag::{FlagSet, ObservedAnswer, Request, store},
    launchdarkly::{
        CustomEvent, Detail, ErrorKind, EvaluationSeries, Ledger, Reason, TrackSeries, Variation,
        evaluator::Evaluator, hook::Hooks, reference::kind_key, trace::Untraced,
        tree::LaunchDarklyFlag,
    },
    source::network::Key,
    value::Value,
};

/// How many flushes may be asked for at a time: each sends all there is.
const FLUSHES: usize = 64;

/// What a service does with LaunchDarkly beside routing: custom events, evaluation in the vendor's
/// own terms with the reason in its events, secure mode. Taken from a
/// [`Source`](super::Source::client) before that is given away; a clone is the same client.
///
/// ```no_run
/// use std::time::Duration;
/// use modelgate::{Context, Flags, launchdarkly::{self, CustomEvent}};
///
/// let source = launchdarkly::Source::new(std::env::var("LAUNCHDARKLY_SDK_KEY")?);
/// let client = source.client();
/// let flags = Flags::builder().source(source).build()?;
///
/// let user = Context::new("user-42").with("email", "a@example.com").with_private("email");
/// client.identify(&user);
/// client.track(CustomEvent::new("checkout").metric(129.90), &user);
/// let banner = client.with_reasons().string(&flags.snapshot(), "banner", &user, "none").value.to_owned();
/// // Before the process ends:
/// client.flush_blocking(Duration::from_secs(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Reporting takes no lock and waits for nothing: an owned copy of the context is offered to the queue of
/// the source's [events](super::Events). Where the source reports nothing, or no contexts, nothing is
/// queued.
#[derive(Clone)]
pub struct Client {
    client_state: Arc<ClientState>,
    with_reasons: bool,
}

/// What a source and its clients share.
pub(super) struct ClientState {
    key: Key,
    clock: SystemClock,
    link: OnceLock<SourceLink>,
}

/// There once the source has started.
pub(super) struct SourceLink {
    pub(super) hooks: Arc<Hooks>,
    pub(super) reporting: Option<Reporting>,
}

/// Where what is reported goes.
pub(super) struct Reporting {
    pub(super) ledger: Arc<Ledger>,
    pub(super) flushes: mpsc::Sender<Flush>,
}

/// Asks for what there is to be sent now.
pub(super) struct Flush(Box<dyn FnOnce(bool) + Send>);

impl Flush {
    pub(super) fn channel() -> (mpsc::Sender<Flush>, mpsc::Receiver<Flush>) {
        mpsc::channel(FLUSHES)
    }

    /// Whether all of it has been taken.
    pub(super) fn done(self, all_sent: bool) {
        (self.0)(all_sent);
    }
}

impl ClientState {
    pub(super) fn new(key: &Key) -> Arc<ClientState> {
        let (clock, link) = (SystemClock::new(), OnceLock::new());
        Arc::new(ClientState { key: key.clone(), clock, link })
    }

    pub(super) fn connect(&self, link: SourceLink) {
        // A source starts once.
        let _ = self.link.set(link);
    }

    fn request<'a>(&'a self, context: &'a dyn EvaluationContext) -> Request<'a> {
        Request { context, key_override: None, counted: true, clock: &self.clock }
    }

    fn reporting(&self) -> Option<&Reporting> {
        self.link.get()?.reporting.as_ref()
    }
}

/// Evaluation in the vendor's terms. The flags are those of a snapshot, so that several answers can be
/// of one revision; flags of other dialects are not there. Each answer is counted and reported as the
/// vendor's SDKs do, under the default that is given.
impl Client {
    pub(super) fn new(client_state: Arc<ClientState>) -> Client {
        Client { client_state, with_reasons: false }
    }

    /// The same client, whose events of single answers say why each flag answered: what the vendor's
    /// SDKs report where the caller asks for the detail of a variation.
    #[must_use]
    pub fn with_reasons(&self) -> Client {
        Client { client_state: Arc::clone(&self.client_state), with_reasons: true }
    }

    /// The answer as a boolean.
    pub fn boolean<'a>(
        &self,
        flags: &'a store::Snapshot,
        flag: &'a str,
        context: &'a dyn EvaluationContext,
        default: bool,
    ) -> Variation<'a, bool> {
        let typed = |detail: Detail<'a>| detail.boolean(default);
        self.variation("boolean", flags, flag, context, Value::from(default), typed, |value| {
            Value::from(*value)
        })
    }

    /// The answer as an integer: a number without its fraction.
    pub fn integer<'a>(
        &self,
        flags: &'a store::Snapshot,
        flag: &'a str,
        context: &'a dyn EvaluationContext,
        default: i64,
    ) -> Variation<'a, i64> {
        let typed = |detail: Detail<'a>| detail.integer(default);
        self.variation("integer", flags, flag, context, Value::from(default), typed, |value| {
            Value::from(*value)
        })
    }

    /// The answer as a number.
    pub fn double<'a>(
        &self,
        flags: &'a store::Snapshot,
        flag: &'a str,
        context: &'a dyn EvaluationContext,
        default: f64,
    ) -> Variation<'a, f64> {
        let typed = |detail: Detail<'a>| detail.double(default);
        self.variation("double", flags, flag, context, Value::from(default), typed, |value| {
            Value::from(*value)
        })
    }

    /// The answer as text.
    pub fn string<'a>(
        &self,
        flags: &'a store::Snapshot,
        flag: &'a str,
        context: &'a dyn EvaluationContext,
        default: &'a str,
    ) -> Variation<'a, &'a str> {
        let typed = |detail: Detail<'a>| detail.string(default);
        self.variation("string", flags, flag, context, Value::from(default), typed, |value| {
            Value::from(*value)
        })
    }

    /// The answer as it is, of any type.
    pub fn json<'a>(
        &self,
        flags: &'a store::Snapshot,
        flag: &'a str,
        context: &'a dyn EvaluationContext,
        default: &'a Value,
    ) -> Variation<'a, &'a Value> {
        let typed = |detail: Detail<'a>| detail.json(default);
        self.variation("json", flags, flag, context, default.clone(), typed, |value| {
            (*value).clone()
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one for each type of variation")]
    fn variation<'a, T>(
        &self,
        method: &'static str,
        flags: &'a store::Snapshot,
        key: &'a str,
        context: &'a dyn EvaluationContext,
        default: Value,
        typed: impl FnOnce(Detail<'a>) -> Variation<'a, T>,
        value: impl FnOnce(&T) -> Value,
    ) -> Variation<'a, T> {
        let hooks =
            self.client_state.link.get().map(|link| &*link.hooks).filter(|all| !all.is_empty());
        let Some(hooks) = hooks else { return typed(self.detail(flags, key, context, &default)) };
        let series = EvaluationSeries { flag_key: key, context, default: Some(&default), method };
        let data = hooks.before(&series);
        let variation = typed(self.detail(flags, key, context, &default));
        let value = value(&variation.value);
        let detail = Detail {
            value: Some(&value),
            variation_index: variation.variation_index,
            reason: variation.reason,
        };
        hooks.after(&series, data, &detail);
        variation
    }

    /// The answer, counted and reported.
    fn detail<'a>(
        &self,
        flags: &'a store::Snapshot,
        key: &str,
        context: &'a dyn EvaluationContext,
        default: &Value,
    ) -> Detail<'a> {
        let error =
            |kind| Detail { value: None, variation_index: None, reason: Reason::error(kind) };
        let request = self.client_state.request(context);
        let sets = || flags.sources().filter_map(|(_, set)| set);
        let found = sets().filter_map(|set| Some((set, set.get(key)?))).last();
        let found = found.and_then(|(set, flag)| Some((set, flag, LaunchDarklyFlag::of(flag)?)));
        let Some((set, flag, rules)) = found else {
            if !flags.is_ready() {
                return error(ErrorKind::ClientNotReady);
            }
            let is_anybody =
                |set: &'a FlagSet| Evaluator::new(context, None, set, Untraced).has_context();
            for set in sets() {
                set.missed(key, &request, &|| default.clone());
            }
            return match sets().last().is_none_or(is_anybody) {
                true => error(ErrorKind::FlagNotFound),
                false => error(ErrorKind::UserNotSpecified),
            };
        };
        let detail = Evaluator::new(context, None, set, Untraced).detail(rules);
        // The vendor's clients do not even ask for such a context.
        if detail.reason.error_kind != Some(ErrorKind::UserNotSpecified)
            && let Some(counted) = flag.counted()
        {
            let (default, with_reason) = (|| default.clone(), self.with_reasons);
            let default: Option<&dyn Fn() -> Value> = Some(&default);
            if let Some(observer) = counted.observer() {
                let request = &request;
                observer.answered(&ObservedAnswer { flag, set, request, default, with_reason });
            }
            counted.count(detail.variation_index.map_or(0, |index| index + 1));
        }
        detail
    }
}

/// Reporting.
impl Client {
    /// Reports something that a context did; whether there was room for it in the queue.
    pub fn track(&self, event: CustomEvent, context: &dyn EvaluationContext) -> bool {
        let Some(link) = self.client_state.link.get() else { return false };
        let request = self.client_state.request(context);
        let copy = (!link.hooks.is_empty()).then(|| event.clone());
        let track = |reporting: &Reporting| reporting.ledger.track(event, &request);
        let is_queued = link.reporting.as_ref().is_some_and(track);
        if let Some(event) = &copy {
            link.hooks.tracked(&TrackSeries { context, event });
        }
        is_queued
    }

    /// Reports a context and its attributes, without asking for a flag; whether there was room for it in
    /// the queue.
    pub fn identify(&self, context: &dyn EvaluationContext) -> bool {
        let request = self.client_state.request(context);
        self.client_state.reporting().is_some_and(|reporting| reporting.ledger.identify(&request))
    }

    /// Asks for everything noted so far to be sent now, and does not wait for it.
    pub fn flush(&self) {
        self.ask(|_| {});
    }

    /// Sends everything noted so far; whether the service has taken all of it. Ends after one repetition
    /// at the latest, or as soon as it is dropped; it runs on any runtime.
    pub async fn flush_async(&self) -> bool {
        let (done, outcome) = oneshot::channel();
        if !self.ask(move |all_sent| {
            let _ = done.send(all_sent);
        }) {
            return self.client_state.reporting().is_none();
        }
        // An error is the source that ended meanwhile.
        outcome.await.unwrap_or(false)
    }

    /// [`flush_async`](Client::flush_async) for a thread that may wait, no longer than this.
    pub fn flush_blocking(&self, timeout: Duration) -> bool {
        let (done, outcome) = crossbeam_channel::bounded(1);
        if !self.ask(move |all_sent| {
            let _ = done.send(all_sent);
        }) {
            return self.client_state.reporting().is_none();
        }
        outcome.recv_timeout(timeout).unwrap_or(false)
    }

    /// Whether there is anybody to ask.
    fn ask(&self, done: impl FnOnce(bool) + Send + 'static) -> bool {
        let reporting = self.client_state.reporting();
        reporting.is_some_and(|one| one.flushes.try_send(Flush(Box::new(done))).is_ok())
    }

    /// The hash by which a front end in the vendor's secure mode proves that a context is the one it
    /// was given: HMAC-SHA256 of the context's kinds and keys under the SDK key, in hexadecimal.
    /// `None` for a context without a key of any kind.
    pub fn secure_mode_hash(&self, context: &dyn EvaluationContext) -> Option<String> {
        let name = full_name(context)?;
        let key = self.client_state.key.current();
        let mut hash: Hmac<Sha256> = Hmac::new_from_slice(key.reveal().as_bytes()).ok()?;
        hash.update(name.as_bytes());
        let hash = hash.finalize().into_bytes();
        Some(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// A context's kinds and keys as one text: a user's key alone, or `kind:key` by kind.
fn full_name(context: &dyn EvaluationContext) -> Option<String> {
    let escaped = |key: &str| key.replace('%', "%25").replace(':', "%3A");
    let mut names: Vec<(String, String)> = Vec::new();
    context.visit_kinds(&mut |kind, context| {
        if let Some(key) = kind_key(kind, context) {
            names.push((kind.to_owned(), key.to_owned()));
        }
    });
    if let Some(key) = context.targeting_key() {
        names.retain(|(kind, _)| kind != "user");
        names.push(("user".to_owned(), key.to_owned()));
    }
    if let [(kind, key)] = &names[..]
        && kind == "user"
    {
        return Some(key.clone());
    }
    names.sort();
    names.dedup_by(|one, other| one.0 == other.0);
    let parts: Vec<String> =
        names.iter().map(|(kind, key)| format!("{kind}:{}", escaped(key))).collect();
    (!parts.is_empty()).then(|| parts.join(":"))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("with_reasons", &self.with_reasons).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;

    #[test]
    fn kinds_and_keys_have_one_name_in_whatever_order() {
        let organization = Context::new("a:c%me");
        assert_eq!(full_name(&Context::new("u:1")).as_deref(), Some("u:1"));
        let other = Context::anonymous().with_kind("org", &organization);
        assert_eq!(full_name(&other).as_deref(), Some("org:a%3Ac%25me"));
        let both =
            Context::new("u:1").with_kind("zoo", &organization).with_kind("a", &organization);
        assert_eq!(full_name(&both).as_deref(), Some("a:a%3Ac%25me:user:u%3A1:zoo:a%3Ac%25me"));
        assert_eq!(full_name(&Context::anonymous()), None);
    }

    #[test]
    fn a_secure_mode_hash_is_hmac_sha256_by_the_sdk_key() {
        let client_state = ClientState::new(&Key::new("sdk-01234567-89ab-cdef-0123-456789abcdef"));
        let hash = Client::new(client_state).secure_mode_hash(&Context::new("user-key-123"));
        // Computed with Python's hmac.
        let expected = "73df666a13f2c474e50aa34ca5a761e89abb737fb139ff65fdde7fa85c9dcacd";
        assert_eq!(hash.as_deref(), Some(expected));
    }
}
