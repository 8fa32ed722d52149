//! What a summary says that no passage does.
//!
//! Only what can be told for certain: numbers, and words written as names are. A wrong verb is not found, nor a number that
//! is written out, nor a name in a script without capital letters or at the beginning of a sentence.

use std::collections::HashSet;

/// Numbers and names of a summary that none of the sources has, in its order.
///
/// A number is found however its thousands are separated, a name also within a longer word's parts.
///
/// ```
/// use tamis::summarize::not_in;
/// let sources = ["In 1650 Anna de Smet sold 1,200 sieves in Ghent.", "Order #A-77 is late."];
/// let summary = "By 1650 Anna de Smet's shop in Ghent had sold 1200 sieves. She moved to Paris in 1651.";
/// assert_eq!(not_in(summary, &sources), ["Paris", "1651"]);
/// ```
#[must_use]
pub fn not_in(summary: &str, sources: &[&str]) -> Vec<String> {
    let known: HashSet<String> = sources.iter().flat_map(|s| words(s)).flat_map(|word| forms(word.text)).collect();
    let mut told = HashSet::new();
    let unknown = words(summary).filter(|word| word.is_number() || word.is_name());
    let unknown = unknown.filter(|word| !forms(word.text).iter().all(|form| known.contains(form)));
    unknown.map(|word| word.text.to_owned()).filter(|text| told.insert(text.clone())).collect()
}

#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    begins_sentence: bool,
}

impl Word<'_> {
    fn is_number(self) -> bool {
        self.text.chars().any(char::is_numeric)
    }

    /// Written with a capital letter that is no matter of the sentence.
    fn is_name(self) -> bool {
        let mut letters = self.text.chars();
        let first = letters.next().is_some_and(char::is_uppercase);
        // "I" is no name.
        let several = self.text.chars().count() > 1;
        letters.any(char::is_uppercase) || several && first && !self.begins_sentence
    }
}

/// Words with what stands inside them: `1,200.50`, `A-77`, `parse_header`, `O'Brien`.
fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut begins_sentence = true;
    text.split_whitespace().filter_map(move |piece| {
        let bare = piece.trim_matches(|c: char| !c.is_alphanumeric());
        let bare = bare.strip_suffix("'s").or_else(|| bare.strip_suffix("’s")).unwrap_or(bare);
        let word = (!bare.is_empty()).then_some(Word { text: bare, begins_sentence });
        if word.is_some() {
            begins_sentence = false;
        }
        begins_sentence |= piece.trim_end_matches(['"', '\'', ')', '”', '’']).ends_with(['.', '!', '?', ':', '…']);
        word
    })
}

/// The parts of a word as they are compared: without case, numbers without what separates their thousands.
fn forms(word: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in word.split(|c: char| !c.is_alphanumeric() && !matches!(c, ',' | '.' | '_')) {
        let number = part.chars().all(|c| c.is_numeric() || matches!(c, ',' | '.'));
        let form = if number { part.replace(',', "") } else { part.to_lowercase() };
        if !form.is_empty() {
            out.push(form);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passages_have_is_no_finding() {
        let sources = ["The 3.5 mm mesh (type A-77) by O'Brien & Sons costs $1,200.", "\"Ghent\" is in NATO's list."];
        for summary in [
            "O'Brien's mesh of 3.5 mm costs $1200.",
            "A-77 is sold. Customers praise it: They say \"Ghent\" is on the NATO list, and I agree.",
            "",
        ] {
            assert_eq!(not_in(summary, &sources), Vec::<String>::new(), "{summary}");
        }
    }

    #[test]
    fn other_numbers_and_names_are_found_once() {
        let sources = ["The 3.5 mm mesh (type A-77) by O'Brien costs $1,200 in 2024.", "甲乙 2 丙"];
        let summary = "It costs 12.00 in A-78, says Miller. Miller paid 12.00, or 35. parseHeader costs 丁 2024年.";
        assert_eq!(not_in(summary, &sources), ["12.00", "A-78", "Miller", "35", "parseHeader", "2024年"]);
    }
}
