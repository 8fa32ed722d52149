//! Settings from four layers, each with where it came from.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use schemars::Schema;
use toml::{Table, Value};

use super::Config;

/// A setting that can't be used, with where it came from.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(pub(super) String);

/// Variables that are not settings of the server but of the library, the command line and the tests.
const OTHER_VARIABLES: &[&str] = &[
    "TAMIS_CACHE_DIR",
    "TAMIS_ONNXRUNTIME",
    "TAMIS_SERVER",
    "TAMIS_TENANT",
    "TAMIS_COLLECTION",
    "TAMIS_CONFIG",
    "TAMIS_LOG",
    "TAMIS_API_KEY",
    "TAMIS_CA",
    "TAMIS_CLIENT_CERT",
    "TAMIS_CLIENT_KEY",
];
/// Variables for tests begin with this.
const TEST_PREFIX: &str = "TAMIS_TEST_";
/// What variables are called.
const PREFIX: &str = "TAMIS_";
/// Names that are at least so alike are suggested.
const ALIKE: f64 = 0.75;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Environment(name) => name.fmt(f),
            Self::Flag => f.write_str("a flag"),
        }
    }
}

/// Settings, and where those came from that are not the defaults.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    sources: BTreeMap<String, Source>,
}

impl Loaded {
    /// Reads the file, if one is named, then the environment, then what the command line says.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that can't be read, an unknown key (with the nearest one), a value of the wrong type, and
    /// settings that do not go together.
    pub fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: Table,
    ) -> Result<Self, ConfigError> {
        let kinds = kinds();
        let mut merged: BTreeMap<String, (Value, Source)> = BTreeMap::new();
        if let Some(path) = file {
            let wrong =
                |e: &dyn std::fmt::Display| ConfigError(format!("{}: {}", path.display(), e.to_string().trim_end()));
            let text = std::fs::read_to_string(path).map_err(|e| wrong(&e))?;
            for (key, value) in text.parse::<Table>().map_err(|e| wrong(&e))? {
                merged.insert(key, (value, Source::File(path.to_owned())));
            }
        }
        for (name, value) in variables(environment) {
            let key = name[PREFIX.len()..].to_ascii_lowercase();
            let value = kinds.get(&key).map_or(Ok(Value::String(value.clone())), |kind| kind.parse(&value));
            let value = value.map_err(|what| ConfigError(format!("{name}: {what}")))?;
            merged.insert(key, (value, Source::Environment(name)));
        }
        merged.extend(flags.into_iter().map(|(key, value)| (key, (value, Source::Flag))));
        let mut table = Table::new();
        let mut sources = BTreeMap::new();
        for (key, (value, source)) in merged {
            if !kinds.contains_key(&key) {
                return Err(unknown(&key, &source, kinds.keys()));
            }
            // One by one, so that the error can say which and where.
            let value = kinds[&key].widened(value);
            let alone = Table::from_iter([(key.clone(), value.clone())]);
            if let Err(e) = alone.try_into::<Config>() {
                return Err(ConfigError(format!("{key} (from {source}): {}", first_line(&e))));
            }
            table.insert(key.clone(), value);
            sources.insert(key, source);
        }
        let config: Config = table.try_into().map_err(|e| ConfigError(first_line(&e)))?;
        config.check()?;
        Ok(Self { config, sources })
    }

    /// All settings as TOML, each with where it came from; what may hold a secret is masked.
    #[must_use]
    pub fn print(&self) -> String {
        let table = Table::try_from(&self.config).unwrap_or_default();
        let mut out = String::new();
        for key in kinds().keys() {
            let source = self.sources.get(key).map_or_else(|| "default".to_owned(), ToString::to_string);
            let _ = match table.get(key) {
                Some(value) => writeln!(out, "{key} = {}  # {source}", masked(value)),
                None => writeln!(out, "# {key} is not set"),
            };
        }
        out
    }

    /// Settings that another reading has otherwise, by name.
    #[must_use]
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let [ours, theirs] = [self, other].map(|l| Table::try_from(&l.config).unwrap_or_default());
        kinds().into_keys().filter(|key| ours.get(key) != theirs.get(key)).collect()
    }
}

/// The JSON schema of the configuration file.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = schemars::schema_for!(Config);
    // Where data is by default depends on who asks.
    if let Some(directory) = schema.pointer_mut("/properties/data_dir").and_then(|d| d.as_object_mut()) {
        directory.remove("default");
    }
    schema
}

fn variables(environment: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let ours = |(name, value): &(String, String)| {
        name.starts_with(PREFIX)
            && !value.is_empty()
            && !OTHER_VARIABLES.contains(&name.as_str())
            && !name.starts_with(TEST_PREFIX)
    };
    environment.filter(ours).collect()
}

fn unknown<'k>(key: &str, source: &Source, known: impl Iterator<Item = &'k String>) -> ConfigError {
    let alike = known.map(|k| (strsim::jaro_winkler(key, k), k)).max_by(|a, b| a.0.total_cmp(&b.0));
    let meant = alike.filter(|(score, _)| *score >= ALIKE).map(|(_, k)| format!("; is {k} meant?")).unwrap_or_default();
    ConfigError(format!("unknown setting {key} (from {source}){meant}"))
}

/// What a setting's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Number,
    Boolean,
    List,
    Text,
}

