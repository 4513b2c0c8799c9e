//! The fields of Unleash's context, read from ours as the text that Unleash compares.

use std::{fmt::Write, io};

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::{evaluate::Evaluator, trace::Tracer};
use crate::value::{ShortText, ValueRef};

/// A field of the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    UserId,
    SessionId,
    RemoteAddress,
    Environment,
    AppName,
    CurrentTime,
    Property(Box<str>),
}

impl Field {
    pub(super) fn named(name: &str) -> Field {
        match name {
            "userId" => Field::UserId,
            "sessionId" => Field::SessionId,
            "remoteAddress" => Field::RemoteAddress,
            "environment" => Field::Environment,
            "appName" => Field::AppName,
            "currentTime" => Field::CurrentTime,
            property => Field::Property(property.into()),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Field::UserId => "userId",
            Field::SessionId => "sessionId",
            Field::RemoteAddress => "remoteAddress",
            Field::Environment => "environment",
            Field::AppName => "appName",
            Field::CurrentTime => "currentTime",
            Field::Property(name) => name,
        }
    }
}

impl<'a, W: Tracer> Evaluator<'a, W> {
    /// The text of a field as the context holds it, if it is one that is mostly asked for.
    #[inline]
    pub(super) fn borrowed(&mut self, field: &'a Field) -> Option<&'a str> {
        let text = match field {
            Field::Property(name) => match self.context.attribute(name) {
                Some(ValueRef::Text(text)) => text,
                _ => return None,
            },
            Field::UserId => self.key?,
            _ => return None,
        };
        self.tracer.read(field.name(), Some(text));
        Some(text)
    }

    /// The text of a field, for which `room` is there if it has to be written first.
    #[inline]
    pub(super) fn text<'t>(&mut self, field: &'a Field, room: &'t mut ShortText) -> Option<&'t str>
    where
        'a: 't,
    {
        let text = match field {
            Field::Property(name) => self.attribute(name, room),
            Field::UserId => self.user_id(room),
            Field::SessionId => self.attribute("sessionId", room),
            Field::RemoteAddress => self.attribute("remoteAddress", room),
            Field::Environment => self.attribute("environment", room).or(self.environment()),
            Field::AppName => self.attribute("appName", room).or(self.app_name()),
            Field::CurrentTime => self.current_time(room),
        };
        self.tracer.read(field.name(), text);
        text
    }

    /// The number of a field that the context holds as one: what would be read from its text.
    pub(super) fn number(&mut self, field: &'a Field) -> Option<f64> {
        let Field::Property(name) = field else { return None };
        // A watcher is shown the text.
        if W::TRACES {
            return None;
        }
        match self.context.attribute(name)? {
            ValueRef::Int(value) => Some(value as f64),
            ValueRef::Float(value) if value.is_finite() => Some(value),
            _ => None,
        }
    }

    #[inline]
    fn attribute<'t>(&self, name: &str, room: &'t mut ShortText) -> Option<&'t str>
    where
        'a: 't,
    {
        text(self.context.attribute(name)?, room)
    }

    #[inline]
    fn user_id<'t>(&self, room: &'t mut ShortText) -> Option<&'t str>
    where
        'a: 't,
    {
        match self.key {
            Some(key) => Some(key),
            None => self.attribute("userId", room),
        }
    }

    fn environment(&self) -> Option<&'a str> {
        self.options.environment.as_deref()
    }

    fn app_name(&self) -> Option<&'a str> {
        self.options.app_name.as_deref()
    }

    fn current_time<'t>(&self, room: &'t mut ShortText) -> Option<&'t str>
    where
        'a: 't,
    {
        match self.context.attribute("currentTime").filter(|value| is_text(*value)) {
            Some(value) => text(value, room),
            None => {
                let now = self.now()?;
                let (date, time) = (now.date_naive(), now.time());
                write!(
                    room,
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                    date.year(),
                    date.month(),
                    date.day(),
                    time.hour(),
                    time.minute(),
                    time.second()
                )
                .ok()?;
                Some(room.as_str())
            }
        }
    }

    /// Whether the context itself says what time it is.
    pub(super) fn time_is_given(&self) -> bool {
        self.context.attribute("currentTime").is_some_and(is_text)
    }

    /// The clock's time, in whole seconds.
    pub(super) fn now(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(i64::try_from(self.clock.unix().as_secs()).ok()?, 0)
    }
}

/// Whether an attribute has a text for Unleash.
fn is_text(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Text(_) | ValueRef::Int(_) | ValueRef::Bool(_) => true,
        ValueRef::Float(value) => value.is_finite(),
        _ => false,
    }
}

/// The text of an attribute: numbers and booleans as JSON writes them; nothing else has one.
#[inline]
fn text<'t>(value: ValueRef<'t>, room: &'t mut ShortText) -> Option<&'t str> {
    match value {
        ValueRef::Text(text) => Some(text),
        value => written(value, room),
    }
}

#[inline(never)]
fn written<'t>(value: ValueRef<'t>, room: &'t mut ShortText) -> Option<&'t str> {
    match value {
        ValueRef::Bool(true) => return Some("true"),
        ValueRef::Bool(false) => return Some("false"),
        ValueRef::Int(value) => write!(room, "{value}").ok()?,
        ValueRef::Float(value) if value.is_finite() => {
            serde_json::to_writer(Written(room), &value).ok()?;
        }
        _ => return None,
    }
    Some(room.as_str())
}

/// Lets JSON be written into a text.
struct Written<'t>(&'t mut ShortText);

impl io::Write for Written<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
