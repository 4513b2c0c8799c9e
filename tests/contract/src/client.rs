//! One client of the harness, and its commands.

use std::time::Duration;

use modelgate::{
    Flags, OwnedContext,
    launchdarkly::{
        Client, CustomEvent, Events, FlagsState, FlagsStateOptions, Source, Variation,
        big_segments::{self, Status},
        context_from_json, context_to_json,
    },
    source::HttpSettings,
    value::Value,
};
use serde_json::{Value as Json, json};

use crate::{
    big_segments as callback, hooks,
    params::{
        self, Command, Configuration, ContextBuild, Custom, Evaluate, EvaluateAll, Identified,
        OneContext,
    },
};

/// How long a client may take to get its flags, unless the harness says otherwise.
const START: Duration = Duration::from_secs(5);

pub struct TestClient {
    flags: Flags,
    client: Client,
    big_segments: Option<big_segments::Cache>,
}

/// What came of creating a client.
pub enum Created {
    Ready(TestClient),
    /// The configuration asks for what is not there.
    Invalid(String),
    Failed(String),
}

impl TestClient {
    pub fn create(mut configuration: Configuration) -> Created {
        let patience = configuration.start_wait_time_ms.filter(|wait| *wait > 0);
        let patience = patience.map_or(START, Duration::from_millis);
        let init_can_fail = configuration.init_can_fail;
        let big_segments = configuration.big_segments.take().map(callback::cache).transpose();
        let big_segments = match big_segments {
            Ok(big_segments) => big_segments,
            Err(error) => return Created::Failed(error),
        };
        let source = match source(configuration, big_segments.as_ref()) {
            Ok(source) => source,
            Err(error) => return Created::Invalid(error),
        };
        let client = source.client();
        let flags = match Flags::builder().source(source).build() {
            Ok(flags) => flags,
            Err(error) => return Created::Failed(error.to_string()),
        };
        match flags.wait_ready(patience) {
            Err(error) if !init_can_fail => Created::Failed(error.to_string()),
            _ => Created::Ready(TestClient { flags, client, big_segments }),
        }
    }

    /// The answer; null for a command that has none.
    pub fn run(&self, command: Command) -> Result<Json, String> {
        let missing = || format!("`{}`: found no parameters", command.command);
        match command.command.as_str() {
            "evaluate" => self.evaluate(command.evaluate.ok_or_else(missing)?),
            "evaluateAll" => self.evaluate_all(&command.evaluate_all.ok_or_else(missing)?),
            "customEvent" => self.custom_event(command.custom_event.ok_or_else(missing)?),
            "identifyEvent" => {
                self.client.identify(&command.identify_event.ok_or_else(missing)?.context());
                Ok(Json::Null)
            }
            // The specification says the second; harnesses have sent the first.
            "flushEvents" | "flush" => {
                self.client.flush();
                Ok(Json::Null)
            }
            "contextBuild" => Ok(built(command.context_build.ok_or_else(missing)?)),
            "contextConvert" => {
                let input = command.context_convert.ok_or_else(missing)?.input;
                Ok(written(context_from_json(&input).map_err(|error| error.to_string())))
            }
            "secureModeHash" => {
                let context = command.secure_mode_hash.ok_or_else(missing)?.context();
                Ok(json!({"result": self.client.secure_mode_hash(&context)}))
            }
            "getBigSegmentStoreStatus" => Ok(self.big_segment_store_status()),
            other => Err(format!("`{other}`: found a command of no capability that is claimed")),
        }
    }

    fn big_segment_store_status(&self) -> Json {
        let status = self.big_segments.as_ref().map(big_segments::Cache::status);
        json!({
            "available": status.is_some_and(|status| status < Status::StoreError),
            "stale": status == Some(Status::Stale),
        })
    }

