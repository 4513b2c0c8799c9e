//! The official provider, in its file mode: no server, evaluation in the process.

use std::io::Write;

use open_feature::{
    EvaluationContext,
    provider::{FeatureProvider, ResolutionDetails},
};
use open_feature_flagd::{FlagdOptions, FlagdProvider, ResolverType};
use tokio::runtime::Runtime;

pub struct Provider {
    provider: FlagdProvider,
    runtime: Runtime,
    _file: tempfile::NamedTempFile,
}

impl Provider {
    /// The provider with these flags, without its cache: that one answers for a context it has
    /// seen before, and no two requests of a service are of one user.
    pub fn new(definition: &str) -> Provider {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(definition.as_bytes()).unwrap();
        let options = FlagdOptions {
            source_configuration: Some(file.path().to_str().unwrap().to_owned()),
            resolver_type: ResolverType::File,
            cache_settings: None,
            ..FlagdOptions::default()
        };
        let provider = runtime.block_on(FlagdProvider::new(options)).unwrap();
        Provider { provider, runtime, _file: file }
    }

    /// Asks `count` times, for one user after the other.
    pub fn ask(
        &self,
        key: &str,
        contexts: &[EvaluationContext],
        count: u64,
        mut answer: impl FnMut(usize, ResolutionDetails<String>),
    ) {
        self.runtime.block_on(async {
            for turn in 0..count as usize {
                let user = turn % contexts.len();
                let details = self.provider.resolve_string_value(key, &contexts[user]).await;
                answer(user, details.unwrap());
            }
        });
    }
}
