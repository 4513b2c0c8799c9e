//! flagd: the official provider for OpenFeature, and its evaluation engine.

use std::sync::Arc;

use flagd_evaluation_engine::{FlagParser, Operator};
use open_feature::EvaluationContext;

use crate::{
    contender::{Contender, Entry},
    ours,
    support::{self, Dialect, PERCENT, User},
};

pub const ENTRIES: &[Entry] = &[
    Entry { ingest: Some(|definition| ours::ingested(Dialect::Flagd, definition)), ..ours::SET },
    ours::ROUTER,
    #[cfg(feature = "flagd-provider")]
    provider::PROVIDER,
    Entry {
        name: "engine",
        title: "flagd-evaluation-engine 0.1.0, rule alone",
        build: |task| {
            Arc::new(Engine {
                operator: Operator::new(),
                key: task.key.clone(),
                rule: support::flagd::targeting(task.rules, PERCENT).to_string(),
                contexts: crate::users().iter().map(context).collect(),
            })
        },
        ingest: Some(|definition| FlagParser::parse_string(definition).unwrap().flags.len()),
    },
];

/// The context of a user as OpenFeature's Rust SDK has it.
fn context(user: &User) -> EvaluationContext {
    EvaluationContext::default()
        .with_targeting_key(&user.key)
        .with_custom_field("region", user.region)
        .with_custom_field("plan", user.plan)
        .with_custom_field("age", user.age)
        .with_custom_field("email", user.email.as_str())
}

struct Engine {
    operator: Operator,
    key: String,
    rule: String,
    contexts: Vec<EvaluationContext>,
}

impl Engine {
    fn ask(&self, context: &EvaluationContext) -> bool {
        match self.operator.apply(&self.key, &self.rule, context).unwrap().as_deref() {
            Some("v1") => false,
            Some("v2") => true,
            other => panic!("no flag here has the variant {other:?}"),
        }
    }
}

impl Contender for Engine {
    fn decide(&self, user: usize) -> bool {
        self.ask(&self.contexts[user])
    }
    fn decide_anew(&self, user: &User) -> bool {
        self.ask(&context(user))
    }
}

#[cfg(feature = "flagd-provider")]
mod provider {
    use std::{hint::black_box, io::Write, sync::Arc};

    use open_feature::{EvaluationContext, provider::FeatureProvider};
    use open_feature_flagd::{FlagdOptions, FlagdProvider, ResolverType};
    use tokio::runtime::Runtime;

    use super::context;
    use crate::{
        contender::{Contender, Entry, Task},
        support::{USERS, User, is_second},
    };

    pub const PROVIDER: Entry = Entry {
        name: "client",
        title: "open-feature-flagd 0.3.0, provider",
        build: |task| Arc::new(Provider::new(task)),
        ingest: None,
    };

    /// The provider in its file mode: no server, evaluation in the process.
    struct Provider {
        provider: FlagdProvider,
        runtime: Runtime,
        key: String,
        contexts: Vec<EvaluationContext>,
        _file: tempfile::NamedTempFile,
    }

    impl Provider {
        /// Without the provider's cache: that one answers for a context it has seen before, and no
        /// two requests of a service are of one user.
        fn new(task: &Task) -> Provider {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(task.definition.as_bytes()).unwrap();
            let options = FlagdOptions {
                source_configuration: Some(file.path().to_str().unwrap().to_owned()),
                resolver_type: ResolverType::File,
                cache_settings: None,
                ..FlagdOptions::default()
            };
            let provider = runtime.block_on(FlagdProvider::new(options)).unwrap();
            let contexts = crate::users().iter().map(context).collect();
            Provider { provider, runtime, key: task.key.clone(), contexts, _file: file }
        }

        async fn ask(&self, context: &EvaluationContext) -> bool {
            let details = self.provider.resolve_string_value(&self.key, context).await;
            is_second(&details.unwrap().value)
        }
    }

    impl Contender for Provider {
        fn decide(&self, user: usize) -> bool {
            self.runtime.block_on(self.ask(&self.contexts[user]))
        }
        fn decide_anew(&self, user: &User) -> bool {
            self.runtime.block_on(self.ask(&context(user)))
        }
        // A service enters its runtime once, not for each decision.
        fn run(&self, count: u64) {
            self.runtime.block_on(async {
                for turn in 0..count as usize {
                    black_box(self.ask(black_box(&self.contexts[turn % USERS])).await);
                }
            });
        }
        fn run_anew(&self, count: u64) {
            let users = crate::users();
            self.runtime.block_on(async {
                for turn in 0..count as usize {
                    let context = context(black_box(&users[turn % USERS]));
                    black_box(self.ask(&context).await);
                }
            });
        }
    }
}