    fn evaluate(&self, asked: Evaluate) -> Result<Json, String> {
        let context = asked.who.context();
        let snapshot = self.flags.snapshot();
        let client = if asked.detail { self.client.with_reasons() } else { self.client.clone() };
        let (key, default) = (&*asked.flag_key, &asked.default_value);
        let wrong = || format!("`defaultValue`: found {default}, expected the type of the value");
        let answer = match asked.value_type.as_deref().unwrap_or("any") {
            "bool" => {
                let default = default.as_bool().ok_or_else(wrong)?;
                answered(client.boolean(&snapshot, key, &context, default), |value| json!(value))
            }
            "int" => {
                let default = default.as_f64().ok_or_else(wrong)? as i64;
                answered(client.integer(&snapshot, key, &context, default), |value| json!(value))
            }
            "double" => {
                let default = default.as_f64().ok_or_else(wrong)?;
                answered(client.double(&snapshot, key, &context, default), |value| json!(value))
            }
            "string" => {
                let default = default.as_str().ok_or_else(wrong)?;
                answered(client.string(&snapshot, key, &context, default), |value| json!(value))
            }
            "any" => {
                let default = value(default)?;
                answered(client.json(&snapshot, key, &context, &default), |value| json!(value))
            }
            other => {
                let expected = "`bool`, `int`, `double`, `string` or `any`";
                return Err(format!("`valueType`: found `{other}`, expected {expected}"));
            }
        };
        Ok(if asked.detail { answer } else { json!({"value": answer["value"]}) })
    }

    fn evaluate_all(&self, asked: &EvaluateAll) -> Result<Json, String> {
        let mut options = FlagsStateOptions::new();
        if asked.with_reasons {
            options = options.with_reasons();
        }
        if asked.client_side_only {
            options = options.client_side_only();
        }
        if asked.details_only_for_tracked_flags {
            options = options.details_only_for_tracked_flags();
        }
        let state = FlagsState::of(&self.flags.snapshot(), &asked.who.context(), options);
        Ok(json!({"state": state}))
    }

    fn custom_event(&self, asked: Custom) -> Result<Json, String> {
        let mut event = CustomEvent::new(&*asked.event_key);
        if !(asked.data.is_null() && (asked.omit_null_data || asked.metric_value.is_none())) {
            event = event.data(value(&asked.data)?);
        }
        if let Some(metric) = asked.metric_value {
            event = event.metric(metric);
        }
        self.client.track(event, &asked.who.context());
        Ok(Json::Null)
    }
}

fn answered<T>(variation: Variation<'_, T>, value: impl FnOnce(T) -> Json) -> Json {
    json!({
        "variationIndex": variation.variation_index,
        "reason": variation.reason,
        "value": value(variation.value),
    })
}

impl Identified {
    /// The context; one without a key, which flags answer with an error, where none can be read.
    fn context(&self) -> OwnedContext {
        let given = self.context.as_ref().or(self.user.as_ref());
        given.and_then(|json| context_from_json(&json.to_string()).ok()).unwrap_or_default()
    }
}

/// A context made with the builder, in the vendor's JSON form.
fn built(asked: ContextBuild) -> Json {
    let one = |one: OneContext| {
        if one.key.is_empty() {
            return Err("context: found an empty key".to_owned());
        }
        let mut context = OwnedContext::new(one.key);
        if let Some(name) = one.name {
            context = context.with("name", name);
        }
        if let Some(anonymous) = one.anonymous {
            context = context.with("anonymous", anonymous);
        }
        for (name, json) in &one.custom {
            context = context.with(name.as_str(), value(json)?);
        }
        let context =
            one.private.into_iter().fold(context, |context, name| context.with_private(name));
        Ok((one.kind.unwrap_or_else(|| "user".to_owned()), context))
    };
    let kinds = asked.single.into_iter().chain(asked.multi.unwrap_or_default());
    let context = kinds.map(one).collect::<Result<Vec<_>, String>>().map(|kinds| {
        let (users, others): (Vec<_>, Vec<_>) =
            kinds.into_iter().partition(|(kind, _)| kind == "user");
        let user = users.into_iter().next().map(|(_, user)| user).unwrap_or_default();
        others.into_iter().fold(user, |context, (kind, one)| context.with_kind(kind, one))
    });
    written(context)
}

fn written(context: Result<OwnedContext, String>) -> Json {
    let text = context.and_then(|context| context_to_json(&context).map_err(|e| e.to_string()));
    match text {
        Ok(output) => json!({"output": output}),
        Err(error) => json!({"error": error}),
    }
}

