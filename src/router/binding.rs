//! How a flag's answer names a model version.

use crate::{
    flag::{Bound, Evaluation, Reason, Request, store},
    value::Value,
    version::Version,
};

use super::{
    FallbackCause,
    clamp::{self, Clamp},
};

/// How the answer of a flag, or of several, names the version that answers.
///
/// A plain flag key is [`Binding::value`]:
///
/// ```
/// use modelgate::Binding;
///
/// // The value of a string flag is the version: `"v1"`, `"v2"`.
/// let by_value = Binding::value("ml-model-version");
/// // A JSON flag carries it in a field: `{"version": "v2", "threshold": 0.7}`.
/// let by_field = Binding::value("ml-model").field("version");
/// // Boolean flags, asked in order: the first that is on names the version.
/// let by_switch = Binding::switch("use-v3", "v3").switch("use-v2", "v2").otherwise("v1");
/// # let _ = (by_value, by_field, by_switch);
/// ```
#[derive(Clone, Debug)]
pub struct Binding {
    kind: BindingKind,
}

#[derive(Clone, Debug)]
enum BindingKind {
    Value { flag: Box<str>, field: Option<Box<str>> },
    Variant { flag: Box<str> },
    Switches { switches: Vec<Switch>, otherwise: Option<Version> },
}

#[derive(Clone, Debug)]
struct Switch {
    flag: Box<str>,
    version: Version,
}

/// Ordered switches under construction; made by [`Binding::switch`].
#[derive(Clone, Debug)]
pub struct SwitchBinding {
    switches: Vec<Switch>,
    otherwise: Option<Version>,
}

impl Binding {
    /// The flag's value names the version: the text of a string flag, or, for a flag whose value is
    /// neither text nor an object, the name of its variant.
    pub fn value(flag: impl Into<Box<str>>) -> Binding {
        Binding { kind: BindingKind::Value { flag: flag.into(), field: None } }
    }

    /// The name of the flag's variant names the version, whatever the value is.
    pub fn variant(flag: impl Into<Box<str>>) -> Binding {
        Binding { kind: BindingKind::Variant { flag: flag.into() } }
    }

    /// A boolean flag: on means `version`, off means the next switch, and at last the baseline
    /// ([`SwitchBinding::otherwise`], or the router's fallback version).
    ///
    /// A switch that is missing, disabled or not boolean counts as off; when no other is on, the
    /// decision says what was wrong.
    pub fn switch(flag: impl Into<Box<str>>, version: impl Into<Version>) -> SwitchBinding {
        SwitchBinding { switches: Vec::new(), otherwise: None }.switch(flag, version)
    }

    /// For a flag with object values: the member that names the version.
    ///
    /// Changes nothing on a binding that is not by value.
    #[must_use]
    pub fn field(mut self, name: impl Into<Box<str>>) -> Binding {
        if let BindingKind::Value { field, .. } = &mut self.kind {
            *field = Some(name.into());
        }
        self
    }

    /// The flags this binding asks, in order.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match &self.kind {
            BindingKind::Value { flag, .. } | BindingKind::Variant { flag } => {
                (Some(&**flag), &[][..])
            }
            BindingKind::Switches { switches, .. } => (None, switches.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|switch| &*switch.flag))
    }

    /// The versions this binding names of itself, which must all be registered.
    pub(crate) fn versions(&self) -> impl Iterator<Item = &Version> {
        let (switches, otherwise) = match &self.kind {
            BindingKind::Switches { switches, otherwise } => {
                (switches.as_slice(), otherwise.as_ref())
            }
            _ => (&[][..], None),
        };
        switches.iter().map(|switch| &switch.version).chain(otherwise)
    }

    /// Looks the flags up, once, when a snapshot is published.
    pub(crate) fn resolve(&self, snapshot: &store::Snapshot) -> Box<[Option<Bound>]> {
        self.flags().map(|key| snapshot.bind(key)).collect()
    }

    /// What the flags answer for this context.
    #[inline(always)]
    pub(crate) fn choose<'a>(
        &'a self,
        flags: &'a [Option<Bound>],
        clamps: &[Clamp],
        request: &Request<'a>,
    ) -> BindingAnswer<'a> {
        match &self.kind {
            BindingKind::Value { field, .. } => by_value(flags, clamps, request, |evaluation| {
                named_by_value(evaluation, field.as_deref())
            }),
            BindingKind::Variant { .. } => {
                by_value(flags, clamps, request, |evaluation| evaluation.variant)
            }
            BindingKind::Switches { switches, otherwise } => {
                by_switches(flags, clamps, request, switches, otherwise.as_ref())
            }
        }
    }
}

