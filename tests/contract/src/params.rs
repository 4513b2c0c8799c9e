//! What the harness sends. A null member is as good as absent.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

/// A member that may be null.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
pub struct NewClient {
    pub configuration: Configuration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    pub credential: String,
    pub start_wait_time_ms: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    pub init_can_fail: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub service_endpoints: ServiceEndpoints,
    pub tls: Option<Tls>,
    pub proxy: Option<Proxy>,
    pub streaming: Option<Streaming>,
    pub polling: Option<Polling>,
    pub payload_filter: Option<String>,
    /// The second version of the vendor's data system, which is not spoken here.
    pub data_system: Option<Json>,
    pub events: Option<Events>,
    pub tags: Option<Tags>,
    pub hooks: Option<Hooks>,
    pub wrapper: Option<Wrapper>,
    pub big_segments: Option<BigSegments>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BigSegments {
    pub callback_uri: String,
    pub user_cache_size: Option<usize>,
    pub user_cache_time_ms: Option<u64>,
    /// The specification writes the second, harnesses the first.
    #[serde(alias = "statusPollIntervalMS")]
    pub status_poll_interval_ms: Option<u64>,
    pub stale_after_ms: Option<u64>,
}

#[derive(Default, Deserialize)]
pub struct ServiceEndpoints {
    pub streaming: Option<String>,
    pub polling: Option<String>,
    pub events: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    #[serde(default, deserialize_with = "or_default")]
    pub skip_verify_peer: bool,
    #[serde(rename = "customCAFile")]
    pub custom_ca_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    pub http_proxy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Streaming {
    pub base_uri: Option<String>,
    pub initial_retry_delay_ms: Option<u64>,
    pub filter: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Polling {
    pub base_uri: Option<String>,
    pub poll_interval_ms: Option<u64>,
    pub filter: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    pub base_uri: Option<String>,
    pub capacity: Option<usize>,
    #[serde(default, deserialize_with = "or_default")]
    pub enable_diagnostics: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub all_attributes_private: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub global_private_attributes: Vec<String>,
    pub flush_interval_ms: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    pub omit_anonymous_contexts: bool,
    pub enable_gzip: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tags {
    pub application_id: Option<String>,
    pub application_version: Option<String>,
}

#[derive(Deserialize)]
pub struct Wrapper {
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    pub version: Option<String>,
}

#[derive(Deserialize)]
pub struct Hooks {
    #[serde(default, deserialize_with = "or_default")]
    pub hooks: Vec<Hook>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    pub name: String,
    pub callback_uri: String,
    /// What a stage adds to the data of its series.
    #[serde(default, deserialize_with = "or_default")]
    pub data: HashMap<String, Json>,
    /// What a stage fails with.
    #[serde(default, deserialize_with = "or_default")]
    pub errors: HashMap<String, Option<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    pub command: String,
    pub evaluate: Option<Evaluate>,
    pub evaluate_all: Option<EvaluateAll>,
    pub custom_event: Option<Custom>,
    pub identify_event: Option<Identified>,
    pub context_build: Option<ContextBuild>,
    pub context_convert: Option<ContextConvert>,
    pub secure_mode_hash: Option<Identified>,
}

/// Who is meant: a context, or a legacy user.
#[derive(Deserialize)]
pub struct Identified {
    pub context: Option<Json>,
    pub user: Option<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluate {
    pub flag_key: String,
    #[serde(flatten)]
    pub who: Identified,
    pub value_type: Option<String>,
    #[serde(default)]
    pub default_value: Json,
    #[serde(default, deserialize_with = "or_default")]
    pub detail: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluateAll {
    #[serde(flatten)]
    pub who: Identified,
    #[serde(default, deserialize_with = "or_default")]
    pub with_reasons: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub client_side_only: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub details_only_for_tracked_flags: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Custom {
    pub event_key: String,
    #[serde(flatten)]
    pub who: Identified,
    #[serde(default)]
    pub data: Json,
    #[serde(default, deserialize_with = "or_default")]
    pub omit_null_data: bool,
    pub metric_value: Option<f64>,
}

#[derive(Deserialize)]
pub struct ContextBuild {
    pub single: Option<OneContext>,
    pub multi: Option<Vec<OneContext>>,
}

#[derive(Deserialize)]
pub struct OneContext {
    pub kind: Option<String>,
    pub key: String,
    pub name: Option<String>,
    pub anonymous: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    pub private: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub custom: serde_json::Map<String, Json>,
}

#[derive(Deserialize)]
pub struct ContextConvert {
    pub input: String,
}
