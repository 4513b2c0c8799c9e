//! Flagsmith: the official client in its offline mode, and its engine.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use flagsmith_flag_engine::{
    engine::get_evaluation_result,
    engine_eval::{EngineEvaluationContext, context::IdentityContext, environment_to_context},
    environments::Environment,
    types::{FlagsmithValue, FlagsmithValueType},
};

use modelgate::flagsmith::{self, Flagsmith, VariantOrder};

use crate::{
    contender::{Contender, Entry},
    ours,
    support::{Dialect, User, is_second},
};

pub const ENTRIES: &[Entry] = &[
    Entry {
        ingest: Some(|definition| ours::ingested(Dialect::Flagsmith, definition)),
        ..ours::SET
    },
    Entry {
        name: "detail",
        title: "modelgate, `Flagsmith::feature`",
        build: |task| {
            let flagsmith = Flagsmith::new()
                .with_engine(flagsmith::Engine::Rust)
                .with_variant_order(VariantOrder::Document);
            ours::asked(task, move |set, key, context| {
                let feature = flagsmith.feature(set, key, context).unwrap();
                assert!(feature.enabled);
                is_second(feature.value.as_str().unwrap())
            })
        },
        ingest: None,
    },
    ours::ROUTER,
    #[cfg(feature = "flagsmith-client")]
    client::CLIENT,
    Entry {
        name: "engine",
        title: "flagsmith-flag-engine 0.7.0",
        build: |task| {
            let context = taken_in(&task.definition);
            let environment = context.environment.key.clone();
            Arc::new(Engine {
                identities: crate::users()
                    .iter()
                    .map(|user| identity(user, &environment))
                    .collect(),
                contexts: [context.clone(), context].map(Mutex::new),
                environment,
                key: task.key.clone(),
            })
        },
        ingest: Some(|definition| taken_in(definition).features.len()),
    },
];

fn taken_in(definition: &str) -> EngineEvaluationContext {
    let environment: Environment = serde_json::from_str(definition).unwrap();
    environment_to_context(environment)
}

fn value(value: impl Into<String>, value_type: FlagsmithValueType) -> FlagsmithValue {
    FlagsmithValue { value: value.into(), value_type }
}

fn identity(user: &User, environment: &str) -> IdentityContext {
    let traits = [
        ("region", value(user.region, FlagsmithValueType::String)),
        ("plan", value(user.plan, FlagsmithValueType::String)),
        ("age", value(user.age.to_string(), FlagsmithValueType::Integer)),
        ("email", value(&user.email, FlagsmithValueType::String)),
    ];
    IdentityContext {
        identifier: user.key.clone(),
        key: format!("{environment}_{}", user.key),
        traits: traits.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

/// The engine evaluates everything for an identity that stands in the environment's context.
/// Copying that context for each identity, as the official client does, is spared it: each thread
/// that asks has one context, and puts the identity in its place.
struct Engine {
    contexts: [Mutex<EngineEvaluationContext>; 2],
    identities: Vec<IdentityContext>,
    environment: String,
    key: String,
}

impl Engine {
    fn free(&self) -> MutexGuard<'_, EngineEvaluationContext> {
        loop {
            for context in &self.contexts {
                match context.try_lock() {
                    Ok(context) => return context,
                    Err(TryLockError::WouldBlock) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn ask(&self, identity: IdentityContext) -> bool {
        let mut context = self.free();
        context.identity = Some(identity);
        let result = get_evaluation_result(&context);
        drop(context);
        let flag = &result.flags[&self.key];
        assert!(flag.enabled);
        is_second(&flag.value.value)
    }
}

impl Contender for Engine {
    fn decide(&self, user: usize) -> bool {
        self.ask(self.identities[user].clone())
    }
    fn decide_anew(&self, user: &User) -> bool {
        self.ask(identity(user, &self.environment))
    }
}

#[cfg(feature = "flagsmith-client")]
mod client {
    use std::{io::Write, sync::Arc};

    use flagsmith::{
        Flagsmith, FlagsmithOptions,
        flagsmith::{models::SDKTrait, offline_handler::LocalFileHandler},
    };

    use crate::{
        contender::{Contender, Entry, Task},
        support::{User, is_second},
    };

    pub const CLIENT: Entry = Entry {
        name: "client",
        title: "flagsmith 3.1.2, client",
        build: |task| Arc::new(Official::new(task)),
        ingest: None,
    };

    struct Official {
        client: Flagsmith,
        key: String,
        traits: Vec<(String, Vec<SDKTrait>)>,
    }

    impl Official {
        fn new(task: &Task) -> Official {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(task.definition.as_bytes()).unwrap();
            let handler = LocalFileHandler::new(file.path().to_str().unwrap()).unwrap();
            let options = FlagsmithOptions {
                offline_handler: Some(Box::new(handler)),
                offline_mode: true,
                ..FlagsmithOptions::default()
            };
            let users = crate::users().iter();
            Official {
                client: Flagsmith::new("ser.bench".to_owned(), options),
                key: task.key.clone(),
                traits: users.map(|user| (user.key.clone(), traits(user))).collect(),
            }
        }

        fn ask(&self, key: &str, traits: Vec<SDKTrait>) -> bool {
            let flags = self.client.get_identity_flags(key, Some(traits), None).unwrap();
            let flag = flags.get_flag(&self.key).unwrap();
            assert!(flag.enabled);
            is_second(&flag.value.value)
        }
    }

    fn traits(user: &User) -> Vec<SDKTrait> {
        let value = |value: serde_json::Value| serde_json::from_value(value).unwrap();
        vec![
            SDKTrait::new("region".to_owned(), value(user.region.into())),
            SDKTrait::new("plan".to_owned(), value(user.plan.into())),
            SDKTrait::new("age".to_owned(), value(user.age.into())),
            SDKTrait::new("email".to_owned(), value(user.email.clone().into())),
        ]
    }

    impl Contender for Official {
        fn decide(&self, user: usize) -> bool {
            let (key, traits) = &self.traits[user];
            // The client takes the traits away.
            self.ask(key, traits.clone())
        }
        fn decide_anew(&self, user: &User) -> bool {
            self.ask(&user.key, traits(user))
        }
    }
}
