//! The messages of `flagd.sync.v1`, numbered as its published definition numbers them.

use prost_types::{Struct, Value as Proto, value::Kind};

use crate::value::{Map, Value};

/// The full name of the method whose answers are a stream of [`SyncFlagsResponse`].
pub(super) const SYNC_FLAGS: &str = "/flagd.sync.v1.FlagSyncService/SyncFlags";

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SyncFlagsRequest {
    #[prost(string, tag = "1")]
    pub(super) provider_id: String,
    #[prost(string, tag = "2")]
    pub(super) selector: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SyncFlagsResponse {
    /// The whole set, as a definition.
    #[prost(string, tag = "1")]
    pub(super) flag_configuration: String,
    #[prost(message, optional, tag = "2")]
    pub(super) sync_context: Option<Struct>,
}

impl SyncFlagsResponse {
    /// The attributes that every context is to have unless it brings its own.
    pub(super) fn context(&self) -> Map {
        self.sync_context.as_ref().map(map).unwrap_or_default()
    }
}

// The decoder allows a hundred levels, so that these cannot go deeper.
fn map(proto: &Struct) -> Map {
    proto.fields.iter().map(|(name, proto)| (name.clone(), value(proto))).collect()
}

fn value(proto: &Proto) -> Value {
    match &proto.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        Some(Kind::NumberValue(value)) => Value::Float(*value),
        Some(Kind::StringValue(value)) => Value::Text(value.as_str().into()),
        Some(Kind::ListValue(list)) => Value::List(list.values.iter().map(self::value).collect()),
        Some(Kind::StructValue(members)) => Value::Map(map(members)),
    }
}