impl Kind {
    /// A value of a variable, which is text.
    fn parse(self, value: &str) -> Result<Value, &'static str> {
        match self {
            Self::Integer => value.parse().map(Value::Integer).map_err(|_| "is no whole number"),
            Self::Number => value.parse().map(Value::Float).map_err(|_| "is no number"),
            Self::Boolean => value.parse().map(Value::Boolean).map_err(|_| "is neither true nor false"),
            Self::List => Ok(Value::Array(value.split(',').map(|v| Value::String(v.trim().to_owned())).collect())),
            Self::Text => Ok(Value::String(value.to_owned())),
        }
    }

    /// A whole number where any number is taken.
    fn widened(self, value: Value) -> Value {
        match value {
            Value::Integer(n) if self == Self::Number => Value::Float(n as f64),
            value => value,
        }
    }
}

/// Every setting with what its values are.
fn kinds() -> BTreeMap<String, Kind> {
    let schema = schema();
    let properties = schema.get("properties").and_then(|p| p.as_object()).cloned().unwrap_or_default();
    let kind = |of: &serde_json::Value| {
        let is = |name: &str| match &of["type"] {
            serde_json::Value::Array(several) => several.iter().any(|t| t == name),
            one => one == name,
        };
        match () {
            () if is("integer") => Kind::Integer,
            () if is("number") => Kind::Number,
            () if is("boolean") => Kind::Boolean,
            () if is("array") => Kind::List,
            () => Kind::Text,
        }
    };
    properties.into_iter().map(|(key, of)| (key, kind(&of))).collect()
}

/// A value as TOML, without what stands between `//` and `@` in an address.
fn masked(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let at = text.split_once("://").and_then(|(scheme, rest)| {
                let (secret, host) = rest.split_once('@')?;
                (!secret.contains('/')).then(|| format!("{scheme}://***@{host}"))
            });
            Value::String(at.unwrap_or_else(|| text.clone())).to_string()
        }
        value => value.to_string(),
    }
}

fn first_line(e: &toml::de::Error) -> String {
    e.message().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>().into_iter()
    }

    fn read(file: &str, variables: &[(&str, &str)], flags: &str) -> Result<Loaded, ConfigError> {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), file).unwrap();
        Loaded::read(Some(path.path()), env(variables), flags.parse().unwrap())
    }

    #[test]
    fn each_layer_wins_over_the_one_before_and_is_named() {
        let file = "listen = \"127.0.0.1:1\"\nquery_queue = 5\nread_queue = 6\n";
        let variables = [("TAMIS_LISTEN", "127.0.0.1:2"), ("TAMIS_TEMPERATURE", "1"), ("TAMIS_READ_QUEUE", "7")];
        let loaded = read(file, &variables, "read_queue = 8").unwrap();
        let config = &loaded.config;
        assert_eq!((config.listen.port(), config.query_queue, config.read_queue), (2, 5, 8));
        let printed = loaded.print();
        for line in [
            "listen = \"127.0.0.1:2\"  # TAMIS_LISTEN",
            "read_queue = 8  # a flag",
            "precision = \"auto\"  # default",
            "# model_dir is not set",
        ] {
            assert!(printed.lines().any(|l| l == line), "{line} in {printed}");
        }
        assert!(printed.contains("query_queue = 5  # /"));
        let again: Table = printed.parse().unwrap();
        assert_eq!(again.try_into::<Config>().unwrap(), *config);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let said = |file: &str, variables: &[(&str, &str)]| read(file, variables, "").unwrap_err().to_string();
        let unknown = said("", &[("TAMIS_LISTENN", "x")]);
        assert!(unknown.ends_with("unknown setting listenn (from TAMIS_LISTENN); is listen meant?"), "{unknown}");
        assert!(said("query_quue = 5", &[]).contains("is query_queue meant?"));
        assert!(!said("zzz = 5", &[]).contains("meant"));
        assert!(said("query_queue = \"many\"", &[]).contains("query_queue (from /"));
        assert!(said("", &[("TAMIS_QUERY_QUEUE", "many")]).contains("TAMIS_QUERY_QUEUE: is no whole number"));
        assert!(said("listen = 5 5", &[]).contains("TOML parse error"));
        assert!(said("tls_cert = \"x.pem\"", &[]).contains("tls_key"));
        assert!(said("message_memory_mib = 1", &[]).contains("max_message_bytes"));
        for origin in ["*,https://a.example", "a.example", "https://a.example/", "https://"] {
            assert!(said("", &[("TAMIS_CORS_ORIGINS", origin)]).contains("is no origin"), "{origin}");
        }
        assert!(read("", &[("TAMIS_CACHE_DIR", "/x"), ("HOME", "/y"), ("TAMIS_LISTEN", "")], "").is_ok());
    }

    #[test]
    fn secrets_in_addresses_are_masked_and_lists_come_with_commas() {
        let variables = [
            ("TAMIS_SUMMARIZER_URL", "https://user:secret@host/v1"),
            ("TAMIS_CORS_ORIGINS", "https://a.example, https://b.example"),
        ];
        let loaded = read("", &variables, "").unwrap();
        assert!(loaded.print().contains("https://***@host/v1") && !loaded.print().contains("secret"));
        assert_eq!(loaded.config.cors_origins, ["https://a.example", "https://b.example"]);
    }
}