impl SwitchBinding {
    /// The next switch to ask when those before are off.
    #[must_use]
    pub fn switch(
        mut self,
        flag: impl Into<Box<str>>,
        version: impl Into<Version>,
    ) -> SwitchBinding {
        self.switches.push(Switch { flag: flag.into(), version: version.into() });
        self
    }

    /// The baseline: the version when every switch is off.
    pub fn otherwise(mut self, version: impl Into<Version>) -> Binding {
        self.otherwise = Some(version.into());
        self.into()
    }
}

impl From<SwitchBinding> for Binding {
    fn from(switches: SwitchBinding) -> Binding {
        let SwitchBinding { switches, otherwise } = switches;
        Binding { kind: BindingKind::Switches { switches, otherwise } }
    }
}

impl From<&str> for Binding {
    fn from(flag: &str) -> Binding {
        Binding::value(flag)
    }
}

impl From<String> for Binding {
    fn from(flag: String) -> Binding {
        Binding::value(flag)
    }
}

/// What the flags said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BindingAnswer<'a> {
    /// The version they name; `None` is the fallback version.
    pub(crate) version: Option<&'a str>,
    pub(crate) variant: Option<&'a str>,
    pub(crate) reason: Reason,
    /// Why the flags name no version.
    pub(crate) cause: Option<FallbackCause>,
    pub(crate) missing_key: bool,
    /// Whether an autopilot keeps the user from the version. The flag's answer was then counted
    /// nowhere: nobody goes by it.
    pub(crate) held_back: bool,
}

impl BindingAnswer<'_> {
    fn none(reason: Reason, cause: FallbackCause) -> BindingAnswer<'static> {
        BindingAnswer {
            version: None,
            variant: None,
            reason,
            cause: Some(cause),
            missing_key: false,
            held_back: false,
        }
    }

    /// A flag could not be read: what the first of those says.
    #[cold]
    fn is_wrong(&mut self, reason: Reason, cause: FallbackCause) {
        if self.cause.is_none() {
            (self.reason, self.cause, self.variant) = (reason, Some(cause), None);
        }
    }
}

/// Whether an autopilot keeps this user from the version.
#[inline(always)]
fn held_back(clamps: &[Clamp], version: &str, request: &Request<'_>) -> bool {
    match clamps {
        [] => false,
        clamps => {
            clamp::of(clamps, version).is_some_and(|clamp| clamp.holds_back(clamp_key(request)))
        }
    }
}

/// What an autopilot draws by: the context's own key. One that was drawn for this request alone would
/// let a user through now and hold them back the next time.
#[inline]
pub(crate) fn clamp_key<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.context.targeting_key().filter(|key| !key.is_empty())
}

#[inline(always)]
fn by_value<'a>(
    flags: &'a [Option<Bound>],
    clamps: &[Clamp],
    request: &Request<'a>,
    name: impl FnOnce(&Evaluation<'a>) -> Option<&'a str>,
) -> BindingAnswer<'a> {
    let Some(flag) = flags.first().and_then(Option::as_ref) else {
        return BindingAnswer::none(Reason::Error, FallbackCause::FlagNotFound);
    };
    let evaluation = flag.answer(request);
    // Whatever a flag that is off still has for a value, it routes to nobody.
    let version = if evaluation.reason == Reason::Disabled { None } else { name(&evaluation) };
    let held_back = version.is_some_and(|version| held_back(clamps, version, request));
    if !held_back {
        flag.count(&evaluation, request);
    }
    BindingAnswer {
        version,
        variant: evaluation.variant,
        reason: evaluation.reason,
        cause: match version {
            Some(_) => None,
            None => Some(why_nothing(&evaluation)),
        },
        missing_key: evaluation.missing_key,
        held_back,
    }
}

