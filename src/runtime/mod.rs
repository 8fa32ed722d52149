//! ONNX Runtime, loaded once per process: the plain build, or the one with OpenVINO for bf16; and pools of
//! single-threaded sessions on it.

mod pool;
mod precision;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use fastembed::InitOptionsUserDefined;
use memchr::memmem;
use ort::environment::Environment;
use ort::ep::{ArbitrarilyConfigurableExecutionProvider, ExecutionProviderDispatch};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

pub use pool::Priority;
pub(crate) use pool::{Pool, in_parallel};
pub use precision::Precision;

use crate::error::{Error, Result};
use crate::models::{self, Cache, Progress, catalog};

/// A path to another ONNX Runtime library than the pinned one.
const OVERRIDE: &str = "TAMIS_ONNXRUNTIME";

/// What has to be set to 1 before a build that reports its use to its maker is loaded, so that it does not. Told by the API
/// after that, as we do as well, it has already written an id of the machine and looked for whom to send it to.
const SILENCE: &str = "ORT_DISABLE_TELEMETRY";

struct Loaded {
    environment: Environment,
    openvino: bool,
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// The process's one ONNX Runtime, with what a precision asks of it.
pub(crate) struct Runtime {
    environment: Environment,
    precision: Precision,
}

impl Runtime {
    /// Loads it, provisioning the library where it is missing.
    ///
    /// # Errors
    /// [`Error::Model`] where the library can't be had or loaded, [`Error::Encoder`] where another build is loaded.
    pub(crate) fn load(precision: Precision, cache: &Cache, progress: &dyn Progress) -> Result<Self> {
        Ok(Self { environment: environment(precision == Precision::Bf16, cache, progress)?, precision })
    }

    /// Options for fastembed's sessions, each on one thread.
    pub(crate) fn options(&self, max_length: usize) -> InitOptionsUserDefined {
        let options = InitOptionsUserDefined::new()
            .with_environment(self.environment.clone())
            .with_intra_threads(1)
            .with_max_length(max_length);
        match self.provider() {
            Some(provider) => options.with_execution_providers(vec![provider]).with_disable_cpu_fallback(true),
            None => options,
        }
    }

    /// A session on one thread.
    ///
    /// # Errors
    /// [`Error::Reader`] where the graph is refused.
    pub(crate) fn session(&self, graph: &[u8]) -> Result<Session> {
        let failed = |e: &dyn std::fmt::Display| Error::Reader(e.to_string());
        let mut builder = Session::builder(&self.environment)
            .map_err(|e| failed(&e))?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(|e| failed(&e))?
            .with_intra_threads(1)
            .map_err(|e| failed(&e))?;
        if let Some(provider) = self.provider() {
            builder = builder.with_execution_providers([provider]).map_err(|e| failed(&e))?;
            builder = builder.with_disable_cpu_fallback().map_err(|e| failed(&e))?;
        }
        builder.commit_from_memory(graph).map_err(|e| failed(&e))
    }

    fn provider(&self) -> Option<ExecutionProviderDispatch> {
        // Inline JSON: given a file name instead, the provider falls back to the CPU without an error.
        let config =
            r#"{"CPU":{"INFERENCE_PRECISION_HINT":"bf16","INFERENCE_NUM_THREADS":"1","ENABLE_CPU_PINNING":"NO"}}"#;
        (self.precision == Precision::Bf16).then(|| {
            ort::ep::OpenVINO::default()
                .with_device_type("CPU")
                .with_arbitrary_config("load_config", config)
                .build()
                .error_on_failure()
        })
    }
}

fn environment(openvino: bool, cache: &Cache, progress: &dyn Progress) -> Result<Environment> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = loaded.as_ref() {
        // The OpenVINO build runs plain sessions too; the plain build can't run bf16.
        return if openvino && !loaded.openvino {
            Err(Error::Encoder("this process has loaded ONNX Runtime without OpenVINO: start another for bf16".into()))
        } else {
            Ok(loaded.environment.clone())
        };
    }
    let path = library(openvino, cache, progress)?;
    let refuse = |e: &dyn std::fmt::Display| Error::model("onnxruntime", format!("{}: {e}", path.display()));
    let environment =
        ort::init_from(&path).map_err(|e| refuse(&e))?.with_telemetry(false).build().map_err(|e| refuse(&e))?;
    *loaded = Some(Loaded { environment: environment.clone(), openvino });
    Ok(environment)
}

/// A library of the user's own.
fn chosen(path: PathBuf) -> Result<PathBuf> {
    let refused = |why: &str| Err(Error::model("onnxruntime", format!("{OVERRIDE}={}: {why}", path.display())));
    if !path.is_file() {
        return refused("no such file");
    }
    if std::env::var_os(SILENCE).is_none_or(|v| v != "1") {
        let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
        if memmem::find(&bytes, SILENCE.as_bytes()).is_some() {
            return refused(&format!(
                "this build reports its use to its maker: set {SILENCE}=1, or take one that does not"
            ));
        }
    }
    Ok(path)
}

fn library(openvino: bool, cache: &Cache, progress: &dyn Progress) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(OVERRIDE).filter(|v| !v.is_empty()).map(PathBuf::from) {
        return chosen(path);
    }
    let artifact = if openvino { catalog::RUNTIME_OPENVINO } else { catalog::RUNTIME };
    let Some(artifact) = artifact else {
        let kind = if openvino { "with OpenVINO (precision bf16) " } else { "" };
        return Err(Error::model(
            "onnxruntime",
            format!("no build {kind}is pinned for this platform: set {OVERRIDE} to the library's path"),
        ));
    };
    let directory = models::obtain(artifact, cache, progress)?;
    for file in artifact.files {
        models::read_verified(artifact, &directory, file)?;
    }
    // The first file is the runtime itself; the others lie beside it, where it looks for them.
    artifact.files.first().map(|f| directory.join(f.name)).ok_or_else(|| Error::model("onnxruntime", "nothing pinned"))
}
