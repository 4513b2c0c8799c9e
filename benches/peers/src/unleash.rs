//! Unleash: the official client, fed without a network, and its engine yggdrasil.

use std::{collections::HashMap, sync::Arc};

use modelgate::{clock::SystemClock, unleash::Unleash};
use unleash_types::client_features::ClientFeatures;
use unleash_yggdrasil::{
    EngineState, UpdateMessage,
    state::{EnrichedContext, PropertiesRef},
};

use crate::{
    contender::{Contender, Entry},
    ours,
    support::{Dialect, User},
};

pub const ENTRIES: &[Entry] = &[
    Entry { ingest: Some(|definition| ours::ingested(Dialect::Unleash, definition)), ..ours::SET },
    Entry {
        name: "detail",
        title: "modelgate, `Unleash::toggle`",
        build: |task| {
            let (unleash, clock) = (Unleash::new(), SystemClock::new());
            ours::asked(task, move |set, key, context| {
                unleash.toggle(set, key, context, &clock).enabled
            })
        },
        ingest: None,
    },
    ours::ROUTER,
    #[cfg(feature = "unleash-client")]
    client::CLIENT,
    Entry {
        name: "engine",
        title: "unleash-yggdrasil 0.21.6",
        build: |task| {
            Arc::new(Engine {
                state: taken_in(&task.definition),
                key: task.key.clone(),
                users: crate::users().iter().map(Known::new).collect(),
            })
        },
        ingest: Some(|definition| taken_in(definition).list_known_toggles().len()),
    },
];

fn taken_in(definition: &str) -> EngineState {
    let features: ClientFeatures = serde_json::from_str(definition).unwrap();
    let state = EngineState::default();
    let warnings = state.take_state(UpdateMessage::FullResponse(features));
    assert!(warnings.is_none());
    state
}

fn properties(user: &User) -> HashMap<String, String> {
    HashMap::from([
        ("region".to_owned(), user.region.to_owned()),
        ("plan".to_owned(), user.plan.to_owned()),
        ("age".to_owned(), user.age.to_string()),
        ("email".to_owned(), user.email.clone()),
    ])
}

/// What yggdrasil's context of a user borrows from.
struct Known {
    key: String,
    properties: HashMap<String, String>,
}

impl Known {
    fn new(user: &User) -> Known {
        Known { key: user.key.clone(), properties: properties(user) }
    }
}

struct Engine {
    state: EngineState,
    key: String,
    users: Vec<Known>,
}

impl Engine {
    fn ask(&self, key: &str, properties: &HashMap<String, String>) -> bool {
        let context = EnrichedContext {
            user_id: Some(key),
            session_id: None,
            environment: None,
            app_name: None,
            current_time: None,
            remote_address: None,
            properties: Some(PropertiesRef::Strings(properties)),
            external_results: None,
            toggle_name: &self.key,
            runtime_hostname: None,
        };
        self.state.check_enabled(&context).unwrap()
    }
}

impl Contender for Engine {
    fn decide(&self, user: usize) -> bool {
        let user = &self.users[user];
        self.ask(&user.key, &user.properties)
    }
    fn decide_anew(&self, user: &User) -> bool {
        self.ask(&user.key, &properties(user))
    }
    fn update(&self, _key: &str, change: &str) -> bool {
        let delta = serde_json::from_str(change).unwrap();
        assert!(self.state.apply_delta(&delta).is_none());
        true
    }
}

#[cfg(feature = "unleash-client")]
mod client {
    use std::sync::Arc;

    use unleash_api_client::{
        ClientBuilder, Context,
        client::{Client, FeatureKey},
        http::{Request, Response, Transport},
    };
    use unleash_yggdrasil::UpdateMessage;

    use super::properties;
    use crate::{
        contender::{Contender, Entry, Task},
        support::User,
    };

    pub const CLIENT: Entry = Entry {
        name: "client",
        title: "unleash-api-client 0.17.1",
        build: |task| Arc::new(Official::new(task)),
        ingest: None,
    };

    /// Toggles are asked for by name.
    #[derive(Clone, Copy, Debug)]
    enum Unnamed {}

    impl FeatureKey for Unnamed {
        fn name(self) -> &'static str {
            match self {}
        }
    }

    struct NoNetwork;

    #[async_trait::async_trait]
    impl Transport for NoNetwork {
        async fn execute(&self, _request: Request) -> Result<Response, anyhow::Error> {
            anyhow::bail!("no network here")
        }
    }

    struct Official {
        client: Client<Unnamed>,
        key: String,
        contexts: Vec<Context>,
    }

    impl Official {
        fn new(task: &Task) -> Official {
            let client = ClientBuilder::default()
                .enable_string_features()
                .disable_metric_submission()
                .into_client_with_transport(
                    "http://unleash.invalid/api",
                    "modelgate",
                    "bench",
                    None,
                    Arc::new(NoNetwork),
                )
                .unwrap();
            client.memoize(serde_json::from_str(&task.definition).unwrap()).unwrap();
            let contexts = crate::users().iter().map(context).collect();
            Official { client, key: task.key.clone(), contexts }
        }

        fn ask(&self, context: &Context) -> bool {
            self.client.is_enabled_str(&self.key, Some(context), false)
        }
    }

    fn context(user: &User) -> Context {
        Context {
            user_id: Some(user.key.clone()),
            properties: properties(user),
            ..Context::default()
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
            let delta = serde_json::from_str(change).unwrap();
            self.client.memoize_update_message(UpdateMessage::PartialUpdate(delta)).unwrap();
            true
        }
    }
}
