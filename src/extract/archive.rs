//! Zip archives within limits: office documents and books.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::{MAX_DOCUMENT_BYTES, Unusable};

/// Most files of an archive.
const MAX_FILES: usize = 20_000;

/// An archive of which at most [`MAX_DOCUMENT_BYTES`] are unpacked in all.
pub(super) struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    left: u64,
}

impl Archive {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, Unusable> {
        if bytes.starts_with(b"\xd0\xcf\x11\xe0") {
            return Err("encrypted, or of an Office version before 2007: save it without a password as docx, pptx or \
                        xlsx"
                .into());
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| reason("the archive", &e))?;
        if zip.len() > MAX_FILES {
            return Err(format!("the archive holds {} files; the limit is {MAX_FILES}", zip.len()));
        }
        Ok(Self { zip, left: MAX_DOCUMENT_BYTES as u64 })
    }

    /// The files' names, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.zip.file_names().map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    /// A file as text; `None` where there is none of this name.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Unusable> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        super::encoding::decode(bytes).map(|(text, _)| Some(text)).map_err(|e| format!("{name}: {e}"))
    }

    /// A file that has to be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<String, Unusable> {
        self.text(name)?.ok_or_else(|| format!("{name} is missing from the archive: it is not what its type says"))
    }

    fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, Unusable> {
        let file = match self.zip.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(e) => return Err(reason(name, &e)),
        };
        let mut bytes = Vec::new();
        file.take(self.left + 1).read_to_end(&mut bytes).map_err(|e| format!("{name}: damaged archive: {e}"))?;
        if bytes.len() as u64 > self.left {
            return Err(format!("the archive unpacks to more than {MAX_DOCUMENT_BYTES} bytes"));
        }
        self.left -= bytes.len() as u64;
        Ok(Some(bytes))
    }

    /// Unpacks everything to find out whether it stays within the limits, and gives the archive back.
    pub(super) fn checked(mut self) -> Result<Vec<u8>, Unusable> {
        self.left = MAX_DOCUMENT_BYTES as u64;
        for name in self.names() {
            self.bytes(&name)?;
        }
        Ok(self.zip.into_inner().into_inner())
    }
}

fn reason(name: &str, error: &ZipError) -> Unusable {
    match error {
        ZipError::UnsupportedArchive(what) if what.contains("assword") => format!("{name}: encrypted"),
        _ => format!("{name}: truncated or damaged: {error}"),
    }
}