#[inline(always)]
fn by_switches<'a>(
    flags: &'a [Option<Bound>],
    clamps: &[Clamp],
    request: &Request<'a>,
    switches: &'a [Switch],
    otherwise: Option<&'a Version>,
) -> BindingAnswer<'a> {
    // What the first switch that was off says, unless one is wrong: then the first of those does.
    let mut answer = BindingAnswer {
        version: otherwise.map(Version::as_str),
        variant: None,
        reason: Reason::Default,
        cause: None,
        missing_key: false,
        held_back: false,
    };
    let mut is_any_off = false;
    for (place, switch) in switches.iter().enumerate() {
        let Some(flag) = flags.get(place).and_then(Option::as_ref) else {
            answer.is_wrong(Reason::Error, FallbackCause::FlagNotFound);
            continue;
        };
        let evaluation = flag.answer(request);
        answer.missing_key |= evaluation.missing_key;
        let switched = switched(&evaluation);
        let held_back =
            matches!(switched, Switched::On) && held_back(clamps, &switch.version, request);
        if !held_back {
            flag.count(&evaluation, request);
        }
        match switched {
            Switched::On => {
                return BindingAnswer {
                    version: Some(&switch.version),
                    variant: evaluation.variant,
                    reason: evaluation.reason,
                    cause: None,
                    missing_key: evaluation.missing_key,
                    held_back,
                };
            }
            Switched::Off if answer.cause.is_none() && !is_any_off => {
                is_any_off = true;
                (answer.reason, answer.variant) = (evaluation.reason, evaluation.variant);
            }
            Switched::Off => {}
            Switched::Wrong(FallbackCause::WrongType) => {
                answer.is_wrong(Reason::Error, FallbackCause::WrongType);
            }
            Switched::Wrong(cause) => answer.is_wrong(evaluation.reason, cause),
        }
    }
    answer
}

enum Switched {
    On,
    Off,
    Wrong(FallbackCause),
}

fn switched(evaluation: &Evaluation<'_>) -> Switched {
    match (evaluation.on, evaluation.value) {
        // Switched off altogether, or left to its caller: ordinary ways to be off.
        _ if evaluation.reason == Reason::Disabled => Switched::Off,
        (None, None) if evaluation.error.is_none() => Switched::Off,
        (Some(true), _) | (None, Some(Value::Bool(true))) => Switched::On,
        (Some(false), _) | (None, Some(Value::Bool(false))) => Switched::Off,
        (None, Some(_)) => Switched::Wrong(FallbackCause::WrongType),
        (None, None) => Switched::Wrong(why_nothing(evaluation)),
    }
}

#[inline]
fn named_by_value<'a>(evaluation: &Evaluation<'a>, field: Option<&str>) -> Option<&'a str> {
    match (evaluation.value?, field) {
        (Value::Text(text), None) => Some(text),
        (Value::Map(map), Some(field)) => map.get(field).and_then(Value::as_str),
        (Value::Map(_), None) | (_, Some(_)) => None,
        // A number or a boolean cannot name a version, its variant can: `{"on": true}`.
        (_, None) => evaluation.variant,
    }
}

#[cold]
fn why_nothing(evaluation: &Evaluation<'_>) -> FallbackCause {
    match (evaluation.error, evaluation.value, evaluation.reason) {
        (Some(code), ..) => FallbackCause::FlagError(code),
        (None, _, Reason::Disabled) => FallbackCause::FlagDisabled,
        (None, Some(_), _) => FallbackCause::WrongType,
        (None, None, _) => FallbackCause::NoVariant,
    }
}