fn value(json: &Json) -> Result<Value, String> {
    serde_json::from_value(json.clone()).map_err(|error| error.to_string())
}

/// The source that the harness asks for.
fn source(
    configuration: Configuration,
    big_segments: Option<&big_segments::Cache>,
) -> Result<Source, String> {
    let Configuration { credential, service_endpoints, streaming, polling, .. } = configuration;
    if streaming.is_none() && polling.is_none() && configuration.data_system.is_some() {
        return Err("`dataSystem`: is not spoken, expected `streaming` or `polling`".to_owned());
    }
    let given = |url: Option<String>| url.filter(|url| !url.is_empty());
    let mut dialect = hooks::dialect(configuration.hooks);
    if let Some(cache) = big_segments {
        dialect = dialect.with_big_segments(cache.clone());
    }
    let mut source = Source::new(credential).dialect(dialect);
    let mut filter = configuration.payload_filter;
    match (streaming, polling) {
        (None, Some(polling)) => {
            filter = filter.or(polling.filter);
            if let Some(url) = given(polling.base_uri).or(given(service_endpoints.polling)) {
                source = source.base_urls(url.clone(), url);
            }
            let interval = polling.poll_interval_ms.map_or(Duration::ZERO, Duration::from_millis);
            source = source.polling(interval);
        }
        (streaming, _) => {
            let (url, delay) = match streaming {
                Some(streaming) => {
                    filter = filter.or(streaming.filter);
                    (given(streaming.base_uri), streaming.initial_retry_delay_ms)
                }
                None => (None, None),
            };
            if let Some(url) = url.or(given(service_endpoints.streaming)) {
                // The vendor's SDKs poll nothing while a stream is away.
                source = source.relay(url);
            }
            if let Some(delay) = delay {
                source = source.retry(Duration::from_millis(delay), Duration::from_secs(30));
            }
        }
    }
    if let Some(filter) = filter {
        source = source.payload_filter(filter);
    }
    if let Some(tags) = configuration.tags {
        let id = tags.application_id.unwrap_or_default();
        source = source.application(id, tags.application_version.unwrap_or_default());
    }
    if let Some(wrapper) = configuration.wrapper {
        source = source.wrapper(wrapper.name, wrapper.version.as_deref());
    }
    source = source.settings(settings(configuration.tls, configuration.proxy)?);
    Ok(source
        .events(configuration.events.map(|asked| events(asked, given(service_endpoints.events)))))
}

fn settings(
    tls: Option<params::Tls>,
    proxy: Option<params::Proxy>,
) -> Result<HttpSettings, String> {
    let mut settings = HttpSettings::new();
    if let Some(tls) = tls {
        if tls.skip_verify_peer {
            return Err("`skipVerifyPeer`: every certificate is verified".to_owned());
        }
        if let Some(path) = tls.custom_ca_file.filter(|path| !path.is_empty()) {
            let pem = std::fs::read(&path).map_err(|error| format!("`{path}`: {error}"))?;
            settings = settings.root_certificates(pem);
        }
    }
    if let Some(url) = proxy.and_then(|proxy| proxy.http_proxy).filter(|url| !url.is_empty()) {
        settings = settings.proxy(url);
    }
    Ok(settings)
}

fn events(asked: params::Events, url: Option<String>) -> Events {
    let mut events = Events::new()
        .all_attributes_private(asked.all_attributes_private)
        .omit_anonymous(asked.omit_anonymous_contexts)
        .gzip(asked.enable_gzip.unwrap_or(false))
        .diagnostics(asked.enable_diagnostics.then_some(Duration::from_secs(900)));
    if let Some(url) = asked.base_uri.filter(|url| !url.is_empty()).or(url) {
        events = events.url(url);
    }
    if let Some(capacity) = asked.capacity.filter(|capacity| *capacity > 0) {
        events = events.capacity(capacity);
    }
    if let Some(interval) = asked.flush_interval_ms.filter(|interval| *interval > 0) {
        events = events.flush_interval(Duration::from_millis(interval));
    }
    asked
        .global_private_attributes
        .iter()
        .fold(events, |events, name| events.private_attribute(name))
}
