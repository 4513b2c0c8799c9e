//! The store of big segments that the harness plays.

use std::{collections::HashMap, time::Duration};

use modelgate::{
    launchdarkly::big_segments::{Cache, Store},
    source,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};

use crate::params;

/// How long an evaluation waits for the store: longer than the harness does for an answer.
const WAIT: Duration = Duration::from_secs(60);

/// Asks the harness.
struct Callback(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    /// In milliseconds since 1970.
    last_up_to_date: Option<u64>,
}

#[derive(Deserialize)]
struct Membership {
    /// No value is as good as no member.
    values: Option<HashMap<String, Option<bool>>>,
}

/// A cache of the harness's store, whose evaluations wait for it as the vendor's SDKs do.
pub fn cache(asked: params::BigSegments) -> Result<Cache, String> {
    let mut cache = Cache::builder().wait(WAIT);
    if let Some(contexts) = asked.user_cache_size.filter(|contexts| *contexts > 0) {
        cache = cache.contexts(contexts);
    }
    let time = |asked: Option<u64>| asked.filter(|time| *time > 0).map(Duration::from_millis);
    if let Some(time) = time(asked.user_cache_time_ms) {
        cache = cache.fresh_for(time);
    }
    if let Some(interval) = time(asked.status_poll_interval_ms) {
        cache = cache.poll_interval(interval);
    }
    if let Some(age) = time(asked.stale_after_ms) {
        cache = cache.stale_after(age);
    }
    cache.build(Callback(asked.callback_uri)).map_err(|error| error.to_string())
}

impl Callback {
    fn ask<T: DeserializeOwned>(&self, question: &str, body: Json) -> Result<T, source::Error> {
        let url = format!("{}/{question}", self.0);
        let failed = |error| source::Error::with_source("the harness did not answer", error);
        let answer = ureq::post(url).header("content-type", "application/json");
        let answer = answer.send(body.to_string()).map_err(failed)?;
        let text = answer.into_body().read_to_string().map_err(failed)?;
        serde_json::from_str(&text).map_err(|error| {
            source::Error::with_source("what the harness answered is no answer", error)
        })
    }
}

impl Store for Callback {
    fn memberships(&self, context_hash: &str) -> Result<Vec<(String, bool)>, source::Error> {
        let found: Membership = self.ask("getMembership", json!({"contextHash": context_hash}))?;
        let values = found.values.unwrap_or_default().into_iter();
        Ok(values.filter_map(|(segment, is_in)| Some((segment, is_in?))).collect())
    }

    fn last_up_to_date(&self) -> Result<Option<Duration>, source::Error> {
        let found: Metadata = self.ask("getMetadata", Json::Null)?;
        Ok(found.last_up_to_date.map(Duration::from_millis))
    }
}
