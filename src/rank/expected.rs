//! What kind of answer a question expects, by its question words, and whether a text has one to offer.
//!
//! English question words only: in other languages nothing is expected, and nothing changes.

/// What the answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A year, a date, a time.
    Time,
    /// A number.
    Number,
    /// A name.
    Name,
    /// Anything.
    Anything,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const NUMBERS: [&str; 14] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "dozen", "hundred", "thousand",
    "million",
];

impl Expected {
    pub(super) fn of(question: &str) -> Self {
        let lower = question.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
        let pair = |a: &str, seconds: &[&str]| words.windows(2).any(|w| w[0] == a && seconds.contains(&w[1]));
        if words.contains(&"when") || pair("what", &["year", "date", "day", "century"]) || pair("which", &["year"]) {
            Self::Time
        } else if pair("how", &["many", "much", "old", "tall", "long", "far", "high", "large", "big"])
            || pair("what", &["percentage", "number", "population"])
        {
            Self::Number
        } else if ["who", "whom", "whose", "where"].iter().any(|w| words.contains(w)) {
            Self::Name
        } else {
            Self::Anything
        }
    }

    /// Whether a text holds something of the kind that the question does not hold already.
    pub(super) fn is_in(self, text: &str, question: &str) -> bool {
        let mut words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
        let is_new = |word: &str| !question.contains(word);
        match self {
            Self::Anything => false,
            Self::Time => words.any(|w| {
                let year = w.len() == 4 && w.bytes().all(|b| b.is_ascii_digit());
                (year || MONTHS.contains(&w.to_lowercase().as_str())) && is_new(w)
            }),
            Self::Number => words.any(|w| {
                (w.contains(|c: char| c.is_ascii_digit()) || NUMBERS.contains(&w.to_lowercase().as_str())) && is_new(w)
            }),
            Self::Name => {
                let asked = question.to_lowercase();
                // The first word of a sentence is always written large.
                words
                    .skip(1)
                    .any(|w| w.len() > 2 && w.starts_with(char::is_uppercase) && !asked.contains(&w.to_lowercase()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Expected;

    #[test]
    fn question_words_say_what_is_expected() {
        for (question, text, there) in [
            ("when was the sieve invented", "It was invented in 1650.", true),
            ("when was the sieve invented", "It was invented in France.", false),
            ("How many holes has it?", "It has three holes.", true),
            ("Who made it?", "It was made by Ann Smith.", true),
            ("who made the Tamis", "They say the Tamis was found.", false),
            ("Why?", "Because of 1650.", false),
        ] {
            assert_eq!(Expected::of(question).is_in(text, question), there, "{question} {text}");
        }
    }
}
