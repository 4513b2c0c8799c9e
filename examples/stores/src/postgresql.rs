//! Documents as rows in PostgreSQL.

use std::{sync::Mutex, time::Duration};

use modelgate::autopilot::store::{self, Expect, StateStore, Tag};
use postgres::{Client, Config, Error, NoTls};

const TABLE: &str = "
create sequence if not exists rollout_revisions;
create table if not exists rollouts (
    name text primary key,
    document bytea not null,
    revision bigint not null default nextval('rollout_revisions')
)";

/// A rollout's state in a table of PostgreSQL, which it makes where there is none.
pub struct PostgreSql {
    config: Config,
    connection: Mutex<Option<Client>>,
}

impl PostgreSql {
    /// A database: `host=127.0.0.1 user=.. dbname=..`, or a URL.
    ///
    /// # Errors
    ///
    /// When the address is none.
    pub fn new(address: &str) -> Result<PostgreSql, Error> {
        let mut config: Config = address.parse()?;
        config.connect_timeout(Duration::from_secs(5));
        // The server gives up what takes longer.
        config.options("-c statement_timeout=5000");
        Ok(PostgreSql { config, connection: Mutex::new(None) })
    }

    /// With the connection there is, or a new one. One that failed is not used again.
    fn with<T>(
        &self,
        call: impl FnOnce(&mut Client) -> Result<T, Error>,
    ) -> Result<T, store::Error> {
        let failed = |error| store::Error::new("postgresql did not do what was asked", error);
        let mut held = self.connection.lock().unwrap_or_else(|held| held.into_inner());
        let mut client = match held.take() {
            Some(client) => client,
            None => {
                let mut client = self.config.connect(NoTls).map_err(failed)?;
                client.batch_execute(TABLE).map_err(failed)?;
                client
            }
        };
        let answer = call(&mut client).map_err(failed)?;
        *held = Some(client);
        Ok(answer)
    }
}

impl StateStore for PostgreSql {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, store::Error> {
        let row = self.with(|client| {
            client.query_opt("select document, revision from rollouts where name = $1", &[&name])
        })?;
        Ok(row.map(|row| (row.get(0), Tag::new(row.get::<_, i64>(1).to_string()))))
    }

    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, store::Error> {
        let row = match expect {
            Expect::Any => self.with(|client| {
                client.query_opt(
                    "insert into rollouts (name, document) values ($1, $2)
                     on conflict (name) do update
                     set document = excluded.document, revision = excluded.revision
                     returning revision",
                    &[&name, &bytes],
                )
            }),
            Expect::Absent => self.with(|client| {
                client.query_opt(
                    "insert into rollouts (name, document) values ($1, $2)
                     on conflict (name) do nothing returning revision",
                    &[&name, &bytes],
                )
            }),
            Expect::Tag(tag) => {
                // A tag of another store is no revision of this one.
                let Ok(revision) = tag.as_str().parse::<i64>() else {
                    return Err(store::Error::conflict(name));
                };
                self.with(|client| {
                    client.query_opt(
                        "update rollouts
                         set document = $2, revision = nextval('rollout_revisions')
                         where name = $1 and revision = $3 returning revision",
                        &[&name, &bytes, &revision],
                    )
                })
            }
        }?;
        let revision = row.ok_or_else(|| store::Error::conflict(name))?;
        Ok(Tag::new(revision.get::<_, i64>(0).to_string()))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, store::Error> {
        let rows = self.with(|client| {
            client.query("select name from rollouts where starts_with(name, $1)", &[&prefix])
        })?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn remove(&self, name: &str) -> Result<(), store::Error> {
        self.with(|client| client.execute("delete from rollouts where name = $1", &[&name]))?;
        Ok(())
    }
}
