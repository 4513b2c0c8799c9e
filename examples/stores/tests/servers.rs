//! Each store against its server: the contract of the trait, many writers at once, and a rollout during
//! which the server is killed and started anew.
//!
//! `tests/servers/stores.sh start FOLDER` starts the servers and prints the variables that say where they
//! are. A store without its variable is skipped, except where `CI` is `true`.

#[path = "../../../tests/support/not_worse.rs"]
mod not_worse;

use std::{
    env,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use modelgate::{
    Context, ModelRouter, Rollout,
    autopilot::{
        Autopilot, Phase, Stage,
        store::{Expect, ObjectStore, StateStore, probe},
        verify_history,
    },
    model_fn,
};
use modelgate_stores::{PostgreSql, Redis};
use not_worse::NotWorse;
use object_store::{aws::AmazonS3Builder, azure::MicrosoftAzureBuilder};

/// The value of a variable; `None`, with a word, where the server is not there.
fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "{name} is not set");
        println!("{name} is not set: skipped");
    }
    value
}

/// A name that no earlier run has used.
fn unique(name: &str) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
    format!("{name}-{now}")
}

fn tell_server(server: &str, what: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/servers/stores.sh");
    let folder = env::var("STORES_FOLDER").unwrap();
    let status = Command::new("bash").args([script, what, &folder, server]).status().unwrap();
    assert!(status.success(), "{what} {server}");
}

#[track_caller]
fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !what() {
        assert!(Instant::now() < deadline, "not within two minutes");
        thread::sleep(Duration::from_millis(10));
    }
}

fn keeps_the_contract(store: &dyn StateStore) {
    probe(store).unwrap();
    assert_eq!(store.load("a/none.json").unwrap(), None);
    store.remove("a/none.json").unwrap();
    let first = store.store("a/one.json", b"1", Expect::Absent).unwrap();
    assert!(store.store("a/one.json", b"x", Expect::Absent).unwrap_err().is_conflict());
    let second = store.store("a/one.json", b"2", Expect::Tag(first.clone())).unwrap();
    assert!(store.store("a/one.json", b"x", Expect::Tag(first)).unwrap_err().is_conflict());
    assert_eq!(store.load("a/one.json").unwrap(), Some((b"2".to_vec(), second.clone())));
    let third = store.store("a/one.json", b"", Expect::Any).unwrap();
    assert_eq!(store.load("a/one.json").unwrap(), Some((Vec::new(), third)));
    store.store("a/two.json", &[0, 255, 10], Expect::Any).unwrap();
    store.store("ab/three.json", b"3", Expect::Any).unwrap();
    let mut names = store.list("a/").unwrap();
    names.sort();
    assert_eq!(names, ["a/one.json", "a/two.json"]);
    assert_eq!(store.list("a/t").unwrap(), ["a/two.json"]);
    for name in ["a/one.json", "a/two.json", "ab/three.json"] {
        store.remove(name).unwrap();
    }
    let gone = store.store("a/one.json", b"x", Expect::Tag(second)).unwrap_err();
    assert!(gone.is_conflict(), "{gone}");
    assert_eq!(store.list("a").unwrap(), Vec::<String>::new());
}

