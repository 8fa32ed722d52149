//! Labels of sources: what an operator says of them, never what they say of themselves.

use std::str::FromStr;

use crate::error::{Error, Result};

/// Longest label, in bytes.
const MAX_LABEL: usize = 32;
/// Stands for every uri.
const ALL: &str = "*";
/// The label of sources of which nothing is said, where something is said of others: without it, a title could pretend one.
const UNKNOWN: &str = "unknown";

/// Labels by how uris begin; the longest beginning counts.
///
/// ```
/// use tamis::compress::TrustLabels;
///
/// let labels: TrustLabels = "https://wiki.example=internal,https://wiki.example/guests=low".parse()?;
/// assert_eq!(labels.of("https://wiki.example/soup"), "internal");
/// assert_eq!(labels.of("https://wiki.example/guests/1"), "low");
/// assert_eq!(labels.of("https://wiki.example.org/soup"), "unknown");
/// # Ok::<(), tamis::error::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustLabels {
    /// Beginnings and labels, longest first.
    by_beginning: Vec<(String, String)>,
}

impl TrustLabels {
    /// Nothing is said of any source.
    pub const NONE: &'static Self = &Self { by_beginning: Vec::new() };

    /// Labels from entries `BEGINNING=LABEL`; `*` as beginning is for all others. A label has 1 to 32 ASCII letters, digits,
    /// `-` and `_`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] that names the entry.
    pub fn new<S: AsRef<str>>(entries: &[S]) -> Result<Self> {
        let mut by_beginning = Vec::with_capacity(entries.len());
        for entry in entries.iter().map(AsRef::as_ref) {
            let wrong = |what: &str| Error::invalid("trust_labels", format!("{entry:?}: {what}"));
            let (beginning, label) = entry.rsplit_once('=').ok_or_else(|| wrong("write BEGINNING_OF_URI=LABEL"))?;
            let (beginning, label) = (beginning.trim(), label.trim());
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if label.is_empty() || label.len() > MAX_LABEL || !label.chars().all(allowed) {
                return Err(wrong("a label has 1 to 32 ASCII letters, digits, - and _"));
            }
            if beginning.is_empty() {
                return Err(wrong("names no beginning; write * for all"));
            }
            by_beginning.push((beginning.to_owned(), label.to_owned()));
        }
        by_beginning.sort_by(|(a, _), (b, _)| (a == ALL).cmp(&(b == ALL)).then(b.len().cmp(&a.len())).then(a.cmp(b)));
        if let Some(twice) = by_beginning.windows(2).find(|two| two[0].0 == two[1].0) {
            return Err(Error::invalid("trust_labels", format!("{:?} is labelled twice", twice[0].0)));
        }
        Ok(Self { by_beginning })
    }

    /// The label of a source; empty where nothing is said of any.
    #[must_use]
    pub fn of(&self, uri: &str) -> &str {
        if self.by_beginning.is_empty() {
            return "";
        }
        let label = self.by_beginning.iter().find(|(beginning, _)| beginning == ALL || begins(uri, beginning));
        label.map_or(UNKNOWN, |(_, label)| label)
    }
}

impl FromStr for TrustLabels {
    type Err = Error;

    /// Entries between commas.
    fn from_str(s: &str) -> Result<Self> {
        Self::new(&s.split(',').filter(|entry| !entry.trim().is_empty()).collect::<Vec<_>>())
    }
}

/// Whether a uri is this or below it: `https://a.example` is not where `https://a.example.org` begins, and what climbs out with
/// `..` is below nothing.
fn begins(uri: &str, beginning: &str) -> bool {
    let Some(rest) = uri.strip_prefix(beginning) else { return false };
    let ends = rest.is_empty() || beginning.ends_with(['/', ':']) || rest.starts_with(['/', '?', '#']);
    let climbs = rest.split(['/', '\\']).any(|part| part == ".." || part.to_ascii_lowercase().contains("%2e"));
    ends && !climbs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_that_ends_where_a_part_ends_counts() {
        let labels = TrustLabels::new(&["file:///srv=high", "file:///srv/mail/=low", " * = web "]).unwrap();
        for (uri, label) in [
            ("file:///srv", "high"),
            ("file:///srv/a.md", "high"),
            ("file:///srv?x", "high"),
            ("file:///srv/mail/1", "low"),
            ("file:///srv/mail", "high"),
            ("file:///srv2/a.md", "web"),
            ("file:///srv/mail/../a.md", "web"),
            ("file:///srv/mail/%2E%2e/a.md", "web"),
            ("", "web"),
        ] {
            assert_eq!(labels.of(uri), label, "{uri}");
        }
        assert_eq!(TrustLabels::NONE.of("file:///srv"), "");
    }

    #[test]
    fn what_is_no_label_is_refused() {
        for (entry, what) in [
            ("internal", "write BEGINNING_OF_URI=LABEL"),
            ("a=", "1 to 32"),
            ("a=x]", "1 to 32"),
            ("=x", "names no beginning"),
            ("a=x,a=y", "twice"),
        ] {
            let refused = entry.parse::<TrustLabels>().unwrap_err().to_string();
            assert!(refused.contains(what), "{refused}");
        }
    }
}
