//! `tamis doctor`: what this machine does, what is there, and what is wrong.

use serde_json::json;
use tamis::document::TenantId;
use tamis::encode::{Encoder, OnnxEncoder, Precision};
use tamis::models::{Cache, catalog};
use tamis_server::EMBEDDED;

use super::line;
use crate::args::{Global, OutputFormat};
use crate::connect::configuration;
use crate::failure::{Failure, Result};
use crate::progress::Bar;

/// One finding: what was looked at, whether it is well, what was seen.
struct Finding(&'static str, bool, String);

pub(crate) async fn run(global: &Global, repair: bool) -> Result {
    let config = configuration(global)?;
    let tenant: TenantId = global.tenant.as_deref().map_or_else(|| Ok(TenantId::default()), str::parse)?;
    let look = move || -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let cache = Cache::from_environment()?;
        let precision: Precision = config.precision.parse()?;
        let chosen = precision.resolve();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let why = match (precision, chosen) {
            (Precision::Auto, Precision::Bf16) => "auto: the CPU has avx512_bf16",
            (Precision::Auto, _) => "auto: the CPU has no avx512_bf16",
            _ => "as configured",
        };
        findings.push(Finding("machine", true, format!("{cores} cores")));
        findings.push(Finding("precision", true, format!("{chosen} ({why})")));
        let cached: Vec<&str> =
            catalog::all().filter(|a| a.is_complete_in(&cache.directory_of(a))).map(|a| a.name).collect();
        findings.push(Finding("cache", true, format!("{}: {}", cache.root().display(), cached.join(", "))));
        match OnnxEncoder::load(&config.encoder()?, &cache, &Bar::default()) {
            Ok(encoder) => {
                let text = format!("{} on {} sessions", encoder.fingerprint(), encoder.sessions());
                findings.push(Finding("encoder", true, text));
            }
            Err(e) => findings.push(Finding("encoder", false, e.to_string())),
        }
        let is_embedded = config.index == EMBEDDED;
        let store = if is_embedded { config.data_dir.display().to_string() } else { config.index.clone() };
        if is_embedded && !config.data_dir.exists() {
            findings.push(Finding("store", true, format!("{store}: not there yet")));
            return Ok(findings);
        }
        match config.open_index() {
            Ok(index) => {
                findings.push(Finding("store", true, store));
                match index.collections(&tenant) {
                    Ok(found) => findings.extend(found.iter().map(|c| {
                        let text = format!(
                            "{}: {} documents, {} segments, {}",
                            c.name, c.documents, c.segments, c.settings.fingerprint
                        );
                        Finding("collection", true, text)
                    })),
                    Err(e) => findings.push(Finding("collections", false, e.to_string())),
                }
                match index.check(repair) {
                    Ok(wrong) if wrong.is_empty() => {
                        findings.push(Finding("agreement", true, "all parts of the index say the same".into()));
                    }
                    Ok(wrong) => findings.extend(wrong.into_iter().map(|d| {
                        let what = if d.repaired { format!("{} (repaired)", d.what) } else { d.what };
                        Finding("agreement", d.repaired, what)
                    })),
                    Err(e) => findings.push(Finding("agreement", false, e.to_string())),
                }
            }
            Err(e) => findings.push(Finding("store", false, e.to_string())),
        }
        Ok(findings)
    };
    let findings = tokio::task::spawn_blocking(look).await.map_err(|e| Failure::Other(e.to_string()))??;
    let wrong = findings.iter().filter(|f| !f.1).count();
    if global.format == OutputFormat::Json {
        let findings: Vec<_> =
            findings.iter().map(|Finding(what, ok, seen)| json!({"check": what, "ok": ok, "seen": seen})).collect();
        line(&json!({ "findings": findings }).to_string())?;
    } else {
        for Finding(what, ok, seen) in &findings {
            line(&format!("{} {what}: {seen}", if *ok { "ok   " } else { "wrong" }))?;
        }
    }
    if wrong > 0 { Err(Failure::Other(format!("{wrong} of {} checks are wrong", findings.len()))) } else { Ok(()) }
}