/// Eight threads add to one number, each when its turn is not taken: nothing is lost.
fn loses_nothing(store: &dyn StateStore) {
    store.store("count", b"0", Expect::Absent).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    loop {
                        let (bytes, tag) = store.load("count").unwrap().unwrap();
                        let count: u64 = String::from_utf8(bytes).unwrap().parse().unwrap();
                        let next = (count + 1).to_string();
                        match store.store("count", next.as_bytes(), Expect::Tag(tag)) {
                            Ok(_) => break,
                            Err(error) => assert!(error.is_conflict(), "{error:?}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(store.load("count").unwrap().unwrap().0, b"80");
}

/// Three replicas climb to 50 %; the server is killed: the share falls, no request does; it is started
/// anew, with or without what it held, and they go on to the end.
fn carries_a_rollout(server: &str, open: impl Fn() -> Arc<dyn StateStore>) {
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO);
    let fleet: Vec<_> = (0..3)
        .map(|_| {
            let autopilot = Autopilot::builder("rollout", "v2")
                .stages([
                    stage(5.0),
                    stage(50.0),
                    Stage::percent(100.0).for_at_least(Duration::ZERO).approval(),
                ])
                .shadow_for(Duration::ZERO)
                .every(Duration::from_millis(200))
                .freshness(Duration::from_millis(1_000), Duration::from_millis(3_000))
                .require(&NotWorse)
                .store(open())
                .build()
                .unwrap();
            let router = ModelRouter::<[f32], f32>::builder("flag")
                .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
                .model("v2", model_fn(|_: &[f32]| Ok(2.0)))
                .fallback("v1")
                .source(Rollout::everyone("v2").flag("flag").unwrap())
                .autopilot(&autopilot)
                .build()
                .unwrap();
            (autopilot, router)
        })
        .collect();
    let answered = || {
        for (_, router) in &fleet {
            for user in 0..50 {
                router.predict(&Context::new(&format!("user-{user}")), &[]).unwrap();
            }
        }
    };
    let all_at = |share| fleet.iter().all(|(autopilot, _)| autopilot.status().share == share);
    until(|| all_at(50.0));
    answered();
    tell_server(server, "kill");
    until(|| all_at(0.0));
    answered();
    assert_eq!(fleet[0].0.status().agreed_share, 50.0, "what the fleet agreed on is another thing");
    tell_server(server, "revive");
    until(|| all_at(50.0));
    until(|| fleet[1].0.approve("looked at it").is_ok());
    until(|| fleet.iter().all(|(one, _)| one.status().phase == Some(Phase::Released)));
    answered();
    let history = fleet[2].0.status().transitions;
    verify_history(&history).unwrap();
    let shares: Vec<f64> = history.iter().map(|one| one.share.percent()).collect();
    assert!(shares.is_sorted(), "nothing was done twice or undone: {shares:?}");
}

fn tried(server: &str, open: impl Fn(&str) -> Arc<dyn StateStore>) {
    keeps_the_contract(&*open(&unique("contract")));
    loses_nothing(&*open(&unique("count")));
    let name = unique("rollout");
    carries_a_rollout(server, || open(&name));
}

#[test]
fn redis() {
    let Some(url) = variable("REDIS_URL") else { return };
    tried("redis", |name| Arc::new(Redis::new(&url, name).unwrap()));
}

/// Below a prefix of its own, as all of a database's documents are in one table.
struct Below(PostgreSql, String);

impl StateStore for Below {
    fn load(
        &self,
        name: &str,
    ) -> Result<
        Option<(Vec<u8>, modelgate::autopilot::store::Tag)>,
        modelgate::autopilot::store::Error,
    > {
        self.0.load(&format!("{}/{name}", self.1))
    }
    fn store(
        &self,
        name: &str,
        bytes: &[u8],
        expect: Expect,
    ) -> Result<modelgate::autopilot::store::Tag, modelgate::autopilot::store::Error> {
        self.0.store(&format!("{}/{name}", self.1), bytes, expect)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, modelgate::autopilot::store::Error> {
        let names = self.0.list(&format!("{}/{prefix}", self.1))?;
        Ok(names.iter().map(|name| name[self.1.len() + 1..].to_owned()).collect())
    }
    fn remove(&self, name: &str) -> Result<(), modelgate::autopilot::store::Error> {
        self.0.remove(&format!("{}/{name}", self.1))
    }
}

#[test]
fn postgresql() {
    let Some(address) = variable("POSTGRESQL_ADDRESS") else { return };
    tried("postgresql", |name| {
        Arc::new(Below(PostgreSql::new(&address).unwrap(), name.to_owned()))
    });
}

#[test]
fn s3() {
    let Some(url) = variable("S3_URL") else { return };
    tried("s3", |name| {
        let bucket = AmazonS3Builder::new()
            .with_endpoint(&url)
            .with_allow_http(true)
            .with_bucket_name("modelgate")
            .with_region("us-east-1")
            .with_access_key_id("of-the-tests")
            .with_secret_access_key("of-the-tests")
            .build()
            .unwrap();
        Arc::new(ObjectStore::open(Arc::new(bucket), name).unwrap())
    });
}

#[test]
fn azure() {
    // Where the client's own emulator setting looks, too.
    if variable("AZURITE_BLOB_STORAGE_URL").is_none() {
        return;
    }
    tried("azure", |name| {
        let bucket = MicrosoftAzureBuilder::new()
            .with_use_emulator(true)
            .with_allow_http(true)
            .with_container_name("modelgate")
            .build()
            .unwrap();
        Arc::new(ObjectStore::open(Arc::new(bucket), name).unwrap())
    });
}
