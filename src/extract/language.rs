//! Programming, markup and configuration languages with a tree-sitter grammar.

/// Languages with a tree-sitter grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names say it
pub enum Language {
    Bash,
    C,
    Cpp,
    CSharp,
    Css,
    Dart,
    Elixir,
    Go,
    Haskell,
    Hcl,
    Java,
    JavaScript,
    Kotlin,
    Lua,
    Php,
    Protobuf,
    Python,
    Ruby,
    Rust,
    Scala,
    Sql,
    Swift,
    Toml,
    Tsx,
    TypeScript,
    Yaml,
    Zig,
}

/// Language, media type, file name extensions, other names (of Markdown fences, of interpreters).
const LANGUAGES: &[(Language, &str, &[&str], &[&str])] = &[
    (Language::Bash, "text/x-shellscript", &["sh", "bash", "zsh", "ksh"], &["shell", "console", "dash"]),
    (Language::C, "text/x-c", &["c", "h"], &[]),
    (Language::Cpp, "text/x-c++", &["cc", "cpp", "cxx", "hpp", "hh", "hxx", "ipp", "cu"], &["c++"]),
    (Language::CSharp, "text/x-csharp", &["cs"], &["csharp", "c#"]),
    (Language::Css, "text/css", &["css"], &[]),
    (Language::Dart, "text/x-dart", &["dart"], &[]),
    (Language::Elixir, "text/x-elixir", &["ex", "exs"], &["elixir", "iex"]),
    (Language::Go, "text/x-go", &["go"], &["golang"]),
    (Language::Haskell, "text/x-haskell", &["hs"], &["haskell", "runghc"]),
    (Language::Hcl, "text/x-hcl", &["tf", "hcl", "tfvars"], &["terraform"]),
    (Language::Java, "text/x-java", &["java"], &[]),
    (Language::JavaScript, "text/javascript", &["js", "mjs", "cjs", "jsx"], &["javascript", "node"]),
    (Language::Kotlin, "text/x-kotlin", &["kt", "kts"], &["kotlin"]),
    (Language::Lua, "text/x-lua", &["lua"], &[]),
    (Language::Php, "text/x-php", &["php", "phtml"], &[]),
    (Language::Protobuf, "text/x-protobuf", &["proto"], &["protobuf"]),
    (Language::Python, "text/x-python", &["py", "pyi", "pyw"], &["python", "python3", "py3", "pycon"]),
    (Language::Ruby, "text/x-ruby", &["rb", "rake", "gemspec"], &["ruby", "irb"]),
    (Language::Rust, "text/x-rust", &["rs"], &["rust"]),
    (Language::Scala, "text/x-scala", &["scala", "sc", "sbt"], &[]),
    (Language::Sql, "text/x-sql", &["sql", "ddl"], &["mysql", "postgresql", "postgres", "sqlite", "psql"]),
    (Language::Swift, "text/x-swift", &["swift"], &[]),
    (Language::Toml, "application/toml", &["toml"], &[]),
    (Language::Tsx, "text/x-tsx", &["tsx"], &[]),
    (Language::TypeScript, "text/x-typescript", &["ts", "mts", "cts"], &["typescript"]),
    (Language::Yaml, "application/yaml", &["yaml", "yml"], &[]),
    (Language::Zig, "text/x-zig", &["zig"], &[]),
];

impl Language {
    /// Every language, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        LANGUAGES.iter().map(|l| l.0)
    }

    /// The language of a Markdown fence's info string, of an interpreter or of a file name extension.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        let is = |names: &[&str]| names.contains(&name.as_str());
        LANGUAGES.iter().find(|(_, _, extensions, others)| is(extensions) || is(others)).map(|l| l.0)
    }

    /// The language that a file name extension stands for.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        let extension = extension.to_ascii_lowercase();
        LANGUAGES.iter().find(|(_, _, extensions, _)| extensions.contains(&extension.as_str())).map(|l| l.0)
    }

    /// The language of a script, by its first line (`#!/usr/bin/env python3`).
    #[must_use]
    pub fn of_script(text: &str) -> Option<Self> {
        let line = text.strip_prefix("#!")?.lines().next()?;
        let mut words = line.split_whitespace().map(|w| w.rsplit('/').next().unwrap_or(w));
        let program = words.find(|w| *w != "env" && !w.starts_with('-'))?;
        Self::named(program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
    }

    /// Whether it is a notation for data rather than for programs.
    #[must_use]
    pub fn is_data(self) -> bool {
        matches!(self, Self::Yaml | Self::Toml)
    }

    /// The canonical media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        LANGUAGES.iter().find(|l| l.0 == self).map_or("text/plain", |l| l.1)
    }

    pub(super) fn of_media_type(name: &str) -> Option<Self> {
        LANGUAGES.iter().find(|l| l.1 == name).map(|l| l.0)
    }
}
