//! Documents as hashes in Redis: `document` and `revision`.

use std::{sync::Mutex, time::Duration};

use modelgate::autopilot::store::{self, Expect, StateStore, Tag};
use redis::{Client, Connection, RedisError, Script};

/// Compares and replaces at once: a script runs alone. The tags it hands out begin with the time of
/// the document's birth, so that one that was lost and made anew is another.
const REPLACE: &str = r"
local found = redis.call('HGET', KEYS[1], 'revision')
if ARGV[1] == 'absent' and found then return false end
if ARGV[1] == 'tag' and found ~= ARGV[2] then return false end
local time = redis.call('TIME')
local revision = time[1] .. '.' .. time[2] .. '.' .. redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'document', ARGV[3], 'revision', revision)
return revision
";

const PATIENCE: Duration = Duration::from_secs(5);

/// A rollout's state in Redis.
///
/// Redis replicates after it has answered: a replica that takes over may have lost the last writes. The
/// autopilot writes them again, from what each process remembers. Let `maxmemory-policy` evict nothing.
pub struct Redis {
    client: Client,
    prefix: String,
    connection: Mutex<Option<Connection>>,
}

impl Redis {
    /// A server, and what the names of its keys begin with.
    ///
    /// # Errors
    ///
    /// When the address is none.
    pub fn new(url: &str, prefix: impl Into<String>) -> Result<Redis, RedisError> {
        let prefix = prefix.into();
        Ok(Redis { client: Client::open(url)?, prefix, connection: Mutex::new(None) })
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// With the connection there is, or a new one. One that failed is not used again.
    fn with<T>(
        &self,
        call: impl FnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, store::Error> {
        let failed = |error| store::Error::new("redis did not do what was asked", error);
        let mut held = self.connection.lock().unwrap_or_else(|held| held.into_inner());
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => {
                let connection =
                    self.client.get_connection_with_timeout(PATIENCE).map_err(failed)?;
                connection.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
                connection.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
                connection
            }
        };
        let answer = call(&mut connection).map_err(failed)?;
        *held = Some(connection);
        Ok(answer)
    }
}

impl StateStore for Redis {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, store::Error> {
        type Found = (Option<Vec<u8>>, Option<String>);
        let (document, revision): Found = self.with(|redis| {
            redis::cmd("HMGET").arg(self.key(name)).arg("document").arg("revision").query(redis)
        })?;
        Ok(document.zip(revision).map(|(document, revision)| (document, Tag::new(revision))))
    }

    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, store::Error> {
        let (what, tag) = match &expect {
            Expect::Any => ("any", ""),
            Expect::Absent => ("absent", ""),
            Expect::Tag(tag) => ("tag", tag.as_str()),
        };
        let script = Script::new(REPLACE);
        let mut call = script.key(self.key(name));
        call.key(format!("{}#revisions", self.prefix)).arg(what).arg(tag).arg(bytes);
        let revision: Option<String> = self.with(|redis| call.invoke(redis))?;
        revision.map(Tag::new).ok_or_else(|| store::Error::conflict(name))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, store::Error> {
        // Names are made of letters that mean nothing in a pattern.
        let (pattern, own) = (format!("{}*", self.key(prefix)), self.key(""));
        let mut keys: Vec<String> = self.with(|redis| {
            let mut scan = redis::cmd("SCAN");
            scan.cursor_arg(0).arg("MATCH").arg(pattern);
            scan.iter::<String>(redis)?.collect()
        })?;
        // A scan may show a key twice.
        keys.sort_unstable();
        keys.dedup();
        Ok(keys.iter().filter_map(|key| key.strip_prefix(&own)).map(str::to_owned).collect())
    }

    fn remove(&self, name: &str) -> Result<(), store::Error> {
        self.with(|redis| redis::cmd("DEL").arg(self.key(name)).query(redis))
    }
}
