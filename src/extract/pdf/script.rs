//! Glyphs' characters as people write them: ligatures taken apart, right-to-left text in reading order.

/// A line as it is read.
pub(super) fn readable(line: &str) -> String {
    let line = if line.contains(|c| ('\u{fb00}'..='\u{fb06}').contains(&c)) { apart(line) } else { line.to_owned() };
    if line.contains(is_rtl) { reading_order(&line) } else { line }
}

fn apart(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            'ﬀ' => out.push_str("ff"),
            'ﬁ' => out.push_str("fi"),
            'ﬂ' => out.push_str("fl"),
            'ﬃ' => out.push_str("ffi"),
            'ﬄ' => out.push_str("ffl"),
            'ﬅ' | 'ﬆ' => out.push_str("st"),
            c => out.push(c),
        }
    }
    out
}

/// Hebrew, Arabic, Syriac, Thaana and their presentation forms.
fn is_rtl(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}') && !c.is_numeric()
}

/// Whether a character goes from left to right whatever is around it.
fn is_ltr(c: char) -> bool {
    c.is_alphanumeric() && !is_rtl(c)
}

/// Characters stand from left to right on the page; what is written from right to left is turned around.
fn reading_order(line: &str) -> String {
    let rtl = line.chars().filter(|c| is_rtl(*c)).count();
    let ltr = line.chars().filter(|c| is_ltr(*c) && !c.is_numeric()).count();
    let characters: Vec<char> = line.chars().collect();
    if rtl >= ltr {
        // The line as a whole, but not the words and numbers in it that go the other way.
        turned(&characters.into_iter().rev().collect::<Vec<char>>(), is_ltr)
    } else {
        turned(&characters, is_rtl)
    }
}

/// Turns every run that begins and ends with a character of a kind, and holds none of the other kind.
fn turned(characters: &[char], kind: fn(char) -> bool) -> String {
    let mut out: Vec<char> = Vec::with_capacity(characters.len());
    let mut at = 0;
    while at < characters.len() {
        if !kind(characters[at]) {
            out.push(characters[at]);
            at += 1;
            continue;
        }
        let mut last = at;
        let neutral = |c: char| !is_rtl(c) && !is_ltr(c);
        let mut next = at + 1;
        while next < characters.len() && (kind(characters[next]) || neutral(characters[next])) {
            if kind(characters[next]) {
                last = next;
            }
            next += 1;
        }
        out.extend(characters[at..=last].iter().rev());
        at = last + 1;
    }
    out.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::readable;

    /// As it stands on the page.
    fn on_page(text: &str) -> String {
        text.chars().rev().collect()
    }

    #[test]
    fn right_to_left_lines_are_turned_around_numbers_are_not() {
        assert_eq!(readable(&on_page("مرحبا بالعالم")), "مرحبا بالعالم");
        assert_eq!(readable(&on_page("המחיר 05.3 שקלים")), "המחיר 3.50 שקלים");
        assert_eq!(readable(&format!("He said {} loudly", on_page("שלום עולם"))), "He said שלום עולם loudly");
    }

    #[test]
    fn ligatures_are_taken_apart() {
        assert_eq!(readable("the misﬁts of ﬂuﬀ"), "the misfits of fluff");
    }
}
