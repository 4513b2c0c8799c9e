//! Finds, loads and starts the ONNX Runtime library.

use std::{
    env,
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use once_cell::sync::OnceCell;
use ort::{LoadDynamicError, environment::Environment, logging::LogLevel};

use crate::{
    model::ModelError,
    onnx::{EngineError, Loader, engine::Engine},
};

/// ONNX Runtime: the second engine for ONNX files, a shared library that is loaded at run time.
///
/// It loads the same [`Classifier`](crate::onnx::Classifier) and [`Graph`](crate::onnx::Graph) as the
/// engine written in Rust, with the same options, errors and schema, so that either engine can shadow
/// the other:
///
/// ```no_run
/// use modelgate::{Model, onnx};
///
/// let runtime = onnx::Runtime::load()?;
/// let model = runtime.builder().load("examples/models/digits_v2.onnx")?;
/// let scores = model.predict(&[0.0; 64])?;
/// println!("{} of {}", scores.label, scores.probabilities.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The library must be version 1.18 or later, from [its releases] or from the Python package
/// (`pip install onnxruntime` puts it into `onnxruntime/capi`). A process loads it once and keeps it;
/// building this crate neither compiles nor downloads any of it.
///
/// A session of ONNX Runtime answers one call at a time. A model therefore has several, handed
/// out without a lock; when all are busy, a caller waits for the first to become free. Shadows take
/// none of these: the first of them creates one more, for shadows only.
///
/// [its releases]: https://github.com/microsoft/onnxruntime/releases
#[derive(Clone, Debug)]
#[must_use]
pub struct Runtime {
    pub(super) library: &'static Library,
    sessions: Option<usize>,
    threads: usize,
}

/// A library that has been loaded and started.
pub(super) struct Library {
    path: PathBuf,
    pub(super) environment: Environment,
}

/// The library that this process has loaded and started. There is only one: `ort` holds its
/// functions in a static.
static LOADED: OnceCell<Library> = OnceCell::new();

/// The path of the library that `ort` has loaded, which it never unloads even when it fails to start.
static KEPT: OnceCell<PathBuf> = OnceCell::new();

/// The environment variable with the path of the library, as `ort` itself names it.
const VARIABLE: &str = "ORT_DYLIB_PATH";

impl Runtime {
    /// Loads the library at the path in the environment variable `ORT_DYLIB_PATH`; if it is not set,
    /// the one that the system finds by its usual name (`libonnxruntime.so`, `onnxruntime.dll`).
    ///
    /// # Errors
    ///
    /// [`RuntimeError`], which says what is wrong with the library and how to get one.
    pub fn load() -> Result<Runtime, RuntimeError> {
        match env::var_os(VARIABLE) {
            Some(path) if !path.is_empty() => Runtime::load_from(Path::new(&path)),
            _ => {
                // No path was requested, so a library that is already loaded will do.
                let library = LOADED.get_or_try_init(|| {
                    start(
                        format!(
                            "{}onnxruntime{}",
                            env::consts::DLL_PREFIX,
                            env::consts::DLL_SUFFIX
                        )
                        .into(),
                    )
                })?;
                Ok(Runtime::of(library))
            }
        }
    }

    /// Loads the library at this path; a bare file name that does not exist in the working
    /// directory is looked up by the system.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`], which says what is wrong with the library and how to get one; also if the
    /// process has already loaded another.
    pub fn load_from(path: impl AsRef<Path>) -> Result<Runtime, RuntimeError> {
        let path = path.as_ref();
        // A name that is no file here is left for the system to look up.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let library = LOADED.get_or_try_init(|| start(path.clone()))?;
        if library.path != path {
            let loaded = library.path.clone();
            return Err(RuntimeError::OtherLoaded { path, loaded });
        }
        Ok(Runtime::of(library))
    }

    fn of(library: &'static Library) -> Runtime {
        Runtime { library, sessions: None, threads: 1 }
    }

    /// How many calls of one model run at once. Each has a session of its own, which takes about the
    /// model's memory again. By default as many as the machine has cores; at least 1.
    pub fn sessions(mut self, count: usize) -> Runtime {
        self.sessions = Some(count.max(1));
        self
    }

    /// How many threads work on one call. By default 1, the caller's own: concurrent requests keep
    /// the cores busy already. More threads help large models that are called with one row at a
    /// time.
    pub fn threads(mut self, count: usize) -> Runtime {
        self.threads = count.max(1);
        self
    }

    /// Options for loading a file into this engine.
    pub fn builder(&self) -> Loader {
        Loader::new(Engine::Runtime(self.clone()))
    }

    /// The library's file, or the name under which the system found it.
    pub fn path(&self) -> &Path {
        &self.library.path
    }

    pub(super) fn session_count(&self) -> usize {
        self.sessions
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, |cores| cores.get()))
    }

    pub(super) fn thread_count(&self) -> usize {
        self.threads
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

fn start(path: PathBuf) -> Result<Library, RuntimeError> {
    let failed = |message: &str| RuntimeError::Start {
        path: path.clone(),
        source: EngineError::new(message),
    };
    let started = catch_unwind(AssertUnwindSafe(|| {
        let environment = ort::init_from(&path).map_err(|error| refused(error, &path))?;
        let kept = KEPT.get_or_init(|| path.clone());
        if *kept != path {
            let (path, loaded) = (path.clone(), kept.clone());
            return Err(RuntimeError::OtherLoaded { path, loaded });
        }
        let environment =
            environment.with_name("modelgate").with_telemetry(false).with_logger(Arc::new(log));
        environment.build().map_err(|error| failed(&error.to_string()))
    }));
    let environment = started.unwrap_or_else(|payload| {
        // `ort` panics if a library lacks what it expects.
        Err(failed(&ModelError::panicked(payload).to_string()))
    })?;
    Ok(Library { path, environment })
}

/// Passes the library's log messages on to `tracing`.
fn log(level: LogLevel, _: &str, _: &str, place: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => {
            tracing::debug!(target: "modelgate::model", place, "ONNX Runtime: {message}");
        }
        _ => tracing::warn!(target: "modelgate::model", place, "ONNX Runtime: {message}"),
    }
}

