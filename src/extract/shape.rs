//! What single lines look like: those of lists, of logs and of conversations.

/// A time is looked for in so many bytes.
const TIME_WITHIN: usize = 48;
/// Longest name of a speaker, in characters.
const MAX_NAME_CHARS: usize = 40;
/// Most words of a name.
const MAX_NAME_WORDS: usize = 4;

/// Whether a line begins with a time of day or a date.
pub(crate) fn has_time(line: &str) -> bool {
    let head = &line.as_bytes()[..line.len().min(TIME_WITHIN)];
    let digit = |n: usize| head.get(n).is_some_and(u8::is_ascii_digit);
    let is = |n: usize, c: u8| head.get(n) == Some(&c);
    let timed = (0..head.len()).any(|n| {
        let time = digit(n) && digit(n + 1) && is(n + 2, b':') && digit(n + 3) && digit(n + 4);
        let date = (0..4).all(|i| digit(n + i)) && (is(n + 4, b'-') || is(n + 4, b'/')) && digit(n + 5) && digit(n + 6);
        (time || date) && (n == 0 || !head[n - 1].is_ascii_alphanumeric())
    });
    // Or with seconds since the epoch.
    timed || (head.len() >= 10 && head[..10].iter().all(u8::is_ascii_digit))
}

/// Bytes of what stands before a speaker's words: `[10:02] Ann: `, `<ann> `, `2024-05-01, 10:02 - Ann: `.
pub(crate) fn speaker(line: &str) -> Option<usize> {
    let rest = after_time(line.trim_start());
    let name_end = match rest.strip_prefix('<') {
        Some(name) => name.find('>').map(|n| n + 2).filter(|_| !rest.starts_with("</"))?,
        None => rest.char_indices().find(|(_, c)| matches!(c, ':' | '：')).map(|(n, c)| n + c.len_utf8())?,
    };
    let name = rest[..name_end].trim_matches(['<', '>', ':', '：', '*', ' ']);
    let begins = name.chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_lowercase());
    let is_name = (begins || rest.starts_with('<'))
        && name.chars().count() <= MAX_NAME_CHARS
        && name.split_whitespace().count() <= MAX_NAME_WORDS
        && !name.contains(['/', ',', ';', '(', '"', '=', '{', '[']);
    let after = &rest[name_end..];
    let followed = after.is_empty() || after.starts_with([' ', '\t', '*']) || rest[..name_end].ends_with('：');
    (is_name && followed).then(|| line.len() - after.len())
}

/// A line without the time in front of it.
fn after_time(line: &str) -> &str {
    if let Some(inner) = line.strip_prefix(['[', '(']) {
        let close = inner.find([']', ')']).filter(|n| inner[..*n].contains(|c: char| c.is_ascii_digit()));
        return close.map_or(line, |n| inner[n + 1..].trim_start());
    }
    if !line.starts_with(|c: char| c.is_ascii_digit()) {
        return line;
    }
    let bytes = line.as_bytes();
    let digit = |n: usize| bytes.get(n).is_some_and(u8::is_ascii_digit);
    let is_time = |n: usize| match bytes[n] {
        b':' | b'-' | b'/' | b'.' | b',' | b' ' | b'+' => true,
        // Between date and time, and after it; elsewhere a name begins.
        b'T' | b'Z' => n > 0 && digit(n - 1) && (digit(n + 1) || bytes.get(n + 1) == Some(&b' ')),
        _ => digit(n),
    };
    let end = (0..bytes.len()).find(|n| !is_time(*n)).unwrap_or(bytes.len());
    let rest = &line[end..];
    let rest = ["AM ", "PM ", "am ", "pm "].iter().find_map(|m| rest.strip_prefix(m)).unwrap_or(rest);
    rest.trim_start_matches(['-', '–', ' ', '\t'])
}

/// `- `, `* `, `• `, `1. `, `2) `, `(a) `.
pub(crate) fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let Some((marker, rest)) = line.split_once(char::is_whitespace) else { return false };
    if rest.trim().is_empty() {
        return false;
    }
    match marker {
        "-" | "*" | "+" | "•" | "–" | "·" | "‣" | "◦" => true,
        _ => {
            let inner = marker.trim_start_matches('(').trim_end_matches(['.', ')']);
            inner.len() < marker.len()
                && !inner.is_empty()
                && inner.len() <= 3
                && (inner.chars().all(|c| c.is_ascii_digit()) || (marker.starts_with('(') && inner.len() == 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speakers_are_found_behind_times() {
        let name = |line: &str| speaker(line).map(|n| line[..n].to_owned());
        for (line, head) in [
            ("Ann: hello", "Ann:"),
            ("[10:02] Ann Lee: hello", "[10:02] Ann Lee:"),
            ("<bob> hi", "<bob>"),
            ("12/01/24, 10:05 - Zoë: hi", "12/01/24, 10:05 - Zoë:"),
            ("10:05 PM - Q: why?", "10:05 PM - Q:"),
            ("田中：はい。", "田中："),
            ("DR. GREY:", "DR. GREY:"),
        ] {
            assert_eq!(name(line).as_deref(), Some(head), "{line}");
        }
        for line in ["http://a.b", "a sentence: with a colon", "let x: u8 = 1;", "</b> x", "{\"a\": 1}", ""] {
            assert_eq!(name(line), None, "{line}");
        }
    }

    #[test]
    fn times_are_found_near_the_beginning() {
        for line in [
            "2024-05-01T10:02:03Z INFO x",
            "[10:02:03] x",
            "May  1 10:02:03 host sshd[1]: x",
            "INFO 2024/05/01 x",
            "1714557723 x",
        ] {
            assert!(has_time(line), "{line}");
        }
        for line in ["at java.lang.X", "Caused by: x", "version 1.2.3", ""] {
            assert!(!has_time(line), "{line}");
        }
    }
}
