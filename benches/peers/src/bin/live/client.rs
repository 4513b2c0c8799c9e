//! Who follows the stream.

use std::{net::SocketAddr, time::Duration};

use launchdarkly_sdk_transport::HyperTransport;
use launchdarkly_server_sdk::{
    Client, ConfigBuilder, ContextBuilder, NullEventProcessorBuilder, ServiceEndpointsBuilder,
    StreamingDataSourceBuilder,
};
use modelgate::{
    Context, FlagSource, ModelRouter, launchdarkly, model_fn, source::HttpSettings, unleash,
};
use modelgate_peers::support::{Dialect, is_second};

use super::server::changing;

/// Long enough for the slowest machine to read 5,000 flags.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that is ready.
pub trait Follower {
    /// Whether a user gets v2 just now.
    fn second(&self) -> bool;
}

/// A client by its name, and the stream that it follows.
pub struct Entry {
    pub name: &'static str,
    pub title: &'static str,
    pub dialect: Dialect,
    pub start: fn(SocketAddr) -> Box<dyn Follower>,
}

pub const ENTRIES: [Entry; 3] = [
    Entry {
        name: "launchdarkly",
        title: "modelgate, `launchdarkly::Source`",
        dialect: Dialect::LaunchDarkly,
        start: |address| {
            let source = launchdarkly::Source::new("sdk-key").relay(format!("http://{address}"));
            Box::new(Ours::new(Dialect::LaunchDarkly, source.settings(settings())))
        },
    },
    Entry {
        name: "launchdarkly-client",
        title: "launchdarkly-server-sdk 3.2.0",
        dialect: Dialect::LaunchDarkly,
        start: |address| Box::new(Theirs::new(address)),
    },
    Entry {
        name: "unleash",
        title: "modelgate, `unleash::Source`, streamed",
        dialect: Dialect::Unleash,
        start: |address| {
            let source = unleash::Source::new(format!("http://{address}/api"), "token");
            let source = source.streaming().metrics(None).settings(settings());
            Box::new(Ours::new(Dialect::Unleash, source))
        },
    },
];

fn settings() -> HttpSettings {
    HttpSettings::new().timeout(PATIENCE)
}

struct Ours {
    router: ModelRouter<[f32], f32>,
}

impl Ours {
    fn new(dialect: Dialect, source: impl FlagSource) -> Ours {
        let key = changing();
        let router = ModelRouter::builder(dialect.binding(&key))
            .model("fraud-v1", model_fn(|row: &[f32]| Ok(row.iter().sum())))
            .model("fraud-v2", model_fn(|row: &[f32]| Ok(row.iter().sum())))
            .fallback("fraud-v1")
            .source(source)
            .build()
            .unwrap();
        router.wait_ready(PATIENCE).unwrap();
        Ours { router }
    }
}

impl Follower for Ours {
    fn second(&self) -> bool {
        let answer = self.router.predict(&Context::new("user-1"), &[1.0]).unwrap();
        assert!(!answer.fell_back());
        is_second(answer.version().as_str())
    }
}

struct Theirs {
    client: Client,
    context: launchdarkly_server_sdk::Context,
    key: String,
}

impl Theirs {
    fn new(address: SocketAddr) -> Theirs {
        let transport = HyperTransport::builder().disable_proxy().build_http().unwrap();
        let config = ConfigBuilder::new("sdk-key")
            .service_endpoints(
                ServiceEndpointsBuilder::new().relay_proxy(&format!("http://{address}")),
            )
            .data_source(StreamingDataSourceBuilder::new().transport(transport))
            .event_processor(&NullEventProcessorBuilder::new())
            .build()
            .unwrap();
        let client = Client::build(config).unwrap();
        client.start_with_runtime().unwrap();
        let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ready = waiting.block_on(client.wait_for_initialization(PATIENCE));
        assert_eq!(ready, Some(true));
        let context = ContextBuilder::new("user-1").build().unwrap();
        Theirs { client, context, key: changing() }
    }
}

impl Follower for Theirs {
    fn second(&self) -> bool {
        is_second(&self.client.str_variation(&self.context, &self.key, "none".to_owned()))
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        self.client.close();
    }
}
