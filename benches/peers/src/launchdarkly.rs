//! LaunchDarkly: the official client, fed without a network, and its bare evaluator.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use launchdarkly_server_sdk_evaluation::{
    AttributeValue, Context, ContextBuilder, Flag, FlagValue, Segment, Store, evaluate,
};

use modelgate::launchdarkly::LaunchDarkly;

use crate::{
    contender::{Contender, Entry},
    ours,
    support::{Dialect, User, is_second},
};

pub const ENTRIES: &[Entry] = &[
    Entry {
        ingest: Some(|definition| ours::ingested(Dialect::LaunchDarkly, definition)),
        ..ours::SET
    },
    Entry {
        name: "detail",
        title: "modelgate, `LaunchDarkly::detail`",
        build: |task| {
            let launchdarkly = LaunchDarkly::new();
            ours::asked(task, move |set, key, context| {
                let value = launchdarkly.detail(set, key, context).value;
                is_second(value.unwrap().as_str().unwrap())
            })
        },
        ingest: None,
    },
    ours::ROUTER,
    #[cfg(feature = "launchdarkly-client")]
    client::CLIENT,
    Entry {
        name: "engine",
        title: "launchdarkly-server-sdk-evaluation 2.2.1",
        build: |task| {
            Arc::new(Engine {
                flags: RwLock::new(Flags(parse(&task.definition))),
                key: task.key.clone(),
                contexts: crate::users().iter().map(context).collect(),
            })
        },
        ingest: Some(|definition| parse(definition).len()),
    },
];

/// The flags of what a `put` carries; it has no segments here.
fn parse(definition: &str) -> HashMap<String, Flag> {
    let mut parts: HashMap<String, HashMap<String, Flag>> =
        serde_json::from_str(definition).unwrap();
    parts.remove("flags").unwrap()
}

fn context(user: &User) -> Context {
    ContextBuilder::new(&user.key)
        .set_string("region", user.region)
        .set_string("plan", user.plan)
        .set_value("age", AttributeValue::Number(user.age as f64))
        .set_string("email", &user.email)
        .build()
        .unwrap()
}

fn is_second_value(value: &FlagValue) -> bool {
    match value {
        FlagValue::Str(version) => is_second(version),
        other => panic!("no flag here serves {other:?}"),
    }
}

struct Flags(HashMap<String, Flag>);

impl Store for Flags {
    fn flag(&self, key: &str) -> Option<Flag> {
        self.0.get(key).cloned()
    }
    fn segment(&self, _key: &str) -> Option<Segment> {
        None
    }
}

struct Engine {
    flags: RwLock<Flags>,
    key: String,
    contexts: Vec<Context>,
}

impl Engine {
    fn ask(&self, context: &Context) -> bool {
        let flags = self.flags.read().unwrap();
        // The flag itself is borrowed: what the evaluator costs by itself.
        let flag = &flags.0[&self.key];
        is_second_value(evaluate(&*flags, flag, context, None).value.unwrap())
    }
}

impl Contender for Engine {
    fn decide(&self, user: usize) -> bool {
        self.ask(&self.contexts[user])
    }
    fn decide_anew(&self, user: &User) -> bool {
        self.ask(&context(user))
    }
    fn update(&self, key: &str, change: &str) -> bool {
        let flag = serde_json::from_str(change).unwrap();
        self.flags.write().unwrap().0.insert(key.to_owned(), flag);
        true
    }
}

#[cfg(feature = "launchdarkly-client")]
mod client {
    use std::{sync::Arc, time::Duration};

    use launchdarkly_server_sdk::{
        Client, ConfigBuilder, Context, NullEventProcessorBuilder, TestData,
    };
    use tokio::runtime::Runtime;

    use super::{context, is_second_value, parse};
    use crate::{
        contender::{Contender, Entry, Task},
        support::User,
    };

    pub const CLIENT: Entry = Entry {
        name: "client",
        title: "launchdarkly-server-sdk 3.2.0, client",
        build: |task| Arc::new(Official::new(task)),
        ingest: None,
    };

    /// The client over its own source of test data, sending no events.
    struct Official {
        client: Client,
        data: TestData,
        key: String,
        contexts: Vec<Context>,
        _runtime: Runtime,
    }

    impl Official {
        fn new(task: &Task) -> Official {
            let data = TestData::new();
            for flag in parse(&task.definition).into_values() {
                data.use_preconfigured_flag(flag);
            }
            let config = ConfigBuilder::new("sdk-key")
                .data_source(&data)
                .event_processor(&NullEventProcessorBuilder::new())
                .build()
                .unwrap();
            let client = Client::build(config).unwrap();
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                client.start_with_default_executor();
                let ready = client.wait_for_initialization(Duration::from_secs(10)).await;
                assert_eq!(ready, Some(true));
            });
            let contexts = crate::users().iter().map(context).collect();
            Official { client, data, key: task.key.clone(), contexts, _runtime: runtime }
        }

        fn ask(&self, context: &Context) -> bool {
            let detail = self.client.variation_detail(context, &self.key, "none".to_owned());
            is_second_value(&detail.value.unwrap())
        }
    }

    impl Contender for Official {
        fn decide(&self, user: usize) -> bool {
            self.ask(&self.contexts[user])
        }
        fn decide_anew(&self, user: &User) -> bool {
            self.ask(&context(user))
        }
        fn update(&self, _key: &str, change: &str) -> bool {
            self.data.use_preconfigured_flag(serde_json::from_str(change).unwrap());
            true
        }
    }
}
