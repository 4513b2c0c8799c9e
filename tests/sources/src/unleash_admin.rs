//! A real Unleash server, through its admin API; and how Unleash assigns users, computed anew.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

/// A running server that the environment names, as `tests/servers/unleash.sh start` prints it.
pub struct Peer {
    pub url: String,
    pub token: String,
    admin_token: String,
    folder: Option<PathBuf>,
    client: ureq::Agent,
}

/// What is wanted of a flag. Users are told apart by their id, and get the payload `v1` or `v2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    pub on: bool,
    pub percent: u32,
    /// The weight of `v1`, of 1000.
    pub first: u32,
    /// The one region that it is on in; everywhere otherwise.
    pub region: Option<&'static str>,
}

/// A flag of the server's.
pub struct RealFlag<'p> {
    peer: &'p Peer,
    pub name: String,
    strategy: String,
    wanted: Wanted,
}

impl Peer {
    /// The server, where there is one; otherwise the caller's test is skipped, and says so.
    pub fn from_environment() -> Option<Peer> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let given = ["UNLEASH_URL", "UNLEASH_API_TOKEN", "UNLEASH_ADMIN_TOKEN"].map(variable);
        let [Some(url), Some(token), Some(admin_token)] = given else {
            let wanted = "UNLEASH_URL, UNLEASH_API_TOKEN and UNLEASH_ADMIN_TOKEN are not all set; \
                          tests/servers/unleash.sh starts a server and says them";
            assert!(variable("CI").is_none_or(|ci| ci != "true"), "{wanted}");
            eprintln!("skipped: {wanted}");
            return None;
        };
        Some(Peer {
            url,
            token,
            admin_token,
            folder: variable("UNLEASH_FOLDER").map(PathBuf::from),
            client: ureq::Agent::config_builder().http_status_as_error(false).build().into(),
        })
    }

    /// A token for the admin API.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Whether the server may be killed and started.
    pub fn is_ours(&self) -> bool {
        self.folder.is_some()
    }

    /// A figure of an application's impact metrics: the value of the series with this name and
    /// these labels, as the server gives them to Prometheus.
    pub fn impact(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let root = self.url.trim_end_matches("/api");
        let request = ureq::http::Request::builder()
            .uri(format!("{root}/internal-backstage/impact/metrics"))
            .body(())
            .unwrap();
        let text = self.client.run(request).ok()?.body_mut().read_to_string().ok()?;
        let mut series = text.lines().filter_map(|line| {
            let (found, rest) = line.split_once('{')?;
            let (held, value) = rest.rsplit_once("} ")?;
            let has = |(key, value): &(&str, &str)| held.contains(&format!("{key}=\"{value}\""));
            (found == name && labels.iter().all(has)).then(|| value.parse().ok())?
        });
        series.next()
    }

    /// What the official SDK for Node.js, which comes with the server, says of the first so many
    /// users: a payload, or nothing while the flag is off for them.
    pub fn node_sdk(&self, flag: &str, users: &[(String, &str)]) -> Vec<Option<String>> {
        let app = self.folder.as_ref().unwrap().join("app");
        let node = std::fs::read_dir(app.join("node_modules")).unwrap().find_map(|entry| {
            let binary = entry.ok()?.path().join("bin/node");
            let is_it = binary.parent()?.parent()?.file_name()?.to_str()?.starts_with("node-");
            (is_it && binary.exists()).then_some(binary)
        });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/unleash-official.cjs");
        let done = Command::new(node.unwrap())
            .current_dir(&app)
            .arg(script)
            .arg(flag)
            .arg(serde_json::to_string(users).unwrap())
            .env("UNLEASH_URL", &self.url)
            .env("UNLEASH_API_TOKEN", &self.token)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// Runs `tests/servers/unleash.sh`.
    pub fn run(&self, action: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/unleash.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg(action).arg(self.folder.as_ref().unwrap());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{action}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Calls the admin API.
    pub fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/admin/{path}", self.url))
            .header("authorization", &self.admin_token)
            .header("content-type", "application/json");
        let response = match body {
            Some(body) => self.client.run(request.body(body.to_string()).unwrap()),
            None => self.client.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        assert!(response.status().is_success(), "{method} {path}: {} {text}", response.status());
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub fn create(&self, name: &str, wanted: Wanted) -> RealFlag<'_> {
        let features = "projects/default/features";
        self.admin("POST", features, Some(&json!({"name": name, "type": "release"})));
        let strategies = format!("{features}/{name}/environments/development/strategies");
        let made = self.admin("POST", &strategies, Some(&strategy(name, &wanted)));
        let strategy = made["id"].as_str().unwrap().to_owned();
        let off = Wanted { on: false, ..wanted };
        let mut flag = RealFlag { peer: self, name: name.to_owned(), strategy, wanted: off };
        flag.change(wanted);
        flag
    }

    /// What an application has reported of a flag.
    pub fn usage(&self, flag: &str, app_name: &str) -> Option<Value> {
        let path = format!("client-metrics/features/{flag}/raw?hoursBack=1");
        let raw = self.admin("GET", &path, None);
        let reports = raw["data"].as_array().unwrap();
        let of_app = reports.iter().find(|report| report["appName"] == app_name);
        of_app.filter(|report| report["yes"] != 0 || report["no"] != 0).cloned()
    }
}

impl RealFlag<'_> {
    fn environment_path(&self) -> String {
        format!("projects/default/features/{}/environments/development", self.name)
    }

    /// Where the admin API has its strategy.
    pub fn strategy_path(&self) -> String {
        format!("{}/strategies/{}", self.environment_path(), self.strategy)
    }

    /// What the server calls its strategy.
    pub fn strategy_id(&self) -> &str {
        &self.strategy
    }

    pub fn change(&mut self, wanted: Wanted) {
        let environment = self.environment_path();
        if (Wanted { on: self.wanted.on, ..wanted }) != self.wanted {
            let edited = strategy(&self.name, &wanted);
            self.peer.admin("PUT", &self.strategy_path(), Some(&edited));
        }
        if wanted.on != self.wanted.on {
            let switch = if wanted.on { "on" } else { "off" };
            self.peer.admin("POST", &format!("{environment}/{switch}"), None);
        }
        self.wanted = wanted;
    }

    pub fn archive(self) {
        let path = format!("projects/default/features/{}", self.name);
        self.peer.admin("DELETE", &path, None);
    }
}