#[cold]
fn refused(error: LoadDynamicError, asked: &Path) -> RuntimeError {
    match error {
        LoadDynamicError::Dlopen { error, path } => {
            let source = EngineError::new(&crate::error_chain(&error));
            RuntimeError::NotLoaded { path, source }
        }
        LoadDynamicError::MissingApi { path } => RuntimeError::NotOnnxRuntime { path },
        LoadDynamicError::InvalidVersionString => {
            RuntimeError::NotOnnxRuntime { path: asked.to_owned() }
        }
        LoadDynamicError::BadVersion { version_str, path } => RuntimeError::Version {
            path,
            found: version_str.into(),
            expected: format!("1.{} or later", ort::MINOR_VERSION).into(),
        },
    }
}

/// Why ONNX Runtime could not be loaded or started.
#[derive(Debug)]
#[non_exhaustive]
pub enum RuntimeError {
    /// There is no such library, or the system cannot load it.
    NotLoaded {
        /// The requested library.
        path: PathBuf,
        /// The system's error.
        source: EngineError,
    },
    /// The library is not ONNX Runtime.
    NotOnnxRuntime {
        /// The library.
        path: PathBuf,
    },
    /// The library is too old.
    Version {
        /// The library.
        path: PathBuf,
        /// Its version.
        found: Box<str>,
        /// The versions that are supported.
        expected: Box<str>,
    },
    /// The process has already loaded another library, and keeps it.
    OtherLoaded {
        /// The requested library.
        path: PathBuf,
        /// The library that is loaded.
        loaded: PathBuf,
    },
    /// The library was loaded, but did not start. A process can start it only once: other code in
    /// the process that uses the `ort` crate must leave the start to [`Runtime`].
    Start {
        /// The library.
        path: PathBuf,
        /// The library's own error.
        source: EngineError,
    },
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuntimeError::NotLoaded { path, .. } => write!(
                f,
                "ONNX Runtime could not be loaded from `{}`: set {VARIABLE} to the path of its \
                 library, from its releases or from onnxruntime/capi after `pip install onnxruntime`",
                path.display()
            ),
            RuntimeError::NotOnnxRuntime { path } => {
                write!(f, "`{}` is a library, but not ONNX Runtime", path.display())
            }
            RuntimeError::Version { path, found, expected } => write!(
                f,
                "version of ONNX Runtime at `{}`: found {found}, expected {expected}",
                path.display()
            ),
            RuntimeError::OtherLoaded { path, loaded } => write!(
                f,
                "ONNX Runtime: found `{}` loaded already, expected `{}`; a process keeps the first",
                loaded.display(),
                path.display()
            ),
            RuntimeError::Start { path, .. } => {
                write!(f, "ONNX Runtime at `{}` did not start", path.display())
            }
        }
    }
}

impl Error for RuntimeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RuntimeError::NotLoaded { source, .. } | RuntimeError::Start { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}
