//! A store in a bucket.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::TryStreamExt as _;
use object_store::{
    ObjectStore as Objects, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
    path::Path,
};

use super::{Error, Expect, StateStore, Tag, is_name};
use crate::autopilot::background::{BackgroundRuntime, RequestError};

/// Requests that take longer, the client's own retries included, are cancelled.
const PATIENCE: Duration = Duration::from_secs(10);

/// Documents in a bucket of S3, Google Cloud Storage, Azure Blob Storage, or of a server with the
/// protocol of one of them, through any client of the crate [`object_store`].
///
/// A document is replaced by a conditional put: `If-None-Match` and `If-Match` on S3 and Azure, the
/// generation on Google Cloud Storage. Not every server with the protocol of S3 honours them.
/// [`open`](ObjectStore::open) tests that, and refuses a bucket that does not. So does the local folder
/// of `object_store`, for which there is [`FileStore`](super::FileStore).
///
/// ```
/// use std::sync::Arc;
/// use modelgate::autopilot::store::ObjectStore;
/// use object_store::memory::InMemory;
///
/// // In production: `AmazonS3Builder::from_env().with_bucket_name("models").build()?`.
/// let bucket = Arc::new(InMemory::new());
/// let store = ObjectStore::open(bucket, "rollouts/digits")?;
/// # Ok::<(), modelgate::autopilot::store::Error>(())
/// ```
pub struct ObjectStore {
    objects: Arc<dyn Objects>,
    prefix: String,
    background: BackgroundRuntime,
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore")
            .field("objects", &format_args!("{}", self.objects))
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl ObjectStore {
    /// Opens a bucket below a prefix, which may be empty, and tests it with an object of its own. The
    /// client needs the rights to read, write, list and delete below the prefix.
    ///
    /// # Errors
    ///
    /// [`Error`], when the bucket does not answer, or does not honour the conditions of a write.
    pub fn open(
        objects: Arc<dyn Objects>,
        prefix: impl Into<String>,
    ) -> Result<ObjectStore, Error> {
        let background = BackgroundRuntime::start("modelgate-object-store")
            .map_err(|error| Error::new("a thread could not be started", error))?;
        let prefix = prefix.into().trim_matches('/').to_owned();
        let store = ObjectStore { objects, prefix, background };
        super::probe::probe(&store)?;
        Ok(store)
    }

    fn path(&self, name: &str) -> Result<Path, Error> {
        if !is_name(name) {
            return Err(Error::bad_name(name));
        }
        let path = match self.prefix.as_str() {
            "" => Path::parse(name),
            prefix => Path::parse(format!("{prefix}/{name}")),
        };
        path.map_err(|error| Error::new("the prefix is not a path of objects", error))
    }

    /// Runs a request in the background, and waits for it.
    fn wait<T: Send + 'static>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, object_store::Error>> + Send + 'static,
    ) -> Result<Result<T, object_store::Error>, Error> {
        self.background.wait(PATIENCE, request).map_err(|error| {
            Error::plain(match error {
                RequestError::Late => {
                    format!("{what}: the bucket has not answered for {} s", PATIENCE.as_secs())
                }
                RequestError::Gone => format!("{what}: the client panicked"),
            })
        })
    }
}

fn failed(what: &str, error: object_store::Error) -> Error {
    Error::new(format!("{what}: the bucket did not do what was asked"), error)
}

/// Both, since which of them a put compares depends on the bucket. Neither may contain a line break.
fn tag(e_tag: Option<&str>, version: Option<&str>) -> Tag {
    Tag::new(format!("{}\n{}", e_tag.unwrap_or_default(), version.unwrap_or_default()))
}

fn version(tag: &Tag) -> UpdateVersion {
    let (e_tag, version) = tag.as_str().split_once('\n').unwrap_or((tag.as_str(), ""));
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    UpdateVersion { e_tag: known(e_tag), version: known(version) }
}

impl StateStore for ObjectStore {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Error> {
        let (path, objects) = (self.path(name)?, Arc::clone(&self.objects));
        let read = self.wait(name, async move {
            let found = objects.get(&path).await?;
            let tag = tag(found.meta.e_tag.as_deref(), found.meta.version.as_deref());
            Ok((found.bytes().await?.to_vec(), tag))
        })?;
        match read {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(name, error)),
        }
    }

    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, Error> {
        let (path, objects) = (self.path(name)?, Arc::clone(&self.objects));
        let replaces = matches!(expect, Expect::Tag(_));
        let mode = match &expect {
            Expect::Any => PutMode::Overwrite,
            Expect::Absent => PutMode::Create,
            Expect::Tag(tag) => PutMode::Update(version(tag)),
        };
        let payload = PutPayload::from(bytes.to_vec());
        let put = self.wait(name, async move {
            objects.put_opts(&path, payload, PutOptions::from(mode)).await
        })?;
        match put {
            Ok(put) => Ok(tag(put.e_tag.as_deref(), put.version.as_deref())),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Err(Error::conflict(name)),
            // The object was removed meanwhile.
            Err(object_store::Error::NotFound { .. }) if replaces => Err(Error::conflict(name)),
            Err(error) => Err(failed(name, error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        // A bucket lists by whole folders.
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let below = match (self.prefix.as_str(), folder) {
            ("", folder) => folder.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, folder) => format!("{prefix}/{folder}"),
        };
        let below = Path::parse(&below)
            .map_err(|error| Error::new("the prefix is not a path of objects", error))?;
        let objects = Arc::clone(&self.objects);
        let listed = self.wait(prefix, async move {
            objects.list(Some(&below)).map_ok(|meta| meta.location).try_collect::<Vec<_>>().await
        })?;
        let listed = listed.map_err(|error| failed(prefix, error))?;
        let names = listed.iter().filter_map(|path| {
            let name = path.as_ref().strip_prefix(self.prefix.as_str())?;
            Some(name.strip_prefix('/').unwrap_or(name))
        });
        Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let (path, objects) = (self.path(name)?, Arc::clone(&self.objects));
        match self.wait(name, async move { objects.delete(&path).await })? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(name, error)),
        }
    }
}