fn strategy(group: &str, wanted: &Wanted) -> Value {
    let variant = |name: &str, weight: u32, kind: &str| {
        json!({"name": name, "weight": weight, "weightType": kind, "stickiness": "userId",
               "payload": {"type": "string", "value": name}})
    };
    let region = wanted.region.map(|region| {
        json!({"contextName": "region", "operator": "IN", "values": [region],
               "inverted": false, "caseInsensitive": false})
    });
    json!({
        "name": "flexibleRollout",
        "parameters": {
            "rollout": wanted.percent.to_string(), "stickiness": "userId", "groupId": group,
        },
        "constraints": region.into_iter().collect::<Vec<_>>(),
        "variants": [
            variant("v1", wanted.first, "fix"),
            variant("v2", 1000 - wanted.first, "variable"),
        ],
    })
}

/// What Unleash's own SDKs say: `v1`, `v2`, or nothing while the flag is off for this user.
pub fn official(
    group: &str,
    wanted: Option<&Wanted>,
    user: &str,
    region: &str,
) -> Option<&'static str> {
    let wanted = wanted.filter(|wanted| wanted.on)?;
    let here = wanted.region.is_none_or(|only| only == region);
    let key = format!("{group}:{user}");
    if !here || murmur3(key.as_bytes(), 0) % 100 + 1 > wanted.percent {
        return None;
    }
    let place = murmur3(key.as_bytes(), 86_028_157) % 1000 + 1;
    Some(if place <= wanted.first { "v1" } else { "v2" })
}

/// MurmurHash3, 32 bits.
fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    let scrambled =
        |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = seed;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        hash ^= scrambled(u32::from_le_bytes(word.try_into().unwrap()));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let mut rest = [0; 4];
    rest[..words.remainder().len()].copy_from_slice(words.remainder());
    hash ^= scrambled(u32::from_le_bytes(rest));
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by `unleash-client` 6.12.1 for Node.js.
    #[test]
    fn the_formula_is_that_of_the_official_client() {
        let wanted = Wanted { on: true, percent: 25, first: 500, region: None };
        let answers = (0..1000)
            .map(|user| official("ml-model-version", Some(&wanted), &format!("user-{user}"), ""));
        let answers: Vec<_> = answers.collect();
        let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
        assert_eq!([Some("v1"), Some("v2"), None].map(count), [115, 128, 757]);
    }
}
