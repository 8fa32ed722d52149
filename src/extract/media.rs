//! Media types, and how they are guessed from a name and a first look at the text.

use crate::error::{Error, Result};

/// What kind of text a document is; decides the splitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// Prose without markup.
    Plain,
    /// Markdown with headings, lists, tables and fences.
    Markdown,
    /// Source code of a language with a grammar.
    Code(Language),
}

/// Languages with a tree-sitter grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it
pub enum Language {
    Rust,
    Python,
    JavaScript,
    TypeScript,
    Tsx,
    Go,
    Java,
    C,
    Cpp,
}

/// Media type, language, file name extensions, names used in Markdown fences.
const LANGUAGES: &[(&str, Language, &[&str])] = &[
    ("text/x-rust", Language::Rust, &["rs", "rust"]),
    ("text/x-python", Language::Python, &["py", "pyi", "python"]),
    ("text/javascript", Language::JavaScript, &["js", "mjs", "cjs", "jsx", "javascript"]),
    ("text/x-typescript", Language::TypeScript, &["ts", "mts", "cts", "typescript"]),
    ("text/x-tsx", Language::Tsx, &["tsx"]),
    ("text/x-go", Language::Go, &["go", "golang"]),
    ("text/x-java", Language::Java, &["java"]),
    ("text/x-c", Language::C, &["c", "h"]),
    ("text/x-c++", Language::Cpp, &["cc", "cpp", "cxx", "hpp", "hh", "hxx", "c++"]),
];

impl Language {
    /// The language of a Markdown fence's info string or of a file name extension.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        LANGUAGES.iter().find(|(_, _, names)| names.contains(&name.as_str())).map(|(_, language, _)| *language)
    }
}

impl MediaType {
    /// Parses a media type; parameters after `;` are ignored, every other `text/...` is read as plain text.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a type that is not text.
    pub fn parse(name: &str) -> Result<Self> {
        let bare = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if let Some((_, language, _)) = LANGUAGES.iter().find(|(media, _, _)| *media == bare) {
            return Ok(Self::Code(*language));
        }
        match bare.as_str() {
            "text/markdown" | "text/x-markdown" => Ok(Self::Markdown),
            _ if bare.starts_with("text/") => Ok(Self::Plain),
            _ => Err(Error::invalid(
                "document.media_type",
                format!(
                    "{name:?} can't be split: use text/plain, text/markdown or a source code type such as text/x-rust"
                ),
            )),
        }
    }

    /// Guesses from a file name's extension, else takes the text for plain prose.
    #[must_use]
    pub fn guess(uri: &str) -> Self {
        let name = uri.rsplit(['/', '\\']).next().unwrap_or(uri);
        let extension = name.rsplit_once('.').map_or("", |(_, e)| e);
        if matches!(extension.to_ascii_lowercase().as_str(), "md" | "markdown" | "mdx") {
            return Self::Markdown;
        }
        // Only real extensions count here: a file called `go` is not Go.
        Language::named(extension).filter(|_| name.contains('.')).map_or(Self::Plain, Self::Code)
    }

    /// The canonical name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Code(language) => {
                LANGUAGES.iter().find(|(_, l, _)| l == language).map_or("text/plain", |(media, _, _)| media)
            }
        }
    }
}
