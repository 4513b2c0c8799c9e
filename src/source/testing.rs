//! What tests of the store and of the sources share.

use std::{
    borrow::Cow,
    io,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use super::{Error, FlagSource, FlagUpdates, Subscription};
use crate::{
    context::Context,
    flag::{DocumentError, Flag, FlagSet, Problem, store::Flags},
    value::{Map, Value},
};

/// Long enough for any machine; nothing waits it out unless the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A dialect in which a document is an object of constants. `"!bad"` stands for a flag that does
/// not compile.
pub(crate) fn constants(text: &str) -> Result<FlagSet, DocumentError> {
    let document: Map = serde_json::from_str(text)
        .map_err(|error| DocumentError::with_source("not an object", error))?;
    let bad = |value: &Value| value.as_str() == Some("!bad");
    let problems = document
        .iter()
        .filter(|(_, value)| bad(value))
        .map(|(key, _)| Problem::rejected(key, "", "\"!bad\"", "anything else"))
        .collect();
    let flags = document.iter().filter(|(_, value)| !bad(value));
    Ok(flags
        .map(|(key, value)| flag(key, value.clone()))
        .collect::<FlagSet>()
        .with_problems(problems))
}

pub(crate) fn flag(key: &str, value: impl Into<Value>) -> Flag {
    Flag::constant(key, value)
}

pub(crate) fn set(text: &str) -> FlagSet {
    constants(text).unwrap()
}

/// Hands its updates to the test.
pub(crate) struct Scripted(pub(crate) &'static str, pub(crate) mpsc::Sender<FlagUpdates>);

impl FlagSource for Scripted {
    fn name(&self) -> Cow<'static, str> {
        self.0.into()
    }
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error> {
        self.1.send(updates).unwrap();
        Ok(Subscription::none())
    }
}

/// A store with one source that does what the test does with the updates.
pub(crate) fn scripted() -> (Flags, FlagUpdates) {
    let (send, receive) = mpsc::channel();
    let flags = Flags::builder().source(Scripted("scripted", send)).build().unwrap();
    (flags, receive.recv().unwrap())
}

pub(crate) fn text(flags: &Flags, key: &str) -> String {
    flags.string(key, &Context::new("user"), "absent")
}

/// Waits until the flag says so.
#[cfg(any(feature = "file", feature = "http"))]
#[track_caller]
pub(crate) fn expect_text(flags: &Flags, key: &str, wanted: &str) {
    let came = flags.wait_until(PATIENCE, |_| text(flags, key) == wanted);
    assert!(came, "`{key}` stayed {:?}: {:#?}", text(flags, key), flags.status());
}

/// Waits until the status is so.
#[cfg(any(feature = "file", feature = "http"))]
#[track_caller]
pub(crate) fn expect(
    flags: &Flags,
    condition: impl FnMut(&crate::flag::store::Status) -> bool,
) -> crate::flag::store::Status {
    assert!(flags.wait_until(PATIENCE, condition), "it stayed {:#?}", flags.status());
    flags.status()
}

/// What was logged on this thread while `run` ran.
pub(crate) fn logged(run: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, run);
    String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}
