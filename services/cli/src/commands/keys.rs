//! `tamis keys`: API keys, made and listed.

use std::io::Write;

use serde_json::json;
use tamis_server::identity::keys::{self, Entry};

use super::line;
use crate::args::{Global, KeysCommand, NewKey, OutputFormat};
use crate::failure::{Failure, Result};

pub(crate) fn run(global: &Global, command: KeysCommand) -> Result {
    match command {
        KeysCommand::New(wanted) => new(global, wanted),
        KeysCommand::List { file } => list(global, &file),
    }
}

fn new(global: &Global, wanted: NewKey) -> Result {
    let failed = |what: &dyn std::fmt::Display| Failure::Other(format!("{}: {what}", wanted.file.display()));
    let before = match std::fs::read_to_string(&wanted.file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(failed(&e)),
    };
    let tenant = match (&global.tenant, wanted.any_tenant) {
        (_, true) => "*".to_owned(),
        (Some(tenant), _) => tenant.clone(),
        (None, _) => "default".to_owned(),
    };
    let entry = Entry {
        id: wanted.id,
        blake3: String::new(),
        tenant,
        roles: wanted.roles,
        collections: (!wanted.collections.is_empty()).then_some(wanted.collections),
        expires: wanted.expires,
    };
    let (key, entry) = keys::create(entry).map_err(Failure::Usage)?;
    let added = toml::to_string(&entry).map_err(|e| failed(&e))?;
    let after = format!("{before}{}[[key]]\n{added}", if before.is_empty() { "" } else { "\n" });
    keys::entries(&after).map_err(|e| failed(&e))?;
    // Whole or not at all: a server may be reading it.
    let directory = wanted.file.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|e| failed(&e))?;
    file.write_all(after.as_bytes()).map_err(|e| failed(&e))?;
    // Who may read it was decided when it was made.
    if let Ok(before) = std::fs::metadata(&wanted.file) {
        file.as_file().set_permissions(before.permissions()).map_err(|e| failed(&e))?;
    }
    file.persist(&wanted.file).map_err(|e| failed(&e))?;
    say!("This is the only time that the key is shown:");
    line(&key)
}

fn list(global: &Global, file: &std::path::Path) -> Result {
    let wrong = |what: &dyn std::fmt::Display| Failure::Other(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| wrong(&e))?;
    let entries = keys::entries(&text).map_err(|e| wrong(&e))?;
    if global.format == OutputFormat::Json {
        let shown = |e: &Entry| json!({"id": e.id, "tenant": e.tenant, "roles": e.roles, "collections": e.collections, "expires": e.expires});
        return line(&json!({ "keys": entries.iter().map(shown).collect::<Vec<_>>() }).to_string());
    }
    for entry in entries {
        let roles: Vec<&str> = entry.roles.iter().map(|r| r.name()).collect();
        let collections = entry.collections.map_or_else(|| "all collections".to_owned(), |c| c.join(" "));
        let until = entry.expires.map_or_else(|| "for ever".to_owned(), |end| format!("until {end}"));
        line(&format!("{}: tenant {}, {}, {collections}, {until}", entry.id, entry.tenant, roles.join(" ")))?;
    }
    Ok(())
}
