//! Media types, and how they are guessed from a name and a look at the content.

use super::{Language, sniff};
use crate::error::{Error, Result};

/// What kind of content a document is; decides how it is extracted and split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// Prose without markup.
    #[default]
    Plain,
    /// Markdown with headings, lists, tables and fences.
    Markdown,
    /// A web page: its main text.
    Html,
    /// reStructuredText.
    ReStructuredText,
    /// AsciiDoc.
    AsciiDoc,
    /// JSON.
    Json,
    /// JSON Lines: a value a line.
    JsonLines,
    /// Comma (or semicolon, or bar) separated values.
    Csv,
    /// Tab separated values.
    Tsv,
    /// A log.
    Log,
    /// A chat transcript.
    Chat,
    /// Subtitles: SubRip or WebVTT.
    Subtitles,
    /// A mail message, or several in an mbox file.
    Mail,
    /// A Jupyter notebook.
    Notebook,
    /// PDF with a text layer.
    Pdf,
    /// A word processor's document: Office Open XML.
    Docx,
    /// A presentation: Office Open XML.
    Pptx,
    /// A spreadsheet: Office Open XML.
    Xlsx,
    /// A text document: OpenDocument.
    Odt,
    /// A book.
    Epub,
    /// Source code or configuration of a language with a grammar.
    Code(Language),
}

/// Media type, canonical name, other names, file name extensions.
const MEDIA: &[(MediaType, &str, &[&str], &[&str])] = &[
    (MediaType::Plain, "text/plain", &[], &["txt", "text"]),
    (MediaType::Markdown, "text/markdown", &["text/x-markdown"], &["md", "markdown", "mdx", "mkd"]),
    (MediaType::Html, "text/html", &["application/xhtml+xml"], &["html", "htm", "xhtml"]),
    (MediaType::ReStructuredText, "text/x-rst", &["text/prs.fallenstein.rst"], &["rst", "rest"]),
    (MediaType::AsciiDoc, "text/asciidoc", &["text/x-asciidoc"], &["adoc", "asciidoc", "asc"]),
    (MediaType::Json, "application/json", &["text/json"], &["json", "geojson", "webmanifest"]),
    (
        MediaType::JsonLines,
        "application/jsonl",
        &["application/x-ndjson", "application/jsonlines"],
        &["jsonl", "ndjson"],
    ),
    (MediaType::Csv, "text/csv", &[], &["csv"]),
    (MediaType::Tsv, "text/tab-separated-values", &[], &["tsv", "tab"]),
    (MediaType::Log, "text/x-log", &[], &["log"]),
    (MediaType::Chat, "text/x-chat", &[], &["chat"]),
    (MediaType::Subtitles, "application/x-subrip", &["text/vtt"], &["srt", "vtt"]),
    (MediaType::Mail, "message/rfc822", &["application/mbox"], &["eml", "mbox"]),
    (MediaType::Notebook, "application/x-ipynb+json", &[], &["ipynb"]),
    (MediaType::Pdf, "application/pdf", &[], &["pdf"]),
    (MediaType::Docx, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", &[], &["docx"]),
    (MediaType::Pptx, "application/vnd.openxmlformats-officedocument.presentationml.presentation", &[], &["pptx"]),
    (MediaType::Xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &[], &["xlsx"]),
    (MediaType::Odt, "application/vnd.oasis.opendocument.text", &[], &["odt"]),
    (MediaType::Epub, "application/epub+zip", &[], &["epub"]),
];

impl MediaType {
    /// Every media type, languages included.
    pub fn all() -> impl Iterator<Item = Self> {
        MEDIA.iter().map(|m| m.0).chain(Language::all().map(Self::Code))
    }

    /// Parses a media type; parameters after `;` are ignored, every other `text/...` is read as plain text.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a type that is neither text nor a supported document.
    pub fn parse(name: &str) -> Result<Self> {
        let bare = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let known =
            MEDIA.iter().find(|(_, canonical, others, _)| *canonical == bare || others.contains(&bare.as_str()));
        if let Some((media, ..)) = known {
            return Ok(*media);
        }
        match Language::of_media_type(&bare) {
            Some(language) => Ok(Self::Code(language)),
            None if bare.starts_with("text/") => Ok(Self::Plain),
            None => Err(Error::invalid(
                "document.media_type",
                format!(
                    "{name:?} can't be split: use text/plain, text/markdown, application/pdf, a source code type such as \
                     text/x-rust, or leave it empty to have it guessed"
                ),
            )),
        }
    }

    /// Whether a text of this type can be split part by part, cut at a blank line: files can't, nor can what has a header
    /// for all of it.
    #[must_use]
    pub fn can_come_in_parts(self) -> bool {
        matches!(
            self,
            Self::Plain
                | Self::Markdown
                | Self::ReStructuredText
                | Self::AsciiDoc
                | Self::JsonLines
                | Self::Log
                | Self::Chat
                | Self::Subtitles
                | Self::Code(_)
        )
    }

    /// The type that a file name extension stands for.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        // Only real extensions count: a file called `go` is not Go.
        let (stem, extension) = name.rsplit_once('.')?;
        let lower = extension.to_ascii_lowercase();
        let known = MEDIA.iter().find(|(_, _, _, extensions)| extensions.contains(&lower.as_str())).map(|m| m.0);
        // `CMakeLists.txt` and the like stay plain; a dot file has no extension.
        known.or_else(|| Language::of_extension(&lower).map(Self::Code)).filter(|_| !stem.is_empty())
    }

    /// Guesses from a name and the content.
    ///
    /// Content that can't be mistaken (PDF, a zip archive of a known layout) goes before the name; then the
    /// name's extension; text without a telling name is looked at.
    #[must_use]
    pub fn guess(name: &str, content: &[u8]) -> Self {
        if let Some(certain) = sniff::by_magic(content) {
            return certain;
        }
        match Self::of_name(name) {
            // A document type whose mark is missing: its name is wrong.
            Some(media) if !media.is_container() && media != Self::Plain => media,
            _ => sniff::by_text(content).unwrap_or(Self::Plain),
        }
    }

    /// Whether it is a binary file from which text is extracted.
    #[must_use]
    pub fn is_container(self) -> bool {
        matches!(self, Self::Pdf | Self::Docx | Self::Pptx | Self::Xlsx | Self::Odt | Self::Epub)
    }

    /// Whether text is extracted from it, so that what is stored is not all that was known of its structure.
    #[must_use]
    pub fn is_extracted(self) -> bool {
        self.is_container() || matches!(self, Self::Html | Self::Mail | Self::Notebook)
    }

    /// The canonical name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Code(language) => language.media_type(),
            _ => MEDIA.iter().find(|m| m.0 == self).map_or("text/plain", |m| m.1),
        }
    }
}
