//! A service with files of its own.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::example::service::{Config, Service, config::in_repository, digits::Digits};

/// So long a test waits for something that takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a flag file, comparisons, and perhaps models.
pub struct Site {
    folder: TempDir,
    pub config: Config,
}

impl Site {
    /// A site with these definitions of flags, or without a flag file.
    pub fn new(flags: Option<Value>) -> Site {
        catch_logs();
        let folder = TempDir::new().unwrap();
        let config = Config {
            address: "127.0.0.1:0".to_owned(),
            flags: folder.path().join("flags.json"),
            comparisons: folder.path().join("comparisons").join("comparisons.jsonl"),
            models: in_repository("examples/models"),
            rollout: None,
            traffic: None,
            stage: Duration::from_secs(1),
            rollout_token: None,
        };
        let site = Site { folder, config };
        if let Some(flags) = flags {
            site.write_flags(flags);
        }
        site
    }

    /// A site with the flags that the examples start with.
    pub fn of_the_example() -> Site {
        let text = fs::read_to_string(in_repository("examples/flags.json")).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        Site::new(Some(document["flags"].clone()))
    }

    pub fn service(&self) -> Service {
        Service::start(&self.config).unwrap()
    }

    /// Writes the flag file as an editor would: beside, then over.
    pub fn write_flags(&self, flags: Value) {
        let beside = self.folder.path().join("flags.json.new");
        fs::write(&beside, json!({ "flags": flags }).to_string()).unwrap();
        fs::rename(beside, &self.config.flags).unwrap();
    }

    /// Changes the flags and waits until the service has noticed.
    #[track_caller]
    pub fn change_flags(&self, service: &Service, flags: Value) {
        let before = service.router().status().revision;
        self.write_flags(flags);
        let noticed =
            service.router().flags().wait_until(PATIENCE, |status| status.revision > before);
        assert!(noticed, "{:?}", service.router().status());
    }

    /// Gives the site models of its own, so that a test can break one.
    pub fn own_models(&mut self) -> PathBuf {
        let models = self.folder.path().join("models");
        fs::create_dir(&models).unwrap();
        for name in [
            "manifest.json",
            "digits_heldout.csv",
            "digits_expected.jsonl",
            "digits_v1.onnx",
            "digits_v2.onnx",
        ] {
            fs::copy(self.config.models.join(name), models.join(name)).unwrap();
        }
        self.config.models.clone_from(&models);
        models
    }

    pub fn digits(&self) -> Digits {
        Digits::open(&self.config.models).unwrap()
    }

    /// The pixels of one held-out image.
    pub fn pixels(&self, number: usize) -> Vec<f32> {
        self.digits().rows()[number].pixels.clone()
    }
}

/// `ml-model-version` with this value for everybody, and the shadow on or off.
pub fn flags(version: &str, shadow: bool) -> Value {
    json!({
        "ml-model-version": {
            "state": "ENABLED",
            "variants": { "it": version },
            "defaultVariant": "it",
        },
        "shadow-mode-v2": {
            "state": "ENABLED",
            "variants": { "on": true, "off": false },
            "defaultVariant": if shadow { "on" } else { "off" },
        },
    })
}

static LOGS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Everything that was logged, down to traces, by all threads.
pub fn logs() -> String {
    let logs = LOGS.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&logs).into_owned()
}

fn catch_logs() {
    struct Keep;
    impl Write for Keep {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LOGS.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| Keep).init();
    });
}
